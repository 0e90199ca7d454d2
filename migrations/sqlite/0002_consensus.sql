-- What the voting engines said at a trade's signal: score, what it had to exceed, confidence in per cent, and
-- a JSON object, engine -> vote.
ALTER TABLE trade_memory ADD COLUMN consensus_score REAL;
ALTER TABLE trade_memory ADD COLUMN consensus_threshold REAL;
ALTER TABLE trade_memory ADD COLUMN confidence REAL;
ALTER TABLE trade_memory ADD COLUMN votes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE shadow_trades ADD COLUMN consensus_score REAL;
ALTER TABLE shadow_trades ADD COLUMN consensus_threshold REAL;
ALTER TABLE shadow_trades ADD COLUMN confidence REAL;
ALTER TABLE shadow_trades ADD COLUMN votes TEXT NOT NULL DEFAULT '{}';
