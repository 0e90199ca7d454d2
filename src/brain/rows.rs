//! The rows of every table, by subject. docs/contract.md, section 7, describes the tables.

mod forward;
mod learning;
mod model;
mod operation;
mod risk;
mod run;
mod trade;

pub use forward::ForwardRow;
pub use learning::{AnalysisRow, PatternRow, PostExitRow};
pub use model::{DailyMetricsRow, ModelRow, PerformanceRow};
pub use operation::{EventRow, HealthRow, SyncRow};
pub use risk::{BreakerRow, RefusalRow};
pub use run::{RunRow, RunStatus, UniverseRow};
pub use trade::TradeRow;

use super::record::Table;

/// One row per run.
pub const RUNS: Table<RunRow> = Table::new("runs", "started, run_id");
/// One row per run and coin considered.
pub const UNIVERSE_SELECTIONS: Table<UniverseRow> = Table::new("universe_selections", "run_id, symbol");
/// One row per out-of-fold trade.
pub const TRADE_MEMORY: Table<TradeRow> = Table::new("trade_memory", "entry_timestamp, symbol, trade_id");
/// The same rows as [`TRADE_MEMORY`].
pub const SHADOW_TRADES: Table<TradeRow> = Table::new("shadow_trades", "entry_timestamp, symbol, trade_id");
/// One row per model.
pub const MODELS: Table<ModelRow> = Table::new("models", "symbol, model_id");
/// One row per run, model and scope.
pub const MODEL_PERFORMANCE: Table<PerformanceRow> = Table::new("model_performance", "symbol, model_id, scope");
/// One row per run.
pub const DAILY_METRICS: Table<DailyMetricsRow> = Table::new("daily_metrics", "date, run_id");
/// One row per run and pattern.
pub const PATTERN_LIBRARY: Table<PatternRow> = Table::new("pattern_library", "run_id, pattern_id");
/// One row per winning trade.
pub const WIN_ANALYSIS: Table<AnalysisRow> = Table::new("win_analysis", "symbol, trade_id");
/// One row per losing trade.
pub const LOSS_ANALYSIS: Table<AnalysisRow> = Table::new("loss_analysis", "symbol, trade_id");
/// One row per trade and horizon.
pub const POST_EXIT_TRACKING: Table<PostExitRow> = Table::new("post_exit_tracking", "symbol, trade_id, horizon_bars");
/// One row per trade that the account refused.
pub const RISK_REFUSALS: Table<RefusalRow> = Table::new("risk_refusals", "entry_timestamp, symbol, trade_id");
/// One row per period in which a breaker held.
pub const RISK_BREAKERS: Table<BreakerRow> = Table::new("risk_breakers", "from_time, breaker, to_time");
/// One row per run, model and signal.
pub const FORWARD_RECORD: Table<ForwardRow> =
    Table::new("forward_record", "signal_timestamp, symbol, model_id, run_id");
/// One row per file on the remote.
pub const SYNC_MANIFEST: Table<SyncRow> = Table::new("sync_manifest", "remote_path");
/// One row per event of a run.
pub const EVENTS: Table<EventRow> = Table::new("events", "time, event_id");
/// One row per check of a component.
pub const HEALTH_CHECKS: Table<HealthRow> = Table::new("health_checks", "checked_at, component");
