//! The account file: what its owner knows of the account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

use crate::bars::{DAY_MS, Panel};
use crate::market::symbol_of_text;
use crate::risk::{Held, Limits, Money, Refusal, RiskParams, Standing, Streak};
use crate::shadow::Side;
use crate::text::time_text;

/// An account as JSON; docs/live.md explains every key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Booked money and open positions at the last prices, account currency.
    pub equity: f64,
    /// Currency of all amounts: `risk.account_currency`, of which a unit is `risk.quote_per_account` in quote currency, or the quote
    /// currency itself.
    pub currency: String,
    /// What is left if every open position is closed where it was entered. Default: `equity` less what the positions have gained at the newest
    /// closes.
    #[serde(default)]
    pub balance: Option<f64>,
    /// The UTC day so far.
    #[serde(default)]
    pub today: Today,
    /// Highest equity at a close of the last `risk.drawdown_days` days. Default: the day's highest.
    #[serde(default)]
    pub recent_high: Option<f64>,
    /// Open positions.
    #[serde(default)]
    pub positions: Vec<Position>,
    /// Coin → losses in a row. It is kept until the coin has won `risk.streak_wins` times in a row.
    #[serde(default)]
    pub losses_in_a_row: BTreeMap<String, u32>,
    /// Coin → wins in a row since its losses reached `risk.streak_losses`.
    #[serde(default)]
    pub wins_since: BTreeMap<String, u32>,
    /// Stops every entry.
    #[serde(default)]
    pub kill_switch: bool,
}

/// The UTC day so far.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Today {
    /// The UTC day that all of this is of. Of a day before that of the next open, it is forgotten: a new day has begun.
    #[serde(default)]
    pub date: Option<NaiveDate>,
    /// Equity at midnight. Default: `equity` less `result`.
    #[serde(default)]
    pub start_equity: Option<f64>,
    /// Result of the trades that were closed today.
    #[serde(default)]
    pub result: f64,
    /// Highest equity of the day. Default: the larger of its start and `equity`.
    #[serde(default)]
    pub high: Option<f64>,
    /// `daily_stop` or `drawdown_breaker`, if an answer of today has said so: it holds until midnight.
    #[serde(default)]
    pub stopped: Option<String>,
}

/// An open position.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// `long` or `short`.
    pub side: HeldSide,
    /// Size at the entry, account currency.
    pub notional: f64,
    /// Price at the entry, quote currency.
    pub entry_price: f64,
    /// Price of the stop, quote currency.
    pub stop_price: f64,
    /// Open of the bar of the entry. Without it nothing says when the position has been held for too long.
    #[serde(default)]
    pub entered: Option<DateTime<Utc>>,
    /// How far the coin moves with the market, as the answer said when it was entered. Default: 1.
    #[serde(default)]
    pub beta: Option<f64>,
}

/// A side in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldSide {
    /// Bought.
    Long,
    /// Sold.
    Short,
}

impl From<HeldSide> for Side {
    fn from(side: HeldSide) -> Self {
        match side {
            HeldSide::Long => Self::Long,
            HeldSide::Short => Self::Short,
        }
    }
}

/// An account that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
    /// Not an account.
    #[error("{whose}: {reason}")]
    Content {
        /// The file, or words.
        whose: String,
        /// What is wrong.
        reason: String,
    },
}

impl Account {
    /// Reads an account file.
    ///
    /// # Errors
    /// A file that cannot be read, is no JSON of this shape, or has numbers that make no sense.
    pub fn read(path: &Path) -> Result<Self, AccountError> {
        let bytes = std::fs::read(path).map_err(|source| AccountError::Io { path: path.to_owned(), source })?;
        Self::parse(&bytes, &path.display().to_string())
    }

