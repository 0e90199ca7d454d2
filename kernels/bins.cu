// Quantile bins of many small tables: one block sorts, cuts and encodes one feature of one set of rows.
//
// Twin of crates/boost/src/bins.rs and codes.rs. The training rows of a set must fit into shared memory; bins_large.cu handles
// larger sets.
#include "bins.cuh"

// A set of rows that several jobs share. The u64 are offsets into the arrays of the launch.
struct BinRows {
    u64 rows;       // numbers of rows in the table: the training rows, then the validation rows
    u64 columns;    // [features][train + valid] codes
    u32 train_rows;
    u32 valid_rows;
    u32 max_bin;
    u32 keys;       // the smallest power of two that is at least `train_rows`
};

// How a set's columns are packed into groups of LANES features. The u64 are offsets into the arrays of the launch.
struct PackRows {
    u64 columns;
    u64 train_codes;
    u64 valid_codes;
    u64 order;      // [features]: the features in the order of the groups
    u64 group_bins; // [groups]: bins of each group
    u32 train_rows;
    u32 valid_rows;
    u32 groups;
    u32 padding;
};

namespace {

using bins::midway;

// Key of a missing value, above all others.
constexpr u32 NO_KEY = 0xffffffffu;
constexpr u32 WARP = 32u;

// The different values of a column, in order. Run `r` are the sorted keys from `starts[r]` to `starts[r + 1]`; after the last
// run comes the number of keys.
struct Runs {
    const u32* keys;
    const u16* starts;
    u32 count;
};

DEVICE float value_of(const Runs& runs, u32 run) { return bins::value_of(runs.keys[runs.starts[run]]); }

// Cuts of a column, made by a warp: every lane counts them, one writes each.
struct Cuts {
    float* out;
    u32 count;
};

DEVICE void add(Cuts& cuts, float cut) {
    if (threadIdx.x == 0u) {
        cuts.out[cuts.count] = cut;
    }
    ++cuts.count;
}

// A cut between any two neighbours of the runs `from .. to`.
DEVICE void cut_between_all(const Runs& runs, u32 from, u32 to, Cuts& cuts) {
    for (u32 run = from + 1u + threadIdx.x; run < to; run += WARP) {
        cuts.out[cuts.count + run - from - 1u] = midway(value_of(runs, run - 1u), value_of(runs, run));
    }
    cuts.count += to > from ? to - from - 1u : 0u;
}

DEVICE u32 rows_of(const Runs& runs, u32 run) { return runs.starts[run + 1u] - static_cast<u32>(runs.starts[run]); }

// Cuts the runs `from .. to` into bins with about equal numbers of rows: the greedy algorithm of bins.rs. It closes a bin at a
// run that fills one by itself, when the bin holds what is wanted, or a little less if the next run fills one. Only the last run
// of a bin can fill one, so the warp's lanes look for the first run at which a bin closes, 32 at a time.
DEVICE void cut_greedily(const Runs& runs, u32 from, u32 to, u32 bins, Cuts& cuts) {
    bins = bins > 1u ? bins : 1u;
    if (to - from <= bins) {
        cut_between_all(runs, from, to, cuts);
        return;
    }
    const u32 rows = runs.starts[to] - static_cast<u32>(runs.starts[from]);
    const double mean = static_cast<double>(rows) / static_cast<double>(bins);
    u32 own_bins = 0u;
    u32 own_rows = 0u;
    for (u32 run = from + threadIdx.x; run < to; run += WARP) {
        const u32 count = rows_of(runs, run);
        const bool fills = static_cast<double>(count) >= mean;
        own_bins += fills ? 1u : 0u;
        own_rows += fills ? count : 0u;
    }
    own_bins = __reduce_add_sync(ALL_LANES, own_bins);
    own_rows = __reduce_add_sync(ALL_LANES, own_rows);
    u32 bins_left = bins - (own_bins < bins ? own_bins : bins);
    u32 rows_left = rows - own_rows;
    double wanted = static_cast<double>(rows_left) / static_cast<double>(bins_left);
    const u32 first = cuts.count;
    u32 begin = from;
    u32 looked = from;
    while (looked + 1u < to) {
        const double half = wanted * EARLY_SHARE;
        const double least = half > 1.0 ? half : 1.0;
        const u32 run = looked + threadIdx.x;
        bool closes = false;
        bool big = false;
        u32 count = 0u;
        u32 held = 0u;
        if (run + 1u < to) {
            count = rows_of(runs, run);
            held = runs.starts[run + 1u] - static_cast<u32>(runs.starts[begin]);
            big = static_cast<double>(count) >= mean;
            const bool next_big = static_cast<double>(rows_of(runs, run + 1u)) >= mean;
            closes = big || static_cast<double>(held) >= wanted || (next_big && static_cast<double>(held) >= least);
        }
        const u32 closing = __ballot_sync(ALL_LANES, closes);
        if (closing == 0u) {
            looked += WARP;
            continue;
        }
        const i32 lane = 31 - __clz(static_cast<i32>(closing & (0u - closing)));
        const bool filled = __shfl_sync(ALL_LANES, big ? 1 : 0, lane) != 0;
        held = __shfl_sync(ALL_LANES, held, lane);
        count = __shfl_sync(ALL_LANES, count, lane);
        const u32 last = looked + static_cast<u32>(lane);
        add(cuts, midway(value_of(runs, last), value_of(runs, last + 1u)));
        if (cuts.count - first >= bins - 1u) {
            break;
        }
        rows_left -= held - (filled ? count : 0u);
        if (!filled) {
            bins_left -= bins_left > 0u ? 1u : 0u;
            wanted = static_cast<double>(rows_left) / static_cast<double>(bins_left);
        }
        begin = last + 1u;
        looked = begin;
    }
}

// How many rows and runs a column has of values below 0, and of these and 0.
struct Sides {
    u32 low_rows, low_runs;
    u32 zero_rows, zero_runs;
};

// Cuts values below 0 and values above 0 separately, each with bins by its share of the rows. 0 has its own bin.
DEVICE void cut_by_shares(const Runs& runs, const Sides& sides, u32 rows, u32 max_bin, Cuts& cuts) {
    const u32 low = sides.low_rows;
    const u32 high = rows - sides.zero_rows;
    const bool any_low = low > 0u;
    const bool any_zero = sides.zero_rows > low;
    const bool any_high = high > 0u;
    u32 low_bins = 0u;
    if (any_low) {
        low_bins = static_cast<u32>(static_cast<u64>(low) * (max_bin - ZERO_BINS) / (low + high));
        low_bins = low_bins > 1u ? low_bins : 1u;
        cut_greedily(runs, 0u, sides.low_runs, low_bins, cuts);
    }
    if (any_low && !any_zero && any_high) {
        add(cuts, 0.0f);
    } else if (any_zero) {
        if (any_low) {
            add(cuts, -ZERO_THRESHOLD);
        }
        if (any_high) {
            add(cuts, ZERO_THRESHOLD);
        }
    }
    if (any_high) {
        cut_greedily(runs, sides.zero_runs, runs.count, max_bin - ZERO_BINS - low_bins, cuts);
    }
}

// STEPS steps of a bitonic network, at distances from `distance` down to half of the one before: a thread takes the keys that
// meet in them, compares them in registers, and puts them back. In every second stretch of `size` keys the order is reversed:
// there the keys' complements are sorted.
// NEIGHBOURS says that the keys that meet lie side by side, and are read and written four at a time.
template <u32 STEPS, bool NEIGHBOURS> DEVICE void sort_steps(u32* keys, u32 count, u32 size, u32 distance) {
    constexpr u32 MEETING = 1u << STEPS;
    constexpr u32 TOGETHER = MEETING < 4u ? MEETING : 4u;
    struct alignas(4u * TOGETHER) Keys {
        u32 of[TOGETHER];
    };
    const u32 apart = NEIGHBOURS ? 1u : distance >> (STEPS - 1u);
    for (u32 item = threadIdx.x; item < count / MEETING; item += blockDim.x) {
        const u32 low = item & (apart - 1u);
        const u32 from = (item - low) * MEETING + low;
        const u32 flip = (from & size) == 0u ? 0u : 0xffffffffu;
        u32 own[MEETING];
#pragma unroll
        for (u32 k = 0u; k < MEETING; k += TOGETHER) {
            Keys some;
            if (NEIGHBOURS) {
                some = *reinterpret_cast<const Keys*>(keys + from + k);
            }
#pragma unroll
            for (u32 j = 0u; j < TOGETHER; ++j) {
                own[k + j] = (NEIGHBOURS ? some.of[j] : keys[from + (k + j) * apart]) ^ flip;
            }
        }
#pragma unroll
        for (u32 half = MEETING / 2u; half > 0u; half /= 2u) {
#pragma unroll
            for (u32 k = 0u; k < MEETING; ++k) {
                if ((k & half) == 0u) {
                    const u32 less = own[k] < own[k + half] ? own[k] : own[k + half];
                    const u32 more = own[k] < own[k + half] ? own[k + half] : own[k];
                    own[k] = less;
                    own[k + half] = more;
                }
            }
        }
#pragma unroll
        for (u32 k = 0u; k < MEETING; k += TOGETHER) {
            Keys some;
#pragma unroll
            for (u32 j = 0u; j < TOGETHER; ++j) {
                some.of[j] = own[k + j] ^ flip;
                if (!NEIGHBOURS) {
                    keys[from + (k + j) * apart] = some.of[j];
                }
            }
            if (NEIGHBOURS) {
                *reinterpret_cast<Keys*>(keys + from + k) = some;
            }
        }
    }
    __syncthreads();
}

// Sorts `count` keys, a power of two, by a bitonic network, three steps at a time.
DEVICE void sort(u32* keys, u32 count) {
    for (u32 size = 2u; size <= count; size *= 2u) {
        u32 distance = size / 2u;
        for (; distance > 4u; distance /= 8u) {
            sort_steps<3u, false>(keys, count, size, distance);
        }
        if (distance == 4u) {
            sort_steps<3u, true>(keys, count, size, 4u);
        } else if (distance == 2u) {
            sort_steps<2u, true>(keys, count, size, 2u);
        } else if (distance == 1u) {
            sort_steps<1u, true>(keys, count, size, 1u);
        }
    }
}

// The number of threads before this one with a true `flag`, and the number of all such threads. `counts` has one entry per
// warp.
DEVICE u32 rank(u32* counts, bool flag, u32& all) {
    const u32 mask = __ballot_sync(ALL_LANES, flag);
    const u32 lane = threadIdx.x % WARP;
    const u32 warp = threadIdx.x / WARP;
    if (lane == 0u) {
        counts[warp] = static_cast<u32>(__popc(mask));
    }
    __syncthreads();
    u32 before = static_cast<u32>(__popc(mask & ((1u << lane) - 1u)));
    all = 0u;
    for (u32 w = 0u; w < blockDim.x / WARP; ++w) {
        before += w < warp ? counts[w] : 0u;
        all += counts[w];
    }
    __syncthreads();
    return before;
}

}  // namespace

