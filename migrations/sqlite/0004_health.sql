-- Every look at every component that a run leans on.

CREATE TABLE health_checks (
    run_id TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    component TEXT NOT NULL,
    status TEXT NOT NULL,
    latency_ms REAL,
    error_rate REAL,
    data_gaps INTEGER NOT NULL,
    model_load_time_ms REAL,
    message TEXT NOT NULL,
    remedy TEXT,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, component, checked_at)
);
