// What the kernels for large jobs share: the state of a job between launches, and the work lists through which blocks share a
// level of all jobs (crates/boost/src/device/levels.rs).
#pragma once
#include "boost_split.cuh"

// Most rows of a tile of a split, and rows whose sides are in one word. Twin of `MAX_TILE` and `SIDES` in
// crates/boost/src/device/levels.rs; a test there compares them.
constexpr u32 MAX_TILE = 4096u;
constexpr u32 SIDES = 32u;

// 64-bit words per group of a histogram. A gradient and a Hessian share a word, so that one addition adds both.
constexpr u32 GROUP_WORDS = GROUP_BINS * LANES;

// No file uses all of them.
#pragma nv_diagnostic push
#pragma nv_diag_suppress 177

// The work lists.
constexpr u32 BUILDS = 0u;    // tiles of rows to add to histograms
constexpr u32 CLEARS = 1u;    // histograms to clear
constexpr u32 SEARCHES = 2u;  // parts, or groups of large parts, whose best split to find
constexpr u32 SPLITS = 3u;    // tiles of rows to divide
// Number of work lists.
constexpr u32 LISTS = 4u;

#pragma nv_diagnostic pop

// Rows `from .. to` of a job, or positions in its list of rows. `of` is the histogram, part or split that they belong to.
struct BoostTile {
    u32 job;
    u32 of;
    u32 from;
    u32 to;
};

// Offsets of the memory that a large job has in addition to that of every job.
struct BoostLevelJob {
    u64 found;       // leaf_capacity, then slots × groups
    u64 splits;      // leaf_capacity
    u64 histograms;  // 2 × slots × groups × GROUP_WORDS
    u32 slots;
    u32 first_tile;  // its first among all tiles of training rows
};

// A part of a level and its histogram: built from its rows, or its parent's minus its sibling's.
struct BoostLevelPart {
    BoostPart part;
    u32 slot;    // of its histogram; NONE if it is searched by its rows
    u32 parent;  // slot of the parent; NONE if its histogram is built from its rows
    u32 sibling;
    u32 searched;
};

// The best split of a part by some features, and the gap after it.
struct BoostFound {
    boost::Best best;
    boost::Gap gap;
};

// A part that is split.
struct BoostSplit {
    u32 part;
    u32 node;
    u32 first_tile;  // its first in the list of tiles
    u32 lefts;       // rows that go left
    i32 gradient;    // of those
    i32 hessian;
};

struct BoostState {
    u64 greatest_gradient;  // the bits of a double; if not negative, they have the order of the numbers
    u64 greatest_hessian;
    u64 greatest_loss;
    u64 losses;
    double gradient_unit;
    double hessian_unit;
    boost::Progress progress;
    u32 running;
    u32 drawn;  // rows of the current tree
    i32 gradient;
    i32 hessian;
    u32 width;  // parts of the current level
    u32 splits;
    u32 nodes;
    u32 leaves;
};

namespace boost {

// The work lists and their lengths.
struct Lists {
    u32* lengths;
    BoostTile* builds;
    BoostTile* clears;
    BoostTile* searches;
};

// Offset of a job's parts at a depth.
DEVICE u64 level_at(const BoostJob& job, u32 depth) {
    return job.parts + (depth % 2u != 0u ? static_cast<u64>(job.leaf_capacity) : 0ull);
}

// Offset of one group of a histogram. The histograms of parents are kept next to those of their children.
DEVICE u64 histogram_at(const BoostLevelJob& job, u32 depth, u32 groups, u32 slot, u32 group) {
    const u64 number = static_cast<u64>(depth % 2u != 0u ? job.slots : 0u) + slot;
    return job.histograms + (number * groups + group) * GROUP_WORDS;
}

DEVICE u64 word_of(i32 gradient, i32 hessian) {
    return (static_cast<u64>(static_cast<u32>(gradient)) << 32) + static_cast<u32>(hessian);
}
DEVICE i32 gradient_of(u64 word) { return static_cast<i32>(static_cast<u32>(word >> 32)); }
DEVICE i32 hessian_of(u64 word) { return static_cast<i32>(static_cast<u32>(word)); }

// Makes `members` the rows in their order at this depth, and `spare` the place for those of the next depth.
DEVICE void swap_members(Places& at, u32 depth) {
    if (depth % 2u != 0u) {
        u32* swapped = at.members;
        at.members = at.spare;
        at.spare = swapped;
    }
}

// The sum of `values[from .. to]`. `total` is in shared memory.
DEVICE u32 block_sum(u32* total, const u32* values, u32 from, u32 to) {
    if (threadIdx.x == 0u) {
        *total = 0u;
    }
    u32 own = 0u;
    for (u32 at = from + threadIdx.x; at < to; at += blockDim.x) {
        own += values[at];
    }
    __syncthreads();
    atomicAdd(total, own);
    __syncthreads();
    const u32 sum = *total;
    __syncthreads();
    return sum;
}

// Counts the bits ahead of each of some words: `before[k]` are those of `words[0 .. k]`.
DEVICE void bits_before(const u32* words, u32 count, u32* before) {
    const u32 lane = threadIdx.x % WARP;
    if (threadIdx.x < WARP) {
        u32 all = 0u;
        for (u32 start = 0u; start < count; start += WARP) {
            const u32 at = start + lane;
            const u32 own = at < count ? static_cast<u32>(__popc(words[at])) : 0u;
            u32 sum = own;
#pragma unroll
            for (u32 by = 1u; by < WARP; by *= 2u) {
                const u32 lower = __shfl_up_sync(ALL_LANES, sum, by);
                sum += lane >= by ? lower : 0u;
            }
            if (at < count) {
                before[at] = all + sum - own;
            }
            all += __shfl_sync(ALL_LANES, sum, static_cast<i32>(WARP - 1u));
        }
    }
    __syncthreads();
}

// Requests the histogram of a part's rows.
DEVICE void ask_for_histogram(const Lists& lists, u32 job, u32 slot, u32 from, u32 to, u32 tile) {
    lists.clears[atomicAdd(&lists.lengths[CLEARS], 1u)] = {job, slot, 0u, 0u};
    u32 at = atomicAdd(&lists.lengths[BUILDS], (to - from + tile - 1u) / tile);
    for (u32 start = from; start < to; start += tile) {
        lists.builds[at++] = {job, slot, start, start + tile < to ? start + tile : to};
    }
}

// Assigns histograms to two siblings: that of `added` has been requested, the other is computed by subtraction. Only large
// parts are searched by histograms.
DEVICE void share_histograms(BoostLevelPart& added, bool added_large, BoostLevelPart& remaining, bool remaining_large,
                             u32 parent, u32 pair) {
    if (added_large) {
        added.slot = 2u * pair;
    }
    if (remaining_large) {
        remaining.slot = 2u * pair + 1u;
        remaining.parent = parent;
        remaining.sibling = 2u * pair;
    }
}

// Requests the best split of a part; for a large part, one request per group.
DEVICE void ask_for_split(const Lists& lists, u32 job, u32 number, bool large, u32 groups) {
    const u32 count = large ? groups : 1u;
    const u32 first = atomicAdd(&lists.lengths[SEARCHES], count);
    for (u32 group = 0u; group < count; ++group) {
        lists.searches[first + group] = {job, number, large ? group : NONE, 0u};
    }
}

}  // namespace boost
