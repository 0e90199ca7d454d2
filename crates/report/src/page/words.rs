//! Short explanations of the names of reasons.

/// Explanation of a breaker, or of a reason not to trade, to refuse or to exit; empty for an unknown name.
pub(super) fn explanation(name: &str) -> &'static str {
    match name {
        // Why a bar is not traded.
        "warm_up" => "too few bars for a score and its threshold",
        "score_below_threshold" => "the voters' score is below its threshold",
        "no_record" => "too few past outcomes to judge the consensus",
        "edge_below_costs" => "the expected edge does not exceed costs and margin",
        "heads_disagree" => "the side with the edge is not the one more likely to win",
        "consensus_disagrees" => "the model and the voters are on opposite sides",
        "no_stop" => "no ATR, so no stop distance",
        "no_shorts" => "a short, which this market does not have; it ends a long position",
        "signal" => "traded, unless a position on its side was open already",
        // Why an account refuses a trade, and what stops it.
        "taken" => "within every cap, reduced in size where necessary",
        "kill_switch" => "trading is switched off",
        "no_equity" => "no equity is left",
        "daily_stop" => "the day's loss has reached its limit",
        "drawdown_limit" => "equity is too far below its highest of the last days",
        "drawdown_breaker" => "equity has fallen too far from the day's highest",
        "streak_breaker" => "after losses in a row of a coin, its positions are smaller",
        "stop_distance" => "the stop is not on the losing side of the entry",
        "volatility_breaker" => "market volatility is high: defence mode",
        "dust" => "too small to be worth an order",
        "coin_share" => "the coin's maximum exposure is used up",
        "leverage" => "the maximum leverage is used up",
        "open_risk" => "the day's losses and the open stops use up the daily loss limit",
        "correlation" => "the maximum net exposure to the market is used up",
        // Why trades end.
        "stop_loss" => "the price reached the stop",
        "take_profit" => "the price reached the target",
        "time" => "held for the maximum time",
        "signal_reversal" => "there was an opposite signal",
        "end_of_data" => "the test window ended",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_decide::WaitReason;
    use huracan_risk::{Breaker, Refusal};
    use huracan_shadow::ExitReason;

    #[test]
    fn every_reason_has_an_explanation() {
        let names = WaitReason::ALL
            .map(WaitReason::name)
            .into_iter()
            .chain(Refusal::ALL.map(Refusal::name))
            .chain(Breaker::ALL.map(Breaker::name))
            .chain(ExitReason::ALL.map(ExitReason::name));
        for name in names {
            assert!(!explanation(name).is_empty(), "{name}");
        }
        assert_eq!(explanation("<b>"), "");
    }
}
