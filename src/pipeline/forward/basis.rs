//! What a row of the forward record belongs to.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::bars::Timeframe;
use crate::brain::ForwardRow;
use crate::decide::{DecideMode, Policy};
use crate::models::Metadata;
use crate::settings::{ExchangeKind, Settings};
use crate::shadow::{BarrierParams, MarketType};

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// The settings that decide what a prediction means and how its trade is followed. Rows of different bases say nothing of each
/// other: only those of one basis are counted together.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// The start of a SHA-256 (hex) over these settings.
    pub digest: String,
    timeframe: Timeframe,
    market: MarketType,
    mode: DecideMode,
    barriers: BarrierParams,
}

impl Basis {
    /// The basis of the predictions that are made and followed with these settings: the market, what models learn from, who
    /// decides, barriers and costs. What an account takes, what is approved and the safety margin do not count.
    pub fn of(settings: &Settings) -> Self {
        let market = &settings.market;
        let exchange = &market.exchange;
        // Another seed is another simulated market.
        let simulated = (exchange.kind == ExchangeKind::Simulated).then(|| json!([market.simulated, settings.seed]));
        let name = (exchange.kind == ExchangeKind::Ccxt).then_some(&exchange.name);
        let mut costs = json!(settings.costs);
        if let Some(costs) = costs.as_object_mut() {
            costs.remove("safety_margin_bps");
        }
        let decide = match settings.decide.mode {
            DecideMode::Model => json!(DecideMode::Model),
            DecideMode::Consensus | DecideMode::Both => json!(settings.decide),
        };
        let all = json!({
            "exchange": exchange.kind,
            "name": name,
            "simulated": simulated,
            "type": market.kind,
            "timeframe": market.timeframe,
            "lookback_days": market.lookback_days,
            "labels": settings.labels,
            "folds": settings.folds,
            "models": settings.models,
            "costs": costs,
            "decide": decide,
        });
        let digest = crate::text::hex(&Sha256::digest(all.to_string().as_bytes()));
        Self {
            digest: digest[..DIGITS].to_owned(),
            timeframe: market.timeframe,
            market: market.kind,
            mode: settings.decide.mode,
            barriers: settings.labels.clone(),
        }
    }

    /// The row with this basis.
    pub fn mark(&self, row: ForwardRow) -> ForwardRow {
        let market = match self.market {
            MarketType::Spot => "spot",
            MarketType::Perp => "perp",
        };
        ForwardRow {
            basis: Some(self.digest.clone()),
            timeframe: Some(self.timeframe.to_string()),
            market_type: Some(market.to_owned()),
            mode: Some(self.mode.name().to_owned()),
            stop_atr: Some(self.barriers.stop_atr),
            take_atr: Some(self.barriers.take_atr),
            max_hold: Some(i64::from(self.barriers.max_hold)),
            ..row
        }
    }

    /// How the model decides, if it may be scored under this basis: it was made under the same one, on a market of the same kind,
    /// and has not been withdrawn.
    pub fn policy_of(&self, metadata: &Metadata, simulated: bool) -> Option<Policy> {
        let policy = &metadata.policy;
        let is_same = policy["basis"] == self.digest.as_str()
            && metadata.simulated == simulated
            && metadata.inputs.as_ref().is_some_and(|inputs| inputs.timeframe == self.timeframe);
        let read = || {
            let mode: DecideMode = serde_json::from_value(policy["mode"].clone()).ok()?;
            Some(Policy { mode, margin_bps: policy["gate"]["margin_bps"].as_f64()? })
        };
        read().filter(|_| is_same && metadata.retired.is_none())
    }
}
