//! The observability journal: a SQLite file of its own that records what each run traded and trained, and how every
//! model differs from the symbol's previous one.

use std::path::Path;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use super::bulk::RowSink;
use super::record::{Table, row, run_rows};
use super::rows::TradeRow;
use super::store::{Store, Tx};
use super::value::{Column, Field, Kind, Value};
use super::write::replace_in;
use super::{BrainError, Record, RunRecord, migrations, open};
use crate::shadow::{ExitReason, Side};

row! {
    /// One trade, with the columns that observers need; see [`TradeRow`].
    pub struct JournalTradeRow {
        /// Key of the trade.
        pub trade_id: String,
        /// The run that made it.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Long or short.
        pub direction: Side,
        /// Open of the entry bar.
        pub entry_timestamp: DateTime<Utc>,
        /// Fill before costs, quote currency.
        pub entry_price: f64,
        /// Bar of the exit.
        pub exit_timestamp: DateTime<Utc>,
        /// Fill before costs, quote currency.
        pub exit_price: f64,
        /// Notional that the account took, account currency; 0 if it refused the trade.
        pub position_size: f64,
        /// Return after all costs, basis points of the notional.
        pub net_bps: f64,
        /// Currency of the money columns.
        pub account_currency: String,
        /// Profit after all costs, account currency.
        pub net_profit_gbp: f64,
        /// What closed the trade.
        pub exit_reason: ExitReason,
        /// Regime at the signal, if it is known.
        pub market_regime: Option<String>,
        /// Whether `net_bps` is above 0.
        pub is_winner: bool,
        /// Version of the program that trained the model.
        pub model_version: String,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// One model with the metrics that observers compare.
    pub struct JournalModelRow {
        /// Key of the model.
        pub model_id: String,
        /// The run that trained it.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Version of the program.
        pub version: String,
        /// `LightGBM`, `Neural` or `Ensemble`.
        pub model_type: String,
        /// When it was trained.
        pub trained_at: DateTime<Utc>,
        /// SHA-256 (hex) of all its models.
        pub digest: String,
        /// Annualised, of the out-of-fold trades.
        pub sharpe_ratio: f64,
        /// Share of trades that made money.
        pub win_rate: f64,
        /// Largest fall from a peak, share of equity.
        pub max_drawdown: f64,
        /// Number of out-of-fold trades.
        pub num_trades: i64,
        /// Whether it passed every threshold of `approve`.
        pub approved: bool,
        /// Feature → share of the gain.
        pub feature_importance: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// What changed from the symbol's previous model of the same type.
    pub struct ModelDeltaRow {
        /// Key of the model.
        pub model_id: String,
        /// The run that trained it.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// `LightGBM`, `Neural` or `Ensemble`.
        pub model_type: String,
        /// When it was trained.
        pub trained_at: DateTime<Utc>,
        /// Key of the previous model.
        pub previous_model_id: String,
        /// The run that trained the previous model.
        pub previous_run_id: String,
        /// SHA-256 (hex) of all its models.
        pub digest: String,
        /// Digest of the previous model.
        pub previous_digest: String,
        /// Whether the digests differ.
        pub digest_changed: bool,
        /// Annualised, of the out-of-fold trades.
        pub sharpe_ratio: f64,
        /// Sharpe ratio of the previous model.
        pub previous_sharpe_ratio: f64,
        /// New minus previous Sharpe ratio.
        pub sharpe_change: f64,
        /// Share of trades that made money.
        pub win_rate: f64,
        /// Win rate of the previous model.
        pub previous_win_rate: f64,
        /// New minus previous win rate.
        pub win_rate_change: f64,
        /// `[{feature, old, new, change}]`, largest change first.
        pub importance_changes: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(JournalTradeRow, JournalModelRow, ModelDeltaRow);

const TRADES: Table<JournalTradeRow> = Table::new("trades", "entry_timestamp, symbol, trade_id");
const MODELS: Table<JournalModelRow> = Table::new("models", "trained_at, symbol, model_id");
const MODEL_DELTAS: Table<ModelDeltaRow> = Table::new("model_deltas", "trained_at, symbol, model_id");

/// An open journal.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) store: Store,
}

impl Journal {
    /// Opens or creates the journal's file.
    ///
    /// # Errors
    /// A file that cannot be opened, or tables of another version.
    pub async fn open(path: &Path) -> Result<Self, BrainError> {
        let name = path.display().to_string();
        Ok(Self { store: Store::Sqlite(open::open_sqlite(path, &name, migrations::journal()).await?) })
    }

    /// Stores the run's trades, replacing those stored before.
    ///
    /// # Errors
    /// A trade of another run, or a database that fails.
    pub async fn store_trades(&self, run_id: &str, trades: &[TradeRow]) -> Result<(), BrainError> {
        let rows: Vec<JournalTradeRow> = trades.iter().map(journal_trade).collect();
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &TRADES, run_id, &rows).await?;
        tx.commit().await
    }

    /// Stores the run's models and their deltas, and returns the deltas.
    ///
    /// A delta compares a model with the symbol's previous model of the same type, trained by an earlier run.
    ///
    /// # Errors
    /// A model of another run, or a database that fails.
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

    /// The run's trades, by entry time.
    ///
    /// # Errors
    /// A database that fails, or a row that this program did not write.
    pub async fn trades(&self, run_id: &str) -> Result<Vec<JournalTradeRow>, BrainError> {
        self.rows(&TRADES, run_id).await
    }

    /// The run's models, by training time.
    ///
    /// # Errors
    /// A database that fails, or a row that this program did not write.
    pub async fn models(&self, run_id: &str) -> Result<Vec<JournalModelRow>, BrainError> {
        self.rows(&MODELS, run_id).await
    }

    /// The run's model deltas, by training time.
    ///
    /// # Errors
    /// A database that fails, or a row that this program did not write.
    pub async fn model_deltas(&self, run_id: &str) -> Result<Vec<ModelDeltaRow>, BrainError> {
        self.rows(&MODEL_DELTAS, run_id).await
    }

    /// Whether the journal is empty.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn is_new(&self) -> Result<bool, BrainError> {
        const COUNT: &[Column] = &[Column { name: "stored", kind: Kind::Int }];
        let sql = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM trades LIMIT 1)) + \
                   (SELECT COUNT(*) FROM (SELECT 1 FROM models LIMIT 1)) AS stored";
        let found = self.store.scan("the journal", sql.to_owned(), &[], COUNT).try_next().await?;
        Ok(found.is_none_or(|values| values == [Value::Int(0)]))
    }

    /// Passes every row of a query to `sink` on a thread of its own.
    ///
    /// # Errors
    /// A file that cannot be read, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: RowSink>(
        &self,
        what: &str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
        sink: T,
    ) -> Result<T, BrainError> {
        self.store.read_in_bulk(what, sql.into(), binds, columns, sink).await
    }

    /// Closes the file and merges the write-ahead log into it.
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

