-- What risk refused of the shadow trades, and when its breakers held.

CREATE TABLE risk_refusals (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    entry_timestamp TIMESTAMPTZ NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    account_currency TEXT COLLATE "C" NOT NULL,
    wanted_gbp DOUBLE PRECISION,
    room_gbp DOUBLE PRECISION,
    equity_gbp DOUBLE PRECISION,
    detail TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX risk_refusals_by_run_id_reason ON risk_refusals (run_id, reason);

CREATE TABLE risk_breakers (
    run_id TEXT COLLATE "C" NOT NULL,
    breaker TEXT COLLATE "C" NOT NULL,
    from_time TIMESTAMPTZ NOT NULL,
    to_time TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, breaker, from_time, to_time)
);
