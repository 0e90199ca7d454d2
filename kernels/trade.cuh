// How a position is opened and closed, and what it costs: twin of crates/shadow/src/rules.rs.
#pragma once
#include "arith.cuh"

namespace trade {

// Basis points in one. Twin of `BPS` in crates/base/src/units.rs; a test of crates/shadow compares them.
constexpr double BPS = 10000.0;

// Twin of shadow::Rules, with the layout of shadow::device::DeviceRules.
struct Rules {
    double stop_atr, take_atr, fee_bps, spread_bps, slippage_k, slippage_cap_bps, funding_bps_per_bar, notional;
    u64 max_hold;
};

// One symbol's candles on the panel's grid.
struct Bars {
    const double* open;
    const double* high;
    const double* low;
    const double* close;
    const double* volume;
};

// In the order of shadow::ExitReason::ALL; a test of crates/shadow compares them.
enum Reason : u32 { STOP_LOSS, TAKE_PROFIT, TIME, SIGNAL_REVERSAL, END_OF_DATA, NONE };

struct Position {
    bool is_long;
    u32 signal_bar, entry_bar;
    double entry_price, stop_price, take_price, size;

    DEVICE_MEMBER double sign() const { return is_long ? 1.0 : -1.0; }
    DEVICE_MEMBER bool beyond_stop(double price) const { return is_long ? price <= stop_price : price >= stop_price; }
    DEVICE_MEMBER bool beyond_take(double price) const { return is_long ? price >= take_price : price <= take_price; }
};

struct Exit {
    u32 bar;
    double price;
    u32 reason;
};

// Enters at the open of the bar after the signal. `stop` and `take` are distances from the entry price.
DEVICE Position enter(const Bars& bars, u32 signal_bar, bool is_long, double stop, double take, double size) {
    Position p;
    p.is_long = is_long;
    p.signal_bar = signal_bar;
    p.entry_bar = signal_bar + 1u;
    p.entry_price = bars.open[p.entry_bar];
    p.stop_price = p.entry_price - p.sign() * stop;
    p.take_price = p.entry_price + p.sign() * take;
    p.size = size;
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

// The exit within `bar`: the stop before the take. Its reason is NONE if there is none.
DEVICE Exit exit_within(const Position& p, const Bars& bars, u32 bar) {
    const double low = bars.low[bar];
    const double high = bars.high[bar];
    const double worst = p.is_long ? low : high;
    const double best = p.is_long ? high : low;
    if (p.beyond_stop(worst)) {
        return {bar, p.stop_price, STOP_LOSS};
    }
    if (p.beyond_take(best)) {
        return {bar, p.take_price, TAKE_PROFIT};
    }
    return {bar, 0.0, NONE};
}

// Slippage of one fill: k * sqrt(notional / value traded in the bar), at most the cap.
DEVICE double slippage_bps(const Rules& rules, double notional, double close, double volume) {
    const double value = close * volume;
    if (value <= 0.0) {
        return rules.slippage_cap_bps;
    }
    const double slippage = rules.slippage_k * arith::root(notional / value);
    return slippage > rules.slippage_cap_bps ? rules.slippage_cap_bps : slippage;
}

// What a closed trade earned and cost.
struct Outcome {
    double gross_bps, fee_bps, slippage_bps, funding_bps, net_bps;
};

DEVICE Outcome close(const Position& p, const Exit& exit, const Bars& bars, const Rules& rules) {
    Outcome o;
    o.gross_bps = p.sign() * (exit.price / p.entry_price - 1.0) * BPS;
    o.fee_bps = 2.0 * rules.fee_bps;
    o.slippage_bps = slippage_bps(rules, p.size, bars.close[p.entry_bar], bars.volume[p.entry_bar]) +
                     slippage_bps(rules, p.size, bars.close[exit.bar], bars.volume[exit.bar]);
    o.funding_bps = rules.funding_bps_per_bar * static_cast<double>(exit.bar - p.entry_bar);
    o.net_bps = o.gross_bps - o.fee_bps - rules.spread_bps - o.slippage_bps - o.funding_bps;
    return o;
}

}  // namespace trade
