// Boosted trees and random forests for small tables: one block trains one whole model, from the first tree to the last.
//
// Twin of crates/boost/src/cpu.rs with grow.rs, for jobs that are grown level by level; crates/boost/src/device/plan.rs chooses
// them. All sums are of integers, so neither the order of the rows nor that of the threads matters. Splits are found with the
// same f32 operations as on the CPU. Nodes are split level by level, which gives them the same numbers as on the CPU.
#include "boost_split.cuh"

namespace boost {

// Rounds `values` (one per training row) to integer multiples of a power of two, and returns that power. They are put into
// every second word of `out`.
DEVICE double quantise(Shared& shared, const double* values, u32 count, i32* out) {
    double greatest = 0.0;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double magnitude = arith::magnitude(values[row]);
        greatest = magnitude > greatest ? magnitude : greatest;
    }
    greatest = block_max(shared.value, greatest);
    const i32 exponent = quantiser(count, greatest);
    const double scale = arith::power_of_two(exponent);
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        out[2u * row] = static_cast<i32>(quantised(values[row], scale));
    }
    return arith::power_of_two(-exponent);
}

// Computes the quantised gradients and Hessians of the loss at the scores, and the value of one unit of each.
DEVICE void take_gradients(Shared& shared, const BoostJob& job, const Places& at, const float* labels,
                           const double* weights, u32 count, double& gradient_unit, double& hessian_unit) {
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        row_gradient(job, at.scores[row], labels[row], weights, row, at.gradient[row], at.hessian[row]);
    }
    __syncthreads();
    gradient_unit = quantise(shared, at.gradient, count, &at.sums->gradient);
    hessian_unit = quantise(shared, at.hessian, count, &at.sums->hessian);
    __syncthreads();
}

// Draws the rows of a tree. Returns its root: these rows, in their order, and their sums.
DEVICE BoostPart draw_rows(Shared& shared, const BoostJob& job, const Places& at, u32 count, u32 round) {
    if (threadIdx.x == 0u) {
        shared.total[0] = 0;
        shared.total[1] = 0;
    }
    u32 drawn = 0u;
    i32 gradient = 0;
    i32 hessian = 0;
    for (u32 start = 0u; start < count; start += blockDim.x) {
        const u32 row = start + threadIdx.x;
        const bool taken = row < count && takes_row(job, round, row);
        u32 all = 0u;
        const u32 rank = block_rank(shared.counts, taken, all);
        if (taken) {
            at.members[drawn + rank] = row;
            gradient += at.sums[row].gradient;
            hessian += at.sums[row].hessian;
        }
        drawn += all;
    }
    __syncthreads();
    atomicAdd(&shared.total[0], gradient);
    atomicAdd(&shared.total[1], hessian);
    __syncthreads();
    return {ROOT_PATH, 0u, drawn, shared.total[0], shared.total[1], NONE, 0u};
}

// Grows a tree from its root, level by level. Its nodes and leaves are counted in `shared`.
DEVICE void grow(Shared& shared, const BoostJob& job, const BoostRows& rows, const Places& at,
                 const BoostGroup* groups, const float* all_cuts, const u8* train_codes, const BoostPart& root, u32 round,
                 double gradient_unit, double hessian_unit, BoostNode* nodes, BoostLeaf* leaves, BoostPart* level) {
    const double of_gain = gradient_unit * gradient_unit / hessian_unit;
    const Rules rules = rules_of(job, gradient_unit, hessian_unit);
    BoostPart* below = level + job.leaf_capacity;
    if (threadIdx.x == 0u) {
        shared.nodes = 0u;
        shared.leaves = 0u;
        level[0] = root;
    }
    u32 width = 1u;
    for (u32 depth = 0u; width > 0u; ++depth) {
        if (threadIdx.x == 0u) {
            shared.children = 0u;
        }
        __syncthreads();
        for (u32 i = 0u; i < width; ++i) {
            const BoostPart part = level[i];
            Best best = {0.0f, NONE, NONE, 0u, 0, 0};
            const float own_score = node_score(rules, part.gradient, part.hessian);
            if (worth_splitting(job, rules, part, depth)) {
                const u32* allowed = features_of_node(shared, job, rows.features, round, part.path);
                best = search(shared, allowed, rows, groups, train_codes, at, part, rules,
                              own_score + rules.min_split_gain);
            }
            const float value = output(job, gradient_unit, hessian_unit, part.gradient, part.hessian);
            if (best.feature == NONE) {
                if (threadIdx.x == 0u) {
                    const u32 leaf = shared.leaves++;
                    leaves[leaf] = {value, part.hessian, part.to - part.from};
                    tell_parent(nodes, part, leaf | LEAF);
                }
                continue;
            }
            const BoostGroup& group = groups[best.place / LANES];
            const u8* column = train_codes + static_cast<u64>(best.place / LANES) * rows.train_rows * LANES;
            const Gap gap = gap_by_rows(shared, column, group, at, part, best);
            const BoostNode node = node_of(group, all_cuts, part, best, gap, value, own_score, of_gain);
            const u32 middle = part.from + divide(shared, column, node, group.bins, at, part);
            if (threadIdx.x == 0u) {
                const u32 number = shared.nodes++;
                nodes[number] = node;
                tell_parent(nodes, part, number);
                below[shared.children] = left_child(part, best.gradient, best.hessian, number, middle);
                below[shared.children + 1u] = right_child(part, best.gradient, best.hessian, number, middle);
                shared.children += 2u;
            }
            __syncthreads();
        }
        __syncthreads();
        width = shared.children;
        BoostPart* swapped = level;
        level = below;
        below = swapped;
        __syncthreads();
    }
}

