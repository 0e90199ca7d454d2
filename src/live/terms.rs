//! The rules that models were judged by, which are those that they are traded by.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bars::Timeframe;
use crate::decide::{DecideParams, Policy};
use crate::models::Metadata;
use crate::risk::{Limits, RiskParams};
use crate::settings::Settings;
use crate::shadow::{BarrierParams, CostParams, MarketType, Rules};

/// Everything that turns predictions into orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Barriers.
    pub labels: BarrierParams,
    /// Who decides.
    pub decide: DecideParams,
    /// Costs.
    pub costs: CostParams,
    /// Limits of the account.
    pub risk: RiskParams,
    /// Spot or perpetual.
    pub market_type: MarketType,
}

/// Models and settings that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// A model without its policy.
    #[error("{symbol}: the model does not say by which rules it was judged ({reason}); train it again")]
    Unknown {
        /// `BASE-QUOTE`.
        symbol: String,
        /// What is missing.
        reason: String,
    },
    /// Two models that were judged by different rules.
    #[error(
        "{one} and {other} were judged by different rules ({section}); they come from runs with different settings: let one run \
         train them all"
    )]
    Different {
        /// A model.
        one: String,
        /// Another one.
        other: String,
        /// The section of the settings.
        section: &'static str,
    },
    /// A setting that is not that of the models.
    #[error("{key} is {given}, but the models were trained and judged with {judged}; leave it out, or train with it")]
    Setting {
        /// The setting.
        key: String,
        /// Its value.
        given: String,
        /// That of the models.
        judged: String,
    },
}

impl Terms {
    /// The terms of models that were judged by the same rules. What the user has set of `costs` and `risk` takes their place; `labels`,
    /// `decide` and `market.type` may only be set to what the models have.
    ///
    /// # Errors
    /// Models that do not say by which rules they were judged, or by different ones; a setting that contradicts them.
    pub fn of<'a>(models: impl IntoIterator<Item = &'a Metadata>, settings: &Settings) -> Result<Self, TermsError> {
        let mut found: Option<(&str, Self)> = None;
        for metadata in models {
            let own = Self::judged_by(metadata)?;
            match &found {
                None => found = Some((&metadata.symbol, own)),
                Some((one, terms)) => {
                    if let Some(section) = terms.difference(&own) {
                        let (one, other) = ((*one).to_owned(), metadata.symbol.clone());
                        return Err(TermsError::Different { one, other, section });
                    }
                }
            }
        }
        let Some((_, terms)) = found else { return Ok(Self::of_settings(settings)) };
        let given = Self::of_settings(settings);
        let all = &settings.explicit;
        let merged = Self {
            labels: overlaid(&terms.labels, &given.labels, "labels", all),
            decide: overlaid(&terms.decide, &given.decide, "decide", all),
            costs: overlaid(&terms.costs, &given.costs, "costs", all),
            risk: overlaid(&terms.risk, &given.risk, "risk", all),
            market_type: if all.contains("market.type") { given.market_type } else { terms.market_type },
        };
        merged.must_equal(&terms)?;
        Ok(merged)
    }

    fn of_settings(settings: &Settings) -> Self {
        Self {
            labels: settings.labels.clone(),
            decide: settings.decide.clone(),
            costs: settings.costs.clone(),
            risk: settings.risk.clone(),
            market_type: settings.market.kind,
        }
    }

    /// The terms of one model.
    fn judged_by(metadata: &Metadata) -> Result<Self, TermsError> {
        serde_json::from_value(metadata.policy.clone())
            .map_err(|error| TermsError::Unknown { symbol: metadata.symbol.clone(), reason: error.to_string() })
    }

    /// The first section in which two differ.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let sections = [
            ("labels", self.labels == other.labels),
            ("decide", self.decide == other.decide),
            ("costs", self.costs == other.costs),
            ("risk", self.risk == other.risk),
            ("market.type", self.market_type == other.market_type),
        ];
        sections.into_iter().find(|(_, equal)| !equal).map(|(section, _)| section)
    }

    /// What models have learned cannot be set any more.
    fn must_equal(&self, judged: &Self) -> Result<(), TermsError> {
        let value = |terms: &Self| serde_json::to_value(terms).unwrap_or_default();
        let (own, judged) = (value(self), value(judged));
        for section in ["labels", "decide", "market_type"] {
            let name = if section == "market_type" { "market.type" } else { section };
            if let Some((key, given, judged)) = first_difference(name, &own[section], &judged[section]) {
                return Err(TermsError::Setting { key, given, judged });
            }
        }
        Ok(())
    }

    /// The rules of trades.
    pub fn rules(&self, timeframe: Timeframe) -> Rules {
        Rules::new(&self.labels, &self.costs, self.market_type, timeframe)
    }

    /// The rules of decisions.
    pub fn policy(&self) -> Policy {
        Policy { mode: self.decide.mode, margin_bps: self.costs.safety_margin_bps }
    }

    /// The limits of the account.
    pub fn limits(&self) -> Limits {
        Limits::of(&self.risk)
    }
}

