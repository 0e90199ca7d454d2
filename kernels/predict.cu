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

// Adds the leaves of `count` trees, `classes` apart from `first` on, to `score`, in their order. One node stands after the last
// tree's: a tree that has reached its leaf, or has none, reads its first node again, without using it.
// The values of the thread's row are `stride` apart.
DEVICE double add_trees(double score, const float* values, u32 stride, const PredictTree* trees, u32 first, u32 count,
                        u32 classes, const PredictNode* all_nodes, const double* all_leaves) {
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
                const float value = values[(node.feature & ~MISSING_RIGHT) * stride];
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

// Rows that a warp reads at a time.
constexpr u32 ROWS_AHEAD = 8u;

// Copies rows of the table to shared memory. A warp reads a row, which lies together, and spreads it over the banks.
DEVICE void stage_rows(float* staged, const float* table, u32 features, const u32* rows, u32 count, u32 stride) {
    const u32 warps = blockDim.x / boost::WARP;
    for (u32 own = threadIdx.x / boost::WARP; own < count; own += warps * ROWS_AHEAD) {
        u64 begin[ROWS_AHEAD];
#pragma unroll
        for (u32 k = 0u; k < ROWS_AHEAD; ++k) {
            begin[k] = static_cast<u64>(rows[own + k * warps < count ? own + k * warps : own]) * features;
        }
        for (u32 feature = threadIdx.x % boost::WARP; feature < features; feature += boost::WARP) {
            float value[ROWS_AHEAD];
#pragma unroll
            for (u32 k = 0u; k < ROWS_AHEAD; ++k) {
                value[k] = table[begin[k] + feature];
            }
#pragma unroll
            for (u32 k = 0u; k < ROWS_AHEAD; ++k) {
                if (own + k * warps < count) {
                    staged[feature * stride + own + k * warps] = value[k];
                }
            }
        }
    }
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
    if (first >= job.row_count) {
        return;
    }
    if (staged != 0u) {
        stage_rows(block_values, table, features, rows + job.rows + first,
                   job.row_count - first < blockDim.x ? job.row_count - first : blockDim.x, stride);
        __syncthreads();
    }
    const u32 row = first + threadIdx.x;
    if (row >= job.row_count) {
        return;
    }
    const float* in_table = table + static_cast<u64>(rows[job.rows + row]) * features;
    double* own = scores + job.scores + static_cast<u64>(row) * job.classes;
    for (u32 k = 0u; k < job.classes; ++k) {
        const double base = bases[job.base + k];
        // Called apart for the two kinds of memory, so that the compiler knows which it is.
        const double score = staged != 0u ? add_trees(base, block_values + threadIdx.x, stride, trees + job.trees, k,
                                                      job.tree_count, job.classes, all_nodes, all_leaves)
                                          : add_trees(base, in_table, 1u, trees + job.trees, k, job.tree_count,
                                                      job.classes, all_nodes, all_leaves);
        own[k] = score / job.shared_by;
    }
}
