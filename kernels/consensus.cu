// The consensus of the voters: twin of crates/decide/src/consensus. Sums over bars and coins are sums of integers, so that their
// order does not matter.
#include "votes.cuh"

namespace consensus {

// Constants with a twin of the same name in crates/decide/src/consensus; a test there compares the values.

// device.rs: threads per block, and bars of a tile of consensus_scores.
constexpr u32 THREADS = 128;
constexpr u32 TILE = 64;

// tallies.rs: votes that every hit rate starts with, and units per vote of full strength.
constexpr double PRIOR_VOTES = 100.0;
constexpr float STRENGTH_SCALE = 1024.0f;
// scores.rs: units of a score, and of a basis point.
constexpr double SCORE_SCALE = 1048576.0;
constexpr double BPS_SCALE = 65536.0;

constexpr u32 VOTERS = votes::VOTERS;

// Twins of the structures of the same names in crates/decide/src/consensus.
struct Tally {
    i64 hits, all, cast;
};
struct Opinion {
    float score, threshold, confidence, expected_bps;
};
struct Record {
    i64 count, sum;
};

// Strength of a vote whose outcome is known, in units; 0 if it says nothing. Votes are between -1 and 1.
DEVICE u32 strength(float vote, double outcome_bps) {
    const bool counts = !arith::is_nan(vote) && !arith::is_nan(outcome_bps) && outcome_bps != 0.0;
    return counts ? static_cast<u32>(arith::magnitude(vote) * STRENGTH_SCALE) : 0u;
}
DEVICE bool hit(float vote, double outcome_bps) { return (vote > 0.0f) == (outcome_bps > 0.0); }

DEVICE bool passes(const Opinion& opinion) { return arith::magnitude(opinion.score) > opinion.threshold; }
// What a score beyond its threshold earned, in units. Outcomes are at most a million basis points.
DEVICE i64 earned(const Opinion& opinion, double outcome_bps) {
    const double own = opinion.score > 0.0f ? outcome_bps : -outcome_bps;
    return static_cast<i64>(own * BPS_SCALE);
}

// Three sums over the threads of a block up to each thread, itself included. All threads call it together; `shared` has an
// entry for each.
struct Sums {
    u64 count, first, second;

    DEVICE_MEMBER void add(const Sums& other) {
        count += other.count;
        first += other.first;
        second += other.second;
    }
    DEVICE_MEMBER void up_to_here(Sums* shared) {
        shared[threadIdx.x] = *this;
        __syncthreads();
        for (u32 distance = 1; distance < blockDim.x; distance *= 2u) {
            const bool has = threadIdx.x >= distance;
            const Sums before = has ? shared[threadIdx.x - distance] : Sums{0, 0, 0};
            __syncthreads();
            add(before);
            shared[threadIdx.x] = *this;
            __syncthreads();
        }
    }
};

}  // namespace consensus

// Adds to the tallies of each bar and voter, `[bars x VOTERS]`, the votes `[symbols x bars x VOTERS]` by their outcomes,
// `[symbols x bars]`. One thread per bar and voter; there are fewer than 2^20 symbols.
KERNEL(consensus_tallies, consensus::THREADS, const float* votes, const double* outcomes, consensus::Tally* tallies, u32 symbols,
       u32 bars) {
    using namespace consensus;
    const u64 cell = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    const u64 row = static_cast<u64>(bars) * VOTERS;
    if (cell >= row) {
        return;
    }
    const u32 bar = static_cast<u32>(cell / VOTERS);
    u32 hits = 0;
    u32 all = 0;
    u32 cast = 0;
#pragma unroll 8
    for (u32 symbol = 0; symbol < symbols; ++symbol) {
        const float vote = votes[symbol * row + cell];
        const double outcome_bps = outcomes[static_cast<u64>(symbol) * bars + bar];
        const u32 own = strength(vote, outcome_bps);
        all += own;
        hits += hit(vote, outcome_bps) ? own : 0u;
        cast += own != 0u ? 1u : 0u;
    }
    tallies[cell].hits += hits;
    tallies[cell].all += all;
    tallies[cell].cast += cast;
}

