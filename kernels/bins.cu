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

using bins::Cuts;
using bins::add;
using bins::midway;

DEVICE float value_of(u64 key) { return bins::value_of(static_cast<u32>(key >> 32)); }

// One past the last key with the value of `keys[at]`.
DEVICE u32 run_end(const u64* keys, u32 at, u32 end) {
    const float value = value_of(keys[at]);
    u32 to = at + 1u;
    while (to < end && value_of(keys[to]) == value) {
        ++to;
    }
    return to;
}

DEVICE void cut_between_all(const u64* keys, u32 from, u32 to, Cuts& cuts) {
    for (u32 at = from + 1u; at < to; ++at) {
        const float below = value_of(keys[at - 1u]);
        const float above = value_of(keys[at]);
        if (below < above) {
            add(cuts, midway(below, above));
        }
    }
}

// Cuts into bins with about equal numbers of rows: the greedy algorithm of bins.rs.
DEVICE void cut_greedily(const u64* keys, u32 from, u32 to, u32 bins, Cuts& cuts) {
    u32 distinct = 0u;
    for (u32 at = from; at < to; at = run_end(keys, at, to)) {
        ++distinct;
    }
    bins = bins > 1u ? bins : 1u;
    if (distinct <= bins) {
        cut_between_all(keys, from, to, cuts);
        return;
    }
    const double mean = static_cast<double>(to - from) / static_cast<double>(bins);
    u32 own_bins = 0u;
    u32 own_rows = 0u;
    for (u32 at = from; at < to;) {
        const u32 end = run_end(keys, at, to);
        if (static_cast<double>(end - at) >= mean) {
            own_bins += 1u;
            own_rows += end - at;
        }
        at = end;
    }
    u32 bins_left = bins - (own_bins < bins ? own_bins : bins);
    u32 rows_left = to - from - own_rows;
    double wanted = static_cast<double>(rows_left) / static_cast<double>(bins_left);
    const u32 first = cuts.count;
    u32 held = 0u;
    u32 at = from;
    u32 end = run_end(keys, at, to);
    while (end < to) {
        const u32 next_end = run_end(keys, end, to);
        const u32 count = end - at;
        const bool big = static_cast<double>(count) >= mean;
        const bool next_big = static_cast<double>(next_end - end) >= mean;
        rows_left -= big ? 0u : count;
        held += count;
        const double half = wanted * EARLY_SHARE;
        const double least = half > 1.0 ? half : 1.0;
        if (big || static_cast<double>(held) >= wanted || (next_big && static_cast<double>(held) >= least)) {
            add(cuts, midway(value_of(keys[at]), value_of(keys[end])));
            if (cuts.count - first >= bins - 1u) {
                break;
            }
            held = 0u;
            if (!big) {
                bins_left -= bins_left > 0u ? 1u : 0u;
                wanted = static_cast<double>(rows_left) / static_cast<double>(bins_left);
            }
        }
        at = end;
        end = next_end;
    }
}

// Cuts values below 0 and values above 0 separately, each with bins by its share of the rows. 0 has its own bin.
DEVICE void cut_by_shares(const u64* keys, u32 count, u32 max_bin, Cuts& cuts) {
    u32 below = 0u;
    while (below < count && value_of(keys[below]) < -ZERO_THRESHOLD) {
        ++below;
    }
    u32 above = below;
    while (above < count && value_of(keys[above]) <= ZERO_THRESHOLD) {
        ++above;
    }
    const u32 high = count - above;
    const bool any_low = below > 0u;
    const bool any_zero = above > below;
    const bool any_high = high > 0u;
    u32 low_bins = 0u;
    if (any_low) {
        low_bins = static_cast<u32>(static_cast<u64>(below) * (max_bin - ZERO_BINS) / (below + high));
        low_bins = low_bins > 1u ? low_bins : 1u;
        cut_greedily(keys, 0u, below, low_bins, cuts);
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
        cut_greedily(keys, above, count, max_bin - ZERO_BINS - low_bins, cuts);
    }
}

}  // namespace

// One block per feature (x) and set of rows (y). Writes the cuts, `[sets][features][MAX_CUTS]`, their number, whether a
// training value is missing, and the codes of all rows by column. Dynamic shared memory: 8 bytes per key.
KERNEL(bins_columns, THREADS, const float* table, u32 features, const BinRows* sets, const u32* all_rows, float* all_cuts,
       u32* cut_counts, u32* any_missing, u8* all_columns) {
    SHARED_DYNAMIC(u64, keys);
    SHARED(float, cuts, 256);
    SHARED(u32, counts, 3);
    const u32 feature = blockIdx.x;
    const BinRows set = sets[blockIdx.y];
    const u32* rows = all_rows + set.rows;
    const u32 all = set.train_rows + set.valid_rows;
    u8* codes = all_columns + set.columns + static_cast<u64>(feature) * all;
    if (threadIdx.x < 3u) {
        counts[threadIdx.x] = 0u;
    }
    __syncthreads();
    for (u32 place = threadIdx.x; place < set.keys; place += blockDim.x) {
        u64 key = ~0ull;
        if (place < set.train_rows) {
            const float value = table[static_cast<u64>(rows[place]) * features + feature];
            if (!arith::is_nan(value)) {
                // A comparison treats -0 and 0 as equal, so the order must as well.
                key = static_cast<u64>(bins::order_of(value + 0.0f)) << 32 | place;
                atomicAdd(&counts[0], 1u);
            }
        }
        keys[place] = key;
    }
    __syncthreads();
    for (u32 size = 2u; size <= set.keys; size *= 2u) {
        for (u32 distance = size / 2u; distance > 0u; distance /= 2u) {
            for (u32 i = threadIdx.x; i < set.keys; i += blockDim.x) {
                const u32 other = i ^ distance;
                if (other > i) {
                    const u64 a = keys[i];
                    const u64 b = keys[other];
                    if ((a > b) == ((i & size) == 0u)) {
                        keys[i] = b;
                        keys[other] = a;
                    }
                }
            }
            __syncthreads();
        }
    }
    const u32 present = counts[0];
    for (u32 at = threadIdx.x; at < present; at += blockDim.x) {
        if (at == 0u || value_of(keys[at - 1u]) < value_of(keys[at])) {
            atomicAdd(&counts[1], 1u);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0u) {
        Cuts own = {cuts, 0u};
        if (counts[1] <= set.max_bin) {
            cut_between_all(keys, 0u, present, own);
        } else {
            cut_by_shares(keys, present, set.max_bin, own);
        }
        counts[2] = own.count;
    }
    __syncthreads();
    const u32 count = counts[2];
    const u64 column = static_cast<u64>(blockIdx.y) * features + feature;
    for (u32 cut = threadIdx.x; cut < count; cut += blockDim.x) {
        all_cuts[column * MAX_CUTS + cut] = cuts[cut];
    }
    if (threadIdx.x == 0u) {
        cut_counts[column] = count;
        any_missing[column] = present < set.train_rows ? 1u : 0u;
    }
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
