-- What a row of the forward record belongs to: the settings under which it was predicted and is followed. Of older rows they are not
-- known (NULL), and no run counts them. Only approved models were scored then.

ALTER TABLE forward_record ADD COLUMN realised_bps REAL;
ALTER TABLE forward_record ADD COLUMN basis TEXT;
ALTER TABLE forward_record ADD COLUMN timeframe TEXT;
ALTER TABLE forward_record ADD COLUMN market_type TEXT;
ALTER TABLE forward_record ADD COLUMN mode TEXT;
ALTER TABLE forward_record ADD COLUMN stop_atr REAL;
ALTER TABLE forward_record ADD COLUMN take_atr REAL;
ALTER TABLE forward_record ADD COLUMN max_hold INTEGER;
ALTER TABLE forward_record ADD COLUMN approved BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE forward_record ADD COLUMN inputs_missing INTEGER;
CREATE INDEX forward_record_by_basis_signal_timestamp ON forward_record (basis, signal_timestamp);
