//! The events of a run that are worth a message.

use chrono::NaiveDate;

/// An event of a run that is worth a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Milestone {
    /// A run started.
    Started {
        /// The run's date.
        date: NaiveDate,
        /// Name of the compute device.
        device: String,
        /// Whether the prices are simulated.
        simulated: bool,
    },
    /// The training of the pool has begun, which comes before that of any symbol.
    TrainingPool {
        /// Number of symbols whose rows it learns from.
        symbols: usize,
    },
    /// The training of a symbol has begun; symbols of one batch are trained together.
    Training {
        /// `BASE-QUOTE`.
        symbol: String,
        /// Number of the symbol, from 1.
        number: usize,
        /// Number of symbols in all.
        total: usize,
    },
    /// The last model of a symbol was trained; its verdict follows when all have practised.
    SymbolTrained {
        /// `BASE-QUOTE`.
        symbol: String,
        /// Number of the symbol, from 1.
        number: usize,
        /// Number of symbols in all.
        total: usize,
    },
    /// A model was judged by its trades.
    Judged {
        /// `BASE-QUOTE`.
        symbol: String,
        /// Annualised, net of costs; none where undefined.
        sharpe: Option<f64>,
        /// Share of winning trades; none where undefined.
        win_rate: Option<f64>,
        /// The verdict.
        approved: bool,
    },
    /// All models were trained.
    TrainingComplete {
        /// Approved models.
        passed: usize,
        /// Rejected models.
        failed: usize,
    },
    /// The run finished.
    Finished {
        /// The run's date.
        date: NaiveDate,
        /// How long it took.
        seconds: f64,
        /// Symbols that failed.
        failed_symbols: Vec<String>,
        /// Whether the prices are simulated.
        simulated: bool,
    },
    /// The run failed.
    Failed {
        /// Name of the step that failed.
        step: String,
        /// The error.
        reason: String,
    },
    /// The kill switch stopped the run.
    KillSwitch {
        /// The reason given for it.
        why: String,
    },
    /// A component became degraded or failed.
    Unhealthy {
        /// Name of the component.
        component: String,
        /// What its check reported.
        message: String,
    },
    /// A component is healthy again.
    Recovered {
        /// Name of the component.
        component: String,
    },
}

impl Milestone {
    /// The message, one line.
    pub fn text(&self) -> String {
        match self {
            Self::Started { date, device, simulated } => {
                format!("Starting training… {date} on {device}{}", mark(*simulated))
            }
            Self::Training { symbol, number, total } => format!("Training {symbol}… ({number}/{total})"),
            Self::TrainingPool { symbols } => format!("Training the pool of {symbols} coins…"),
            Self::SymbolTrained { symbol, number, total } => format!("{symbol}: model trained {number}/{total}"),
            Self::Judged { symbol, sharpe, win_rate, approved } => format!(
                "{symbol}: model judged: Sharpe {}, win rate {}: {}",
                sharpe.map_or("–".into(), |value| format!("{value:.2}")),
                win_rate.map_or("–".into(), |value| format!("{:.0}%", 100.0 * value)),
                if *approved { "approved" } else { "rejected" }
            ),
            Self::TrainingComplete { passed, failed } => {
                let total = passed + failed;
                let models = if total == 1 { "model" } else { "models" };
                format!("Training complete: {total} {models} created, {passed} passed, {failed} failed")
            }
            Self::Finished { date, seconds, failed_symbols, simulated } => {
                let failed = match failed_symbols.as_slice() {
                    [] => String::new(),
                    symbols => format!("; failed: {}", symbols.join(", ")),
                };
                format!("Day {date} done in {}{failed}{}", crate::text::duration(*seconds), mark(*simulated))
            }
            Self::Failed { step, reason } => format!("FAILED in {step}: {reason}"),
            Self::KillSwitch { why } => format!("KILL SWITCH on: {why}"),
            Self::Unhealthy { component, message } => format!("Health: {component}: {message}"),
            Self::Recovered { component } => format!("Health: {component} is healthy again"),
        }
    }
}

fn mark(simulated: bool) -> &'static str {
    if simulated { " (simulated market)" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_read_as_the_description_says() {
        let training = Milestone::Training { symbol: "BTC-USDT".into(), number: 1, total: 20 };
        assert_eq!(training.text(), "Training BTC-USDT… (1/20)");
        let trained = Milestone::SymbolTrained { symbol: "BTC-USDT".into(), number: 1, total: 20 };
        assert_eq!(trained.text(), "BTC-USDT: model trained 1/20");
        assert_eq!(Milestone::TrainingPool { symbols: 20 }.text(), "Training the pool of 20 coins…");
        let judged =
            Milestone::Judged { symbol: "BTC-USDT".into(), sharpe: Some(1.25), win_rate: Some(0.52), approved: true };
        assert_eq!(judged.text(), "BTC-USDT: model judged: Sharpe 1.25, win rate 52%: approved");
        let complete = Milestone::TrainingComplete { passed: 15, failed: 5 };
        assert_eq!(complete.text(), "Training complete: 20 models created, 15 passed, 5 failed");
    }

    #[test]
    fn a_simulated_market_is_always_named() {
        let date = NaiveDate::from_ymd_opt(2025, 11, 8).unwrap();
        let started = Milestone::Started { date, device: "cpu".into(), simulated: true };
        let finished = Milestone::Finished { date, seconds: 90.0, failed_symbols: vec![], simulated: true };
        assert!(started.text().contains("simulated") && finished.text().contains("simulated"));
    }
}