/// The newest earlier model of the same symbol and type.
async fn previous(tx: &mut Tx, model: &JournalModelRow) -> Result<Option<JournalModelRow>, BrainError> {
    let sql = format!(
        "SELECT {} FROM models WHERE symbol = $1 AND model_type = $2 AND run_id <> $3 AND trained_at <= $4 \
         AND simulated = $5 ORDER BY trained_at DESC, model_id LIMIT 1",
        MODELS.column_list()
    );
    let binds = [
        model.symbol.to_value(),
        model.model_type.to_value(),
        model.run_id.to_value(),
        model.trained_at.to_value(),
        model.simulated.to_value(),
    ];
    let found = tx.rows("models", sql, &binds, JournalModelRow::COLUMNS).await?;
    found.into_iter().next().map(|values| JournalModelRow::from_values("models", values)).transpose()
}

fn journal_trade(trade: &TradeRow) -> JournalTradeRow {
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

/// The features whose importance changed; a feature that one model lacks counts as 0 there.
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
    use crate::bars::DAY_MS;

    fn model(run: &str, day: i64, digest: &str, importance: serde_json::Value) -> JournalModelRow {
        JournalModelRow {
            model_id: format!("{run}-model"),
            run_id: run.to_owned(),
            symbol: "BTC-USDT".to_owned(),
            version: "1.0.0".to_owned(),
            model_type: "gbdt".to_owned(),
            trained_at: super::super::time_of_ms(day * DAY_MS),
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
    async fn a_model_is_compared_with_the_symbols_previous_one_even_if_it_is_stored_twice() {
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
        // Storing the older run again does not compare it with the newer one.
        assert_eq!(journal.store_models("one", &[first]).await.expect("stores"), []);
        assert_eq!(journal.models("one").await.expect("reads").len(), 1);
    }
}
