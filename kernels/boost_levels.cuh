// What large jobs add to the structures of boosting: their state between launches, and the lists of work by which blocks
// share a level of all of them (src/boost/device/levels.rs).
#pragma once
#include "boost_split.cuh"

// Words in a group's bins of a histogram: a gradient and a Hessian share one, so that one addition adds both.
#define GROUP_WORDS (BINS * LANES)
// Lists of work.
#define BUILDS 0u    // tiles of rows whose histograms are to be added up
#define CLEARS 1u    // histograms that are to be added up
#define SEARCHES 2u  // parts, or groups of large parts, of which the best split is wanted
#define SPLITS 3u    // tiles of rows that are to be divided

// Rows `from .. to` of a job, or places in its list of rows; `of` is what they are for.
struct BoostTile {
    u32 job;
    u32 of;
    u32 from;
    u32 to;
};

// Where the memory lies that a large job has besides that of every job.
struct BoostLevelJob {
    u64 found;       // leaf_capacity, then slots × groups
    u64 splits;      // leaf_capacity
    u64 histograms;  // 2 × slots × groups × GROUP_WORDS
    u32 slots;
    u32 first_tile;  // among the tiles of training rows
};

// A node of a level with the histograms that tell of it: its own, or its parent's less its sibling's.
struct BoostLevelPart {
    BoostPart part;
    u32 slot;    // NONE where it is searched by its rows
    u32 parent;  // NONE where its own has been added up
    u32 sibling;
    u32 searched;
};

// The best split of a part by some features, and what lies right of it.
struct BoostFound {
    boost::Best best;
    boost::Gap gap;
};

// A part that is divided.
struct BoostSplit {
    u32 part;
    u32 node;
    u32 first_tile;  // of its tiles in the list
    u32 lefts;       // rows that go left
    i32 gradient;    // of those
    i32 hessian;
};

struct BoostState {
    u64 greatest_gradient;  // bits of a double that is not negative: their order is that of the numbers
    u64 greatest_hessian;
    u64 greatest_loss;
    u64 losses;
    double gradient_unit;
    double hessian_unit;
    boost::Progress progress;
    u32 running;
    u32 drawn;  // rows of the tree at hand
    i32 gradient;
    i32 hessian;
    u32 width;  // parts of the level at hand
    u32 splits;
    u32 nodes;
    u32 leaves;
};

namespace boost {

// The lists of work, each with its length.
struct Lists {
    u32* lengths;
    BoostTile* builds;
    BoostTile* clears;
    BoostTile* searches;
};

// A job's level at some depth.
DEVICE u64 level_at(const BoostJob& job, u32 depth) {
    return job.parts + (depth % 2u != 0u ? static_cast<u64>(job.leaf_capacity) : 0ull);
}

// A group of a histogram of a level: those of parents are kept beside those of children.
DEVICE u64 histogram_at(const BoostLevelJob& job, u32 depth, u32 groups, u32 slot, u32 group) {
    const u64 number = static_cast<u64>(depth % 2u != 0u ? job.slots : 0u) + slot;
    return job.histograms + (number * groups + group) * GROUP_WORDS;
}

DEVICE u64 word_of(i32 gradient, i32 hessian) {
    return (static_cast<u64>(static_cast<u32>(gradient)) << 32) + static_cast<u32>(hessian);
}
DEVICE i32 gradient_of(u64 word) { return static_cast<i32>(static_cast<u32>(word >> 32)); }
DEVICE i32 hessian_of(u64 word) { return static_cast<i32>(static_cast<u32>(word)); }

// Rows as they stand at some depth, and where those of the next one go.
DEVICE void swap_members(Places& at, u32 depth) {
    if (depth % 2u != 0u) {
        u32* swapped = at.members;
        at.members = at.spare;
        at.spare = swapped;
    }
}

// Adds up `values[from .. to]`; `total` is shared memory.
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

// Asks for the histogram of a part's rows.
DEVICE void ask_for_histogram(const Lists& lists, u32 job, u32 slot, u32 from, u32 to, u32 tile) {
    lists.clears[atomicAdd(&lists.lengths[CLEARS], 1u)] = {job, slot, 0u, 0u};
    u32 at = atomicAdd(&lists.lengths[BUILDS], (to - from + tile - 1u) / tile);
    for (u32 start = from; start < to; start += tile) {
        lists.builds[at++] = {job, slot, start, start + tile < to ? start + tile : to};
    }
}

// Says which histograms tell of two siblings, of which `added` has been asked for; only large ones are searched by them.
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

// Asks for the best split of a part: of a large one group by group.
DEVICE void ask_for_split(const Lists& lists, u32 job, u32 number, bool large, u32 groups) {
    const u32 count = large ? groups : 1u;
    const u32 first = atomicAdd(&lists.lengths[SEARCHES], count);
    for (u32 group = 0u; group < count; ++group) {
        lists.searches[first + group] = {job, number, large ? group : NONE, 0u};
    }
}

}  // namespace boost
