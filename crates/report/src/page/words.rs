//! What the names of reasons mean, in a few words each.

/// Meaning of a reason to wait, to refuse or to exit, or of a breaker; empty for a name that is not known.
pub(super) fn meaning(name: &str) -> &'static str {
    match name {
        // Why a bar is not traded.
        "warm_up" => "too few bars yet for a score and its threshold",
        "score_below_threshold" => "the engines' score is too weak",
        "no_record" => "the consensus has no outcomes to judge itself by",
        "edge_below_costs" => "the expected edge does not beat costs and margin",
        "heads_disagree" => "the side of the edge is not the likelier winner",
        "consensus_disagrees" => "model and engines want opposite sides",
        "no_stop" => "no ATR, so no distance for a stop",
        "signal" => "traded, or would be but for an open position",
        // Why risk refuses, and what stops the account.
        "taken" => "within every cap, made smaller where one was near",
        "kill_switch" => "trading is switched off",
        "no_equity" => "nothing is left",
        "daily_stop" => "the day has lost its limit",
        "drawdown_breaker" => "the day has fallen too far from its highest equity",
        "streak_breaker" => "after losses in a row, positions are smaller",
        "stop_distance" => "the stop is not on the losing side of the entry",
        "volatility_breaker" => "the market is wild: defence mode",
        "dust" => "too small to be worth an order",
        "coin_share" => "the coin's share of the equity is used up",
        "leverage" => "the leverage is used up",
        "open_risk" => "the open stops use up the daily loss limit",
        // Why trades end.
        "stop_loss" => "the price reached the stop",
        "take_profit" => "the price reached the target",
        "time" => "held as long as allowed",
        "signal_reversal" => "the opposite signal came",
        "end_of_data" => "the test window ended",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_decide::Wait;
    use huracan_risk::{Breaker, Refusal};
    use huracan_shadow::ExitReason;

    #[test]
    fn every_reason_of_the_program_has_a_meaning() {
        let names = Wait::ALL
            .map(Wait::name)
            .into_iter()
            .chain(Refusal::ALL.map(Refusal::name))
            .chain(Breaker::ALL.map(Breaker::name))
            .chain(ExitReason::ALL.map(ExitReason::name));
        for name in names {
            assert!(!meaning(name).is_empty(), "{name}");
        }
        assert_eq!(meaning("<b>"), "");
    }
}
