//! The account to which the trades of all symbols are offered.

use std::ops::Range;

use huracan_bars::Panel;
use huracan_decide::{Candidate, Consensus, DecideMode, Policy};
use huracan_features::{Features, columns};
use huracan_risk::{self as risk, Ledger, Limits, Offer};
use huracan_shadow::{self as shadow, Rules, Signals, Trade};

/// What the portfolio trades by, besides predictions and signals.
pub struct Portfolio<'a> {
    pub policy: Policy,
    pub limits: Limits,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub consensus: &'a Consensus,
    /// ATR(14) in price units, `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
    /// Test windows per symbol, in bars.
    pub windows: &'a [Vec<Range<usize>>],
    /// Start (ms UTC) of every day that the windows touch, ascending.
    pub days: &'a [i64],
}

impl Portfolio<'_> {
    /// The trade of every signal, with the edge that the gate saw at it: that of the candidate's prediction, or of the
    /// consensus where it decides alone. Ordered by entry, then symbol.
    pub fn offers(&self, signals: &Signals, candidates: &[Candidate]) -> Vec<Offer> {
        let mut edges = vec![f64::NAN; self.panel.symbols.len() * self.panel.bars];
        for &(symbol, bar, prediction) in candidates {
            edges[symbol * self.panel.bars + bar] = match self.policy.mode {
                DecideMode::Consensus => f64::from(self.consensus.at(symbol, bar).expected_bps),
                DecideMode::Model | DecideMode::Both => prediction.map_or(f64::NAN, |heads| heads.tradable_bps()),
            };
        }
        let trades = shadow::every_signal(self.panel, signals, self.atr, self.windows, self.rules);
        let betas = self.betas(&trades);
        trades
            .into_iter()
            .zip(betas)
            .map(|(trade, beta)| Offer {
                edge_bps: edges[trade.symbol * self.panel.bars + trade.signal_bar].abs(),
                beta,
                trade,
            })
            .collect()
    }

    /// The beta at the signal of each trade. They are looked up symbol by symbol, as the features lie.
    fn betas(&self, trades: &[Trade]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..trades.len()).collect();
        order.sort_by_key(|&index| (trades[index].symbol, trades[index].signal_bar));
        let mut betas = vec![f64::NAN; trades.len()];
        for index in order {
            let trade = &trades[index];
            betas[index] = f64::from(self.features.value(trade.symbol, trade.signal_bar, columns::MARKET_BETA));
        }
        betas
    }

    /// Offers the trades to one account, under all risk limits.
    pub fn follow(&self, offers: &[Offer], kill: &dyn Fn() -> Option<String>) -> Ledger {
        let volatility = risk::mean_volatility(self.panel.symbols.len(), self.panel.bars, |symbol, bar| {
            f64::from(self.features.value(symbol, bar, columns::VOLATILITY_20))
        });
        risk::follow(self.panel, offers, self.days, &self.limits, &volatility, kill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_bars::{Candles, DAY_MS, HOUR_MS, Timeframe};
    use huracan_decide::{Opinion, Prediction};
    use huracan_features::COUNT;
    use huracan_risk::RiskParams;
    use huracan_shadow::Side;

    const BARS: usize = 24;

    fn panel() -> Panel {
        let candles = || {
            let mut candles = Candles::default();
            (0..BARS).for_each(|bar| candles.push(bar as i64 * HOUR_MS, [100.0; 4], 1e6));
            candles
        };
        let all = ["A-USD", "B-USD"].map(|symbol| (symbol.to_owned(), candles())).to_vec();
        Panel::new(all, Timeframe::H1, 1, false).unwrap()
    }

    fn rules() -> Rules {
        Rules {
            stop_atr: 1.0,
            take_atr: 1.0,
            max_hold: 6,
            fee_bps: 4.0,
            spread_bps: 2.0,
            shorts: true,
            ..Rules::default()
        }
    }

    /// Signals: A buys at bars 1 and 3, B sells at bar 1. Offers with each mode, and the ledger.
    fn offered(mode: DecideMode) -> (Vec<Offer>, Ledger) {
        let (panel, rules) = (panel(), rules());
        let mut signals = Signals::none(2, BARS);
        (signals.side[1], signals.side[3], signals.side[BARS + 1]) = (1, 1, -1);
        let mut features = Features { symbols: 2, bars: BARS, values: vec![f32::NAN; 2 * BARS * COUNT].into() };
        features.values[(BARS + 1) * COUNT + columns::MARKET_BETA] = 1.5;
        let opinion = Opinion { score: 0.4, threshold: 0.3, confidence: 60.0, expected_bps: 17.0 };
        let consensus = Consensus { bars: BARS, opinions: vec![opinion; 2 * BARS], hit_rates: vec![] };
        let heads =
            |edge_bps| Some(Prediction { win_long: 0.5, win_short: 0.5, edge_bps, told_bps: edge_bps, lead: 0.0 });
        let candidates = [(0, 1, heads(20.0)), (0, 2, heads(99.0)), (0, 3, heads(30.0)), (1, 1, heads(-40.0))];
        let portfolio = Portfolio {
            policy: Policy { mode, margin_bps: 3.0 },
            limits: Limits { max_leverage: 0.25, ..Limits::of(&RiskParams::default()) },
            panel: &panel,
            features: &features,
            consensus: &consensus,
            atr: &[1.0; 2 * BARS],
            rules: &rules,
            windows: &[0, 1].map(|_| std::iter::once(0..BARS).collect()),
            days: &[0],
        };
        let offers = portfolio.offers(&signals, &candidates);
        let ledger = portfolio.follow(&offers, &|| None);
        assert_eq!(ledger.account.curve.last().unwrap().0, DAY_MS);
        (offers, ledger)
    }

    #[test]
    fn offers_have_the_edge_that_the_gate_saw_and_the_beta_at_their_signal() {
        let of = |mode| offered(mode).0.iter().map(|o| (o.trade.symbol, o.trade.signal_bar, o.edge_bps)).collect();
        let by_model: Vec<(usize, usize, f64)> = of(DecideMode::Both);
        assert_eq!(by_model, [(0, 1, 20.0), (1, 1, 40.0), (0, 3, 30.0)]);
        assert_eq!(of(DecideMode::Model), by_model);
        assert_eq!(of(DecideMode::Consensus), [(0, 1, 17.0), (1, 1, 17.0), (0, 3, 17.0)]);
        let (offers, _) = offered(DecideMode::Both);
        assert!(offers[0].beta.is_nan() && offers[2].beta.is_nan());
        assert_eq!((offers[1].beta, offers[1].trade.side), (1.5, Side::Short));
    }

    #[test]
    fn the_trade_with_the_greater_edge_gets_the_room_that_there_is() {
        // One position of a quarter of the equity is all the leverage: B's edge is twice that of A.
        let (_, ledger) = offered(DecideMode::Model);
        let taken: Vec<usize> = ledger.taken.iter().map(|taken| taken.approved.order().symbol).collect();
        assert_eq!((taken, ledger.refused.len()), (vec![1], 2));
        // Where the consensus decides alone, both edges are equal, and the panel's order counts.
        let (_, ledger) = offered(DecideMode::Consensus);
        let taken: Vec<usize> = ledger.taken.iter().map(|taken| taken.approved.order().symbol).collect();
        assert_eq!((taken, ledger.refused.len(), ledger.skipped.len()), (vec![0], 1, 1));
    }
}
