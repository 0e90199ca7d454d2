//! A simulator of one setting, written from section 5 of the contract alone: bar by bar, rule by rule, slowly.

use std::ops::Range;

use huracan::shadow::sweep::Setting;
use huracan::shadow::{Rules, Side, Trade};

use super::made::Market;

#[derive(Debug, PartialEq)]
pub struct Plain {
    up: bool,
    entry_bar: usize,
    entry: f64,
    exit_bar: usize,
    exit: f64,
    reason: &'static str,
}

struct Open {
    up: bool,
    entry_bar: usize,
    entry: f64,
    stop: f64,
    take: f64,
}

/// Trades of a symbol within a window; bars are counted from its first.
pub fn trades(market: &Market, symbol: usize, window: Range<usize>, setting: Setting, rules: &Rules) -> Vec<Plain> {
    let at = symbol * market.panel.bars;
    let cut = |column: &[f64]| column[at + window.start..at + window.end].to_vec();
    let [open, high, low, close] =
        [&market.panel.open, &market.panel.high, &market.panel.low, &market.panel.close].map(|column| cut(column));
    let atr = cut(&market.atr);
    // Some(true) asks for a long trade, Some(false) for a short one.
    let asks: Vec<Option<bool>> =
        market.scores[at + window.start..at + window.end]
            .iter()
            .map(|&score| {
                if score.is_nan() || score == 0.0 || score.abs() < setting.threshold { None } else { Some(score > 0.0) }
            })
            .collect();

    let mut done = Vec::new();
    let mut holding: Option<Open> = None;
    for bar in 0..open.len() {
        let asked = if bar == 0 { None } else { asks[bar - 1] };
        // What happens at this bar's open.
        let mut may_enter = holding.is_none();
        let mut left: Option<(f64, &'static str)> = None;
        if let Some(own) = &holding {
            let against = asked == Some(!own.up);
            let price = open[bar];
            if against {
                left = Some((price, "signal_reversal"));
                may_enter = true;
            } else if bar - own.entry_bar >= setting.max_hold {
                left = Some((price, "time"));
            } else if if own.up { price <= own.stop } else { price >= own.stop } {
                left = Some((price, "stop_loss"));
            } else if if own.up { price >= own.take } else { price <= own.take } {
                left = Some((price, "take_profit"));
            }
        }
        finish(&mut holding, &mut left, bar, &mut done);
        if let Some(up) = asked.filter(|&up| may_enter && (up || rules.shorts)) {
            let (stop_away, take_away) = (setting.stop_atr * atr[bar - 1], setting.take_atr * atr[bar - 1]);
            if stop_away > 0.0 && take_away > 0.0 {
                let entry = open[bar];
                let (stop, take) =
                    if up { (entry - stop_away, entry + take_away) } else { (entry + stop_away, entry - take_away) };
                holding = Some(Open { up, entry_bar: bar, entry, stop, take });
            }
        }
        // What happens within the bar, and at the close of the last.
        if let Some(own) = &holding {
            let (against, along) = if own.up { (low[bar], high[bar]) } else { (high[bar], low[bar]) };
            if if own.up { against <= own.stop } else { against >= own.stop } {
                let worse = own.stop * rules.stop_slippage_bps / 10_000.0;
                let filled = if own.up { (own.stop - worse).max(against) } else { (own.stop + worse).min(against) };
                left = Some((filled, "stop_loss"));
            } else if if own.up { along >= own.take } else { along <= own.take } {
                left = Some((own.take, "take_profit"));
            } else if bar + 1 == open.len() {
                left = Some((close[bar], "end_of_data"));
            }
        }
        finish(&mut holding, &mut left, bar, &mut done);
    }
    done
}

fn finish(holding: &mut Option<Open>, left: &mut Option<(f64, &'static str)>, bar: usize, done: &mut Vec<Plain>) {
    if let Some((exit, reason)) = left.take()
        && let Some(own) = holding.take()
    {
        done.push(Plain { up: own.up, entry_bar: own.entry_bar, entry: own.entry, exit_bar: bar, exit, reason });
    }
}

/// Costs as the contract names them with the default settings: fee, half the spread and slippage each way, funding by the bar.
pub fn check(plain: &Plain, trade: &Trade, offset: usize) {
    let got = Plain {
        up: trade.side == Side::Long,
        entry_bar: trade.entry_bar - offset,
        entry: trade.entry_price,
        exit_bar: trade.exit_bar - offset,
        exit: trade.exit_price,
        reason: trade.exit_reason.name(),
    };
    assert_eq!(&got, plain);
    let sign = if plain.up { 1.0 } else { -1.0 };
    let gross = 10_000.0 * sign * (plain.exit - plain.entry) / plain.entry;
    let costs = 4.0 + 4.0 + 2.0 + trade.slippage_bps + 0.25 * (plain.exit_bar - plain.entry_bar) as f64;
    let near = |got: f64, want: f64| (got - want).abs() <= 1e-8 * want.abs().max(1.0);
    assert!(near(trade.gross_bps, gross) && near(trade.net_bps, gross - costs), "{trade:?}");
}
