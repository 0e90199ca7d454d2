-- The trades of a run in the order in which they are exported: without it, a million wide rows are sorted in temporary files.

DROP INDEX trade_memory_by_run_id;
CREATE INDEX trade_memory_by_run_id_entry_timestamp_symbol_trade_id ON trade_memory (run_id, entry_timestamp, symbol, trade_id);
