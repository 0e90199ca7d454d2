-- The library on PostgreSQL: the same tables and columns as migrations/sqlite, and by COLLATE "C" the same order of text.
-- DOUBLE PRECISION columns are NULL where a value is not a number. Columns named *_gbp are money in account_currency.
-- JSON is kept as text, so that the order of its keys survives.

-- steps: JSON object, finished step -> what it left.
CREATE TABLE runs (
    run_id TEXT COLLATE "C" NOT NULL,
    date DATE NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    step TEXT COLLATE "C",
    steps TEXT COLLATE "C" NOT NULL,
    settings_digest TEXT COLLATE "C" NOT NULL,
    started TIMESTAMPTZ NOT NULL,
    finished TIMESTAMPTZ,
    heartbeat TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    account_currency TEXT COLLATE "C" NOT NULL,
    error TEXT COLLATE "C",
    PRIMARY KEY (run_id)
);
CREATE INDEX runs_by_date_started ON runs (date, started);
CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE universe_selections (
    run_id TEXT COLLATE "C" NOT NULL,
    date DATE NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    selected BOOLEAN NOT NULL,
    rank BIGINT,
    reason TEXT COLLATE "C",
    exchange TEXT COLLATE "C" NOT NULL,
    market_type TEXT COLLATE "C" NOT NULL,
    daily_volume_usd DOUBLE PRECISION,
    age_days DOUBLE PRECISION,
    spread_bps DOUBLE PRECISION,
    liquidity_score DOUBLE PRECISION,
    activity_score DOUBLE PRECISION,
    score DOUBLE PRECISION,
    criteria TEXT COLLATE "C" NOT NULL,
    selected_at TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, symbol)
);

-- The newest run that wrote a (symbol, timestamp) is the one whose values are kept.
CREATE TABLE features (
    symbol TEXT COLLATE "C" NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    feature_name TEXT COLLATE "C" NOT NULL,
    feature_value DOUBLE PRECISION,
    run_id TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (symbol, timestamp, feature_name)
);