    /// The account of a JSON text; `whose` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(json: &[u8], whose: &str) -> Result<Self, AccountError> {
        let bad = |reason: String| AccountError::Content { whose: whose.to_owned(), reason };
        let mut account: Self = serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        for position in &mut account.positions {
            position.symbol = symbol_of_text(&position.symbol);
        }
        account.check().map_err(bad)?;
        Ok(account)
    }

    fn check(&self) -> Result<(), String> {
        let Today { start_equity, result, high, stopped, .. } = &self.today;
        let amounts = [
            ("equity", Some(self.equity)),
            ("balance", self.balance),
            ("today.start_equity", *start_equity),
            ("today.result", Some(*result)),
            ("today.high", *high),
            ("recent_high", self.recent_high),
        ];
        for (name, amount) in amounts {
            if amount.is_some_and(|amount| !amount.is_finite() || amount.abs() > MOST) {
                return Err(format!("{name} is no amount of money"));
            }
        }
        if let Some(stopped) = stopped
            && stop_of(stopped).is_none()
        {
            return Err(format!("today.stopped is '{stopped}'; it is daily_stop or drawdown_breaker, or left out"));
        }
        for (place, position) in self.positions.iter().enumerate() {
            let Position { symbol, notional, entry_price, stop_price, beta, .. } = position;
            let named = |what: &str| format!("position {} ({symbol}): {what}", place + 1);
            let numbers = [("notional", notional), ("entry_price", entry_price), ("stop_price", stop_price)];
            for (name, value) in numbers {
                if !(value.is_finite() && *value > 0.0 && *value <= MOST) {
                    return Err(named(&format!("{name} is {value}; give a number above 0")));
                }
            }
            if symbol.split('-').filter(|part| !part.is_empty()).count() != 2 {
                return Err(named("a symbol is named BASE-QUOTE"));
            }
            if beta.is_some_and(|beta| !beta.is_finite()) {
                return Err(named("beta is no number"));
            }
            if self.positions[..place].iter().any(|other| other.symbol == *symbol) {
                return Err(named("there is another one of this symbol; an account holds one position per symbol"));
            }
        }
        Ok(())
    }

    /// Units of quote currency per unit of the account's: none if a market in `quote` cannot be traded in this currency.
    pub fn rate(&self, quote: &str, risk: &RiskParams) -> Option<f64> {
        if self.currency == quote {
            Some(1.0)
        } else if self.currency == risk.account_currency {
            Some(risk.quote_per_account)
        } else {
            None
        }
    }

    /// The account at the newest closes of a panel.
    ///
    /// # Errors
    /// A currency that no market of the panel can be traded in; positions without candles and without a `balance`.
    pub fn standing(&self, panel: &Panel, risk: &RiskParams, killed: bool, defence: bool) -> Result<Standing, String> {
        if !panel.symbols.iter().any(|symbol| self.rate(quote_of(symbol), risk).is_some()) {
            let quotes: std::collections::BTreeSet<&str> =
                panel.symbols.iter().map(|symbol| quote_of(symbol)).collect();
            return Err(format!(
                "the account is in {}; it can be in {} (risk.account_currency, {} of the quote currency each), or in {}",
                self.currency,
                risk.account_currency,
                risk.quote_per_account,
                quotes.into_iter().collect::<Vec<_>>().join(" or ")
            ));
        }
        let unknown = self.positions.iter().find(|position| position.gained(panel).is_none());
        if let (Some(position), None) = (unknown, self.balance) {
            return Err(format!(
                "there are no candles of {}, so that its gain is not known: give the balance without open positions, too",
                position.symbol
            ));
        }
        let money = Money::rounded;
        let equity = money(self.equity);
        let gained: Money = self.positions.iter().filter_map(|position| position.gained(panel)).sum();
        let next_open_ms = panel.time_ms(panel.bars);
        let day_of = |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
        let (now, given) = (next_open_ms.div_euclid(DAY_MS) * DAY_MS, self.today.date.map(day_of));
        if given.is_some_and(|given| given > now) {
            return Err(format!(
                "today.date is after the day of the next open, {}; days are those of UTC",
                time_text(now)
            ));
        }
        let today = if given.is_none_or(|given| given == now) { self.today.clone() } else { Today::default() };
        let day_start = money(today.start_equity.unwrap_or(self.equity - today.result));
        let day_high = today.high.map_or(day_start, money).max(day_start).max(equity);
        let mut streaks: BTreeMap<String, Streak> = BTreeMap::new();
        for (coin, losses) in &self.losses_in_a_row {
            streaks.entry(coin_of(&symbol_of_text(coin)).to_owned()).or_default().losses = *losses;
        }
        for (coin, wins) in &self.wins_since {
            streaks.entry(coin_of(&symbol_of_text(coin)).to_owned()).or_default().wins = *wins;
        }
        Ok(Standing {
            equity,
            booked: self.balance.map_or(equity - gained, money),
            day_start,
            day_result: money(today.result),
            day_high,
            recent_high: self.recent_high.map_or(day_high, money).max(day_high),
            stopped: today.stopped.as_deref().and_then(stop_of),
            killed: killed || self.kill_switch,
            defence,
            positions: self.positions.iter().map(Position::held).collect(),
            streaks,
        })
    }
}

