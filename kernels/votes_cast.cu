// The votes of all voters at every bar: twin of crates/decide/src/votes.
#include "votes.cuh"

namespace votes {

// Constants with a twin of the same name in crates/decide/src/votes; a test there compares the values.

// device.rs: series of f64 that all voters of a symbol keep in global memory together.
constexpr u32 PLANES = 13;
// indicators/windows.rs: numerator of 1/(sum of squared distances of n bars from their middle) = 12/(n (n^2 - 1)).
constexpr double LINE_SCALE = 12.0;
// indicators/oscillators.rs: Lambert's constant, and the share of a typical price up to which a distance is rounding error.
constexpr double CCI_SCALE = 0.015;
constexpr double TYPICAL_ROUNDING = 1e-14;
// momentum.rs: what a change in per cent is multiplied by to be a fraction.
constexpr double FRACTION_OF_PERCENT = 0.01;

// The inputs of a voter: its symbol, its parameters, the symbol's chains, `[CHAINS x stride]`, the voter's own planes,
// `[.. x stride]`, and the series across coins.
struct Context {
    Symbol symbol;
    VoterArgs args;
    const double* chains;
    double* planes;
    u64 stride;
    const double* bitcoin;
    const float* ranks;

    DEVICE_MEMBER const double* chain(Chain chain) const { return chains + chain * stride; }
    DEVICE_MEMBER double* plane(u32 number) const { return planes + number * stride; }
};

// How many planes the voters before this one have.
DEVICE u32 planes_before(u32 voter) {
    const u32 donchian = voter > DONCHIAN ? 2u : 0u;
    const u32 stochastic = voter > STOCHASTIC ? 4u : 0u;
    const u32 money_flow = voter > MONEY_FLOW_INDEX ? 2u : 0u;
    const u32 single = (voter > Z_SCORE ? 1u : 0u) + (voter > CCI ? 1u : 0u) + (voter > CHAIKIN_MONEY_FLOW ? 1u : 0u) +
                       (voter > ATR_SQUEEZE ? 1u : 0u);
    return donchian + stochastic + money_flow + single;
}

// The voters by family. Each calls `put(t, vote)` for every own bar t of the symbol.
template <class Put> DEVICE void trend(const Context& context, u32 voter, Put put) {
    const Symbol& s = context.symbol;
    const VoterArgs& e = context.args;
    const u32 n = e.bars[0];
    const double* atr = context.chain(ATR);
    const auto close = [&](u32 t) { return s.close[t]; };
    switch (voter) {
        case EMA_CROSS: {
            const double* difference = context.chain(EMA_DIFFERENCE);
            s.each([&](u32 t) { put(t, s.in_atr(t, difference[t], e.reals[0], atr)); });
            break;
        }
        case SMA_CROSS: {
            s.each([&](u32 t) { put(t, s.in_atr(t, mean(t, n, close) - mean(t, e.bars[1], close), e.reals[0], atr)); });
            break;
        }
        case MACD_CROSS: {
            const double* histogram = context.chain(MACD_HISTOGRAM);
            s.each([&](u32 t) { put(t, s.in_atr(t, histogram[t], e.reals[0], atr)); });
            break;
        }
        case ADX: {
            const double* plus = context.chain(PLUS);
            const double* minus = context.chain(MINUS);
            const double* range = context.chain(RANGE_SUM);
            const double* adx = context.chain(ADX_LINE);
            s.each([&](u32 t) {
                const double plus_di = range[t] > 0.0 ? features::PERCENT * (plus[t] / range[t]) : 0.0;
                const double minus_di = range[t] > 0.0 ? features::PERCENT * (minus[t] / range[t]) : 0.0;
                double strength = bounded((adx[t] - e.reals[0]) / (e.reals[1] - e.reals[0]));
                strength = strength < 0.0 ? 0.0 : strength;
                const double falling = minus_di > plus_di ? -strength : 0.0 * strength;
                put(t, plus_di > minus_di ? strength : falling);
            });
            break;
        }
        case DONCHIAN: {
            double* high = context.plane(0);
            double* low = context.plane(1);
            s.fill(high, [&](u32 t) { return highest(t, n, [&](u32 k) { return s.high[k]; }); });
            s.fill(low, [&](u32 t) { return lowest(t, n, [&](u32 k) { return s.low[k]; }); });
            s.each([&](u32 t) {
                double vote = t < n ? arith::f64_nan() : 0.0;
                // The latest bar that broke out, if its vote has not faded yet.
                for (u32 age = 0; age < e.bars[1] && n + age <= t; ++age) {
                    const u32 k = t - age;
                    const bool above = s.close[k] > high[k - 1u];
                    if (above || s.close[k] < low[k - 1u]) {
                        vote = (above ? 1.0 : -1.0) * faded(age, e.bars[1]);
                        break;
                    }
                }
                put(t, vote);
            });
            break;
        }
        case SUPERTREND: {
            const double* range = context.chain(TREND_RANGE);
            const double* line = context.chain(TREND_LINE);
            s.each([&](u32 t) { put(t, graded(s.significant(t, s.close[t] - line[t]), e.reals[0] * range[t])); });
            break;
        }
        default: {  // REGRESSION_SLOPE
            const double count = static_cast<double>(n);
            const double middle = (count - 1.0) * 0.5;
            const double scale = LINE_SCALE / (count * (count * count - 1.0));
            s.each([&](u32 t) {
                const double moments = fold(t, n, 0.0, [&](double sum, u32 k) {
                    return sum + (middle - static_cast<double>(t - k)) * (s.close[k] - s.close[t]);
                });
                put(t, s.in_atr(t, moments * scale * (count - 1.0), e.reals[0], atr));
            });
            break;
        }
    }
}

template <class Put> DEVICE void reversion(const Context& context, u32 voter, Put put) {
    const Symbol& s = context.symbol;
    const VoterArgs& e = context.args;
    const u32 n = e.bars[0];
    double* first = context.plane(0);
    double* second = context.plane(1);
    const auto close = [&](u32 t) { return s.close[t]; };
    const auto high = [&](u32 t) { return s.high[t]; };
    const auto low = [&](u32 t) { return s.low[t]; };
    switch (voter) {
        case RSI: {
            const double* rsi = context.chain(RSI_LINE);
            s.each([&](u32 t) { put(t, -between(t < n ? arith::f64_nan() : rsi[t], e.reals[0], e.reals[1])); });
            break;
        }
        case BOLLINGER: {
            s.each([&](u32 t) {
                const double middle = mean(t, n, close);
                put(t, graded(middle - s.close[t], e.reals[0] * deviation(t, n, middle, close)));
            });
            break;
        }
        case STOCHASTIC: {
            double* fast_k = context.plane(2);
            double* slow_k = context.plane(3);
            s.fill(first, [&](u32 t) { return highest(t, n, high); });
            s.fill(second, [&](u32 t) { return lowest(t, n, low); });
            s.fill(fast_k, [&](u32 t) { return features::fast_k(s.close[t], second[t], first[t]); });
            s.fill(slow_k, [&](u32 t) { return mean(t, e.bars[1], [&](u32 k) { return fast_k[k]; }); });
            const u32 needed = e.bars[1] + e.bars[2] - 1u;
            s.each([&](u32 t) {
                u32 ranged = 0;
                while (ranged < needed && ranged <= t && !flat(second[t - ranged], first[t - ranged])) {
                    ++ranged;
                }
                const double slow_d = mean(t, e.bars[2], [&](u32 k) { return slow_k[k]; });
                const double vote = -between(slow_d, e.reals[0], e.reals[1]);
                put(t, ranged < needed ? 0.0 * vote : vote);
            });
            break;
        }
        case Z_SCORE: {
            s.fill(first, [&](u32 t) { return bar_return(s.close, t); });
            const auto returns = [&](u32 t) { return first[t]; };
            s.each([&](u32 t) {
                const double middle = mean(t, n, returns);
                const double usual = sample_deviation(t, n, middle, returns);
                const double score = (first[t] - middle) / usual;
                put(t, graded(-(usual == 0.0 ? 0.0 : score), e.reals[0]));
            });
            break;
        }
        case CCI: {
            s.fill(first, [&](u32 t) { return s.typical(t); });
            s.each([&](u32 t) {
                const double middle = mean(t, n, [&](u32 k) { return first[k]; });
                const double distances = fold(t, n, 0.0, [&](double sum, u32 k) {
                    return sum + arith::magnitude(first[k] - middle);
                });
                const double distance = first[t] - middle;
                const double usual = distances * (1.0 / static_cast<double>(n));
                const double rounding = TYPICAL_ROUNDING * middle;
                const bool still = arith::magnitude(distance) <= rounding || usual <= rounding;
                put(t, graded(-(still ? 0.0 : distance / (CCI_SCALE * usual)), e.reals[0]));
            });
            break;
        }
        default: {  // WILLIAMS_R
            s.each([&](u32 t) {
                const double top = highest(t, n, high);
                const double bottom = lowest(t, n, low);
                const double place = (top - s.close[t]) / (top - bottom) * -features::PERCENT;
                const bool still = flat(bottom, top);
                const double vote = -between(still ? 0.0 : place, e.reals[0], e.reals[1]);
                put(t, still ? 0.0 : vote);
            });
            break;
        }
    }
}

// Momentum and volume.
template <class Put> DEVICE void flow(const Context& context, u32 voter, Put put) {
    const Symbol& s = context.symbol;
    const VoterArgs& e = context.args;
    const u32 n = e.bars[0];
    const double* atr = context.chain(ATR);
    double* first = context.plane(0);
    double* second = context.plane(1);
    const auto volume = [&](u32 t) { return s.volume[t]; };
    switch (voter) {
        case RATE_OF_CHANGE: {
            s.each([&](u32 t) {
                double vote = arith::f64_nan();
                if (t >= n) {
                    const double change = (s.close[t] / s.close[t - n] - 1.0) * features::PERCENT;
                    vote = s.in_atr(t, change * FRACTION_OF_PERCENT * s.close[t - n], e.reals[0], atr);
                }
                put(t, vote);
            });
            break;
        }
        case MONEY_FLOW_INDEX: {
            s.each([&](u32 t) {
                first[t] = arith::f64_nan();
                second[t] = arith::f64_nan();
                if (t > 0u) {
                    const double now = s.typical(t);
                    const double before = s.typical(t - 1u);
                    const double change = now - before;
                    const bool still = arith::magnitude(change) <= TYPICAL_ROUNDING * (now + before);
                    const double flow = still ? 0.0 : now * s.volume[t];
                    first[t] = change < 0.0 ? 0.0 : flow;
                    second[t] = change < 0.0 ? flow : 0.0;
                }
            });
            s.each([&](u32 t) {
                const double into = sum(t, n, [&](u32 k) { return first[k]; });
                const double out_of = sum(t, n, [&](u32 k) { return second[k]; });
                const bool none = into + out_of == 0.0;
                const double index = features::PERCENT * (into / (into + out_of));
                const double vote = between(none ? 0.0 : index, e.reals[0], e.reals[1]);
                put(t, none ? 0.0 : vote);
            });
            break;
        }
        case OBV_TREND: {
            const double* balance = context.chain(BALANCE);
            s.each([&](u32 t) {
                put(t, t < n ? arith::f64_nan() : graded(balance[t] - balance[t - n], e.reals[0] * sum(t, n, volume)));
            });
            break;
        }
        case VOLUME_BREAKOUT: {
            s.each([&](u32 t) {
                double vote = arith::f64_nan();
                if (t >= n) {
                    const double usual = mean(t - 1u, n, volume);
                    double excess = graded(s.volume[t] - usual, (e.reals[0] - 1.0) * usual);
                    excess = excess < 0.0 ? 0.0 : excess;
                    const double falling = s.close[t] < s.close[t - 1u] ? -excess : 0.0;
                    vote = s.close[t] > s.close[t - 1u] ? excess : falling;
                }
                put(t, vote);
            });
            break;
        }
        case VWAP: {
            s.each([&](u32 t) {
                const double money = fold(t, n, 0.0, [&](double sum, u32 k) { return sum + s.typical(k) * s.volume[k]; });
                const double traded = sum(t, n, volume);
                const double average = traded == 0.0 ? s.close[t] : money / traded;
                put(t, s.in_atr(t, s.close[t] - average, e.reals[0], atr));
            });
            break;
        }
        default: {  // CHAIKIN_MONEY_FLOW
            s.fill(first, [&](u32 t) {
                const double range = s.high[t] - s.low[t];
                const double share = ((s.close[t] - s.low[t]) - (s.high[t] - s.close[t])) / range;
                return range > 0.0 ? share * s.volume[t] : 0.0;
            });
            s.each([&](u32 t) {
                const double traded = sum(t, n, volume);
                const double money = sum(t, n, [&](u32 k) { return first[k]; });
                put(t, bounded((traded == 0.0 ? 0.0 : money / traded) / e.reals[0]));
            });
            break;
        }
    }
}

// Volatility, and voters across coins.
template <class Put> DEVICE void breakout_or_across(const Context& context, u32 voter, Put put) {
    const Symbol& s = context.symbol;
    const VoterArgs& e = context.args;
    const u32 n = e.bars[0];
    double* plane = context.plane(0);
    const auto close = [&](u32 t) { return s.close[t]; };
    switch (voter) {
        case KELTNER_BREAKOUT: {
            const double* average = context.chain(KELTNER_MEAN);
            const double* range = context.chain(KELTNER_RANGE);
            s.each([&](u32 t) {
                const double distance = s.significant(t, s.close[t] - average[t]);
                const double band = e.reals[0] * range[t];
                const double vote = graded(distance, e.reals[1] * band);
                put(t, arith::magnitude(distance) <= band ? 0.0 : vote);
            });
            break;
        }
        case ATR_SQUEEZE: {
            const u32 fade = e.bars[1];
            double* squeezed = plane;
            const double* atr = context.chain(ATR);
            const double* range = context.chain(SQUEEZE_RANGE);
            s.fill(squeezed, [&](u32 t) {
                const double bands = e.reals[0] * deviation(t, n, mean(t, n, close), close);
                return t >= n && bands < e.reals[1] * range[t] ? 1.0 : 0.0;
            });
            s.each([&](u32 t) {
                // Bars since the last squeeze ended.
                u32 age = 0;
                while (age < fade && age < t && !(squeezed[t - age - 1u] != 0.0 && squeezed[t - age] == 0.0)) {
                    ++age;
                }
                age = age < t ? age : fade;
                const double distance = s.in_atr(t, s.close[t] - mean(t, n, close), e.reals[2], atr);
                const double vote = bounded(distance * faded(age, fade));
                put(t, t < n ? arith::f64_nan() : squeezed[t] != 0.0 ? 0.0 : vote);
            });
            break;
        }
        case BITCOIN_LEAD: {
            s.fill(plane, [&](u32 t) { return bar_return(s.close, t); });
            s.each([&](u32 t) {
                // Never −0: the compiler makes a minimum of what follows, which holds −0 for less than 0.
                const double lead = context.bitcoin[t] + 0.0;
                const double own = usual_moves(s.close, t, n, e.bars[1], [&](u32 k) { return plane[k]; });
                const double ahead = lead - own;
                const double low = lead < 0.0 ? lead : 0.0;
                const double high = lead < 0.0 ? 0.0 : lead;
                double left = ahead > high ? high : ahead;
                left = left < low ? low : left;
                put(t, arith::is_nan(ahead) ? ahead : graded(left, e.reals[0]));
            });
            break;
        }
        default: {  // RELATIVE_STRENGTH
            s.each([&](u32 t) { put(t, bounded(static_cast<double>(context.ranks[t]))); });
            break;
        }
    }
}

}  // namespace votes

