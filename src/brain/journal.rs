//! The observability journal: a SQLite file of its own that says what each run traded and trained, and how every model
//! differs from the symbol's previous one.

use std::path::Path;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use super::bulk::TakeRows;
use super::record::{Table, row, run_rows};
use super::rows::TradeRow;
use super::store::{Store, Tx};
use super::value::{Column, Field, Kind, Value};
use super::write::replace_in;
use super::{BrainError, Record, RunRecord, migrations, open};
use crate::shadow::{ExitReason, Side};

row! {
    /// One trade, as far as an observer needs it.
    pub struct JournalTradeRow {
        pub trade_id: String,
        pub run_id: String,
        pub symbol: String,
        pub direction: Side,
        pub entry_timestamp: DateTime<Utc>,
        pub entry_price: f64,
        pub exit_timestamp: DateTime<Utc>,
        pub exit_price: f64,
        pub position_size: f64,
        pub net_bps: f64,
        pub account_currency: String,
        pub net_profit_gbp: f64,
        pub exit_reason: ExitReason,
        pub market_regime: Option<String>,
        pub is_winner: bool,
        pub model_version: String,
        pub simulated: bool,
    }
}

row! {
    /// One model with the figures that observers compare.
    pub struct JournalModelRow {
        pub model_id: String,
        pub run_id: String,
        pub symbol: String,
        pub version: String,
        pub model_type: String,
        pub trained_at: DateTime<Utc>,
        pub digest: String,
        pub sharpe_ratio: f64,
        pub win_rate: f64,
        pub max_drawdown: f64,
        pub num_trades: i64,
        pub approved: bool,
        /// Feature → share of the gain.
        pub feature_importance: serde_json::Value,
        pub simulated: bool,
    }
}

row! {
    /// What changed from the symbol's previous model of the same type.
    pub struct ModelDeltaRow {
        pub model_id: String,
        pub run_id: String,
        pub symbol: String,
        pub model_type: String,
        pub trained_at: DateTime<Utc>,
        pub previous_model_id: String,
        pub previous_run_id: String,
        pub digest: String,
        pub previous_digest: String,
        pub digest_changed: bool,
        pub sharpe_ratio: f64,
        pub previous_sharpe_ratio: f64,
        pub sharpe_change: f64,
        pub win_rate: f64,
        pub previous_win_rate: f64,
        pub win_rate_change: f64,
        /// `[{feature, old, new, change}]`, the largest change first.
        pub importance_changes: serde_json::Value,
        pub simulated: bool,
    }
}

run_rows!(JournalTradeRow, JournalModelRow, ModelDeltaRow);

const TRADES: Table<JournalTradeRow> = Table::new("trades", "entry_timestamp, symbol, trade_id");
const MODELS: Table<JournalModelRow> = Table::new("models", "trained_at, symbol, model_id");
const MODEL_DELTAS: Table<ModelDeltaRow> = Table::new("model_deltas", "trained_at, symbol, model_id");

/// The journal, open.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) store: Store,
}

impl Journal {
    /// Opens or makes the journal's file, `data/journal.db` below the working folder.
    pub async fn open(path: &Path) -> Result<Self, BrainError> {
        let shown = path.display().to_string();
        Ok(Self { store: Store::Sqlite(open::open_sqlite(path, &shown, migrations::journal()).await?) })
    }

