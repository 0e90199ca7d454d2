-- The signals of models that were handed over, on the bars that have arrived since. Of a trade that has not ended, the outcome is
-- NULL; a later run writes the row again with it.

CREATE TABLE forward_record (
    run_id TEXT COLLATE "C" NOT NULL,
    model_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    signal_timestamp TIMESTAMPTZ NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    predicted_bps DOUBLE PRECISION NOT NULL,
    challenger_bps DOUBLE PRECISION,
    exit_timestamp TIMESTAMPTZ,
    exit_reason TEXT COLLATE "C",
    gross_bps DOUBLE PRECISION,
    net_bps DOUBLE PRECISION,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, model_id, signal_timestamp)
);
CREATE INDEX forward_record_by_model_id_signal_timestamp ON forward_record (model_id, signal_timestamp);
