// Quantile bins of a large table, by many blocks per column: the columns are converted to keys, sorted in four passes of eight
// bits each, cut, and encoded.
//
// Twin of crates/boost/src/bins.rs. Column c of a launch is feature `first + c` of a set of rows, and column `base + c` of all
// sets.
#include "bins.cuh"

// Values of a digit, which has eight bits.
constexpr u32 DIGITS = 256u;
constexpr u32 MAX_WARPS = THREADS / 32u;
// Rows and features of a tile that is transposed in shared memory.
constexpr u32 PIECE = 64u;
// Key of a missing value, above all others.
constexpr u32 NO_KEY = 0xffffffffu;

namespace {

DEVICE u32 digit_of(u32 key, u32 shift) { return key >> shift & (DIGITS - 1u); }

// The first of the sorted keys `from .. to` that is at least `key`; `to` if there is none.
DEVICE u32 first_at_least(const u32* keys, u32 from, u32 to, u32 key) {
    while (from < to) {
        const u32 half = from + (to - from) / 2u;
        if (keys[half] < key) {
            from = half + 1u;
        } else {
            to = half;
        }
    }
    return from;
}

// One past the last key that equals `keys[at]`.
DEVICE u32 run_end(const u32* keys, u32 at, u32 to) {
    return keys[at] == NO_KEY ? to : first_at_least(keys, at + 1u, to, keys[at] + 1u);
}

DEVICE float midway_at(const u32* keys, u32 at) {
    return bins::midway(bins::value_of(keys[at - 1u]), bins::value_of(keys[at]));
}

DEVICE void cut_between_all(const u32* keys, u32 from, u32 to, bins::Cuts& cuts) {
    if (from >= to) {
        return;
    }
    for (u32 at = run_end(keys, from, to); at < to; at = run_end(keys, at, to)) {
        bins::add(cuts, midway_at(keys, at));
    }
}

// The integer part of `part` * `count` / `of`, at most 255. It avoids a 64-bit division, which would be a function call.
DEVICE u32 share_of(u32 part, u32 count, u32 of) {
    u32 share = 0u;
    for (u32 bit = 128u; bit > 0u; bit /= 2u) {
        if (static_cast<u64>(share + bit) * of <= static_cast<u64>(part) * count) {
            share += bit;
        }
    }
    return share;
}

// Reads PIECE rows from `from` on, and as many columns from `begin` on, along the rows. They are later written along the
// columns.
DEVICE void take_piece(const float* table, u32 features, const u32* all_rows, u32 rows, u32 from, u32 first, u32 columns,
                       u32 begin, float* piece) {
    for (u32 i = threadIdx.x; i < PIECE * PIECE; i += blockDim.x) {
        const u32 row = i / PIECE;
        const u32 column = i % PIECE;
        if (from + row < rows && begin + column < columns) {
            const u64 row_start = static_cast<u64>(all_rows[from + row]) * features;
            piece[row * (PIECE + 1u) + column] = table[row_start + first + begin + column];
        }
    }
}

// The runs of equal keys that have enough rows to fill a bin, in order.
struct Big {
    u32* starts;
    u32* ends;
    u32 count;
};

// The greedy algorithm of bins.rs, which here jumps from the end of a bin to the end of the next. A bin ends after the run
// with which it reaches the wanted number of rows, and before or after a run that fills a bin by itself. The runs in between
// need not be visited.
DEVICE void cut_greedily(const u32* keys, u32 from, u32 to, u32 bins_wanted, const Big& big, bins::Cuts& cuts) {
    const u32 bins = bins_wanted > 1u ? bins_wanted : 1u;
    u32 own_rows = 0u;
    for (u32 k = 0u; k < big.count; ++k) {
        own_rows += big.ends[k] - big.starts[k];
    }
    u32 bins_left = bins - (big.count < bins ? big.count : bins);
    u32 rows_left = to - from - own_rows;
    // The wanted rows per bin are the quotient of these two. They change after each bin that does not end with a big run.
    u32 wanted_rows = rows_left;
    u32 wanted_bins = bins_left;
    const u32 first = cuts.count;
    u32 next = 0u;
    u32 at = from;
    while (at < to) {
        while (next < big.count && big.starts[next] < at) {
            ++next;
        }
        // bins.rs compares integers with the quotient rounded to f64. An integer reaches the exact quotient (or half of it) if
        // and only if it reaches the rounded one. With no bins left, the quotient is infinite or NaN.
        u32 end = to;
        if (wanted_bins > 0u) {
            const u32 least = wanted_rows > 0u ? (wanted_rows - 1u) / wanted_bins + 1u : 1u;
            end = least <= to - at ? run_end(keys, at + least - 1u, to) : to;
        }
        bool closes_big = false;
        if (next < big.count) {
            const u32 held = big.starts[next] - at;
            const bool half = wanted_bins > 0u ? EARLY_DIVISOR * held * wanted_bins >= wanted_rows : wanted_rows == 0u;
            if (held > 0u && half && big.starts[next] < end) {
                end = big.starts[next];
            } else if (big.ends[next] <= end) {
                end = big.ends[next];
                closes_big = true;
            }
        }
        if (end >= to) {
            return;
        }
        bins::add(cuts, midway_at(keys, end));
        if (cuts.count - first >= bins - 1u) {
            return;
        }
        rows_left -= end - at - (closes_big ? big.ends[next] - big.starts[next] : 0u);
        if (!closes_big) {
            bins_left -= bins_left > 0u ? 1u : 0u;
            wanted_rows = rows_left;
            wanted_bins = bins_left;
        }
        at = end;
    }
}

}  // namespace

