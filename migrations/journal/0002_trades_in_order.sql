-- The trades in the order in which they are exported.

CREATE INDEX trades_by_entry_timestamp_symbol_trade_id ON trades (entry_timestamp, symbol, trade_id);
