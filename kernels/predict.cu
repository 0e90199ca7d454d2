// Raw scores of many forests for many rows: one thread a row of a job. Twin of src/boost/predict.rs.
#include "arith.cuh"

#define LEAF 0x80000000u
#define MISSING_RIGHT 0x80000000u

struct PredictNode {
    float cut;    // the greatest f32 that goes left
    u32 feature;  // and in the highest bit whether a missing value goes right
    u32 left;     // a node of the tree, or with LEAF one of its leaves
    u32 right;
};

// Where a tree's nodes and leaves begin, and its root.
struct PredictTree {
    u64 nodes;
    u64 leaves;
    u32 root;
    u32 padding;
};

struct PredictJob {
    u64 trees;   // tree of class k in round r at r × classes + k
    u64 base;    // [classes]
    u64 rows;
    u64 scores;  // [rows × classes]
    double shared_by;
    u32 tree_count;
    u32 classes;
    u32 row_count;
    u32 padding;
};

// Block (rows, job).
KERNEL(predict_raw, 256u, const float* table, u32 features, const PredictJob* jobs, const PredictTree* trees,
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
