// Raw scores of many forests for many rows: one thread per row of a job. Twin of crates/boost/src/predict.rs.
#include "boost.cuh"

// Marks a feature whose missing values go right.
constexpr u32 MISSING_RIGHT = 0x80000000u;

struct PredictNode {
    float cut;    // the largest f32 that goes left
    u32 feature;  // with MISSING_RIGHT if a missing value goes right
    u32 left;     // a node of the tree, or one of its leaves with LEAF
    u32 right;
};

// Offsets of a tree's nodes and leaves, and its root.
struct PredictTree {
    u64 nodes;
    u64 leaves;
    u32 root;
    u32 padding;
};

struct PredictJob {
    u64 trees;   // offset: the tree of class k in round r is at r × classes + k
    u64 base;    // offset: [classes]
    u64 rows;
    u64 scores;  // offset: [rows × classes]
    double shared_by;
    u32 tree_count;
    u32 classes;
    u32 row_count;
    u32 padding;
};

namespace {

// Trees that a thread walks at a time.
constexpr u32 TREES_AHEAD = 4u;

// The values of a thread's row: in the table, or with its block's rows in shared memory, one feature after the other.
struct RowValues {
    const float* table;
    const float* staged;  // null if they are not there
    u32 stride;

    DEVICE_MEMBER float of(u32 feature) const { return staged != nullptr ? staged[feature * stride] : table[feature]; }
};

// Adds the leaves of `count` trees, `classes` apart from `first` on, to `score`, in their order. One node stands after the last
// tree's: a tree that has reached its leaf, or has none, reads its first node again, without using it.
DEVICE double add_trees(double score, const RowValues& values, const PredictTree* trees, u32 first, u32 count, u32 classes,
                        const PredictNode* all_nodes, const double* all_leaves) {
    for (u32 number = first; number < count; number += TREES_AHEAD * classes) {
        const PredictNode* nodes[TREES_AHEAD];
        u32 at[TREES_AHEAD];
#pragma unroll
        for (u32 k = 0u; k < TREES_AHEAD; ++k) {
            const PredictTree& tree = trees[number + k * classes < count ? number + k * classes : number];
            nodes[k] = all_nodes + tree.nodes;
            at[k] = tree.root;
        }
        u32 all_leaf = 0u;
        while (all_leaf == 0u) {
            all_leaf = LEAF;
#pragma unroll
            for (u32 k = 0u; k < TREES_AHEAD; ++k) {
                const bool leaf = (at[k] & LEAF) != 0u;
                const PredictNode node = nodes[k][leaf ? 0u : at[k]];
                const float value = values.of(node.feature & ~MISSING_RIGHT);
                const bool right = (value > node.cut) | (arith::is_nan(value) & (node.feature >= MISSING_RIGHT));
                const u32 next = right ? node.right : node.left;
                at[k] = leaf ? at[k] : next;
                all_leaf &= at[k];
            }
        }
#pragma unroll
        for (u32 k = 0u; k < TREES_AHEAD; ++k) {
            if (number + k * classes < count) {
                score += all_leaves[trees[number + k * classes].leaves + (at[k] & ~LEAF)];
            }
        }
    }
    return score;
}

}  // namespace

// Blocks of rows (x) and jobs (y), one thread per row. `staged` says that the launch has shared memory for the values of a
// block's rows: 4 bytes × features × (threads + 1).
KERNEL(predict_raw, THREADS, const float* table, u32 features, u32 staged, const PredictJob* jobs, const PredictTree* trees,
       const PredictNode* all_nodes, const double* all_leaves, const double* bases, const u32* rows, double* scores) {
    SHARED_DYNAMIC(float, block_values);
    const PredictJob job = jobs[blockIdx.y];
    const u32 stride = blockDim.x + 1u;
    const u32 first = blockIdx.x * blockDim.x;
    if (staged != 0u) {
        // A warp reads a row, which lies together, and spreads it over the banks.
        for (u32 own = threadIdx.x / 32u; own < blockDim.x; own += blockDim.x / 32u) {
            if (first + own < job.row_count) {
                const float* values = table + static_cast<u64>(rows[job.rows + first + own]) * features;
                for (u32 feature = threadIdx.x % 32u; feature < features; feature += 32u) {
                    block_values[feature * stride + own] = values[feature];
                }
            }
        }
        __syncthreads();
    }
    const u32 row = first + threadIdx.x;
    if (row >= job.row_count) {
        return;
    }
    const RowValues values = {table + static_cast<u64>(rows[job.rows + row]) * features,
                              staged != 0u ? block_values + threadIdx.x : nullptr, stride};
    double* own = scores + job.scores + static_cast<u64>(row) * job.classes;
    for (u32 k = 0u; k < job.classes; ++k) {
        const double score = add_trees(bases[job.base + k], values, trees + job.trees, k, job.tree_count, job.classes,
                                       all_nodes, all_leaves);
        own[k] = score / job.shared_by;
    }
}
