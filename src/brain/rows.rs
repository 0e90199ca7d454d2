//! The rows of every table, by subject.

mod learning;
mod model;
mod operation;
mod risk;
mod run;
mod trade;

pub use learning::{AnalysisRow, PatternRow, PostExitRow};
pub use model::{DailyMetricsRow, ModelRow, PerformanceRow};
pub use operation::{EventRow, HealthRow, SyncRow};
pub use risk::{BreakerRow, RefusalRow};
pub use run::{RunRow, RunStatus, UniverseRow};
pub use trade::TradeRow;

use super::record::Table;

pub const RUNS: Table<RunRow> = Table::new("runs", "started, run_id");
pub const UNIVERSE_SELECTIONS: Table<UniverseRow> = Table::new("universe_selections", "run_id, symbol");
pub const TRADE_MEMORY: Table<TradeRow> = Table::new("trade_memory", "entry_timestamp, symbol, trade_id");
pub const SHADOW_TRADES: Table<TradeRow> = Table::new("shadow_trades", "entry_timestamp, symbol, trade_id");
pub const MODELS: Table<ModelRow> = Table::new("models", "symbol, model_id");
pub const MODEL_PERFORMANCE: Table<PerformanceRow> = Table::new("model_performance", "symbol, model_id, scope");
pub const DAILY_METRICS: Table<DailyMetricsRow> = Table::new("daily_metrics", "date, run_id");
pub const PATTERN_LIBRARY: Table<PatternRow> = Table::new("pattern_library", "run_id, pattern_id");
pub const WIN_ANALYSIS: Table<AnalysisRow> = Table::new("win_analysis", "symbol, trade_id");
pub const LOSS_ANALYSIS: Table<AnalysisRow> = Table::new("loss_analysis", "symbol, trade_id");
pub const POST_EXIT_TRACKING: Table<PostExitRow> = Table::new("post_exit_tracking", "symbol, trade_id, horizon_bars");
pub const RISK_REFUSALS: Table<RefusalRow> = Table::new("risk_refusals", "entry_timestamp, symbol, trade_id");
pub const RISK_BREAKERS: Table<BreakerRow> = Table::new("risk_breakers", "from_time, breaker, to_time");
pub const SYNC_MANIFEST: Table<SyncRow> = Table::new("sync_manifest", "remote_path");
pub const EVENTS: Table<EventRow> = Table::new("events", "time, event_id");
pub const HEALTH_CHECKS: Table<HealthRow> = Table::new("health_checks", "checked_at, component");
