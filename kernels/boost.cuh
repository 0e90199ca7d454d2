// What the kernels of boosting share: the structures that the host packs and reads (src/boost/device/layout.rs), a block's
// memory, and what its threads do together.
#pragma once
#include "arith.cuh"

#define LANES 16u
#define BINS 256u
#define THREADS 256u
#define NONE 0xffffffffu
// Marks a child that is a leaf.
#define LEAF 0x80000000u
// Names a tree's root, for draws.
#define ROOT_PATH 1ull

#define BINARY 0u
#define REGRESSION 1u
#define HUBER 2u

// Rows that jobs share, in bins: `[groups][rows][LANES]` codes each.
struct BoostRows {
    u64 train_codes;
    u64 valid_codes;
    u32 first_group;
    u32 groups;
    u32 features;
    u32 train_rows;
    u32 valid_rows;
    u32 padding;
};

// Up to LANES features; `bins` is also the code of a missing value.
struct BoostGroup {
    u64 first_cut[LANES];
    u32 cuts[LANES];
    u32 feature[LANES];  // NONE where the group has fewer
    u32 bins;
    u32 any_missing;
};

struct BoostJob {
    u64 seed;
    u64 labels;         // of the training rows, then those of the validation rows
    u64 weights;        // in the same order, where there are any
    u64 scratch_f64;    // 3 a training row, 2 a validation row
    u64 scratch_u32;    // 4 a training row
    u64 parts;          // 2 × leaf_capacity
    u64 nodes;          // rounds × node_capacity
    u64 leaves;         // rounds × leaf_capacity
    u64 trees;          // rounds, also the place of the losses
    double base;
    double rate;
    double l2;
    double min_child_hessian;
    double min_split_gain;
    double subsample;
    double delta;
    double valid_total;  // sum of the validation weights
    u32 rows;            // its BoostRows
    u32 objective;
    u32 averaged;
    u32 rounds;
    u32 max_depth;
    u32 patience;        // 0 never stops
    u32 min_rounds;      // the least that may be chosen
    u32 features_a_tree;
    u32 features_a_node;  // of those drawn for the tree
    u32 weighted;        // bit 0: training rows, bit 1: validation rows
    u32 node_capacity;
    u32 leaf_capacity;
};

// A split; children are numbers of nodes, or of leaves with LEAF.
struct BoostNode {
    u32 feature;
    u32 bin;
    u32 missing_left;
    u32 group;
    u32 lane;
    u32 left;
    u32 right;
    float gain;
    float value;
    i32 hessian;
    u32 count;
};

struct BoostLeaf {
    float value;
    i32 hessian;
    u32 count;
};

struct BoostTree {
    double gradient_unit;
    double hessian_unit;
    u32 nodes;
    u32 leaves;
};

// What a job leaves: trees that are worth keeping, rounds with a loss, and the round with the least of them.
struct BoostOutcome {
    u32 trees;
    u32 losses;
    u32 best_round;
};

// A node of the level at hand: its rows, their sums, and where its number is to be noted.
struct BoostPart {
    u64 path;    // names the node within its tree, for draws
    u32 from;
    u32 to;
    i32 gradient;
    i32 hessian;
    u32 parent;  // twice its node, plus 1 for the right side; NONE at the root
    u32 padding;
};

namespace boost {

// A candidate: more score wins, then the lesser feature, then the lesser split (twice the last bin that goes left, plus
// 1 where missing values do).
struct Best {
    float score;
    u32 feature;
    u32 split;
    u32 place;  // group × LANES + lane
    i32 gradient;
    i32 hessian;
};

// Where a job's own memory lies.
struct Places {
    double* scores;
    double* gradient;
    double* hessian;
    double* valid_scores;
    double* losses;
    u32* gradients;
    u32* hessians;
    u32* members;
    u32* spare;
};

// Where a job's numbers lie: 3 a training row, 2 a validation row.
DEVICE void place_numbers(Places& at, const BoostJob& job, const BoostRows& rows, double* scratch) {
    at.scores = scratch + job.scratch_f64;
    at.gradient = at.scores + rows.train_rows;
    at.hessian = at.gradient + rows.train_rows;
    at.valid_scores = at.hessian + rows.train_rows;
    at.losses = at.valid_scores + rows.valid_rows;
}

// Where a job's words lie: 4 a training row.
DEVICE void place_words(Places& at, const BoostJob& job, const BoostRows& rows, u32* scratch) {
    at.gradients = scratch + job.scratch_u32;
    at.hessians = at.gradients + rows.train_rows;
    at.members = at.hessians + rows.train_rows;
    at.spare = at.members + rows.train_rows;
}

// Memory that the threads of a block share.
struct Shared {
    i32 gradient[BINS * LANES];
    i32 hessian[BINS * LANES];
    union {
        double value[THREADS];
        i32 sums[2][THREADS];
        u32 counts[THREADS / 32u];
        float score[THREADS];
    };
    Best found;
    u32 drawn[BINS];    // bit a feature: at most 8,192 features
    u32 allowed[BINS];  // of those drawn for the tree the ones drawn for the node
    i32 total[2];
    u32 least[2];
    u32 nodes, leaves, children;
    u64 loss;
};

// The largest of all threads' values, none of them NaN or below 0; `values` is a place a thread.
DEVICE double block_max(double* values, double own) {
    values[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = blockDim.x / 2u; half > 0u; half /= 2u) {
        if (threadIdx.x < half) {
            const double other = values[threadIdx.x + half];
            if (other > values[threadIdx.x]) {
                values[threadIdx.x] = other;
            }
        }
        __syncthreads();
    }
    const double most = values[0];
    __syncthreads();
    return most;
}

// How many threads before this one hold `flag`; `all` is how many there are, `counts` a place a warp.
DEVICE u32 block_rank(u32* counts, bool flag, u32& all) {
    const u32 mask = __ballot_sync(ALL_LANES, flag);
    const u32 lane = threadIdx.x & 31u;
    const u32 warp = threadIdx.x >> 5u;
    if (lane == 0u) {
        counts[warp] = static_cast<u32>(__popc(mask));
    }
    __syncthreads();
    u32 before = static_cast<u32>(__popc(mask & ((1u << lane) - 1u)));
    all = 0u;
    for (u32 w = 0u; w < blockDim.x / 32u; ++w) {
        before += w < warp ? counts[w] : 0u;
        all += counts[w];
    }
    __syncthreads();
    return before;
}

// Whether a feature is marked.
DEVICE bool is_in(const u32* bits, u32 feature) {
    return feature != NONE && ((bits[feature / 32u] >> (feature % 32u)) & 1u) != 0u;
}

}  // namespace boost
