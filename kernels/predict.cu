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

// Blocks of rows (x) and jobs (y), one thread per row.
KERNEL(predict_raw, THREADS, const float* table, u32 features, const PredictJob* jobs, const PredictTree* trees,
       const PredictNode* all_nodes, const double* all_leaves, const double* bases, const u32* rows, double* scores) {
    const PredictJob job = jobs[blockIdx.y];
    const u32 row = thread_in_grid();
    if (row >= job.row_count) {
        return;
    }
    const float* values = table + static_cast<u64>(rows[job.rows + row]) * features;
    double* own = scores + job.scores + static_cast<u64>(row) * job.classes;
    for (u32 k = 0u; k < job.classes; ++k) {
        double score = bases[job.base + k];
        for (u32 number = k; number < job.tree_count; number += job.classes) {
            const PredictTree tree = trees[job.trees + number];
            u32 at = tree.root;
            while ((at & LEAF) == 0u) {
                const PredictNode node = all_nodes[tree.nodes + at];
                const float value = values[node.feature & ~MISSING_RIGHT];
                const bool right = value > node.cut || (arith::is_nan(value) && node.feature >= MISSING_RIGHT);
                at = right ? node.right : node.left;
            }
            score += all_leaves[tree.leaves + (at & ~LEAF)];
        }
        own[k] = score / job.shared_by;
    }
}