// The votes, `[symbols x bars x VOTERS]`, from candles `[symbols x bars]` and `chains`, `[symbols x CHAINS x bars]`, by
// votes_chains. One block per voter (x) and symbol (y), which works in its voter's part of `planes`,
// `[symbols x PLANES x bars]`. `bitcoin` is `[bars]`, `ranks` `[symbols x bars]`.
KERNEL(votes_cast, votes::THREADS, const double* high, const double* low, const double* close, const double* volume,
       const u32* ranges, const votes::VoterArgs* voters, const double* chains, const double* bitcoin, const float* ranks,
       double* planes, float* out, u32 bars) {
    const u32 voter = blockIdx.x;
    const u32 symbol = blockIdx.y;
    const u32 start = ranges[symbol * 2u];
    const u32 end = ranges[symbol * 2u + 1u];
    const u64 row = static_cast<u64>(symbol) * bars;
    const u64 own = row + start;
    const votes::VoterArgs args = voters[voter];
    float* column = out + row * votes::VOTERS + voter;
    // There is no vote before the first own bar and after the last one, and none at all if the voter is off.
    for (u32 bar = threadIdx.x; bar < bars; bar += blockDim.x) {
        if (bar < start || bar >= end || args.on == 0u) {
            column[static_cast<u64>(bar) * votes::VOTERS] = arith::f32_nan();
        }
    }
    if (args.on == 0u) {
        return;
    }
    const votes::Symbol candles = {high + own, low + own, close + own, volume + own, end - start};
    const u64 first_plane = static_cast<u64>(symbol) * votes::PLANES + votes::planes_before(voter);
    const votes::Context context = {candles, args, chains + row * votes::CHAINS + start, planes + first_plane * bars + start, bars,
                                    bitcoin + start, ranks + own};
    const auto put = [&](u32 t, double vote) {
        // A voter abstains if its arithmetic fails on absurd prices. Adding 0 turns -0 into 0.
        const float missing = args.always_votes != 0u ? 0.0f : arith::f32_nan();
        const float known = arith::is_nan(vote) ? missing : static_cast<float>(vote) + 0.0f;
        column[static_cast<u64>(start + t) * votes::VOTERS] = t < args.warm_up ? arith::f32_nan() : known;
    };
    if (voter <= votes::REGRESSION_SLOPE) {
        votes::trend(context, voter, put);
    } else if (voter <= votes::WILLIAMS_R) {
        votes::reversion(context, voter, put);
    } else if (voter <= votes::CHAIKIN_MONEY_FLOW) {
        votes::flow(context, voter, put);
    } else {
        votes::breakout_or_across(context, voter, put);
    }
}
