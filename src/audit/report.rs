//! The results of an audit as a table.

use serde::Serialize;

use super::Judgement;
use super::look_ahead::{LookAhead, STAGES};
use super::noise::{self, Noise};
use super::null::Order;
use super::power::{self, Power};
use super::promise::{self, Promise};
use super::recursion::{RUNNING, Recursion};
use crate::text::thousands;

/// The results of an audit. A check that was not requested is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Whether the candles are simulated.
    pub simulated: bool,
    /// Symbols of the candles, or of the simulated markets.
    pub symbols: usize,
    /// Timeframe of the candles.
    pub timeframe: String,
    /// Digest of the settings.
    pub settings_digest: String,
    /// Whether anything uses the future.
    pub look_ahead: Option<LookAhead>,
    /// Whether values depend on how much history came before.
    pub recursion: Option<Recursion>,
    /// How often a model is approved where nothing can be predicted.
    pub noise: Option<Noise>,
    /// The same where volatility clusters as it did.
    pub blocks: Option<Noise>,
    /// How often a planted edge is found.
    pub power: Option<Power>,
    /// Whether predicted edges are realised.
    pub promise: Option<Promise>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the check.
    pub check: &'static str,
    /// What was compared with what.
    pub compared: String,
    /// What was found.
    pub found: String,
    /// The verdict.
    pub verdict: Judgement,
}

impl Audit {
    /// Whether any check failed.
    pub fn failed(&self) -> bool {
        self.rows().iter().any(|row| row.verdict == Judgement::Fail)
    }

    /// One row per check, in their order.
    pub fn rows(&self) -> Vec<Row> {
        let look_ahead = self.look_ahead.iter().map(look_ahead_row);
        let recursion = self.recursion.iter().map(recursion_row);
        let noise = self.noise.iter().chain(&self.blocks).map(noise_row);
        let power = self.power.iter().map(power_row);
        look_ahead.chain(recursion).chain(noise).chain(power).chain(self.promise.iter().map(promise_row)).collect()
    }

    /// The details behind the rows, one per line.
    pub fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(found) = &self.look_ahead {
            for stage in STAGES {
                let Some(compared) = found.stages.get(stage) else { continue };
                let values = match compared.values {
                    0 => "nothing to compare".to_owned(),
                    values => format!("{} values, {} changed", thousands(values), thousands(compared.changed)),
                };
                lines.push(format!("look-ahead, {stage}: {values}"));
                lines.extend(compared.examples.iter().map(|example| format!("  changed: {example}")));
            }
        }
        if let Some(found) = &self.recursion {
            for one in &found.dependent {
                let worst = one.effects.iter().copied().fold(0.0, f64::max);
                let last = one.effects.last().copied().unwrap_or(0.0);
                let fate = match one.harmless_after {
                    Some(bars) => format!("harmless (below 1e-6) {bars} bars beyond the warm-up"),
                    None if RUNNING.contains(&one.name.as_str()) => {
                        format!("a running sum: always depends on its start (still {last:.1e})")
                    }
                    None => format!("NOT harmless: still {last:.1e} with the longest history"),
                };
                lines.push(format!("recursion, {}: differs by up to {worst:.1e} of its size; {fate}", one.name));
            }
            for (name, share) in &found.level_dependent {
                lines.push(format!(
                    "recursion, view {name}: depends on the level of prices and volumes at {:.1} % of the bars",
                    100.0 * share
                ));
            }
        }
        for found in self.noise.iter().chain(&self.blocks) {
            for (metric, count) in &found.missed {
                lines.push(format!("{}, {count} of {} missed {metric}", noise_name(found), found.symbols));
            }
        }
        if let Some(found) = &self.power {
            lines.extend(found.faults().into_iter().map(|fault| format!("power, {fault}")));
            lines.extend(found.unreachable.iter().map(|size| {
                format!("power, no planted edge brings the best rule {size} standard errors from zero: not measured")
            }));
        }
        lines
    }
}

fn look_ahead_row(found: &LookAhead) -> Row {
    let (values, changed) =
        found.stages.values().fold((0, 0), |(values, changed), one| (values + one.values, changed + one.changed));
    let changed_stages: Vec<&str> =
        STAGES.into_iter().filter(|stage| found.stages.get(stage).is_some_and(|one| one.changed > 0)).collect();
    Row {
        check: "look-ahead",
        compared: format!(
            "{} values before {} cuts with {} other futures, {} symbols",
            thousands(values),
            found.cuts.len(),
            found.futures.len(),
            found.symbols
        ),
        found: match changed {
            0 => "every bit unchanged".to_owned(),
            _ => format!("{} changed: {}", thousands(changed), changed_stages.join(", ")),
        },
        verdict: found.judgement(),
    }
}