/// Takes a position that the next open closes out of an account, as if it were closed at the newest close, before costs.
pub(super) fn close(standing: &mut Standing, position: &Position, panel: &Panel, limits: &Limits) {
    let held = position.held();
    if let Some(place) = standing.positions.iter().position(|other| *other == held) {
        standing.close(place, position.gained(panel), limits);
    }
}

impl Position {
    /// The position as the risk rules see it.
    pub fn held(&self) -> Held {
        let (side, beta) = (self.side.into(), self.beta.unwrap_or(f64::NAN));
        let notional = Money::rounded(self.notional);
        Held::new(coin_of(&self.symbol), side, notional, self.entry_price, self.stop_price, beta)
    }

    /// What it has gained at its newest close; none where there are no candles of it.
    pub fn gained(&self, panel: &Panel) -> Option<Money> {
        let symbol = panel.symbol(&self.symbol)?;
        let last = panel.ranges[symbol].clone().next_back()?;
        let close = panel.row(&panel.close, symbol)[last];
        Some(Held::unrealised(self.side.into(), Money::rounded(self.notional), self.entry_price, close))
    }
}

/// Amounts beyond this are mistakes.
const MOST: f64 = 1e15;

/// The coin of a symbol.
pub(super) fn coin_of(symbol: &str) -> &str {
    symbol.split('-').next().unwrap_or(symbol)
}

/// The currency in which a symbol is quoted.
pub(super) fn quote_of(symbol: &str) -> &str {
    symbol.split('-').nth(1).unwrap_or_default()
}

