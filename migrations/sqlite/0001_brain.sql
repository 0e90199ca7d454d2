-- The library on SQLite: the same tables and columns as migrations/postgres.
-- Times are INTEGER milliseconds since 1970 UTC, which candles use too; dates are TEXT YYYY-MM-DD.
-- REAL columns are NULL where a value is not a number. Columns named *_gbp are money in account_currency.
-- JSON is kept as text, so that the order of its keys survives.

-- steps: JSON object, finished step -> what it left.
CREATE TABLE runs (
    run_id TEXT NOT NULL,
    date TEXT NOT NULL,
    status TEXT NOT NULL,
    step TEXT,
    steps TEXT NOT NULL,
    settings_digest TEXT NOT NULL,
    started INTEGER NOT NULL,
    finished INTEGER,
    heartbeat INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    device TEXT NOT NULL,
    account_currency TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (run_id)
);
CREATE INDEX runs_by_date_started ON runs (date, started);
CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE universe_selections (
    run_id TEXT NOT NULL,
    date TEXT NOT NULL,
    symbol TEXT NOT NULL,
    selected BOOLEAN NOT NULL,
    rank INTEGER,
    reason TEXT,
    exchange TEXT NOT NULL,
    market_type TEXT NOT NULL,
    daily_volume_usd REAL,
    age_days REAL,
    spread_bps REAL,
    liquidity_score REAL,
    activity_score REAL,
    score REAL,
    criteria TEXT NOT NULL,
    selected_at INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, symbol)
);

-- The newest run that wrote a (symbol, timestamp) is the one whose values are kept.
CREATE TABLE features (
    symbol TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    feature_name TEXT NOT NULL,
    feature_value REAL,
    run_id TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (symbol, timestamp, feature_name)
) WITHOUT ROWID;

-- trade_id is drawn from run, symbol, signal time, side and fold, so that a step done twice leaves one row a trade.
CREATE TABLE trade_memory (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    fold INTEGER NOT NULL,
    direction TEXT NOT NULL,
    signal_timestamp INTEGER NOT NULL,
    entry_timestamp INTEGER NOT NULL,
    entry_price REAL,
    exit_timestamp INTEGER NOT NULL,
    exit_price REAL,
    stop_price REAL,
    take_price REAL,
    position_size REAL,
    account_currency TEXT NOT NULL,
    gross_profit_bps REAL,
    fee_bps REAL,
    spread_bps REAL,
    slippage_bps REAL,
    funding_bps REAL,
    net_bps REAL,
    gross_profit_gbp REAL,
    fees_gbp REAL,
    spread_gbp REAL,
    slippage_gbp REAL,
    funding_gbp REAL,
    net_profit_gbp REAL,
    hold_bars INTEGER NOT NULL,
    hold_minutes REAL,
    exit_reason TEXT NOT NULL,
    market_regime TEXT,
    market_regime_exit TEXT,
    volatility_bps REAL,
    is_winner BOOLEAN NOT NULL,
    model_id TEXT,
    model_version TEXT NOT NULL,
    prediction REAL,
    expected_edge_bps REAL,
    features_at_entry TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX trade_memory_by_run_id ON trade_memory (run_id);
CREATE INDEX trade_memory_by_entry_timestamp_symbol_trade_id ON trade_memory (entry_timestamp, symbol, trade_id);

CREATE TABLE shadow_trades (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    fold INTEGER NOT NULL,
    direction TEXT NOT NULL,
    signal_timestamp INTEGER NOT NULL,
    entry_timestamp INTEGER NOT NULL,
    entry_price REAL,
    exit_timestamp INTEGER NOT NULL,
    exit_price REAL,
    stop_price REAL,
    take_price REAL,
    position_size REAL,
    account_currency TEXT NOT NULL,
    gross_profit_bps REAL,
    fee_bps REAL,
    spread_bps REAL,
    slippage_bps REAL,
    funding_bps REAL,
    net_bps REAL,
    gross_profit_gbp REAL,
    fees_gbp REAL,
    spread_gbp REAL,
    slippage_gbp REAL,
    funding_gbp REAL,
    net_profit_gbp REAL,
    hold_bars INTEGER NOT NULL,
    hold_minutes REAL,
    exit_reason TEXT NOT NULL,
    market_regime TEXT,
    market_regime_exit TEXT,
    volatility_bps REAL,
    is_winner BOOLEAN NOT NULL,
    model_id TEXT,
    model_version TEXT NOT NULL,
    prediction REAL,
    expected_edge_bps REAL,
    features_at_entry TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX shadow_trades_by_run_id ON shadow_trades (run_id);

CREATE TABLE models (
    model_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    version TEXT NOT NULL,
    model_type TEXT NOT NULL,
    training_date TEXT NOT NULL,
    trained_at INTEGER NOT NULL,
    train_start INTEGER,
    train_end INTEGER,
    train_rows INTEGER NOT NULL,
    folds INTEGER NOT NULL,
    device TEXT NOT NULL,
    digest TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    settings_digest TEXT NOT NULL,
    git_commit TEXT,
    approved BOOLEAN NOT NULL,
    reasons TEXT NOT NULL,
    heads TEXT NOT NULL,
    feature_importance TEXT NOT NULL,
    parameters TEXT NOT NULL,
    path TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (model_id)
);
CREATE INDEX models_by_run_id ON models (run_id);
CREATE INDEX models_by_symbol_trained_at ON models (symbol, trained_at);

CREATE TABLE model_performance (
    run_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    evaluation_date TEXT NOT NULL,
    scope TEXT NOT NULL,
    num_trades INTEGER NOT NULL,
    win_rate REAL,
    total_return REAL,
    average_return REAL,
    annualised_return REAL,
    sharpe_ratio REAL,
    sortino_ratio REAL,
    calmar_ratio REAL,
    profit_factor REAL,
    average_win_bps REAL,
    average_loss_bps REAL,
    max_drawdown REAL,
    average_drawdown REAL,
    recovery_days REAL,
    account_currency TEXT NOT NULL,
    net_profit_gbp REAL,
    fees_gbp REAL,
    spread_gbp REAL,
    slippage_gbp REAL,
    funding_gbp REAL,
    cost_share REAL,
    buy_and_hold_return REAL,
    approved BOOLEAN NOT NULL,
    reasons TEXT NOT NULL,
    more TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, model_id, scope)
);
CREATE INDEX model_performance_by_symbol_evaluation_date ON model_performance (symbol, evaluation_date);

CREATE TABLE daily_metrics (
    run_id TEXT NOT NULL,
    date TEXT NOT NULL,
    symbols INTEGER NOT NULL,
    models_trained INTEGER NOT NULL,
    models_approved INTEGER NOT NULL,
    models_rejected INTEGER NOT NULL,
    patterns_learned INTEGER NOT NULL,
    total_trades INTEGER NOT NULL,
    wins INTEGER NOT NULL,
    losses INTEGER NOT NULL,
    win_rate REAL,
    account_currency TEXT NOT NULL,
    total_profit_gbp REAL,
    fees_gbp REAL,
    spread_gbp REAL,
    slippage_gbp REAL,
    funding_gbp REAL,
    cost_share REAL,
    sharpe_ratio REAL,
    max_drawdown REAL,
    equity_start_gbp REAL,
    equity_end_gbp REAL,
    seconds REAL,
    more TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id)
);
CREATE INDEX daily_metrics_by_date ON daily_metrics (date);

