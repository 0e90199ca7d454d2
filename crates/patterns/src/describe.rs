//! Patterns as text.

use super::{Pattern, Record, Scope};

impl Pattern {
    /// The conditions as text, such as `rsi_14 high + volatility_20 low`.
    pub fn conditions_text(&self) -> String {
        let parts: Vec<String> = self.conditions.iter().map(|c| format!("{} {}", c.feature, c.name)).collect();
        parts.join(" + ")
    }

    /// Scope, side and conditions, such as `BTC-USDT long: rsi_14 high + volatility_20 low`; the same in every run that
    /// finds the pattern.
    pub fn title(&self, scope: &Scope) -> String {
        format!("{} {}: {}", scope.title(), self.side, self.conditions_text())
    }

    /// Conditions and results, such as `rsi_14 high + volatility_20 low: long wins 65 % of 312 (base 48 %), +14 bps
    /// (base −3 bps); on test windows …`.
    pub fn insight(&self) -> String {
        format!(
            "{}: {} wins {}; on test windows {}",
            self.conditions_text(),
            self.side,
            self.train.text(),
            self.test.text()
        )
    }
}

impl Scope {
    /// The symbol of the coin, or `all coins`.
    pub fn title(&self) -> &str {
        if self.symbols.len() > 1 { "all coins" } else { &self.name }
    }
}

impl Record {
    /// Results as text, such as `65 % of 312 (base 48 %), +14 bps (base −3 bps)`.
    pub fn text(&self) -> String {
        if self.rows == 0 {
            return "it never occurred".to_owned();
        }
        format!(
            "{:.0} % of {} (base {:.0} %), {} (base {})",
            100.0 * self.win_rate(),
            self.rows,
            100.0 * self.base_win_rate,
            bps(self.mean_bps),
            bps(self.base_mean_bps)
        )
    }
}

fn bps(value: f64) -> String {
    let text = format!("{value:+.0} bps").replace('-', "−");
    if text.starts_with("−0 ") || text.starts_with("+0 ") { "0 bps".to_owned() } else { text }
}
