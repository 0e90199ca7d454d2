// What the boosting kernels share: the structures that the host writes and reads (crates/boost/src/device/layout.rs), the
// memory of a block, and functions that all threads of a block call together.
#pragma once
#include "bins.cuh"

// No file uses all of them.
#pragma nv_diagnostic push
#pragma nv_diag_suppress 177

// No feature, no node.
constexpr u32 NONE = 0xffffffffu;
// Marks a child that is a leaf.
constexpr u32 LEAF = 0x80000000u;
// 32-bit words of a set of features, one bit per feature.
constexpr u32 MARK_WORDS = 256u;
// Identifies the root of a tree in random draws.
constexpr u64 ROOT_PATH = 1ULL;
// Combined with a job's seed for the draws of rows, of a tree's features, and of a node's features.
constexpr u64 ROW_STREAM = 1ULL;
constexpr u64 FEATURE_STREAM = 2ULL;
constexpr u64 NODE_STREAM = 3ULL;

// Values of `BoostJob::objective`.
constexpr u32 BINARY = 0u;
constexpr u32 REGRESSION = 1u;
constexpr u32 HUBER = 2u;

// Bits of `BoostJob::weighted`.
constexpr u32 TRAIN_WEIGHTS = 1u;
constexpr u32 VALID_WEIGHTS = 2u;

#pragma nv_diagnostic pop

// Binned rows that several jobs share: `[groups][rows][LANES]` codes for training and for validation.
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

// Up to LANES features. `bins` is also the code of a missing value.
struct BoostGroup {
    u64 first_cut[LANES];
    u32 cuts[LANES];
    u32 feature[LANES];  // NONE if the group has fewer
    u32 bins;
    u32 any_missing;
};

struct BoostJob {
    u64 seed;
    u64 labels;         // offset: labels of the training rows, then those of the validation rows
    u64 weights;        // offset: in the same order, if there are any
    u64 scratch_f64;    // offset: 3 per training row, 2 per validation row
    u64 scratch_u32;    // offset: 4 per training row
    u64 parts;          // offset: 2 × leaf_capacity
    u64 nodes;          // offset: rounds × node_capacity
    u64 leaves;         // offset: rounds × leaf_capacity
    u64 trees;          // offset: rounds; also that of the losses
    double base;
    double rate;
    double l2;
    double min_child_hessian;
    double min_split_gain;
    double subsample;
    double delta;
    double valid_total;  // sum of the validation weights
    u32 rows;            // index of its BoostRows
    u32 objective;
    u32 averaged;
    u32 rounds;
    u32 max_depth;
    u32 patience;        // rounds without improvement before stopping; 0 never stops
    u32 min_rounds;      // fewest rounds that may be chosen
    u32 features_a_tree;
    u32 features_a_node;  // drawn from those of the tree
    u32 weighted;        // bits TRAIN_WEIGHTS, VALID_WEIGHTS
    u32 node_capacity;
    u32 leaf_capacity;
};

// A split. A child is the number of a node, or the number of a leaf with LEAF.
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

// A tree that is kept: its place among the nodes and leaves of all rounds, and among those of the kept trees.
struct BoostKeptTree {
    u64 from_node;
    u64 to_node;
    u64 from_leaf;
    u64 to_leaf;
    u32 nodes;
    u32 leaves;
};

// The result of a job: the number of trees to keep, of rounds with a loss, and the round with the smallest loss.
struct BoostOutcome {
    u32 trees;
    u32 losses;
    u32 best_round;
};

// A node of the current level that is not decided yet: its rows, their sums, and where its number will be stored.
struct BoostPart {
    u64 path;    // identifies the node within its tree, for draws
    u32 from;
    u32 to;
    i32 gradient;
    i32 hessian;
    u32 parent;  // twice the number of the parent, plus 1 for the right side; NONE at the root
    u32 padding;
};

namespace boost {

// Threads of a warp.
constexpr u32 WARP = 32u;

// A candidate split. The higher score wins, then the lower feature, then the lower split (twice the last bin that goes left,
// plus 1 if missing values go left).
struct Best {
    float score;
    u32 feature;
    u32 split;
    u32 place;  // group × LANES + lane
    i32 gradient;
    i32 hessian;
};

// The quantised gradient and Hessian of a row, which are read together.
struct alignas(8) RowSums {
    i32 gradient;
    i32 hessian;
};

// Pointers to a job's own memory.
struct Places {
    double* scores;
    double* gradient;
    double* hessian;
    double* valid_scores;
    double* losses;
    RowSums* sums;
    u32* members;
    u32* spare;
};

// Sets the pointers to a job's doubles: 3 per training row, 2 per validation row.
DEVICE void place_numbers(Places& at, const BoostJob& job, const BoostRows& rows, double* scratch) {
    at.scores = scratch + job.scratch_f64;
    at.gradient = at.scores + rows.train_rows;
    at.hessian = at.gradient + rows.train_rows;
    at.valid_scores = at.hessian + rows.train_rows;
    at.losses = at.valid_scores + rows.valid_rows;
}

// Sets the pointers to a job's words: 4 per training row.
DEVICE void place_words(Places& at, const BoostJob& job, const BoostRows& rows, u32* scratch) {
    at.sums = reinterpret_cast<RowSums*>(scratch + job.scratch_u32);
    at.members = scratch + job.scratch_u32 + 2u * rows.train_rows;
    at.spare = at.members + rows.train_rows;
}

// Words that are written together.
struct alignas(16) FourWords {
    u32 words[4];
};

// The shared memory of a block.
struct Shared {
    alignas(16) i32 gradient[GROUP_BINS * LANES];
    alignas(16) i32 hessian[GROUP_BINS * LANES];
    union {
        double value[THREADS];
        i32 sums[2][THREADS];
        u32 counts[THREADS / 32u];
        Best best[THREADS / 32u];
    };
    u32 drawn[MARK_WORDS];    // features drawn for the tree, one bit each
    u32 allowed[MARK_WORDS];  // features drawn for the node, from those of the tree
    i32 total[2];
    u32 least[2];
    u32 nodes, leaves, children;
    u32 bar;  // bits of the score that a split must reach to matter
    u64 loss;
};

// The largest of all threads' values, none of which may be NaN or below 0. `values` has one entry per thread.
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

// The number of threads before this one with a true `flag`. `all` is set to the number of all such threads. `counts` has one
// entry per warp.
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

// Whether a feature is in a set.
DEVICE bool is_in(const u32* bits, u32 feature) {
    return feature != NONE && ((bits[feature / 32u] >> (feature % 32u)) & 1u) != 0u;
}

}  // namespace boost