    /// The run's trades, in place of those it had noted before.
    pub async fn store_trades(&self, run_id: &str, trades: &[TradeRow]) -> Result<(), BrainError> {
        let rows: Vec<JournalTradeRow> = trades.iter().map(observed).collect();
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &TRADES, run_id, &rows).await?;
        tx.commit().await
    }

    /// The run's models, and what each changed against the symbol's previous model of the same type (trained by an
    /// earlier run); gives back the changes.
    pub async fn store_models(
        &self,
        run_id: &str,
        models: &[JournalModelRow],
    ) -> Result<Vec<ModelDeltaRow>, BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &MODELS, run_id, models).await?;
        let mut deltas = Vec::new();
        for model in models {
            if let Some(previous) = previous(&mut tx, model).await? {
                deltas.push(delta(&previous, model));
            }
        }
        replace_in(&mut tx, &MODEL_DELTAS, run_id, &deltas).await?;
        tx.commit().await?;
        Ok(deltas)
    }

    pub async fn trades(&self, run_id: &str) -> Result<Vec<JournalTradeRow>, BrainError> {
        self.rows(&TRADES, run_id).await
    }

    pub async fn models(&self, run_id: &str) -> Result<Vec<JournalModelRow>, BrainError> {
        self.rows(&MODELS, run_id).await
    }

    pub async fn model_deltas(&self, run_id: &str) -> Result<Vec<ModelDeltaRow>, BrainError> {
        self.rows(&MODEL_DELTAS, run_id).await
    }

    /// Whether nothing was ever noted here.
    pub async fn is_new(&self) -> Result<bool, BrainError> {
        const COUNT: &[Column] = &[Column { name: "noted", kind: Kind::Int }];
        let sql = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM trades LIMIT 1)) + \
                   (SELECT COUNT(*) FROM (SELECT 1 FROM models LIMIT 1)) AS noted";
        let found = self.store.scan("the journal", sql.to_owned(), &[], COUNT).try_next().await?;
        Ok(found.is_none_or(|values| values == [Value::Int(0)]))
    }

    /// Every row of a query, lent to `taker` on a thread of its own.
    ///
    /// # Errors
    /// A file that cannot be read, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: TakeRows>(
        &self,
        what: &str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
        taker: T,
    ) -> Result<T, BrainError> {
        self.store.read_in_bulk(what, sql.into(), binds, columns, taker).await
    }

    /// Closes the file; the write-ahead log is folded into it.
    pub async fn close(&self) {
        if let Store::Sqlite(pool) = &self.store {
            pool.close().await;
        }
    }

    async fn rows<R: RunRecord>(&self, table: &Table<R>, run_id: &str) -> Result<Vec<R>, BrainError> {
        let sql =
            format!("SELECT {} FROM {} WHERE run_id = $1 ORDER BY {}", table.column_list(), table.name, table.key);
        self.store
            .scan(table.name, sql, &[Value::Text(run_id.to_owned())], R::COLUMNS)
            .map(|values| values.and_then(|values| R::from_values(table.name, values)))
            .try_collect()
            .await
    }
}

async fn previous(tx: &mut Tx, model: &JournalModelRow) -> Result<Option<JournalModelRow>, BrainError> {
    let sql = format!(
        "SELECT {} FROM models WHERE symbol = $1 AND model_type = $2 AND run_id <> $3 AND trained_at <= $4 \
         AND simulated = $5 ORDER BY trained_at DESC, model_id LIMIT 1",
        MODELS.column_list()
    );
    let binds =
        [model.symbol.put(), model.model_type.put(), model.run_id.put(), model.trained_at.put(), model.simulated.put()];
    let found = tx.rows("models", sql, &binds, JournalModelRow::COLUMNS).await?;
    found.into_iter().next().map(|values| JournalModelRow::from_values("models", values)).transpose()
}

fn observed(trade: &TradeRow) -> JournalTradeRow {
    JournalTradeRow {
        trade_id: trade.trade_id.clone(),
        run_id: trade.run_id.clone(),
        symbol: trade.symbol.clone(),
        direction: trade.direction,
        entry_timestamp: trade.entry_timestamp,
        entry_price: trade.entry_price,
        exit_timestamp: trade.exit_timestamp,
        exit_price: trade.exit_price,
        position_size: trade.position_size,
        net_bps: trade.net_bps,
        account_currency: trade.account_currency.clone(),
        net_profit_gbp: trade.net_profit_gbp,
        exit_reason: trade.exit_reason,
        market_regime: trade.market_regime.clone(),
        is_winner: trade.is_winner,
        model_version: trade.model_version.clone(),
        simulated: trade.simulated,
    }
}

