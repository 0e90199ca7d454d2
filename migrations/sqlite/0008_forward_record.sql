-- The signals of models that were handed over, on the bars that have arrived since. Of a trade that has not ended, the outcome is
-- NULL; a later run writes the row again with it.

CREATE TABLE forward_record (
    run_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    signal_timestamp INTEGER NOT NULL,
    direction TEXT NOT NULL,
    predicted_bps REAL NOT NULL,
    challenger_bps REAL,
    exit_timestamp INTEGER,
    exit_reason TEXT,
    gross_bps REAL,
    net_bps REAL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, model_id, signal_timestamp)
);
CREATE INDEX forward_record_by_model_id_signal_timestamp ON forward_record (model_id, signal_timestamp);