-- trade_id is drawn from run, symbol, signal time, side and fold, so that a step done twice leaves one row a trade.
CREATE TABLE trade_memory (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    fold BIGINT NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    signal_timestamp TIMESTAMPTZ NOT NULL,
    entry_timestamp TIMESTAMPTZ NOT NULL,
    entry_price DOUBLE PRECISION,
    exit_timestamp TIMESTAMPTZ NOT NULL,
    exit_price DOUBLE PRECISION,
    stop_price DOUBLE PRECISION,
    take_price DOUBLE PRECISION,
    position_size DOUBLE PRECISION,
    account_currency TEXT COLLATE "C" NOT NULL,
    gross_profit_bps DOUBLE PRECISION,
    fee_bps DOUBLE PRECISION,
    spread_bps DOUBLE PRECISION,
    slippage_bps DOUBLE PRECISION,
    funding_bps DOUBLE PRECISION,
    net_bps DOUBLE PRECISION,
    gross_profit_gbp DOUBLE PRECISION,
    fees_gbp DOUBLE PRECISION,
    spread_gbp DOUBLE PRECISION,
    slippage_gbp DOUBLE PRECISION,
    funding_gbp DOUBLE PRECISION,
    net_profit_gbp DOUBLE PRECISION,
    hold_bars BIGINT NOT NULL,
    hold_minutes DOUBLE PRECISION,
    exit_reason TEXT COLLATE "C" NOT NULL,
    market_regime TEXT COLLATE "C",
    market_regime_exit TEXT COLLATE "C",
    volatility_bps DOUBLE PRECISION,
    is_winner BOOLEAN NOT NULL,
    model_id TEXT COLLATE "C",
    model_version TEXT COLLATE "C" NOT NULL,
    prediction DOUBLE PRECISION,
    expected_edge_bps DOUBLE PRECISION,
    features_at_entry TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX trade_memory_by_run_id ON trade_memory (run_id);
CREATE INDEX trade_memory_by_entry_timestamp_symbol_trade_id ON trade_memory (entry_timestamp, symbol, trade_id);

CREATE TABLE shadow_trades (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    fold BIGINT NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    signal_timestamp TIMESTAMPTZ NOT NULL,
    entry_timestamp TIMESTAMPTZ NOT NULL,
    entry_price DOUBLE PRECISION,
    exit_timestamp TIMESTAMPTZ NOT NULL,
    exit_price DOUBLE PRECISION,
    stop_price DOUBLE PRECISION,
    take_price DOUBLE PRECISION,
    position_size DOUBLE PRECISION,
    account_currency TEXT COLLATE "C" NOT NULL,
    gross_profit_bps DOUBLE PRECISION,
    fee_bps DOUBLE PRECISION,
    spread_bps DOUBLE PRECISION,
    slippage_bps DOUBLE PRECISION,
    funding_bps DOUBLE PRECISION,
    net_bps DOUBLE PRECISION,
    gross_profit_gbp DOUBLE PRECISION,
    fees_gbp DOUBLE PRECISION,
    spread_gbp DOUBLE PRECISION,
    slippage_gbp DOUBLE PRECISION,
    funding_gbp DOUBLE PRECISION,
    net_profit_gbp DOUBLE PRECISION,
    hold_bars BIGINT NOT NULL,
    hold_minutes DOUBLE PRECISION,
    exit_reason TEXT COLLATE "C" NOT NULL,
    market_regime TEXT COLLATE "C",
    market_regime_exit TEXT COLLATE "C",
    volatility_bps DOUBLE PRECISION,
    is_winner BOOLEAN NOT NULL,
    model_id TEXT COLLATE "C",
    model_version TEXT COLLATE "C" NOT NULL,
    prediction DOUBLE PRECISION,
    expected_edge_bps DOUBLE PRECISION,
    features_at_entry TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX shadow_trades_by_run_id ON shadow_trades (run_id);

CREATE TABLE models (
    model_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    model_type TEXT COLLATE "C" NOT NULL,
    training_date DATE NOT NULL,
    trained_at TIMESTAMPTZ NOT NULL,
    train_start TIMESTAMPTZ,
    train_end TIMESTAMPTZ,
    train_rows BIGINT NOT NULL,
    folds BIGINT NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    data_digest TEXT COLLATE "C" NOT NULL,
    settings_digest TEXT COLLATE "C" NOT NULL,
    git_commit TEXT COLLATE "C",
    approved BOOLEAN NOT NULL,
    reasons TEXT COLLATE "C" NOT NULL,
    heads TEXT COLLATE "C" NOT NULL,
    feature_importance TEXT COLLATE "C" NOT NULL,
    parameters TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (model_id)
);
CREATE INDEX models_by_run_id ON models (run_id);
CREATE INDEX models_by_symbol_trained_at ON models (symbol, trained_at);

CREATE TABLE model_performance (
    run_id TEXT COLLATE "C" NOT NULL,
    model_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    evaluation_date DATE NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    num_trades BIGINT NOT NULL,
    win_rate DOUBLE PRECISION,
    total_return DOUBLE PRECISION,
    average_return DOUBLE PRECISION,
    annualised_return DOUBLE PRECISION,
    sharpe_ratio DOUBLE PRECISION,
    sortino_ratio DOUBLE PRECISION,
    calmar_ratio DOUBLE PRECISION,
    profit_factor DOUBLE PRECISION,
    average_win_bps DOUBLE PRECISION,
    average_loss_bps DOUBLE PRECISION,
    max_drawdown DOUBLE PRECISION,
    average_drawdown DOUBLE PRECISION,
    recovery_days DOUBLE PRECISION,
    account_currency TEXT COLLATE "C" NOT NULL,
    net_profit_gbp DOUBLE PRECISION,
    fees_gbp DOUBLE PRECISION,
    spread_gbp DOUBLE PRECISION,
    slippage_gbp DOUBLE PRECISION,
    funding_gbp DOUBLE PRECISION,
    cost_share DOUBLE PRECISION,
    buy_and_hold_return DOUBLE PRECISION,
    approved BOOLEAN NOT NULL,
    reasons TEXT COLLATE "C" NOT NULL,
    more TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, model_id, scope)
);
CREATE INDEX model_performance_by_symbol_evaluation_date ON model_performance (symbol, evaluation_date);

CREATE TABLE daily_metrics (
    run_id TEXT COLLATE "C" NOT NULL,
    date DATE NOT NULL,
    symbols BIGINT NOT NULL,
    models_trained BIGINT NOT NULL,
    models_approved BIGINT NOT NULL,
    models_rejected BIGINT NOT NULL,
    patterns_learned BIGINT NOT NULL,
    total_trades BIGINT NOT NULL,
    wins BIGINT NOT NULL,
    losses BIGINT NOT NULL,
    win_rate DOUBLE PRECISION,
    account_currency TEXT COLLATE "C" NOT NULL,
    total_profit_gbp DOUBLE PRECISION,
    fees_gbp DOUBLE PRECISION,
    spread_gbp DOUBLE PRECISION,
    slippage_gbp DOUBLE PRECISION,
    funding_gbp DOUBLE PRECISION,
    cost_share DOUBLE PRECISION,
    sharpe_ratio DOUBLE PRECISION,
    max_drawdown DOUBLE PRECISION,
    equity_start_gbp DOUBLE PRECISION,
    equity_end_gbp DOUBLE PRECISION,
    seconds DOUBLE PRECISION,
    more TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id)
);
CREATE INDEX daily_metrics_by_date ON daily_metrics (date);