CREATE TABLE pattern_library (
    pattern_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT,
    pattern_description TEXT NOT NULL,
    conditions TEXT NOT NULL,
    total_occurrences INTEGER NOT NULL,
    wins INTEGER NOT NULL,
    win_rate REAL,
    avg_profit_bps REAL,
    test_occurrences INTEGER NOT NULL,
    test_win_rate REAL,
    test_avg_profit_bps REAL,
    p_value REAL,
    q_value REAL,
    confirmed BOOLEAN NOT NULL,
    discovered_at INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, pattern_id)
);
CREATE INDEX pattern_library_by_pattern_id ON pattern_library (pattern_id);

CREATE TABLE win_analysis (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    market_regime TEXT,
    exit_reason TEXT NOT NULL,
    account_currency TEXT NOT NULL,
    net_profit_gbp REAL,
    net_bps REAL,
    hold_minutes REAL,
    primary_reason TEXT NOT NULL,
    contributing_factors TEXT NOT NULL,
    max_favourable_bps REAL,
    max_adverse_bps REAL,
    features_at_entry TEXT NOT NULL,
    analysed_at INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX win_analysis_by_run_id ON win_analysis (run_id);

CREATE TABLE loss_analysis (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    market_regime TEXT,
    exit_reason TEXT NOT NULL,
    account_currency TEXT NOT NULL,
    net_profit_gbp REAL,
    net_bps REAL,
    hold_minutes REAL,
    primary_reason TEXT NOT NULL,
    contributing_factors TEXT NOT NULL,
    max_favourable_bps REAL,
    max_adverse_bps REAL,
    features_at_entry TEXT NOT NULL,
    analysed_at INTEGER NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX loss_analysis_by_run_id ON loss_analysis (run_id);

CREATE TABLE post_exit_tracking (
    trade_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    direction TEXT NOT NULL,
    exit_timestamp INTEGER NOT NULL,
    exit_price REAL,
    exit_reason TEXT NOT NULL,
    horizon_bars INTEGER NOT NULL,
    price_after REAL,
    move_bps REAL,
    best_bps REAL,
    worst_bps REAL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id, horizon_bars)
);
CREATE INDEX post_exit_tracking_by_run_id ON post_exit_tracking (run_id);

-- One row a file on the remote, whichever run sent it.
CREATE TABLE sync_manifest (
    remote_path TEXT NOT NULL,
    local_path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    modified_at INTEGER,
    uploaded_at INTEGER NOT NULL,
    verified_at INTEGER,
    run_id TEXT,
    PRIMARY KEY (remote_path)
);

CREATE TABLE events (
    event_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    time INTEGER NOT NULL,
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    detail TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (event_id)
);
CREATE INDEX events_by_run_id_time ON events (run_id, time);

-- One row while a run is under way: a second one is refused until the heartbeat stands still or its process is gone.
CREATE TABLE run_lock (
    name TEXT NOT NULL,
    token TEXT NOT NULL,
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started INTEGER NOT NULL,
    acquired INTEGER NOT NULL,
    heartbeat INTEGER NOT NULL,
    PRIMARY KEY (name)
);