// The mean loss of the validation rows.
DEVICE double mean_of_losses(Shared& shared, const BoostJob& job, const Places& at, const float* labels,
                             const double* weights, u32 count, u32 rounds) {
    double greatest = 0.0;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double loss = valid_loss(job, at.valid_scores[row], labels[row], weights, row, rounds);
        at.losses[row] = loss;
        greatest = loss > greatest ? loss : greatest;
    }
    greatest = block_max(shared.value, greatest);
    const i32 exponent = loss_quantiser(greatest);
    const double scale = arith::power_of_two(exponent);
    u64 own = 0ull;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        own += rounded_loss(at.losses[row], scale);
    }
    if (threadIdx.x == 0u) {
        shared.loss = 0ull;
    }
    __syncthreads();
    atomicAdd(&shared.loss, own);
    __syncthreads();
    return mean_loss(job, shared.loss, exponent);
}

}  // namespace boost

// One block per job. Labels, weights, scratch memory, nodes, leaves and trees are at the job's offsets.
KERNEL_AT_LEAST(2, boost_small, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostGroup* all_groups,
                const float* all_cuts, const u8* codes, const float* all_labels, const double* all_weights,
                double* scratch_f64, u32* scratch_u32, BoostPart* all_parts, BoostNode* all_nodes,
                BoostLeaf* all_leaves, BoostTree* all_trees, double* all_losses, BoostOutcome* outcomes) {
    using namespace boost;
    SHARED(Shared, block_memory, 1);
    SHARED(BoostJob, block_job, 1);
    SHARED(BoostRows, block_rows, 1);
    SHARED(Places, block_places, 1);
    // Values that are the same for all threads are in shared memory, to save registers.
    if (threadIdx.x == 0u) {
        block_job[0] = jobs[blockIdx.x];
        block_rows[0] = all_rows[jobs[blockIdx.x].rows];
        place_numbers(block_places[0], block_job[0], block_rows[0], scratch_f64);
        place_words(block_places[0], block_job[0], block_rows[0], scratch_u32);
    }
    __syncthreads();
    Shared& shared = block_memory[0];
    const BoostJob& job = block_job[0];
    const BoostRows& rows = block_rows[0];
    const Places& at = block_places[0];
    const BoostGroup* groups = all_groups + rows.first_group;
    const u32 count = rows.train_rows;
    const float* labels = all_labels + job.labels;
    const double* weights = all_weights + job.weights;
    const bool averaged = job.averaged != 0u;

    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        at.scores[row] = job.base;
    }
    for (u32 row = threadIdx.x; row < rows.valid_rows; row += blockDim.x) {
        at.valid_scores[row] = averaged ? 0.0 : job.base;
    }
    __syncthreads();

    double gradient_unit = 1.0;
    double hessian_unit = 1.0;
    Progress progress = no_progress();
    for (u32 round = 0u; round < job.rounds; ++round) {
        // All trees of a forest have the same gradients.
        if (!averaged || round == 0u) {
            take_gradients(shared, job, at, labels, weights, count, gradient_unit, hessian_unit);
        }
        mark_least(shared.drawn, nullptr, rows.features, job.features_a_tree, job.seed ^ FEATURE_STREAM, round);
        const BoostPart root = draw_rows(shared, job, at, count, round);
        BoostNode* nodes = all_nodes + job.nodes + static_cast<u64>(round) * job.node_capacity;
        BoostLeaf* leaves = all_leaves + job.leaves + static_cast<u64>(round) * job.leaf_capacity;
        grow(shared, job, rows, at, groups, all_cuts, codes + rows.train_codes, root, round, gradient_unit, hessian_unit,
             nodes, leaves, all_parts + job.parts);
        const u32 node_count = shared.nodes;
        if (threadIdx.x == 0u) {
            all_trees[job.trees + round] = {gradient_unit, hessian_unit, node_count, shared.leaves};
        }
        __syncthreads();
        if (node_count == 0u && !averaged) {
            // No split gains anything any more, and a tree with one leaf would only shift the base.
            break;
        }
        progress.trees = round + 1u;
        if (!averaged) {
            for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
                const u32 leaf = leaf_of(nodes, node_count, groups, codes + rows.train_codes, count, row);
                at.scores[row] += static_cast<double>(leaves[leaf].value);
            }
        }
        if (rows.valid_rows == 0u) {
            __syncthreads();
            continue;
        }
        for (u32 row = threadIdx.x; row < rows.valid_rows; row += blockDim.x) {
            const u32 leaf = leaf_of(nodes, node_count, groups, codes + rows.valid_codes, rows.valid_rows, row);
            at.valid_scores[row] = with_leaf(job, at.valid_scores[row], leaves[leaf].value);
        }
        __syncthreads();
        const double* valid_weights = weights + ((job.weighted & TRAIN_WEIGHTS) != 0u ? count : 0u);
        const double loss = mean_of_losses(shared, job, at, labels + count, valid_weights, rows.valid_rows, round + 1u);
        if (threadIdx.x == 0u) {
            all_losses[job.trees + round] = loss;
        }
        const bool stops = note_loss(job, progress, round, loss);
        __syncthreads();
        if (stops) {
            break;
        }
    }
    if (threadIdx.x == 0u) {
        outcomes[blockIdx.x] = outcome(progress);
    }
}