CREATE TABLE pattern_library (
    pattern_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C",
    pattern_description TEXT COLLATE "C" NOT NULL,
    conditions TEXT COLLATE "C" NOT NULL,
    total_occurrences BIGINT NOT NULL,
    wins BIGINT NOT NULL,
    win_rate DOUBLE PRECISION,
    avg_profit_bps DOUBLE PRECISION,
    test_occurrences BIGINT NOT NULL,
    test_win_rate DOUBLE PRECISION,
    test_avg_profit_bps DOUBLE PRECISION,
    p_value DOUBLE PRECISION,
    q_value DOUBLE PRECISION,
    confirmed BOOLEAN NOT NULL,
    discovered_at TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, pattern_id)
);
CREATE INDEX pattern_library_by_pattern_id ON pattern_library (pattern_id);

CREATE TABLE win_analysis (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    market_regime TEXT COLLATE "C",
    exit_reason TEXT COLLATE "C" NOT NULL,
    account_currency TEXT COLLATE "C" NOT NULL,
    net_profit_gbp DOUBLE PRECISION,
    net_bps DOUBLE PRECISION,
    hold_minutes DOUBLE PRECISION,
    primary_reason TEXT COLLATE "C" NOT NULL,
    contributing_factors TEXT COLLATE "C" NOT NULL,
    max_favourable_bps DOUBLE PRECISION,
    max_adverse_bps DOUBLE PRECISION,
    features_at_entry TEXT COLLATE "C" NOT NULL,
    analysed_at TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX win_analysis_by_run_id ON win_analysis (run_id);

CREATE TABLE loss_analysis (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    market_regime TEXT COLLATE "C",
    exit_reason TEXT COLLATE "C" NOT NULL,
    account_currency TEXT COLLATE "C" NOT NULL,
    net_profit_gbp DOUBLE PRECISION,
    net_bps DOUBLE PRECISION,
    hold_minutes DOUBLE PRECISION,
    primary_reason TEXT COLLATE "C" NOT NULL,
    contributing_factors TEXT COLLATE "C" NOT NULL,
    max_favourable_bps DOUBLE PRECISION,
    max_adverse_bps DOUBLE PRECISION,
    features_at_entry TEXT COLLATE "C" NOT NULL,
    analysed_at TIMESTAMPTZ NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id)
);
CREATE INDEX loss_analysis_by_run_id ON loss_analysis (run_id);

CREATE TABLE post_exit_tracking (
    trade_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    exit_timestamp TIMESTAMPTZ NOT NULL,
    exit_price DOUBLE PRECISION,
    exit_reason TEXT COLLATE "C" NOT NULL,
    horizon_bars BIGINT NOT NULL,
    price_after DOUBLE PRECISION,
    move_bps DOUBLE PRECISION,
    best_bps DOUBLE PRECISION,
    worst_bps DOUBLE PRECISION,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (trade_id, horizon_bars)
);
CREATE INDEX post_exit_tracking_by_run_id ON post_exit_tracking (run_id);

-- One row a file on the remote, whichever run sent it.
CREATE TABLE sync_manifest (
    remote_path TEXT COLLATE "C" NOT NULL,
    local_path TEXT COLLATE "C" NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    modified_at TIMESTAMPTZ,
    uploaded_at TIMESTAMPTZ NOT NULL,
    verified_at TIMESTAMPTZ,
    run_id TEXT COLLATE "C",
    PRIMARY KEY (remote_path)
);

CREATE TABLE events (
    event_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    time TIMESTAMPTZ NOT NULL,
    level TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    PRIMARY KEY (event_id)
);
CREATE INDEX events_by_run_id_time ON events (run_id, time);

-- One row while a run is under way: a second one is refused until the heartbeat stands still or its process is gone.
CREATE TABLE run_lock (
    name TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    host TEXT COLLATE "C" NOT NULL,
    pid BIGINT NOT NULL,
    process_started BIGINT NOT NULL,
    acquired TIMESTAMPTZ NOT NULL,
    heartbeat TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name)
);