// Each symbol's own hit rates at every bar, `[symbols x bars x VOTERS]`, over the newest `window` bars whose outcomes are known
// `horizon` bars later, and the last of them, `[symbols x VOTERS]`. One thread per symbol and voter.
KERNEL(consensus_rates, consensus::THREADS, const float* votes, const double* outcomes, const u32* ranges, double* rates,
       float* last_rates, u32 symbols, u32 bars, u32 horizon, u32 window) {
    using namespace consensus;
    const u32 cell = thread_in_grid();
    if (cell >= symbols * VOTERS) {
        return;
    }
    const u32 symbol = cell / VOTERS;
    const u32 start = ranges[symbol * 2u];
    const u32 end = ranges[symbol * 2u + 1u];
    const u64 row = static_cast<u64>(symbol) * bars;
    const float* own_votes = votes + row * VOTERS + cell % VOTERS;
    double* own_rates = rates + row * VOTERS + cell % VOTERS;
    constexpr double PRIOR = PRIOR_VOTES * STRENGTH_SCALE;
    i64 hits = 0;
    i64 all = 0;
    double rate = PRIOR / 2.0 / PRIOR;
    for (u32 bar = start; bar < end; ++bar) {
        if (bar - start >= horizon) {
            const u32 known = bar - horizon;
            const float vote = own_votes[static_cast<u64>(known) * VOTERS];
            const u32 added = strength(vote, outcomes[row + known]);
            all += added;
            hits += hit(vote, outcomes[row + known]) ? added : 0u;
            if (known - start >= window) {
                const u32 old = known - window;
                const float old_vote = own_votes[static_cast<u64>(old) * VOTERS];
                const u32 removed = strength(old_vote, outcomes[row + old]);
                all -= removed;
                hits -= hit(old_vote, outcomes[row + old]) ? removed : 0u;
            }
            rate = (static_cast<double>(hits) + PRIOR / 2.0) / (static_cast<double>(all) + PRIOR);
        }
        own_rates[static_cast<u64>(bar) * VOTERS] = rate;
    }
    last_rates[cell] = static_cast<float>(rate);
}

// Score and confidence of the votes on every bar, in `opinions`, `[symbols x bars]`, of which the rest becomes NaN. `rates` are
// hit rates, `[bars x VOTERS]`, or of each symbol if they are its own. One block per tile of bars (x) and symbol (y); a thread
// of it per bar.
KERNEL(consensus_scores, consensus::TILE, const float* votes, const double* rates, consensus::Opinion* opinions, u32 bars,
       u32 own_rates) {
    using namespace consensus;
    SHARED(float, tile_votes, TILE * VOTERS);
    SHARED(double, tile_rates, TILE * VOTERS);
    const u32 from = blockIdx.x * TILE;
    const u64 row = static_cast<u64>(blockIdx.y) * bars;
    const u32 count = bars - from < TILE ? bars - from : TILE;
    const float* in_votes = votes + (row + from) * VOTERS;
    const double* in_rates = rates + ((own_rates != 0u ? row : 0u) + from) * VOTERS;
    // Eight are under way before the first is stored.
    constexpr u32 AHEAD = 8;
    for (u32 first = threadIdx.x; first < count * VOTERS; first += AHEAD * blockDim.x) {
        float some_votes[AHEAD];
        double some_rates[AHEAD];
#pragma unroll
        for (u32 k = 0; k < AHEAD; ++k) {
            const u32 i = first + k * blockDim.x;
            const u32 within = i < count * VOTERS ? i : first;
            some_votes[k] = in_votes[within];
            some_rates[k] = in_rates[within];
        }
#pragma unroll
        for (u32 k = 0; k < AHEAD; ++k) {
            const u32 i = first + k * blockDim.x;
            if (i < count * VOTERS) {
                tile_votes[i] = some_votes[k];
                tile_rates[i] = some_rates[k];
            }
        }
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        double weights = 0.0;
        double score = 0.0;
        double strength = 0.0;
        double reliability = 0.0;
        bool any = false;
        for (u32 voter = 0; voter < VOTERS; ++voter) {
            const float vote = tile_votes[i * VOTERS + voter];
            const double rate = tile_rates[i * VOTERS + voter];
            const double weight = 2.0 * rate - 1.0;
            const bool votes = !arith::is_nan(vote);
            any = any || votes;
            if (votes && weight > 0.0) {
                weights += weight;
                score += weight * static_cast<double>(vote);
                strength += weight * static_cast<double>(arith::magnitude(vote));
                reliability += weight * rate;
            }
        }
        const bool none = weights == 0.0 || strength == 0.0;
        const double confidence = features::PERCENT * (arith::magnitude(score) / strength) * (reliability / weights);
        Opinion opinion = {arith::f32_nan(), arith::f32_nan(), arith::f32_nan(), arith::f32_nan()};
        if (any) {
            opinion.score = none ? 0.0f : static_cast<float>(score / weights);
            opinion.confidence = none ? 0.0f : static_cast<float>(confidence);
        }
        opinions[row + from + i] = opinion;
    }
}

