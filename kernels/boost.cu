// Boosted trees and random forests for small tables: one block trains one whole model, from first to last tree.
//
// Twin of src/boost/cpu.rs with grow.rs, for jobs grown level by level; src/boost/device.rs says which jobs those are.
// Sums are of integers, so that neither the order of rows nor that of threads can matter, and splits are found by the
// same f32 operations as on the CPU. Nodes are divided level by level, which numbers them as the CPU does in the end.
#include "boost_split.cuh"

namespace boost {

DEVICE bool takes_row(const BoostJob& job, u32 round, u32 row) {
    return job.subsample >= 1.0 || arith::uniform(arith::draw(job.seed ^ 1ull, round, row)) < job.subsample;
}

// Marks the `wanted` features with the least draws among those marked in `among`, or among all where it is null.
DEVICE void mark_least(u32* marks, const u32* among, u32 features, u32 wanted, u64 seed, u64 stream) {
    for (u32 word = threadIdx.x; word < BINS; word += blockDim.x) {
        marks[word] = 0u;
    }
    __syncthreads();
    for (u32 feature = threadIdx.x; feature < features; feature += blockDim.x) {
        if (among != nullptr && !is_in(among, feature)) {
            continue;
        }
        const u64 own = arith::draw(seed, stream, feature);
        u32 before = 0u;
#pragma unroll 1
        for (u32 other = 0u; other < features; ++other) {
            const bool counts = among == nullptr || is_in(among, other);
            const u64 draw = arith::draw(seed, stream, other);
            before += counts && (draw < own || (draw == own && other < feature)) ? 1u : 0u;
        }
        if (before < wanted) {
            atomicOr(&marks[feature / 32u], 1u << (feature % 32u));
        }
    }
    __syncthreads();
}

// Rounds `values` (one a training row) to whole multiples of a power of two whose sum has at most 30 bits.
DEVICE double quantise(Shared& shared, const double* values, u32 count, u32* out) {
    double greatest = 0.0;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double magnitude = arith::magnitude(values[row]);
        greatest = magnitude > greatest ? magnitude : greatest;
    }
    greatest = block_max(shared, greatest);
    i32 bits = 30 - arith::exponent_above(static_cast<double>(count));
    bits = bits < 30 ? bits : 30;
    i32 exponent = bits - arith::exponent_above(greatest);
    exponent = exponent < -1000 ? -1000 : (exponent > 1000 ? 1000 : exponent);
    const double scale = arith::power_of_two(exponent);
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        out[row] = static_cast<u32>(arith::round_to_i32(values[row] * scale));
    }
    return arith::power_of_two(-exponent);
}

// Gradients and Hessians of the loss by the scores, quantised; what a unit of either is.
DEVICE void take_gradients(Shared& shared, const BoostJob& job, const Places& at, const float* labels,
                           const double* weights, u32 count, double& gradient_unit, double& hessian_unit) {
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double label = static_cast<double>(labels[row]);
        double g = at.scores[row] - label;
        double h = 1.0;
        if (job.objective == BINARY) {
            const double p = arith::sigmoid(at.scores[row]);
            g = p - label;
            h = p * (1.0 - p);
        } else if (job.objective == HUBER) {
            g = g < -job.delta ? -job.delta : (g > job.delta ? job.delta : g);
        }
        if ((job.weighted & 1u) != 0u) {
            g *= weights[row];
            h *= weights[row];
        }
        at.gradient[row] = g;
        at.hessian[row] = h;
    }
    __syncthreads();
    gradient_unit = quantise(shared, at.gradient, count, at.gradients);
    hessian_unit = quantise(shared, at.hessian, count, at.hessians);
    __syncthreads();
}

// The part that is the whole tree: the rows drawn for it, in their order, and their sums.
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
        const u32 rank = block_rank(shared, taken, all);
        if (taken) {
            at.members[drawn + rank] = row;
            gradient += static_cast<i32>(at.gradients[row]);
            hessian += static_cast<i32>(at.hessians[row]);
        }
        drawn += all;
    }
    __syncthreads();
    atomicAdd(&shared.total[0], gradient);
    atomicAdd(&shared.total[1], hessian);
    __syncthreads();
    return {1ull, 0u, drawn, shared.total[0], shared.total[1], NONE, 0u};
}

// Output of a node as a leaf: -G/(H + l2), times the rate, rounded to f32.
DEVICE float output(const BoostJob& job, double gradient_unit, double hessian_unit, i32 gradient, i32 hessian) {
    const double g = static_cast<double>(gradient) * gradient_unit;
    const double h = static_cast<double>(hessian) * hessian_unit;
    return h + job.l2 <= 0.0 ? 0.0f : static_cast<float>(-g / (h + job.l2) * job.rate);
}