/// `judged`, with the settings of a section that the user has given.
fn overlaid<T: Serialize + DeserializeOwned + Clone>(
    judged: &T,
    given: &T,
    section: &str,
    explicit: &BTreeSet<String>,
) -> T {
    let value = |of: &T| serde_json::to_value(of).unwrap_or_default();
    let (mut merged, given) = (value(judged), value(given));
    for key in explicit.iter().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')) {
        let pointer = format!("/{}", key.replace('.', "/"));
        if let (Some(slot), Some(value)) = (merged.pointer_mut(&pointer), given.pointer(&pointer)) {
            *slot = value.clone();
        }
    }
    serde_json::from_value(merged).unwrap_or_else(|_| judged.clone())
}

/// The first key, below `name`, whose values differ, with both.
fn first_difference(name: &str, own: &Value, other: &Value) -> Option<(String, String, String)> {
    match (own, other) {
        (Value::Object(own), Value::Object(other)) => own.iter().find_map(|(key, value)| {
            first_difference(&format!("{name}.{key}"), value, other.get(key).unwrap_or(&Value::Null))
        }),
        _ if own == other => None,
        _ => Some((name.to_owned(), own.to_string(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::bundle::{Performance, TrainingParameters};
    use crate::settings::{Sources, load};
    use serde_json::json;

    fn metadata(symbol: &str, settings: &Settings) -> Metadata {
        Metadata {
            model_id: String::new(),
            symbol: symbol.to_owned(),
            version: String::new(),
            training_date: String::new(),
            performance_metrics: Performance::default(),
            feature_importance: serde_json::Map::new(),
            feature_importance_believed: None,
            training_parameters: TrainingParameters {
                lookback_days: 1,
                train_test_split: 0.5,
                model_type: String::new(),
                more: serde_json::Map::new(),
            },
            device: String::new(),
            digest: String::new(),
            head_digests: Default::default(),
            other_family_digests: Default::default(),
            mix: Default::default(),
            data_digest: String::new(),
            inputs: None,
            git_commit: String::new(),
            settings_digest: String::new(),
            folds: Vec::new(),
            policy: json!({
                "mode": settings.decide.mode,
                "labels": settings.labels,
                "decide": settings.decide,
                "costs": settings.costs,
                "risk": settings.risk,
                "market_type": settings.market.kind,
            }),
            approved: true,
            reasons: Vec::new(),
            retired: None,
            simulated: true,
        }
    }

    fn settings(overrides: &[&str]) -> Settings {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        load(&Sources { overrides, ..Sources::default() }).unwrap()
    }

    #[test]
    fn models_bring_their_rules_and_settings_may_change_money_alone() {
        let trained = settings(&["labels.stop_atr=2.5", "costs.fee_bps=7", "risk.per_trade=0.02", "market.type=perp"]);
        let models = [metadata("A-USDT", &trained), metadata("B-USDT", &trained)];
        let of = |overrides: &[&str]| Terms::of(&models, &settings(overrides));
        let own = of(&[]).unwrap();
        assert_eq!((own.labels.stop_atr, own.costs.fee_bps, own.risk.per_trade), (2.5, 7.0, 0.02));
        assert_eq!(own.market_type, MarketType::Perp);
        let cautious = of(&["risk.per_trade=0.005", "costs.safety_margin_bps=9", "labels.stop_atr=2.5"]).unwrap();
        assert_eq!((cautious.risk.per_trade, cautious.costs.fee_bps, cautious.policy().margin_bps), (0.005, 7.0, 9.0));
        let error = of(&["labels.stop_atr=1"]).unwrap_err().to_string();
        assert!(
            error.starts_with("labels.stop_atr is 1.0, but the models were trained and judged with 2.5"),
            "{error}"
        );
        let error = of(&["market.type=spot"]).unwrap_err().to_string();
        assert!(error.starts_with("market.type is \"spot\""), "{error}");
        let error = of(&["decide.engines.rsi.bars=9"]).unwrap_err().to_string();
        assert!(error.starts_with("decide.engines.rsi.bars is 9, but"), "{error}");
    }

    #[test]
    fn models_of_different_rules_or_without_any_are_refused() {
        let models = [metadata("A-USDT", &settings(&[])), metadata("B-USDT", &settings(&["risk.daily_stop=0.02"]))];
        let error = Terms::of(&models, &settings(&[])).unwrap_err().to_string();
        assert!(error.starts_with("A-USDT and B-USDT were judged by different rules (risk)"), "{error}");
        let mut old = models[0].clone();
        old.policy = Value::Null;
        let error = Terms::of([&old], &settings(&[])).unwrap_err().to_string();
        assert!(error.starts_with("A-USDT: the model does not say by which rules"), "{error}");
    }
}
