// How a position is opened and closed, and what it costs: twin of crates/shadow/src/rules.rs.
#pragma once
#include "arith.cuh"

namespace trade {

// Basis points in one. Twin of `BPS` in crates/base/src/units.rs; a test of crates/shadow compares them.
constexpr double BPS = 10000.0;

// In a symbol's costs: it has no history of funding. Twin of `NO_FUNDING` in crates/shadow/src/device.rs; a test there compares
// them.
constexpr u64 NO_FUNDING = 4294967295;

// Twin of shadow::Rules without the costs that differ between symbols, with the layout of shadow::device::DeviceRules.
struct Rules {
    double stop_atr, take_atr, slippage_k, slippage_atr, slippage_cap_bps, stop_slippage_bps, funding_bps_per_bar;
    double borrow_bps_per_bar, notional;
    u64 max_hold;
    u32 by_volatility, shorts;
};

// What differs between symbols: twin of shadow::CoinCosts, with the layout of shadow::device::DeviceCosts. `tick` is 0 where it is
// unknown; `funding_row` is the symbol's row of the funding, or NO_FUNDING.
struct Costs {
    double fee_bps, spread_bps, tick;
    u64 funding_row;
};

// One symbol's candles on the panel's grid.
struct Bars {
    const double* open;
    const double* high;
    const double* low;
    const double* close;
    const double* volume;
};

// Sums of the funding rates up to each bar's open, `[rows x bars]`, NaN where they are not known.
struct Funding {
    const double* paid_bps;
    u32 bars;
};

// In the order of shadow::ExitReason::ALL; a test of crates/shadow compares them.
enum Reason : u32 { STOP_LOSS, TAKE_PROFIT, TIME, SIGNAL_REVERSAL, END_OF_DATA, NONE };

struct Position {
    bool is_long;
    u32 signal_bar, entry_bar;
    double entry_price, stop_price, take_price, size, volatility_bps;