// One block per 64 rows. Writes the keys of `columns` features from `first` on, `[columns][rows]`. The rows are those at
// `all_rows + start`.
KERNEL(bins_large_keys, THREADS, const float* table, u32 features, const u32* all_rows, u64 start, u32 rows, u32 first,
       u32 columns, u32* keys) {
    SHARED(float, piece, PIECE * (PIECE + 1u));
    const u32 from = blockIdx.x * PIECE;
    for (u32 begin = 0u; begin < columns; begin += PIECE) {
        take_piece(table, features, all_rows + start, rows, from, first, columns, begin, piece);
        __syncthreads();
        for (u32 i = threadIdx.x; i < PIECE * PIECE; i += blockDim.x) {
            const u32 column = i / PIECE;
            const u32 row = i % PIECE;
            if (from + row < rows && begin + column < columns) {
                const float value = piece[row * (PIECE + 1u) + column];
                // A comparison treats -0 and 0 as equal, so the order must as well.
                const u32 key = arith::is_nan(value) ? NO_KEY : bins::order_of(value + 0.0f);
                keys[static_cast<u64>(begin + column) * rows + from + row] = key;
            }
        }
        __syncthreads();
    }
}

// One block per tile (x) and column (y). Counts the tile's keys with each digit, `[columns][tiles][DIGITS]`. A tile has
// `segment` keys per warp of a block.
KERNEL(bins_large_count, THREADS, const u32* keys, u32 rows, u32 segment, u32 shift, u32* counts) {
    SHARED(u32, own, DIGITS);
    for (u32 digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) {
        own[digit] = 0u;
    }
    __syncthreads();
    const u32 tile = segment * (blockDim.x / 32u);
    const u32 from = blockIdx.x * tile;
    const u32 to = from + tile < rows ? from + tile : rows;
    const u32* column = keys + static_cast<u64>(blockIdx.y) * rows;
    for (u32 at = from + threadIdx.x; at < to; at += blockDim.x) {
        atomicAdd(&own[digit_of(column[at], shift)], 1u);
    }
    __syncthreads();
    u32* out = counts + (static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x) * DIGITS;
    for (u32 digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) {
        out[digit] = own[digit];
    }
}

// One block per column. Replaces the counts of each tile and digit by the offsets at which their keys start.
KERNEL(bins_large_offsets, THREADS, u32 tiles, u32* counts) {
    SHARED(u32, begins, DIGITS);
    u32* own = counts + static_cast<u64>(blockIdx.x) * tiles * DIGITS;
    for (u32 digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) {
        u32 sum = 0u;
        for (u32 tile = 0u; tile < tiles; ++tile) {
            sum += own[static_cast<u64>(tile) * DIGITS + digit];
        }
        begins[digit] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0u) {
        u32 before = 0u;
        for (u32 digit = 0u; digit < DIGITS; ++digit) {
            const u32 sum = begins[digit];
            begins[digit] = before;
            before += sum;
        }
    }
    __syncthreads();
    for (u32 digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) {
        u32 at = begins[digit];
        for (u32 tile = 0u; tile < tiles; ++tile) {
            const u64 place = static_cast<u64>(tile) * DIGITS + digit;
            const u32 count = own[place];
            own[place] = at;
            at += count;
        }
    }
}

