// The outcome of the unit trade at every bar, on both sides: twin of crates/labels.
#include "trade.cuh"

namespace labels {

// Threads per block. Twin of `THREADS` in crates/labels/src/device.rs; a test there compares them.
constexpr u32 THREADS = 128;

}  // namespace labels

// One thread per symbol, bar and side. Outputs are `[symbols x bars x 2]`, long before short; candles and `atr` are
// `[symbols x bars]`, `ranges` is `[symbols x 2]`, `costs` `[symbols]`, `funding` `[rows x bars]`.
KERNEL(labels_unit_trades, labels::THREADS, const double* open, const double* high, const double* low, const double* close,
       const double* volume, const double* atr, const u32* ranges, const trade::Costs* costs, const double* funding,
       double* return_bps, u32* exit_bar, u8* exit_reason, trade::Rules rules, u32 bars, u64 cells) {
    const u64 cell = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (cell >= cells) {
        return;
    }
    const u64 symbol = cell / (2ull * bars);
    const u64 row = symbol * bars;
    const u32 bar = static_cast<u32>(cell / 2u - row);
    const u32 start = ranges[symbol * 2u];
    const u32 end = ranges[symbol * 2u + 1u];
    const double distance = atr[row + bar];
    const double stop = rules.stop_atr * distance;
    const double take = rules.take_atr * distance;
    double result = arith::f64_nan();
    u32 left = 0;
    u32 reason = trade::END_OF_DATA;
    if (bar >= start && bar < end && stop > 0.0 && take > 0.0 && bar + 1u < end) {
        const trade::Bars own = {open + row, high + row, low + row, close + row, volume + row};
        const trade::Position position =
            trade::enter(own, bar, (cell & 1u) == 0u, stop, take, rules.notional, distance);
        trade::Exit exit = {0u, 0.0, trade::NONE};
        for (u32 at = position.entry_bar; at < end && exit.reason == trade::NONE; ++at) {
            if (at > position.entry_bar) {
                exit = trade::exit_at_open(position, own, at, false, rules.max_hold);
            }
            if (exit.reason == trade::NONE) {
                exit = trade::exit_within(position, own, at, rules);
            }
        }
        if (exit.reason != trade::NONE) {
            result = trade::close(position, exit, own, rules, costs[symbol], {funding, bars}).net_bps;
            left = exit.bar;
            reason = exit.reason;
        }
    }
    return_bps[cell] = result;
    exit_bar[cell] = left;
    exit_reason[cell] = static_cast<u8>(reason);
}