    DEVICE_MEMBER double sign() const { return is_long ? 1.0 : -1.0; }
    DEVICE_MEMBER bool beyond_stop(double price) const { return is_long ? price <= stop_price : price >= stop_price; }
    DEVICE_MEMBER bool beyond_take(double price) const { return is_long ? price >= take_price : price <= take_price; }
};

struct Exit {
    u32 bar;
    double price;
    u32 reason;
};

// Enters at the open of the bar after the signal. `stop` and `take` are distances from the entry price; `atr` is the ATR at the
// signal.
DEVICE Position enter(const Bars& bars, u32 signal_bar, bool is_long, double stop, double take, double size, double atr) {
    Position p;
    p.is_long = is_long;
    p.signal_bar = signal_bar;
    p.entry_bar = signal_bar + 1u;
    p.entry_price = bars.open[p.entry_bar];
    p.stop_price = p.entry_price - p.sign() * stop;
    p.take_price = p.entry_price + p.sign() * take;
    p.size = size;
    p.volatility_bps = atr / bars.close[signal_bar] * BPS;
    return p;
}

// The exit at the open of `bar`, in this order: reversal, time, open beyond the stop, open beyond the take. Its reason is NONE
// if there is none.
DEVICE Exit exit_at_open(const Position& p, const Bars& bars, u32 bar, bool reversal, u64 max_hold) {
    const double price = bars.open[bar];
    u32 reason = NONE;
    if (reversal) {
        reason = SIGNAL_REVERSAL;
    } else if (static_cast<u64>(bar - p.entry_bar) >= max_hold) {
        reason = TIME;
    } else if (p.beyond_stop(price)) {
        reason = STOP_LOSS;
    } else if (p.beyond_take(price)) {
        reason = TAKE_PROFIT;
    }
    return {bar, price, reason};
}

// The price at which the stop is filled within `bar`: worse than the stop, but not beyond the bar's extreme.
DEVICE double stop_fill(const Position& p, const Bars& bars, u32 bar, const Rules& rules) {
    const double fill = p.stop_price - p.sign() * (p.stop_price * rules.stop_slippage_bps / BPS);
    const double worst = p.is_long ? bars.low[bar] : bars.high[bar];
    const bool traded = p.is_long ? fill > worst : fill < worst;
    return traded ? fill : worst;
}

// The exit within `bar`: the stop before the take. Its reason is NONE if there is none.
DEVICE Exit exit_within(const Position& p, const Bars& bars, u32 bar, const Rules& rules) {
    const double low = bars.low[bar];
    const double high = bars.high[bar];
    const double worst = p.is_long ? low : high;
    const double best = p.is_long ? high : low;
    if (p.beyond_stop(worst)) {
        return {bar, stop_fill(p, bars, bar, rules), STOP_LOSS};
    }
    if (p.beyond_take(best)) {
        return {bar, p.take_price, TAKE_PROFIT};
    }
    return {bar, 0.0, NONE};
}

// The whole spread at this price: one tick if that is more than the symbol's spread.
DEVICE double spread_bps(const Costs& costs, double price) {
    const double tick_bps = costs.tick / price * BPS;
    return tick_bps > costs.spread_bps ? tick_bps : costs.spread_bps;
}

// Slippage one way where the notional equals the value traded in the bar: a multiple of the volatility at the signal, or a fixed
// number where that is not known or does not count.
DEVICE double slippage_factor_bps(const Rules& rules, double volatility_bps) {
    const double factor = rules.slippage_atr * volatility_bps;
    return rules.by_volatility != 0u && !arith::is_nan(factor) ? factor : rules.slippage_k;
}

// Slippage of one fill: factor * sqrt(notional / value traded in the bar), at most the cap; the cap where it is undefined.
DEVICE double slippage_bps(const Rules& rules, double factor_bps, double notional, double close, double volume) {
    const double value = close * volume;
    if (value <= 0.0) {
        return rules.slippage_cap_bps;
    }
    const double slippage = factor_bps * arith::root(notional / value);
    return slippage <= rules.slippage_cap_bps ? slippage : rules.slippage_cap_bps;
}

// What holding a position cost from its entry to `exit_bar`: the funding that was paid where its history is known, otherwise flat
// funding by the bar, and for a short what borrowing the coin costs.
DEVICE double holding_bps(const Position& p, u32 exit_bar, const Rules& rules, const Costs& costs, const Funding& funding) {
    if (costs.funding_row != NO_FUNDING) {
        const double* row = funding.paid_bps + costs.funding_row * funding.bars;
        const double before = row[p.entry_bar];
        const double after = row[exit_bar];
        const double paid = p.is_long ? after - before : before - after;
        if (!arith::is_nan(paid)) {
            return paid;
        }
    }
    const double per_bar = p.is_long ? rules.funding_bps_per_bar : rules.funding_bps_per_bar + rules.borrow_bps_per_bar;
    return per_bar * static_cast<double>(exit_bar - p.entry_bar);
}

// What a closed trade earned and cost.
struct Outcome {
    double gross_bps, fee_bps, spread_bps, slippage_bps, funding_bps, net_bps;
};

DEVICE Outcome close(const Position& p, const Exit& exit, const Bars& bars, const Rules& rules, const Costs& costs,
                     const Funding& funding) {
    const double factor_bps = slippage_factor_bps(rules, p.volatility_bps);
    Outcome o;
    o.gross_bps = p.sign() * (exit.price / p.entry_price - 1.0) * BPS;
    o.fee_bps = 2.0 * costs.fee_bps;
    o.spread_bps = 0.5 * spread_bps(costs, p.entry_price) + 0.5 * spread_bps(costs, exit.price);
    o.slippage_bps = slippage_bps(rules, factor_bps, p.size, bars.close[p.entry_bar], bars.volume[p.entry_bar]) +
                     slippage_bps(rules, factor_bps, p.size, bars.close[exit.bar], bars.volume[exit.bar]);
    o.funding_bps = holding_bps(p, exit.bar, rules, costs, funding);
    o.net_bps = o.gross_bps - o.fee_bps - o.spread_bps - o.slippage_bps - o.funding_bps;
    return o;
}

}  // namespace trade
