-- What the voting engines said at a trade's signal: score, what it had to exceed, confidence in per cent, and
-- a JSON object, engine -> vote.
ALTER TABLE trade_memory ADD COLUMN consensus_score DOUBLE PRECISION;
ALTER TABLE trade_memory ADD COLUMN consensus_threshold DOUBLE PRECISION;
ALTER TABLE trade_memory ADD COLUMN confidence DOUBLE PRECISION;
ALTER TABLE trade_memory ADD COLUMN votes TEXT COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE shadow_trades ADD COLUMN consensus_score DOUBLE PRECISION;
ALTER TABLE shadow_trades ADD COLUMN consensus_threshold DOUBLE PRECISION;
ALTER TABLE shadow_trades ADD COLUMN confidence DOUBLE PRECISION;
ALTER TABLE shadow_trades ADD COLUMN votes TEXT COLLATE "C" NOT NULL DEFAULT '{}';
