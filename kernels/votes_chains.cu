// The voters' series from bar to bar, in which a bar needs the one before: averages, ADX, On-Balance Volume, SuperTrend. Twin of
// crates/decide/src/votes/indicators.
#include "recurrence.cuh"
#include "votes.cuh"

namespace votes {

using namespace recurrences;

// device.rs: threads per block of votes_chains, and bars that it processes at a time.
constexpr u32 CHAIN_THREADS = 64;
// Lanes of a warp.
constexpr u32 WARP = 32;

// The recurrence of each lane of the first warp.
enum Lane : u32 {
    L_FAST, L_SLOW, L_MACD_FAST, L_MACD_SLOW, L_KELTNER, L_ATR, L_TREND_RANGE, L_KELTNER_RANGE, L_SQUEEZE_RANGE, L_GAIN, L_LOSS,
    L_PLUS, L_MINUS, L_RANGE_SUM, L_BALANCE,
    // Those whose entries are made from the others.
    L_SIGNAL, L_ADX,
    LANES,
    FIRST_BEHIND = L_SIGNAL
};

// What the lanes read, and SuperTrend.
enum Entry : u32 {
    I_CLOSE, I_RANGE, I_GAIN, I_LOSS, I_UP, I_DOWN, I_SIGNED_VOLUME,
    // Made from what the lanes wrote.
    I_MACD, I_DX, I_TREND_RANGE, I_MIDDLE, I_ABOVE, I_BELOW, I_TREND_CLOSE,
    ENTRIES
};

DEVICE Entry entry_of(u32 lane) {
    switch (lane) {
        case L_FAST: case L_SLOW: case L_MACD_FAST: case L_MACD_SLOW: case L_KELTNER: return I_CLOSE;
        case L_GAIN: return I_GAIN;
        case L_LOSS: return I_LOSS;
        case L_PLUS: return I_UP;
        case L_MINUS: return I_DOWN;
        case L_BALANCE: return I_SIGNED_VOLUME;
        case L_SIGNAL: return I_MACD;
        case L_ADX: return I_DX;
        default: return I_RANGE;
    }
}

DEVICE Recurrence recurrence(u32 lane, const VoterArgs* voters) {
    const VoterArgs& macd = voters[MACD_CROSS];
    switch (lane) {
        case L_FAST: return exponential(voters[EMA_CROSS].bars[0], 0);
        case L_SLOW: return exponential(voters[EMA_CROSS].bars[1], 0);
        // Starts later, so that both averages of MACD start at the same bar.
        case L_MACD_FAST: return exponential(macd.bars[0], macd.bars[1] - macd.bars[0]);
        case L_MACD_SLOW: return exponential(macd.bars[1], 0);
        case L_KELTNER: return exponential(voters[KELTNER_BREAKOUT].bars[0], 0);
        case L_ATR: return wilder(voters[EMA_CROSS].atr_bars);
        case L_TREND_RANGE: return wilder(voters[SUPERTREND].bars[0]);
        case L_KELTNER_RANGE: return wilder(voters[KELTNER_BREAKOUT].bars[1]);
        case L_SQUEEZE_RANGE: return wilder(voters[ATR_SQUEEZE].bars[0]);
        case L_GAIN: case L_LOSS: return wilder(voters[RSI].bars[0]);
        case L_PLUS: case L_MINUS: case L_RANGE_SUM: return running(voters[ADX].bars[0]);
        case L_SIGNAL: return exponential(macd.bars[2], macd.bars[1] - 1u);
        case L_ADX: return directional_average(voters[ADX].bars[0]);
        default: return total();
    }
}

// Whether a recurrence has no value yet at bar t; the sums have one from the first bar on.
DEVICE bool silent(const Recurrence& r, u32 t) {
    const bool is_sum = r.form == F_RUNNING || r.form == F_TOTAL;
    return !is_sum && t + 1u < r.started();
}

// SuperTrend's bands and side.
struct Bands {
    double upper, lower, close_before;
    bool up;

    // The line at the next bar; NaN as long as there is no range.
    DEVICE_MEMBER double line(double range, double middle, double above, double below, double close) {
        if (!arith::is_nan(range)) {
            if (arith::is_nan(upper)) {
                upper = above;
                lower = below;
                up = close >= middle;
            } else {
                const bool broken_up = close_before > upper;
                const bool broken_down = close_before < lower;
                upper = above < upper || broken_up ? above : upper;
                lower = below > lower || broken_down ? below : lower;
                up = up ? close >= lower : close > upper;
            }
        }
        close_before = close;
        const double side = up ? lower : upper;
        return arith::is_nan(range) ? arith::f64_nan() : side;
    }
};

}  // namespace votes

