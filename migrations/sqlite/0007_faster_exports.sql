-- The reasons of a run in the order in which they are exported: without it, a million wide rows are sorted in temporary files.

DROP INDEX win_analysis_by_run_id;
CREATE INDEX win_analysis_by_run_id_symbol_trade_id ON win_analysis (run_id, symbol, trade_id);
DROP INDEX loss_analysis_by_run_id;
CREATE INDEX loss_analysis_by_run_id_symbol_trade_id ON loss_analysis (run_id, symbol, trade_id);
