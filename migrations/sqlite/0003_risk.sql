-- What risk refused of the shadow trades, and when its breakers held.

CREATE TABLE risk_refusals (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    entry_timestamp INTEGER NOT NULL,
    reason TEXT NOT NULL,
    account_currency TEXT NOT NULL,
    wanted_gbp REAL,
    room_gbp REAL,
    equity_gbp REAL,
    detail TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX risk_refusals_by_run_id_reason ON risk_refusals (run_id, reason);

CREATE TABLE risk_breakers (
    run_id TEXT NOT NULL,
    breaker TEXT NOT NULL,
    from_time INTEGER NOT NULL,
    to_time INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, breaker, from_time, to_time)
);
