// The votes of all voters at every bar: twin of crates/decide/src/votes.
#include "votes.cuh"

namespace votes {

// Constants with a twin of the same name in crates/decide/src/votes; a test there compares the values.

// indicators/windows.rs: numerator of 1/(sum of squared distances of n bars from their middle) = 12/(n (n^2 - 1)).
constexpr double LINE_SCALE = 12.0;
// indicators/oscillators.rs: Lambert's constant, and the share of a typical price up to which a distance is rounding error.
constexpr double CCI_SCALE = 0.015;
constexpr double TYPICAL_ROUNDING = 1e-14;
// momentum.rs: what a change in per cent is multiplied by to be a fraction.
constexpr double FRACTION_OF_PERCENT = 0.01;

// The inputs of a voter: its symbol, its parameters, its planes of `bars` entries each, and the series across coins.
struct Context {
    Symbol symbol;
    VoterArgs args;
    double* planes;
    const double* bitcoin;
    const float* ranks;

    DEVICE_MEMBER double* plane(u32 number) const { return planes + static_cast<u64>(number) * symbol.bars; }
};

// The voters by family. Each calls `put(t, vote)` for every own bar t of the symbol.
template <class Put> DEVICE void trend(const Context& context, u32 voter, Put put) {
    const Symbol& s = context.symbol;
    const VoterArgs& e = context.args;
    const u32 n = e.bars[0];
    double* atr = context.plane(0);
    double* first = context.plane(1);
    double* second = context.plane(2);
    const auto close = [&](u32 t) { return s.close[t]; };
    switch (voter) {
        case EMA_CROSS: {
            s.atr(atr, e.atr_bars);
            s.ema(first, n, 0, close);
            s.ema(second, e.bars[1], 0, close);
            s.each([&](u32 t) { put(t, s.in_atr(t, first[t] - second[t], e.reals[0], atr)); });
            break;
        }
        case SMA_CROSS: {
            s.atr(atr, e.atr_bars);
            s.each([&](u32 t) { put(t, s.in_atr(t, mean(t, n, close) - mean(t, e.bars[1], close), e.reals[0], atr)); });
            break;
        }
        case MACD_CROSS: {
            s.atr(atr, e.atr_bars);
            s.ema(first, n, e.bars[1] - n, close);
            s.ema(second, e.bars[1], 0, close);
            s.each([&](u32 t) { first[t] -= second[t]; });
            s.ema(second, e.bars[2], e.bars[1] - 1u, [&](u32 t) { return first[t]; });
            s.each([&](u32 t) { put(t, s.in_atr(t, first[t] - second[t], e.reals[0], atr)); });
            break;
        }
        case ADX: {
            double* plus = context.plane(0);
            double* minus = context.plane(1);
            double* range = context.plane(2);
            double* adx = context.plane(3);
            const auto up = [&](u32 t) { return t == 0u ? 0.0 : s.high[t] - s.high[t - 1u]; };
            const auto down = [&](u32 t) { return t == 0u ? 0.0 : s.low[t - 1u] - s.low[t]; };
            s.faded_sum(plus, n, [&](u32 t) { return features::movement(up(t), down(t)); });
            s.faded_sum(minus, n, [&](u32 t) { return features::movement(down(t), up(t)); });
            s.faded_sum(range, n, [&](u32 t) { return s.true_range(t); });
            const double share = 1.0 / static_cast<double>(n);
            const double keep = 1.0 - share;
            double average = 0.0;
            const auto strength = [&](u32 t) { return features::directional(plus[t], minus[t], range[t]); };
            s.in_turn(adx, strength, [&](u32 t, double dx) {
                if (t < n) {
                    return arith::f64_nan();
                }
                if (t < 2u * n) {
                    average += arith::is_nan(dx) ? 0.0 : dx;
                    if (t + 1u < 2u * n) {
                        return arith::f64_nan();
                    }
                    average /= static_cast<double>(n);
                } else {
                    average = arith::is_nan(dx) ? average : average * keep + dx * share;
                }
                return average;
            });
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
            s.atr(atr, n);
            double upper = arith::f64_nan();
            double lower = arith::f64_nan();
            bool up = false;
            const auto range = [&](u32 t) { return atr[t]; };
            s.in_turn(first, range, [&](u32 t, double range) {
                if (arith::is_nan(range)) {
                    return arith::f64_nan();
                }
                const double middle = (s.high[t] + s.low[t]) * 0.5;
                const double above = middle + e.reals[0] * range;
                const double below = middle - e.reals[0] * range;
                if (arith::is_nan(upper)) {
                    upper = above;
                    lower = below;
                    up = s.close[t] >= middle;
                } else {
                    const bool broken_up = s.close[t - 1u] > upper;
                    const bool broken_down = s.close[t - 1u] < lower;
                    upper = above < upper || broken_up ? above : upper;
                    lower = below > lower || broken_down ? below : lower;
                    up = up ? s.close[t] >= lower : s.close[t] > upper;
                }
                return up ? lower : upper;
            });
            s.each([&](u32 t) { put(t, graded(s.significant(t, s.close[t] - first[t]), e.reals[0] * atr[t])); });
            break;
        }
        default: {  // REGRESSION_SLOPE
            s.atr(atr, e.atr_bars);
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
            const auto gain = [&](u32 t) { return t == 0u ? 0.0 : features::gain(s.close[t], s.close[t - 1u]); };
            const auto loss = [&](u32 t) { return t == 0u ? 0.0 : features::loss(s.close[t], s.close[t - 1u]); };
            s.wilder(first, n, gain);
            s.wilder(second, n, loss);
            s.each([&](u32 t) {
                const double rsi = t < n ? arith::f64_nan() : features::rsi(first[t], second[t]);
                put(t, -between(rsi, e.reals[0], e.reals[1]));
            });
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
    double* first = context.plane(0);
    double* second = context.plane(1);
    const auto volume = [&](u32 t) { return s.volume[t]; };
    switch (voter) {
        case RATE_OF_CHANGE: {
            s.atr(first, e.atr_bars);
            s.each([&](u32 t) {
                double vote = arith::f64_nan();
                if (t >= n) {
                    const double change = (s.close[t] / s.close[t - n] - 1.0) * features::PERCENT;
                    vote = s.in_atr(t, change * FRACTION_OF_PERCENT * s.close[t - n], e.reals[0], first);
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
            double balance = 0.0;
            const auto signed_volume = [&](u32 t) {
                return features::signed_volume(s.volume[t], s.close[t], t == 0u ? 0.0 : s.close[t - 1u]);
            };
            s.in_turn(first, signed_volume, [&](u32, double x) {
                balance += x;
                return balance;
            });
            s.each([&](u32 t) {
                put(t, t < n ? arith::f64_nan() : graded(first[t] - first[t - n], e.reals[0] * sum(t, n, volume)));
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
            s.atr(first, e.atr_bars);
            s.each([&](u32 t) {
                const double money = fold(t, n, 0.0, [&](double sum, u32 k) { return sum + s.typical(k) * s.volume[k]; });
                const double traded = sum(t, n, volume);
                const double average = traded == 0.0 ? s.close[t] : money / traded;
                put(t, s.in_atr(t, s.close[t] - average, e.reals[0], first));
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
    double* atr = context.plane(0);
    double* first = context.plane(1);
    const auto close = [&](u32 t) { return s.close[t]; };
    switch (voter) {
        case KELTNER_BREAKOUT: {
            s.atr(atr, e.bars[1]);
            s.ema(first, n, 0, close);
            s.each([&](u32 t) {
                const double distance = s.significant(t, s.close[t] - first[t]);
                const double band = e.reals[0] * atr[t];
                const double vote = graded(distance, e.reals[1] * band);
                put(t, arith::magnitude(distance) <= band ? 0.0 : vote);
            });
            break;
        }
        case ATR_SQUEEZE: {
            const u32 fade = e.bars[1];
            double* squeezed = context.plane(2);
            s.atr(first, n);
            s.fill(squeezed, [&](u32 t) {
                const double bands = e.reals[0] * deviation(t, n, mean(t, n, close), close);
                return t >= n && bands < e.reals[1] * first[t] ? 1.0 : 0.0;
            });
            s.atr(atr, e.atr_bars);
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
            s.fill(first, [&](u32 t) { return bar_return(s.close, t); });
            s.each([&](u32 t) {
                // Never −0: the compiler makes a minimum of what follows, which holds −0 for less than 0.
                const double lead = context.bitcoin[t] + 0.0;
                const double own = usual_moves(s.close, t, n, e.bars[1], [&](u32 k) { return first[k]; });
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

// The votes, `[symbols x bars x VOTERS]`, from candles `[symbols x bars]`. One block per voter (x) and symbol (y), which works
// in `planes`, `[symbols x VOTERS x PLANES x bars]`. `bitcoin` is `[bars]`, `ranks` `[symbols x bars]`.
//
// At least five blocks per multiprocessor: without this, the compiler stops at 64 registers and spills.
KERNEL_AT_LEAST(5, votes_cast, votes::THREADS, const double* high, const double* low, const double* close,
                const double* volume, const u32* ranges, const votes::VoterArgs* voters, const double* bitcoin,
                const float* ranks, double* planes, float* out, u32 bars) {
    SHARED(double, tile, votes::THREADS);
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
    const votes::Symbol candles = {high + own, low + own, close + own, volume + own, end - start, tile};
    double* own_planes = planes + (row * votes::VOTERS + static_cast<u64>(voter) * bars) * votes::PLANES;
    const votes::Context context = {candles, args, own_planes, bitcoin + start, ranks + own};
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
