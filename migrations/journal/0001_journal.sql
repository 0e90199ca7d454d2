-- The observability journal: what each run traded and trained, and how a model differs from the symbol's previous one.
-- Times are INTEGER milliseconds since 1970 UTC; REAL columns are NULL where a value is not a number.

CREATE TABLE trades (
    trade_id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    entry_timestamp INTEGER NOT NULL,
    entry_price REAL,
    exit_timestamp INTEGER NOT NULL,
    exit_price REAL,
    position_size REAL,
    net_bps REAL,
    account_currency TEXT NOT NULL,
    net_profit_gbp REAL,
    exit_reason TEXT NOT NULL,
    market_regime TEXT,
    is_winner BOOLEAN NOT NULL,
    model_version TEXT NOT NULL,
    simulated BOOLEAN NOT NULL
);
CREATE INDEX trades_by_run_id ON trades (run_id);

CREATE TABLE models (
    model_id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    version TEXT NOT NULL,
    model_type TEXT NOT NULL,
    trained_at INTEGER NOT NULL,
    digest TEXT NOT NULL,
    sharpe_ratio REAL,
    win_rate REAL,
    max_drawdown REAL,
    num_trades INTEGER NOT NULL,
    approved BOOLEAN NOT NULL,
    feature_importance TEXT NOT NULL,
    simulated BOOLEAN NOT NULL
);
CREATE INDEX models_by_run_id ON models (run_id);
CREATE INDEX models_by_symbol ON models (symbol, model_type, trained_at);

CREATE TABLE model_deltas (
    model_id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    model_type TEXT NOT NULL,
    trained_at INTEGER NOT NULL,
    previous_model_id TEXT NOT NULL,
    previous_run_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    previous_digest TEXT NOT NULL,
    digest_changed BOOLEAN NOT NULL,
    sharpe_ratio REAL,
    previous_sharpe_ratio REAL,
    sharpe_change REAL,
    win_rate REAL,
    previous_win_rate REAL,
    win_rate_change REAL,
    importance_changes TEXT NOT NULL,
    simulated BOOLEAN NOT NULL
);
CREATE INDEX model_deltas_by_run_id ON model_deltas (run_id);
