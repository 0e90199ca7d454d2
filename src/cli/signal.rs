//! Arguments of `huracan signal`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::signal::{Answered, Moment, Request};
use crate::shadow::Side;

#[derive(Args)]
pub struct Signal {
    /// Folder of candle files, one per symbol: the whole history, up to the newest closed bar
    #[arg(long, value_name = "DIR")]
    pub candles: PathBuf,
    /// Folder of approved models [default: models below --workdir]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// The account as JSON: equity, open positions, today's result, losses in a row. Without it nothing is sized
    #[arg(long, value_name = "FILE")]
    pub account: Option<PathBuf>,
    /// The moment of the question, as in 2026-11-30T10:00Z, or newest for the close of the newest bar [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Also write the answers as a table (.csv or .parquet)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub const HELP: &str =
    "Prints, for the newest closed bar of every coin: enter, reverse, close, hold, wait or refuse, and why.
Side, stop, take, edge, score and confidence are those of backtest on the same candles; sizes are
those of the risk rules for this account. A coin without the bar that closed last is refused.

Examples:
  huracan signal --candles data/candles
  huracan signal --candles candles/1h --models models --account account.json --json
  huracan signal --candles candles/1h --at newest --out signals.csv

The smallest account is {\"equity\": 10000, \"currency\": \"USDT\"}; docs/live.md explains every key.";

impl Signal {
    /// What is asked.
    pub fn request<'a>(&'a self, workdir: &'a std::path::Path) -> Result<Request<'a>, String> {
        Ok(Request {
            workdir,
            candles: &self.candles,
            models: self.models.as_deref(),
            account: self.account.as_deref(),
            moment: self.at.as_deref().map_or(Ok(Moment::now()), Moment::parse)?,
            out: self.out.as_deref(),
        })
    }
}

/// Heading and rows for the terminal.
pub fn table(answered: &Answered) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let heading =
        vec!["symbol", "action", "side", "size", "price", "stop", "take", "edge, bps", "cost, bps", "score", "reason"];
    let number =
        |value: f64, digits: usize| if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() };
    let price = |value: f64| {
        if value.is_finite() {
            format!("{value:.6e}").parse::<f64>().map_or_else(|_| "–".to_owned(), |value| value.to_string())
        } else {
            "–".to_owned()
        }
    };
    let row = |own: &crate::live::Answer| {
        let mut row = vec![own.symbol.clone(), own.action.name().to_owned()];
        let Some(decision) = &own.decision else {
            row.extend((0..8).map(|_| "–".to_owned()));
            row.push(own.reason.to_owned());
            return row;
        };
        let side = decision.side.ok();
        let beyond = |distance: f64, sign: f64| {
            side.map_or_else(|| "–".to_owned(), |side| price(decision.price + sign * side.sign() * distance))
        };
        let name = |side: Side| if side == Side::Long { "long" } else { "short" };
        row.extend([
            side.map_or("–", name).to_owned(),
            own.size.map_or_else(|| "–".to_owned(), |size| number(size.notional, 2)),
            price(decision.price),
            beyond(decision.stop, -1.0),
            beyond(decision.take, 1.0),
            number(decision.edge_bps, 1),
            number(decision.cost_bps, 1),
            number(f64::from(decision.opinion.score), 2),
            own.reason.to_owned(),
        ]);
        row
    };
    (heading, answered.answers.iter().map(row).collect())
}