fn recursion_row(found: &Recursion) -> Row {
    let longest_decay = found.dependent.iter().filter_map(|one| one.harmless_after).max();
    let always: Vec<&str> =
        found.dependent.iter().filter(|one| one.harmless_after.is_none()).map(|one| one.name.as_str()).collect();
    let decaying = found.dependent.len() - always.len();
    let mut parts = vec![format!("{} independent of the start", found.independent)];
    parts.extend(longest_decay.map(|bars| format!("{decaying} harmless after {bars} bars")));
    if !always.is_empty() {
        parts.push(format!("always dependent: {}", always.join(", ")));
    }
    parts.push(match found.level_dependent.len() {
        0 => "no column of the view depends on the level of prices".to_owned(),
        count => format!("{count} columns of the view depend on the level of prices"),
    });
    Row {
        check: "recursion",
        compared: format!(
            "{} values with histories of the warm-up + {} bars, {} at other prices and volumes",
            thousands(found.compared),
            found.histories.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            thousands(found.levels)
        ),
        found: parts.join("; "),
        verdict: found.judgement(),
    }
}

fn worlds(count: usize) -> String {
    if count == 1 { "1 world".to_owned() } else { format!("{count} worlds") }
}

fn noise_name(found: &Noise) -> &'static str {
    match found.order {
        Order::Shuffled => "noise",
        Order::Blocks => "noise in blocks",
    }
}

fn promise_row(found: &Promise) -> Row {
    let bps = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:+.1}"));
    let promised = match (found.slope, found.interval) {
        (Some(slope), Some((low, high))) => format!("slope {slope:.2} (95 %: {low:.2} to {high:.2})"),
        (Some(slope), None) => {
            format!(
                "slope {slope:.2}, something is said in {} blocks of days, too few for an interval",
                found.told_blocks
            )
        }
        (None, _) => "nothing is promised: past rows support no edge".to_owned(),
    };
    let whole = match (found.whole_slope, found.whole_interval) {
        (Some(slope), Some((low, high))) => format!("; with the drift {slope:.2} ({low:.2} to {high:.2})"),
        (Some(slope), None) => format!("; with the drift {slope:.2}"),
        (None, _) => String::new(),
    };
    let planted = found.planted.map_or_else(String::new, |edge| format!(" with a pattern of strength {edge}"));
    Row {
        check: "promise",
        compared: format!(
            "edges of {} labelled bars of {} symbols in {}{planted}, predicted out of fold, with what was realised; the slope's interval must lie above 0 and reach {}",
            thousands(found.predictions),
            found.symbols,
            worlds(found.worlds),
            promise::LEAST_SLOPE
        ),
        found: format!(
            "{promised}{whole}; {} trades, predicted {} bps, realised {} before costs",
            found.trades,
            bps(found.predicted_bps),
            bps(found.realised_bps)
        ),
        verdict: found.judgement(),
    }
}

fn noise_row(found: &Noise) -> Row {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    Row {
        check: noise_name(found),
        compared: format!(
            "walk-forward of {} {} symbols in {}; at most {} % may be approved",
            found.symbols,
            match found.order {
                Order::Shuffled => "shuffled",
                Order::Blocks => "mirrored and block-wise shuffled",
            },
            worlds(found.worlds),
            percent(noise::LIMIT)
        ),
        found: format!(
            "{} approved: {} % (95 %: {} to {} %)",
            found.approved,
            percent(found.share),
            percent(found.interval.0),
            percent(found.interval.1)
        ),
        verdict: found.judgement(),
    }
}

fn power_row(found: &Power) -> Row {
    let symbols = found.points.first().map_or(0, |point| point.symbols);
    let clear = found.points.iter().find(|point| point.is_clear());
    let least = found.points.iter().map(|point| point.ratio).filter(|ratio| ratio.is_finite()).reduce(f64::min);
    let mut parts = Vec::new();
    parts.extend(
        clear.map(|point| format!("{:.0} % found at {:.1} standard errors", 100.0 * point.share, point.best_t)),
    );
    parts.extend(least.map(|ratio| format!("at least {ratio:.2} of what a t-test finds")));
    if !found.unreachable.is_empty() {
        let sizes: Vec<String> = found.unreachable.iter().map(f64::to_string).collect();
        parts.push(format!("not reachable: {}", sizes.join(", ")));
    }
    if symbols < power::LEAST_SYMBOLS {
        parts.push(format!("a verdict needs {} symbols", power::LEAST_SYMBOLS));
    }
    Row {
        check: "power",
        compared: format!(
            "{symbols} symbols in {} with a planted edge, {} sizes; 0.9 of what a t-test finds at {:.1} % false approvals must be found from 5 standard errors on, and elsewhere the interval must reach 0.7 of it",
            worlds(found.points.first().map_or(0, |point| point.worlds)),
            found.points.len(),
            100.0 * found.false_rate
        ),
        found: parts.join("; "),
        verdict: found.judgement(),
    }
}