// The chains, `[symbols x CHAINS x bars]`, from candles `[symbols x bars]`. One block, of two warps, per symbol. It processes 64
// bars at a time: entries and results in parallel over bars, then the recurrences over time, each by a lane of the first warp,
// beside SuperTrend by a lane of the second. MACD's signal, ADX and SuperTrend are made from the others and run 64 bars behind
// them. `voters` are the parameters of all.
KERNEL(votes_chains, votes::CHAIN_THREADS, const double* high, const double* low, const double* close, const double* volume,
       const u32* ranges, const votes::VoterArgs* voters, double* chains, u32 bars) {
    using namespace votes;
    constexpr u32 STEP = CHAIN_THREADS;
    // An odd number of words of 8 bytes, so that lanes that read different entries do not read the same bank.
    constexpr u32 STRIDE = STEP + 1;
    SHARED(double, entries, ENTRIES * STRIDE);
    SHARED(double, values, LANES * STRIDE);
    SHARED(double, lines, STEP);
    const u32 symbol = blockIdx.x;
    const u32 lane = threadIdx.x;
    const u32 start = ranges[symbol * 2u];
    const u32 length = ranges[symbol * 2u + 1u] - start;
    const u64 row = static_cast<u64>(symbol) * bars + start;
    const u64 plane = bars;
    double* out = chains + static_cast<u64>(symbol) * CHAINS * plane + start;
    const double multiple = voters[SUPERTREND].reals[0];
    const Recurrence chain = recurrence(lane, voters);
    const u32 behind = lane < FIRST_BEHIND ? 0u : STEP;
    const double* in = entries + entry_of(lane) * STRIDE;
    double* mine = entries + lane;
    const double* got = values + lane;
    Bands bands = {arith::f64_nan(), arith::f64_nan(), arith::f64_nan(), false};
    double value = 0.0;
    double macd = 0.0;
    for (u32 from = 0; from < length + STEP; from += STEP) {
        const u32 t = from + lane;
        const bool there = t < length;
        const bool has_before = there && t > 0u;
        const double h = there ? high[row + t] : 0.0;
        const double l = there ? low[row + t] : 0.0;
        const double c = there ? close[row + t] : 0.0;
        const double v = there ? volume[row + t] : 0.0;
        const double h_before = has_before ? high[row + t - 1u] : 0.0;
        const double l_before = has_before ? low[row + t - 1u] : 0.0;
        const double c_before = has_before ? close[row + t - 1u] : 0.0;
        mine[I_CLOSE * STRIDE] = c;
        mine[I_RANGE * STRIDE] = features::true_range(h, l, c_before);
        mine[I_GAIN * STRIDE] = features::gain(c, c_before);
        mine[I_LOSS * STRIDE] = features::loss(c, c_before);
        mine[I_UP * STRIDE] = features::movement(h - h_before, l_before - l);
        mine[I_DOWN * STRIDE] = features::movement(l_before - l, h - h_before);
        mine[I_SIGNED_VOLUME * STRIDE] = features::signed_volume(v, c, c_before);
        __syncthreads();
        if (lane < LANES && from >= behind) {
            double* own = values + lane * STRIDE;
            if (from >= behind + chain.started()) {
                for (u32 i = 0; i < STEP; ++i) {
                    value = next(chain, value, in[i]);
                    own[i] = value;
                }
            } else {
                for (u32 i = 0; i < STEP; ++i) {
                    const u32 bar = from - behind + i;
                    value = next_from_start(chain, value, in[i], bar);
                    own[i] = silent(chain, bar) ? arith::f64_nan() : value;
                }
            }
        } else if (lane == WARP && from > 0u) {
            for (u32 i = 0; i < STEP; ++i) {
                lines[i] = bands.line(entries[I_TREND_RANGE * STRIDE + i], entries[I_MIDDLE * STRIDE + i],
                                      entries[I_ABOVE * STRIDE + i], entries[I_BELOW * STRIDE + i],
                                      entries[I_TREND_CLOSE * STRIDE + i]);
            }
        }
        __syncthreads();
        if (from > 0u && t - STEP < length) {
            out[MACD_HISTOGRAM * plane + t - STEP] = macd - got[L_SIGNAL * STRIDE];
            out[ADX_LINE * plane + t - STEP] = got[L_ADX * STRIDE];
            out[TREND_LINE * plane + t - STEP] = lines[lane];
        }
        const double plus = got[L_PLUS * STRIDE];
        const double minus = got[L_MINUS * STRIDE];
        const double range_sum = got[L_RANGE_SUM * STRIDE];
        const double trend_range = got[L_TREND_RANGE * STRIDE];
        const double middle = (h + l) * 0.5;
        macd = got[L_MACD_FAST * STRIDE] - got[L_MACD_SLOW * STRIDE];
        mine[I_MACD * STRIDE] = macd;
        mine[I_DX * STRIDE] = features::directional(plus, minus, range_sum);
        mine[I_TREND_RANGE * STRIDE] = trend_range;
        mine[I_MIDDLE * STRIDE] = middle;
        mine[I_ABOVE * STRIDE] = middle + multiple * trend_range;
        mine[I_BELOW * STRIDE] = middle - multiple * trend_range;
        mine[I_TREND_CLOSE * STRIDE] = c;
        if (there) {
            out[EMA_DIFFERENCE * plane + t] = got[L_FAST * STRIDE] - got[L_SLOW * STRIDE];
            out[ATR * plane + t] = got[L_ATR * STRIDE];
            out[PLUS * plane + t] = plus;
            out[MINUS * plane + t] = minus;
            out[RANGE_SUM * plane + t] = range_sum;
            out[TREND_RANGE * plane + t] = trend_range;
            out[RSI_LINE * plane + t] = features::rsi(got[L_GAIN * STRIDE], got[L_LOSS * STRIDE]);
            out[BALANCE * plane + t] = got[L_BALANCE * STRIDE];
            out[KELTNER_MEAN * plane + t] = got[L_KELTNER * STRIDE];
            out[KELTNER_RANGE * plane + t] = got[L_KELTNER_RANGE * STRIDE];
            out[SQUEEZE_RANGE * plane + t] = got[L_SQUEEZE_RANGE * STRIDE];
        }
    }
}