// Notes the number of a node, or of a leaf with LEAF, where its parent looks for it.
DEVICE void tell_parent(BoostNode* nodes, const BoostPart& part, u32 number) {
    if (part.parent != NONE) {
        BoostNode& parent = nodes[part.parent / 2u];
        (part.parent % 2u != 0u ? parent.right : parent.left) = number;
    }
}

// Grows a tree from its root, level by level; its nodes and leaves are counted in `shared`.
DEVICE void grow(Shared& shared, const BoostJob& job, const BoostRows& rows, const Places& at,
                 const BoostGroup* groups, const float* all_cuts, const u8* train_codes, const BoostPart& root, u32 round,
                 double gradient_unit, double hessian_unit, BoostNode* nodes, BoostLeaf* leaves, BoostPart* level) {
    const double of_score = hessian_unit / (gradient_unit * gradient_unit);
    const double of_gain = gradient_unit * gradient_unit / hessian_unit;
    const double least_hessian = job.min_child_hessian / hessian_unit;
    Rules rules = {static_cast<float>(job.l2 / hessian_unit), static_cast<float>(job.min_split_gain * of_score), 1};
    rules.min_child_hessian = least_hessian >= 2147483647.0 ? 2147483647 : static_cast<i32>(least_hessian);
    rules.min_child_hessian = rules.min_child_hessian > 1 ? rules.min_child_hessian : 1;
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
            const bool worth = depth < job.max_depth && part.to - part.from >= 2u
                && part.hessian / 2 >= rules.min_child_hessian;
            Best best = {0.0f, NONE, NONE, 0u, 0, 0};
            const float own_score = node_score(rules, part.gradient, part.hessian);
            if (worth) {
                const u32* allowed = shared.drawn;
                if (job.features_a_node < job.features_a_tree) {
                    const u64 node = arith::draw(job.seed ^ 3ull, round, part.path);
                    mark_least(shared.allowed, shared.drawn, rows.features, job.features_a_node, node, 0ull);
                    allowed = shared.allowed;
                }
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
            const u32 lane = best.place % LANES;
            const u8* column = train_codes + static_cast<u64>(best.place / LANES) * rows.train_rows * LANES;
            const u32 bin = best.split / 2u;
            const u32 cuts = group.cuts[lane];
            const u32 next = next_with_rows(shared, column, lane, at, part, bin, cuts);
            BoostNode node;
            node.feature = best.feature;
            node.bin = middle_of_gap(all_cuts + group.first_cut[lane], cuts, bin, next);
            node.group = best.place / LANES;
            node.lane = lane;
            node.left = 0u;
            node.right = 0u;
            node.gain = static_cast<float>(static_cast<double>(best.score - own_score) * of_gain);
            node.value = value;
            node.hessian = part.hessian;
            node.count = part.to - part.from;
            // What was never seen missing goes with the heavier child.
            const bool missing = (shared.gradient[group.bins] | shared.hessian[group.bins]) != 0;
            node.missing_left = missing ? best.split % 2u : (best.hessian >= part.hessian - best.hessian ? 1u : 0u);
            __syncthreads();
            const u32 middle = part.from + divide(shared, column, node, group, at, part);
            if (threadIdx.x == 0u) {
                const u32 number = shared.nodes++;
                nodes[number] = node;
                tell_parent(nodes, part, number);
                below[shared.children] = {arith::draw(part.path, 0ull, 0ull), part.from, middle, best.gradient,
                                          best.hessian, 2u * number, 0u};
                below[shared.children + 1u] = {arith::draw(part.path, 0ull, 1ull), middle, part.to,
                                               part.gradient - best.gradient, part.hessian - best.hessian,
                                               2u * number + 1u, 0u};
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

// The leaf that a row falls into.
DEVICE u32 leaf_of(const BoostNode* nodes, u32 count, const BoostGroup* groups, const u8* codes, u32 rows, u32 row) {
    if (count == 0u) {
        return 0u;
    }
    u32 at = 0u;
    while (true) {
        const BoostNode& node = nodes[at];
        const u32 code = codes[(static_cast<u64>(node.group) * rows + row) * LANES + node.lane];
        const bool left = code == groups[node.group].bins ? node.missing_left != 0u : code <= node.bin;
        const u32 next = left ? node.left : node.right;
        if ((next & LEAF) != 0u) {
            return next & ~LEAF;
        }
        at = next;
    }
}

DEVICE double row_loss(const BoostJob& job, double score, float label) {
    if (job.objective == BINARY) {
        const double margin = label == 1.0f ? score : -score;
        return margin > 0.0 ? arith::ln(1.0 + arith::exp(-margin)) : arith::ln(1.0 + arith::exp(margin)) - margin;
    }
    if (job.objective == REGRESSION) {
        const double d = score - static_cast<double>(label);
        return d * d;
    }
    const double d = arith::magnitude(score - static_cast<double>(label));
    return d <= job.delta ? 0.5 * d * d : job.delta * (d - 0.5 * job.delta);
}

// Mean loss of the validation rows, each rounded to a multiple of 2^-40 of the power of two above the greatest.
DEVICE double mean_loss(Shared& shared, const BoostJob& job, const Places& at, const float* labels, const double* weights,
                        u32 count, u32 rounds) {
    double greatest = 0.0;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double sum = at.valid_scores[row];
        const double said = job.averaged != 0u ? sum / static_cast<double>(rounds) : sum;
        double loss = row_loss(job, said, labels[row]);
        loss = (job.weighted & 2u) != 0u ? loss * weights[row] : loss;
        at.losses[row] = loss;
        greatest = loss > greatest ? loss : greatest;
    }
    greatest = block_max(shared, greatest);
    i32 exponent = 40 - arith::exponent_above(greatest);
    exponent = exponent < -1000 ? -1000 : (exponent > 1000 ? 1000 : exponent);
    const double scale = arith::power_of_two(exponent);
    u64 own = 0ull;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        own += static_cast<u64>(arith::round_to_i64(at.losses[row] * scale));
    }
    if (threadIdx.x == 0u) {
        shared.loss = 0ull;
    }
    __syncthreads();
    atomicAdd(&shared.loss, own);
    __syncthreads();
    const double sum = static_cast<double>(static_cast<i64>(shared.loss));
    return sum * arith::power_of_two(-exponent) / job.valid_total;
}

}  // namespace boost