// One block per feature (x) and set of rows (y). Writes the cuts, `[sets][features][MAX_CUTS]`, their number, whether a
// training value is missing, and the codes of all rows by column. Dynamic shared memory: 6 bytes per key, and 4.
KERNEL(bins_columns, THREADS, const float* table, u32 features, const BinRows* sets, const u32* all_rows, float* all_cuts,
       u32* cut_counts, u32* any_missing, u8* all_columns) {
    SHARED_DYNAMIC(u32, keys);
    SHARED(float, cuts, 256);
    SHARED(u32, counts, THREADS / 32u);
    SHARED(Sides, block_sides, 1);
    SHARED(u32, block_counts, 2);
    const u32 feature = blockIdx.x;
    const BinRows set = sets[blockIdx.y];
    const u32* rows = all_rows + set.rows;
    const u32 all = set.train_rows + set.valid_rows;
    u8* codes = all_columns + set.columns + static_cast<u64>(feature) * all;
    u16* starts = reinterpret_cast<u16*>(keys + set.keys);
    Sides& sides = block_sides[0];
    if (threadIdx.x == 0u) {
        sides = {0u, 0u, 0u, 0u};
        block_counts[0] = 0u;
    }
    __syncthreads();
#pragma unroll 4
    for (u32 place = threadIdx.x; place < set.keys; place += blockDim.x) {
        u32 key = NO_KEY;
        if (place < set.train_rows) {
            const float value = table[static_cast<u64>(rows[place]) * features + feature];
            // A comparison treats -0 and 0 as equal, so the order must as well.
            key = arith::is_nan(value) ? NO_KEY : bins::order_of(value + 0.0f);
        }
        keys[place] = key;
    }
    __syncthreads();
    sort(keys, set.keys);
    u32 run_count = 0u;
    Sides own = {0u, 0u, 0u, 0u};
    u32 own_present = 0u;
    for (u32 from = 0u; from < set.train_rows; from += blockDim.x) {
        const u32 at = from + threadIdx.x;
        const bool there = at < set.train_rows && keys[at] != NO_KEY;
        const bool begins = there && (at == 0u || keys[at - 1u] != keys[at]);
        u32 more = 0u;
        const u32 before = rank(counts, begins, more);
        if (begins) {
            starts[run_count + before] = static_cast<u16>(at);
        }
        if (there) {
            const float value = bins::value_of(keys[at]);
            const u32 low = value < -ZERO_THRESHOLD ? 1u : 0u;
            const u32 zero = value <= ZERO_THRESHOLD ? 1u : 0u;
            own.low_rows += low;
            own.zero_rows += zero;
            own.low_runs += begins ? low : 0u;
            own.zero_runs += begins ? zero : 0u;
            own_present += 1u;
        }
        run_count += more;
    }
    atomicAdd(&sides.low_rows, own.low_rows);
    atomicAdd(&sides.low_runs, own.low_runs);
    atomicAdd(&sides.zero_rows, own.zero_rows);
    atomicAdd(&sides.zero_runs, own.zero_runs);
    atomicAdd(&block_counts[0], own_present);
    __syncthreads();
    const u32 present = block_counts[0];
    if (threadIdx.x == 0u) {
        starts[run_count] = static_cast<u16>(present);
    }
    __syncthreads();
    if (threadIdx.x < WARP) {
        const Runs runs = {keys, starts, run_count};
        Cuts made = {cuts, 0u};
        if (run_count <= set.max_bin) {
            cut_between_all(runs, 0u, run_count, made);
        } else {
            cut_by_shares(runs, sides, present, set.max_bin, made);
        }
        if (threadIdx.x == 0u) {
            block_counts[1] = made.count;
        }
    }
    __syncthreads();
    const u32 count = block_counts[1];
    const u64 column = static_cast<u64>(blockIdx.y) * features + feature;
    for (u32 cut = threadIdx.x; cut < count; cut += blockDim.x) {
        all_cuts[column * MAX_CUTS + cut] = cuts[cut];
    }
    if (threadIdx.x == 0u) {
        cut_counts[column] = count;
        any_missing[column] = present < set.train_rows ? 1u : 0u;
    }
#pragma unroll 4
    for (u32 place = threadIdx.x; place < all; place += blockDim.x) {
        const float value = table[static_cast<u64>(rows[place]) * features + feature];
        codes[place] = static_cast<u8>(bins::code_of(cuts, count, value));
    }
}

// One block per 16 rows (x) and set of rows (y). Packs columns into groups, where the code of a missing value is the one after
// the last bin.
KERNEL(bins_pack, THREADS, const PackRows* sets, const u32* orders, const u32* group_bins, u32 features,
       const u8* all_columns, u8* codes) {
    const PackRows set = sets[blockIdx.y];
    const u32 all = set.train_rows + set.valid_rows;
    const u32 lane = threadIdx.x % LANES;
    const u32 row = blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;
    if (row >= all) {
        return;
    }
    const bool train = row < set.train_rows;
    const u32 own_rows = train ? set.train_rows : set.valid_rows;
    const u32 own_row = train ? row : row - set.train_rows;
    u8* out = codes + (train ? set.train_codes : set.valid_codes);
    for (u32 group = 0u; group < set.groups; ++group) {
        const u32 place = group * LANES + lane;
        u32 code = 0u;
        if (place < features) {
            const u32 feature = orders[set.order + place];
            code = all_columns[set.columns + static_cast<u64>(feature) * all + row];
            code = code == MISSING ? group_bins[set.group_bins + group] : code;
        }
        out[(static_cast<u64>(group) * own_rows + own_row) * LANES + lane] = static_cast<u8>(code);
    }
}
