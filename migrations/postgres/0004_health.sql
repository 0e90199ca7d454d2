-- Every look at every component that a run leans on.

CREATE TABLE health_checks (
    run_id TEXT COLLATE "C" NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    component TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    latency_ms DOUBLE PRECISION,
    error_rate DOUBLE PRECISION,
    data_gaps BIGINT NOT NULL,
    model_load_time_ms DOUBLE PRECISION,
    message TEXT COLLATE "C" NOT NULL,
    remedy TEXT COLLATE "C",
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, component, checked_at)
);
