//! The state of one account: booked money and open positions.

use super::{Money, Order, RiskApproved};
use huracan_bars::Panel;
use huracan_base::units::BPS;
use huracan_shadow::{Side, Trade};

/// An open position and its unrealised profit at the last close, before costs.
struct Open {
    approved: RiskApproved,
    unrealised: Money,
}

pub(super) struct Portfolio {
    /// Starting equity plus all booked profits.
    booked: Money,
    open: Vec<Open>,
    unrealised: Money,
    exposure: Money,
    open_risk: Money,
    /// Net sum of notional × side × beta of the open positions.
    beta_exposure: Money,
    /// Side of each symbol's last position that was closed at an open, and the bar; `[symbols]`.
    closed_at_open: Vec<Option<(Side, usize)>>,
    /// Coin of each symbol, `[symbols]`: symbols with the same base are one coin.
    coins: Vec<usize>,
    coin_exposure: Vec<Money>,
}

impl Portfolio {
    pub fn new(panel: &Panel, start_equity: f64) -> Self {
        let base = |symbol: &str| symbol.split('-').next().unwrap_or_default().to_owned();
        let bases: Vec<String> = panel.symbols.iter().map(|symbol| base(symbol)).collect();
        let mut coins = Vec::with_capacity(bases.len());
        // Symbols are sorted, so those with the same base are adjacent.
        for (symbol, base) in bases.iter().enumerate() {
            let same = symbol > 0 && *base == bases[symbol - 1];
            coins.push(if same { coins[symbol - 1] } else { symbol });
        }
        Self {
            booked: Money::rounded(start_equity),
            open: Vec::new(),
            unrealised: Money::ZERO,
            exposure: Money::ZERO,
            open_risk: Money::ZERO,
            beta_exposure: Money::ZERO,
            closed_at_open: vec![None; bases.len()],
            coin_exposure: vec![Money::ZERO; bases.len()],
            coins,
        }
    }

    /// Booked money and open positions at their last mark.
    pub fn equity(&self) -> Money {
        self.booked + self.unrealised
    }

    /// Starting equity plus all booked profits: what is left if every open position is closed where it was entered.
    pub fn booked(&self) -> Money {
        self.booked
    }

    /// Row of the first symbol with the same base.
    pub fn coin(&self, symbol: usize) -> usize {
        self.coins[symbol]
    }

    /// Whether the account had a position in the order's symbol when the signal came that this order would not reverse.
    /// It may have been closed at the very open of the entry.
    pub fn is_taken(&self, order: &Order) -> bool {
        self.open.iter().any(|open| open.approved.order().symbol == order.symbol)
            || self.closed_at_open[order.symbol] == Some((order.side, order.bar))
    }

    pub fn is_flat(&self) -> bool {
        self.open.is_empty()
    }

    pub fn exposure(&self) -> Money {
        self.exposure
    }

    pub fn open_risk(&self) -> Money {
        self.open_risk
    }

    pub fn beta_exposure(&self) -> Money {
        self.beta_exposure
    }

    pub fn coin_exposure(&self, symbol: usize) -> Money {
        self.coin_exposure[self.coins[symbol]]
    }

    pub fn enter(&mut self, approved: RiskApproved) {
        self.exposure += approved.notional();
        self.open_risk += approved.risk();
        self.beta_exposure += approved.beta_exposure();
        self.coin_exposure[self.coins[approved.order().symbol]] += approved.notional();
        self.open.push(Open { approved, unrealised: Money::ZERO });
    }

    /// Closes the position of a trade, at the open of its last bar or later in it, and books its profit; `None` if the
    /// trade is not open.
    pub fn exit(&mut self, index: usize, trade: &Trade, at_open: bool) -> Option<(RiskApproved, Money)> {
        let at = self.open.iter().position(|open| open.approved.order().trade == index)?;
        let Open { approved, unrealised } = self.open.swap_remove(at);
        let profit = Money::rounded(approved.notional().value() * trade.net_bps / BPS);
        self.booked += profit;
        self.unrealised -= unrealised;
        self.exposure -= approved.notional();
        self.open_risk -= approved.risk();
        self.beta_exposure -= approved.beta_exposure();
        if at_open {
            self.closed_at_open[trade.symbol] = Some((trade.side, trade.exit_bar));
        }
        self.coin_exposure[self.coins[trade.symbol]] -= approved.notional();
        Some((approved, profit))
    }

    /// Marks all positions at the close of `bar`. A position without a close keeps its last mark.
    pub fn mark(&mut self, panel: &Panel, bar: usize) {
        let mut sum = Money::ZERO;
        for open in &mut self.open {
            let order = open.approved.order();
            let close = panel.row(&panel.close, order.symbol).get(bar).copied().unwrap_or(f64::NAN);
            if close.is_finite() {
                let moved = order.side.sign() * (close / order.entry_price - 1.0);
                open.unrealised = Money::rounded(open.approved.notional().value() * moved);
            }
            sum += open.unrealised;
        }
        self.unrealised = sum;
    }
}