fn delta(previous: &JournalModelRow, model: &JournalModelRow) -> ModelDeltaRow {
    ModelDeltaRow {
        model_id: model.model_id.clone(),
        run_id: model.run_id.clone(),
        symbol: model.symbol.clone(),
        model_type: model.model_type.clone(),
        trained_at: model.trained_at,
        previous_model_id: previous.model_id.clone(),
        previous_run_id: previous.run_id.clone(),
        digest: model.digest.clone(),
        previous_digest: previous.digest.clone(),
        digest_changed: model.digest != previous.digest,
        sharpe_ratio: model.sharpe_ratio,
        previous_sharpe_ratio: previous.sharpe_ratio,
        sharpe_change: model.sharpe_ratio - previous.sharpe_ratio,
        win_rate: model.win_rate,
        previous_win_rate: previous.win_rate,
        win_rate_change: model.win_rate - previous.win_rate,
        importance_changes: importance_changes(&previous.feature_importance, &model.feature_importance),
        simulated: model.simulated,
    }
}

/// Features whose importance is not what it was; one that is missing on a side counts as 0 there.
fn importance_changes(old: &serde_json::Value, new: &serde_json::Value) -> serde_json::Value {
    let of = |map: &serde_json::Value, feature: &str| map.get(feature).and_then(|v| v.as_f64()).unwrap_or(0.0);
    let names = |map: &serde_json::Value| -> Vec<String> {
        map.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let mut features = names(old);
    features.extend(names(new));
    features.sort();
    features.dedup();
    let mut changes: Vec<(f64, String)> = features
        .into_iter()
        .map(|feature| (of(new, &feature) - of(old, &feature), feature))
        .filter(|(change, _)| *change != 0.0)
        .collect();
    changes.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then_with(|| a.1.cmp(&b.1)));
    changes
        .into_iter()
        .map(|(change, feature)| {
            json!({ "feature": feature, "old": of(old, &feature), "new": of(new, &feature), "change": change })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(run: &str, day: i64, digest: &str, importance: serde_json::Value) -> JournalModelRow {
        JournalModelRow {
            model_id: format!("{run}-model"),
            run_id: run.to_owned(),
            symbol: "BTC-USDT".to_owned(),
            version: "1.0.0".to_owned(),
            model_type: "gbdt".to_owned(),
            trained_at: super::super::time_of_ms(day * 86_400_000),
            digest: digest.to_owned(),
            sharpe_ratio: day as f64,
            win_rate: 0.5,
            max_drawdown: 0.1,
            num_trades: 40,
            approved: true,
            feature_importance: importance,
            simulated: false,
        }
    }

    #[tokio::test]
    async fn a_model_is_held_against_the_symbols_previous_one_however_often_it_is_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(&folder.path().join("data/journal.db")).await.expect("opens");
        let first = model("one", 1, "aa", json!({ "macd": 0.25, "rsi_14": 0.75 }));
        assert_eq!(journal.store_models("one", std::slice::from_ref(&first)).await.expect("stores"), []);
        let second = model("two", 2, "bb", json!({ "macd": 0.5, "atr_14": 0.5 }));
        for _ in 0..2 {
            journal.store_models("two", std::slice::from_ref(&second)).await.expect("stores");
        }
        let deltas = journal.model_deltas("two").await.expect("reads");
        assert_eq!(deltas.len(), 1);
        assert_eq!((deltas[0].previous_model_id.as_str(), deltas[0].sharpe_change), ("one-model", 1.0));
        assert!(deltas[0].digest_changed);
        let changes = deltas[0].importance_changes.as_array().expect("a list").clone();
        assert_eq!(changes.len(), 3);
        assert_eq!(changes[0], json!({ "feature": "rsi_14", "old": 0.75, "new": 0.0, "change": -0.75 }));
        // The older run done once more is not held against the newer one.
        assert_eq!(journal.store_models("one", &[first]).await.expect("stores"), []);
        assert_eq!(journal.models("one").await.expect("reads").len(), 1);
    }
}