fn stop_of(name: &str) -> Option<Refusal> {
    [Refusal::DailyStop, Refusal::DrawdownBreaker].into_iter().find(|stop| stop.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::{Candles, Timeframe};

    fn parse(json: &str) -> Result<Account, String> {
        Account::parse(json.as_bytes(), "account.json").map_err(|error| error.to_string())
    }

    fn panel() -> Panel {
        let mut candles = Candles::default();
        (0..3).for_each(|bar| candles.push(bar * 3_600_000, [110.0; 4], 1.0));
        Panel::new(vec![("BTC-USDT".to_owned(), candles)], Timeframe::H1, 1, false).unwrap()
    }

    #[test]
    fn what_is_left_out_follows_from_what_is_there() {
        let account = parse(
            r#"{"equity": 1000, "currency": "USDT", "today": {"result": -30},
                "positions": [{"symbol": "btc/usdt", "side": "long", "notional": 200, "entry_price": 100, "stop_price": 95}],
                "losses_in_a_row": {"ETH-USDT": 3, "SOL": 1}, "wins_since": {"eth": 1}}"#,
        )
        .unwrap();
        let standing = account.standing(&panel(), &RiskParams::default(), false, true).unwrap();
        let money = Money::rounded;
        assert_eq!((standing.equity, standing.booked), (money(1000.0), money(980.0)));
        assert_eq!(
            (standing.day_start, standing.day_high, standing.recent_high),
            (money(1030.0), money(1030.0), money(1030.0))
        );
        assert_eq!((standing.positions[0].risk, standing.positions[0].coin.as_str()), (money(10.0), "BTC"));
        assert_eq!(standing.streaks["ETH"], Streak { losses: 3, wins: 1 });
        assert_eq!(standing.streaks["SOL"], Streak { losses: 1, wins: 0 });
        assert!(standing.defence && !standing.killed && standing.stopped.is_none());

        // What the next open closes counts for the day and the coin, as in a run.
        let limits = Limits::of(&RiskParams::default());
        let mut closed = standing.clone();
        close(&mut closed, &account.positions[0], &panel(), &limits);
        assert_eq!((closed.positions.len(), closed.booked, closed.day_result), (0, money(1000.0), money(-10.0)));
        let lost = Position { side: HeldSide::Short, stop_price: 130.0, ..account.positions[0].clone() };
        let mut closed = Standing { positions: vec![lost.held()], ..standing };
        close(&mut closed, &lost, &panel(), &limits);
        assert_eq!((closed.day_result, closed.streaks["BTC"].losses), (money(-50.0), 1));
    }

    #[test]
    fn a_day_is_that_of_the_next_open() {
        let of = |date: &str| {
            let text = format!(
                r#"{{"equity": 900, "currency": "GBP", "today": {{"date": "{date}", "start_equity": 1000, "result": -100}}}}"#
            );
            parse(&text).unwrap().standing(&panel(), &RiskParams::default(), false, false).unwrap()
        };
        // The panel's next bar opens at 03:00 of the first day.
        assert_eq!(
            (of("1970-01-01").day_start, of("1970-01-01").day_result),
            (Money::rounded(1000.0), Money::rounded(-100.0))
        );
        let late = r#"{"equity": 900, "currency": "GBP", "today": {"date": "1970-01-02"}}"#;
        let error = parse(late).unwrap().standing(&panel(), &RiskParams::default(), false, false).unwrap_err();
        assert!(error.starts_with("today.date is after the day of the next open, 1970-01-01"), "{error}");
        assert_eq!((of("1969-12-31").day_start, of("1969-12-31").day_result), (Money::rounded(900.0), Money::ZERO));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let position = r#"{"symbol": "A-X", "side": "long", "notional": 1, "entry_price": 1, "stop_price": 1}"#;
        let with = |position: &str| format!(r#"{{"equity": 1, "currency": "X", "positions": [{position}]}}"#);
        for (json, reason) in [
            (r#"{"currency": "X"}"#.to_owned(), "missing field `equity`"),
            (r#"{"equity": 1}"#.to_owned(), "missing field `currency`"),
            (r#"{"equity": 1, "equty": 2}"#.to_owned(), "unknown field `equty`"),
            (r#"{"equity": 1e300, "currency": "X"}"#.to_owned(), "equity is no amount of money"),
            (
                r#"{"equity": 1, "currency": "X", "today": {"stopped": "x"}}"#.to_owned(),
                "today.stopped is 'x'; it is daily_stop or",
            ),
            (with(&format!("{position}, {position}")), "position 2 (A-X): there is another one"),
            (with(&position.replace("A-X", "A")), "position 1 (A): a symbol is named BASE-QUOTE"),
            (with(&position.replace("1,", "0,")), "position 1 (A-X): notional is 0"),
        ] {
            let error = parse(&json).unwrap_err();
            assert!(error.starts_with("account.json: ") && error.contains(reason), "{error}");
        }
        let of =
            |json: &str| parse(json).unwrap().standing(&panel(), &RiskParams::default(), false, false).unwrap_err();
        let error = of(r#"{"equity": 1, "currency": "EUR"}"#);
        assert!(
            error.starts_with("the account is in EUR; it can be in GBP (risk.account_currency, 1.27 of"),
            "{error}"
        );
        assert!(error.ends_with("or in USDT"), "{error}");
        let error = of(&with(position).replace("\"X\"", "\"USDT\""));
        assert!(error.starts_with("there are no candles of A-X, so that its gain is not known"), "{error}");
    }
}