// The thresholds of `opinions`, `[symbols x bars]`: `multiple` times the deviation of the newest `window` scores; and, if
// `own_record` is set, what each symbol's own scores beyond their threshold earned on average in the newest `record_window` bars
// whose outcomes are known `horizon` bars later, if there are at least `record_least`. One block per symbol, which works in its
// 2 x (bars + 1) entries of `sums`.
KERNEL(consensus_thresholds, consensus::THREADS, const double* outcomes, const u32* ranges, consensus::Opinion* opinions,
       consensus::Sums* sums, double multiple, u32 window, u32 own_record, u32 horizon, u32 record_window, u32 record_least,
       u32 bars) {
    using namespace consensus;
    SHARED(Sums, shared, THREADS);
    SHARED(Sums, reached, 2);
    const u32 symbol = blockIdx.x;
    const u32 start = ranges[symbol * 2u];
    const u32 length = ranges[symbol * 2u + 1u] - start;
    const u64 row = static_cast<u64>(symbol) * bars + start;
    // Sums over the scores so far, by their number, and over the bars so far.
    Sums* of_scores = sums + static_cast<u64>(symbol) * 2u * (bars + 1u);
    Sums* of_records = of_scores + bars + 1u;
    if (threadIdx.x == 0u) {
        of_scores[0] = Sums{0, 0, 0};
        of_records[0] = Sums{0, 0, 0};
        reached[0] = Sums{0, 0, 0};
        reached[1] = Sums{0, 0, 0};
    }
    __syncthreads();
    const bool is_last = threadIdx.x + 1u == blockDim.x;
    for (u32 from = 0; from < length; from += blockDim.x) {
        const u32 t = from + threadIdx.x;
        const bool there = t < length;
        Opinion opinion = {arith::f32_nan(), arith::f32_nan(), arith::f32_nan(), arith::f32_nan()};
        if (there) {
            opinion = opinions[row + t];
        }
        const bool scored = !arith::is_nan(opinion.score);
        const i64 score = scored ? static_cast<i64>(static_cast<double>(opinion.score) * SCORE_SCALE) : 0;
        Sums now = {scored ? 1u : 0u, static_cast<u64>(score), static_cast<u64>(score * score)};
        now.up_to_here(shared);
        now.add(reached[0]);
        if (scored) {
            of_scores[now.count] = now;
        }
        __syncthreads();
        if (is_last) {
            reached[0] = now;
        }
        if (there && now.count >= window) {
            const Sums old = of_scores[now.count - window];
            const i64 n = window;
            const i64 sum = static_cast<i64>(now.first - old.first);
            const i64 squares = static_cast<i64>(now.second - old.second);
            const double variance = static_cast<double>(n * squares - sum * sum) / static_cast<double>(n * (n - 1));
            const double threshold = multiple * (arith::root(variance) / SCORE_SCALE);
            opinion.threshold = arith::is_nan(threshold) ? arith::f32_nan() : static_cast<float>(threshold);
        }
        if (own_record != 0u) {
            const double outcome_bps = there ? outcomes[row + t] : 0.0;
            const bool counts = there && passes(opinion) && !arith::is_nan(outcome_bps);
            Sums record = {counts ? 1u : 0u, counts ? static_cast<u64>(earned(opinion, outcome_bps)) : 0u, 0};
            record.up_to_here(shared);
            record.add(reached[1]);
            if (there) {
                of_records[t + 1u] = record;
            }
            __syncthreads();
            if (is_last) {
                reached[1] = record;
            }
            if (there && t >= horizon) {
                const u32 known = t - horizon + 1u;
                const Sums newest = of_records[known];
                const Sums old = of_records[known > record_window ? known - record_window : 0u];
                const i64 count = static_cast<i64>(newest.count - old.count);
                const double sum = static_cast<double>(static_cast<i64>(newest.first - old.first));
                if (count > 0 && count >= static_cast<i64>(record_least)) {
                    opinion.expected_bps = static_cast<float>(sum / BPS_SCALE / static_cast<double>(count));
                }
            }
        }
        if (there) {
            opinions[row + t] = opinion;
        }
        __syncthreads();
    }
}

// Adds to the record of each bar, `[bars]`, what the scores beyond their threshold of `opinions`, `[symbols x bars]`, earned. One
// thread per bar.
KERNEL(consensus_records, consensus::THREADS, const consensus::Opinion* opinions, const double* outcomes,
       consensus::Record* records, u32 symbols, u32 bars) {
    using namespace consensus;
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    i64 count = 0;
    i64 sum = 0;
#pragma unroll 8
    for (u32 symbol = 0; symbol < symbols; ++symbol) {
        const u64 cell = static_cast<u64>(symbol) * bars + bar;
        const Opinion opinion = opinions[cell];
        const double outcome_bps = outcomes[cell];
        const bool counts = passes(opinion) && !arith::is_nan(outcome_bps);
        count += counts ? 1 : 0;
        sum += counts ? earned(opinion, outcome_bps) : 0;
    }
    records[bar].count += count;
    records[bar].sum += sum;
}