// One block per tile (x) and column (y). Sorts the keys by one digit, stably.
KERNEL(bins_large_scatter, THREADS, const u32* keys, u32 rows, u32 segment, u32 shift, const u32* offsets, u32* out) {
    SHARED(u32, places, MAX_WARPS * DIGITS);
    const u32 warps = blockDim.x / 32u;
    const u32 warp = threadIdx.x / 32u;
    const u32 lane = threadIdx.x % 32u;
    for (u32 i = threadIdx.x; i < warps * DIGITS; i += blockDim.x) {
        places[i] = 0u;
    }
    __syncthreads();
    const u32* column = keys + static_cast<u64>(blockIdx.y) * rows;
    u32* sorted = out + static_cast<u64>(blockIdx.y) * rows;
    const u32 from = (blockIdx.x * warps + warp) * segment;
    for (u32 step = lane; step < segment; step += 32u) {
        if (from + step < rows) {
            atomicAdd(&places[warp * DIGITS + digit_of(column[from + step], shift)], 1u);
        }
    }
    __syncthreads();
    const u32* begins = offsets + (static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x) * DIGITS;
    for (u32 digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) {
        u32 at = begins[digit];
        for (u32 k = 0u; k < warps; ++k) {
            const u32 count = places[k * DIGITS + digit];
            places[k * DIGITS + digit] = at;
            at += count;
        }
    }
    __syncthreads();
    for (u32 step = lane; step < segment; step += 32u) {
        const bool is_there = from + step < rows;
        const u32 key = is_there ? column[from + step] : 0u;
        const u32 digit = digit_of(key, shift);
        // The lanes with the same digit.
        u32 alike = __ballot_sync(ALL_LANES, is_there);
        for (u32 bit = 0u; bit < 8u; ++bit) {
            const u32 ones = __ballot_sync(ALL_LANES, (digit >> bit & 1u) != 0u);
            alike &= (digit >> bit & 1u) != 0u ? ones : ~ones;
        }
        const u32 before = __popc(alike & ((1u << lane) - 1u));
        const u32 at = places[warp * DIGITS + digit];
        __syncwarp(ALL_LANES);
        if (is_there) {
            sorted[at + before] = key;
            if (before == 0u) {
                places[warp * DIGITS + digit] = at + __popc(alike);
            }
        }
        __syncwarp(ALL_LANES);
    }
}

