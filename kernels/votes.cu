// What voters across coins need: Bitcoin's move, and ranks. Twin of crates/decide/src/votes/across.rs.
#include "votes.cuh"

// Bitcoin's latest move in units of a usual move, `[grid]`; NaN outside its own bars, `start` to `end`. One thread per bar.
KERNEL(votes_bitcoin, votes::THREADS, const double* close, double* moves, u32 start, u32 end, u32 grid, u32 bars,
       u32 deviation_bars) {
    const u32 bar = thread_in_grid();
    if (bar >= grid) {
        return;
    }
    const double* own = close + start;
    const auto returns = [&](u32 k) { return votes::bar_return(own, k); };
    const bool there = bar >= start && bar < end;
    moves[bar] = there ? votes::usual_moves(own, bar - start, bars, deviation_bars, returns) : arith::f64_nan();
}

// Each symbol's return over some bars, `[symbols x bars]`; NaN where it has none. One thread per bar (x) and symbol (y).
KERNEL(votes_returns, votes::THREADS, const double* close, const u32* ranges, double* returns, u32 over, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u32 start = ranges[blockIdx.y * 2u];
    const u32 end = ranges[blockIdx.y * 2u + 1u];
    const u64 cell = static_cast<u64>(blockIdx.y) * bars + bar;
    const bool there = bar >= start && bar - start >= over && bar < end;
    returns[cell] = there ? close[cell] / close[cell - over] - 1.0 : arith::f64_nan();
}

// Each symbol's rank by its return among all symbols that have the bar, from -1 to 1, `[symbols x bars]`; NaN where a symbol
// has no return. One thread per bar (x) and symbol (y). Counting gives the same rank as sorting.
KERNEL(votes_ranks, votes::THREADS, const double* returns, float* ranks, u32 symbols, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u64 cell = static_cast<u64>(blockIdx.y) * bars + bar;
    const double own = returns[cell];
    u32 below = 0;
    u32 above = 0;
    u32 count = 0;
#pragma unroll 8
    for (u32 symbol = 0; symbol < symbols; ++symbol) {
        const double other = returns[static_cast<u64>(symbol) * bars + bar];
        below += other < own ? 1u : 0u;
        above += other > own ? 1u : 0u;
        count += arith::is_nan(other) ? 0u : 1u;
    }
    const double others = count > 1u ? static_cast<double>(count) - 1.0 : 1.0;
    const double rank = (static_cast<double>(below) - static_cast<double>(above)) / others;
    ranks[cell] = arith::is_nan(own) ? arith::f32_nan() : static_cast<float>(rank);
}