// Trains job `blockIdx.x`. Labels, weights and scratch lie at the job's offsets; nodes and leaves at those of its rounds.
KERNEL_AT_LEAST(2, boost_small, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostGroup* all_groups,
                const float* all_cuts, const u8* codes, const float* all_labels, const double* all_weights,
                double* scratch_f64, u32* scratch_u32, BoostPart* all_parts, BoostNode* all_nodes,
                BoostLeaf* all_leaves, BoostTree* all_trees, double* all_losses, BoostOutcome* outcomes) {
    using namespace boost;
    SHARED(Shared, block_memory, 1);
    SHARED(BoostJob, block_job, 1);
    SHARED(BoostRows, block_rows, 1);
    SHARED(Places, block_places, 1);
    // What all threads know alike takes no registers.
    if (threadIdx.x == 0u) {
        block_job[0] = jobs[blockIdx.x];
        block_rows[0] = all_rows[jobs[blockIdx.x].rows];
        const u32 train = block_rows[0].train_rows;
        Places& own = block_places[0];
        own.scores = scratch_f64 + block_job[0].scratch_f64;
        own.gradient = own.scores + train;
        own.hessian = own.gradient + train;
        own.valid_scores = own.hessian + train;
        own.losses = own.valid_scores + block_rows[0].valid_rows;
        own.gradients = scratch_u32 + block_job[0].scratch_u32;
        own.hessians = own.gradients + train;
        own.members = own.hessians + train;
        own.spare = own.members + train;
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
    double best_loss = arith::f64_infinity();
    u32 best_round = 0u;
    u32 trees = 0u;
    u32 noted = 0u;
    for (u32 round = 0u; round < job.rounds; ++round) {
        // The one gradient of a forest's trees stays as it was.
        if (!averaged || round == 0u) {
            take_gradients(shared, job, at, labels, weights, count, gradient_unit, hessian_unit);
        }
        mark_least(shared.drawn, nullptr, rows.features, job.features_a_tree, job.seed ^ 2ull, round);
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
            // Nothing is left to gain; a bare leaf would only shift the base.
            break;
        }
        trees = round + 1u;
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
            const double value = static_cast<double>(leaves[leaf].value);
            at.valid_scores[row] += averaged ? value + job.base : value;
        }
        __syncthreads();
        const double* valid_weights = weights + ((job.weighted & 1u) != 0u ? count : 0u);
        const double loss = mean_loss(shared, job, at, labels + count, valid_weights, rows.valid_rows, round + 1u);
        noted = round + 1u;
        if (threadIdx.x == 0u) {
            all_losses[job.trees + round] = loss;
        }
        const bool eligible = round + 1u >= job.min_rounds;
        if (eligible && loss < best_loss) {
            best_loss = loss;
            best_round = round;
        }
        __syncthreads();
        if (eligible && job.patience > 0u && round - best_round >= job.patience) {
            break;
        }
    }
    if (threadIdx.x == 0u) {
        // Where no round could be chosen, all are kept.
        const bool chosen = best_loss < arith::f64_infinity();
        outcomes[blockIdx.x] = {trees, noted, chosen ? best_round : trees};
    }
}