// One block per column. Writes the cuts of a sorted column, `[all columns][MAX_CUTS]`, their number, and whether a value is
// missing.
KERNEL(bins_large_cut, THREADS, const u32* all_keys, u32 rows, u32 max_bin, u64 base, float* all_cuts, u32* cut_counts,
       u32* any_missing) {
    SHARED(float, cuts, 256);
    SHARED(u32, starts, 256);
    SHARED(u32, ends, 256);
    SHARED(u32, distinct, 3);
    SHARED(u32, count, 1);
    const u32* keys = all_keys + static_cast<u64>(blockIdx.x) * rows;
    const u32 present = first_at_least(keys, 0u, rows, NO_KEY);
    const u32 below = first_at_least(keys, 0u, present, bins::order_of(-ZERO_THRESHOLD));
    const u32 above = first_at_least(keys, below, present, bins::order_of(ZERO_THRESHOLD) + 1u);
    if (threadIdx.x < 3u) {
        distinct[threadIdx.x] = 0u;
    }
    __syncthreads();
    // Distinct values below 0, at 0, and above 0.
    for (u32 at = threadIdx.x; at < present; at += blockDim.x) {
        if (at == 0u || keys[at - 1u] != keys[at]) {
            atomicAdd(&distinct[at < below ? 0 : at < above ? 1 : 2], 1u);
        }
    }
    __syncthreads();
    const bool each = distinct[0] + distinct[1] + distinct[2] <= max_bin;
    const u32 high = present - above;
    u32 low_bins = 0u;
    if (below > 0u && !each) {
        low_bins = share_of(below, max_bin - ZERO_BINS, below + high);
        low_bins = low_bins > 1u ? low_bins : 1u;
    }
    bins::Cuts own = {cuts, 0u};
#pragma unroll 1
    for (u32 side = 0u; side < 2u; ++side) {
        const u32 from = side == 0u ? 0u : above;
        const u32 to = side == 0u ? below : present;
        const u32 wanted = side == 0u ? low_bins : max_bin - ZERO_BINS - low_bins;
        const u32 bins = wanted > 1u ? wanted : 1u;
        const u32 held = to - from;
        const bool greedy = !each && held > 0u && distinct[side == 0u ? 0 : 2] > bins;
        if (greedy) {
            // Every run that can fill a bin contains at least one of these places.
            const u32 stride = (held - 1u) / bins + 1u;
            for (u32 k = threadIdx.x; k < 256u; k += blockDim.x) {
                const u64 place = from + static_cast<u64>(k) * stride;
                starts[k] = 0u;
                ends[k] = 0u;
                if (place < to) {
                    const u32 at = static_cast<u32>(place);
                    const u32 start = first_at_least(keys, from, at, keys[at]);
                    const u32 end = run_end(keys, at, to);
                    // Only the first of its places reports a run.
                    if (end - start >= stride && at - start < stride) {
                        starts[k] = start;
                        ends[k] = end;
                    }
                }
            }
        }
        __syncthreads();
        if (threadIdx.x == 0u && !each && held > 0u) {
            if (greedy) {
                Big big = {starts, ends, 0u};
                for (u32 k = 0u; k < 256u; ++k) {
                    if (ends[k] > 0u) {
                        starts[big.count] = starts[k];
                        ends[big.count] = ends[k];
                        big.count += 1u;
                    }
                }
                cut_greedily(keys, from, to, bins, big, own);
            } else {
                cut_between_all(keys, from, to, own);
            }
        }
        if (threadIdx.x == 0u && !each && side == 0u) {
            if (below > 0u && above == below && high > 0u) {
                bins::add(own, 0.0f);
            } else if (above > below) {
                if (below > 0u) {
                    bins::add(own, -ZERO_THRESHOLD);
                }
                if (high > 0u) {
                    bins::add(own, ZERO_THRESHOLD);
                }
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0u) {
        if (each) {
            cut_between_all(keys, 0u, present, own);
        }
        count[0] = own.count;
        cut_counts[base + blockIdx.x] = own.count;
        any_missing[base + blockIdx.x] = present < rows ? 1u : 0u;
    }
    __syncthreads();
    for (u32 cut = threadIdx.x; cut < count[0]; cut += blockDim.x) {
        all_cuts[(base + blockIdx.x) * MAX_CUTS + cut] = cuts[cut];
    }
}

// One block per 64 rows. Writes the codes of `columns` features from `first` on. The set's codes are at `codes + place`,
// `[features][rows]`.
KERNEL(bins_large_codes, THREADS, const float* table, u32 features, const u32* all_rows, u64 start, u32 rows, u32 first,
       u32 columns, u64 base, const float* cuts, const u32* cut_counts, u64 place, u8* codes) {
    SHARED(float, piece, PIECE * (PIECE + 1u));
    const u32 from = blockIdx.x * PIECE;
    for (u32 begin = 0u; begin < columns; begin += PIECE) {
        take_piece(table, features, all_rows + start, rows, from, first, columns, begin, piece);
        __syncthreads();
        for (u32 i = threadIdx.x; i < PIECE * PIECE; i += blockDim.x) {
            const u32 column = begin + i / PIECE;
            const u32 row = i % PIECE;
            if (from + row < rows && column < columns) {
                const float value = piece[row * (PIECE + 1u) + i / PIECE];
                const float* own = cuts + (base + column) * MAX_CUTS;
                const u32 code = bins::code_of(own, cut_counts[base + column], value);
                codes[place + static_cast<u64>(first + column) * rows + from + row] = static_cast<u8>(code);
            }
        }
        __syncthreads();
    }
}
