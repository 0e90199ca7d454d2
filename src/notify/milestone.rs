//! What is worth a message.

use chrono::NaiveDate;

/// A point of a run that somebody may want to hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Milestone {
    Started { date: NaiveDate, device: String, simulated: bool },
    Training { symbol: String, number: usize, total: usize },
    Trained { symbol: String, sharpe: Option<f64>, win_rate: Option<f64>, approved: bool },
    TrainingComplete { passed: usize, failed: usize },
    Finished { date: NaiveDate, seconds: f64, failed_symbols: Vec<String>, simulated: bool },
    Failed { step: String, reason: String },
    KillSwitch { why: String },
    Unhealthy { component: String, message: String },
    Recovered { component: String },
}

impl Milestone {
    /// One line for a person.
    pub fn text(&self) -> String {
        match self {
            Self::Started { date, device, simulated } => {
                format!("Starting training… {date} on {device}{}", mark(*simulated))
            }
            Self::Training { symbol, number, total } => format!("Training {symbol}… ({number}/{total})"),
            Self::Trained { symbol, sharpe, win_rate, approved } => format!(
                "{symbol}: model trained: Sharpe {}, win rate {}: {}",
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
            Self::Recovered { component } => format!("Health: {component} is well again"),
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
        let trained =
            Milestone::Trained { symbol: "BTC-USDT".into(), sharpe: Some(1.25), win_rate: Some(0.52), approved: true };
        assert_eq!(trained.text(), "BTC-USDT: model trained: Sharpe 1.25, win rate 52%: approved");
        let complete = Milestone::TrainingComplete { passed: 15, failed: 5 };
        assert_eq!(complete.text(), "Training complete: 20 models created, 15 passed, 5 failed");
    }

    #[test]
    fn a_simulated_market_is_always_said() {
        let date = NaiveDate::from_ymd_opt(2025, 11, 8).unwrap();
        let started = Milestone::Started { date, device: "cpu".into(), simulated: true };
        let finished = Milestone::Finished { date, seconds: 90.0, failed_symbols: vec![], simulated: true };
        assert!(started.text().contains("simulated") && finished.text().contains("simulated"));
    }
}
