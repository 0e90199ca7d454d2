// Boosting of large tables, row by row: gradients before a tree, scores and losses after it. Blocks share the rows of all jobs
// of a launch in tiles. They combine their results only by maxima and sums of integers, whose order does not matter.
//
// Twin of crates/boost/src/cpu.rs. boost_levels.cu grows the trees.
#include "boost_levels.cuh"

// One block per job. Draws the features of the round's tree, and resets the state of the last tree.
KERNEL(boost_rounds_begin, THREADS, const BoostJob* jobs, const BoostRows* all_rows, u32 round, u32* drawn,
       BoostState* states) {
    using namespace boost;
    const BoostJob& job = jobs[blockIdx.x];
    BoostState& state = states[blockIdx.x];
    const bool runs = round == 0u || state.running != 0u;
    __syncthreads();
    if (!runs) {
        return;
    }
    if (threadIdx.x == 0u) {
        if (round == 0u) {
            state.running = 1u;
            state.progress = no_progress();
        }
        state.greatest_gradient = 0ull;
        state.greatest_hessian = 0ull;
        state.greatest_loss = 0ull;
        state.losses = 0ull;
        state.drawn = 0u;
        state.gradient = 0;
        state.hessian = 0;
        state.width = 0u;
        state.nodes = 0u;
        state.leaves = 0u;
    }
    mark_least(drawn + static_cast<u64>(blockIdx.x) * MARK_WORDS, nullptr, all_rows[job.rows].features, job.features_a_tree,
               job.seed ^ FEATURE_STREAM, round);
}

// One block per tile of training rows. Computes gradients and Hessians, and the largest magnitude of each.
KERNEL(boost_rounds_gradients, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostTile* tiles,
       const float* all_labels, const double* all_weights, u32 round, double* scratch, BoostState* states) {
    using namespace boost;
    SHARED(double, values, THREADS);
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    BoostState& state = states[tile.job];
    // All trees of a forest have the same gradients.
    if (state.running == 0u || (job.averaged != 0u && round > 0u)) {
        return;
    }
    Places at;
    place_numbers(at, job, all_rows[job.rows], scratch);
    const float* labels = all_labels + job.labels;
    double greatest_gradient = 0.0;
    double greatest_hessian = 0.0;
    for (u32 row = tile.from + threadIdx.x; row < tile.to; row += blockDim.x) {
        if (round == 0u) {
            at.scores[row] = job.base;
        }
        double g = 0.0;
        double h = 0.0;
        row_gradient(job, at.scores[row], labels[row], all_weights + job.weights, row, g, h);
        at.gradient[row] = g;
        at.hessian[row] = h;
        g = arith::magnitude(g);
        h = arith::magnitude(h);
        greatest_gradient = g > greatest_gradient ? g : greatest_gradient;
        greatest_hessian = h > greatest_hessian ? h : greatest_hessian;
    }
    greatest_gradient = block_max(values, greatest_gradient);
    greatest_hessian = block_max(values, greatest_hessian);
    if (threadIdx.x == 0u) {
        atomicMax(&state.greatest_gradient, arith::f64_bits(greatest_gradient));
        atomicMax(&state.greatest_hessian, arith::f64_bits(greatest_hessian));
    }
}

// One block per tile of training rows. Rounds gradients and Hessians to integer multiples of a unit, and adds up those of the
// rows that are drawn for the tree.
KERNEL(boost_rounds_quantise, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostTile* tiles, u32 round,
       double* scratch_f64, u32* scratch_u32, u32* drawn_rows, BoostState* states) {
    using namespace boost;
    SHARED(u32, drawn, 1);
    SHARED(i32, sums, 2);
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    const BoostRows& rows = all_rows[job.rows];
    BoostState& state = states[tile.job];
    if (state.running == 0u) {
        return;
    }
    Places at;
    place_numbers(at, job, rows, scratch_f64);
    place_words(at, job, rows, scratch_u32);
    const bool fresh = job.averaged == 0u || round == 0u;
    const i32 of_gradient = quantiser(rows.train_rows, arith::f64_from_bits(state.greatest_gradient));
    const i32 of_hessian = quantiser(rows.train_rows, arith::f64_from_bits(state.greatest_hessian));
    const double gradient_scale = arith::power_of_two(of_gradient);
    const double hessian_scale = arith::power_of_two(of_hessian);
    if (threadIdx.x == 0u) {
        drawn[0] = 0u;
        sums[0] = 0;
        sums[1] = 0;
    }
    __syncthreads();
    u32 taken = 0u;
    i32 gradient = 0;
    i32 hessian = 0;
    for (u32 row = tile.from + threadIdx.x; row < tile.to; row += blockDim.x) {
        if (fresh) {
            at.sums[row] = {static_cast<i32>(quantised(at.gradient[row], gradient_scale)),
                            static_cast<i32>(quantised(at.hessian[row], hessian_scale))};
        }
        if (takes_row(job, round, row)) {
            ++taken;
            gradient += at.sums[row].gradient;
            hessian += at.sums[row].hessian;
        }
    }
    atomicAdd(&drawn[0], taken);
    atomicAdd(&sums[0], gradient);
    atomicAdd(&sums[1], hessian);
    __syncthreads();
    if (threadIdx.x == 0u) {
        drawn_rows[blockIdx.x] = drawn[0];
        atomicAdd(&state.drawn, drawn[0]);
        atomicAdd(&state.gradient, sums[0]);
        atomicAdd(&state.hessian, sums[1]);
        if (fresh && tile.from == 0u) {
            state.gradient_unit = arith::power_of_two(-of_gradient);
            state.hessian_unit = arith::power_of_two(-of_hessian);
        }
    }
}

// One block per tile of training rows. Lists the rows that are drawn for the tree, in their order.
KERNEL(boost_rounds_draw, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows,
       const BoostTile* tiles, u32 round, const u32* drawn_rows, const BoostState* states, u32* scratch) {
    using namespace boost;
    SHARED(u32, counts, THREADS / 32u);
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    if (states[tile.job].running == 0u) {
        return;
    }
    Places at;
    place_words(at, job, all_rows[job.rows], scratch);
    u32 drawn = block_sum(counts, drawn_rows, level_jobs[tile.job].first_tile, blockIdx.x);
    for (u32 start = tile.from; start < tile.to; start += blockDim.x) {
        const u32 row = start + threadIdx.x;
        const bool taken = row < tile.to && takes_row(job, round, row);
        u32 all = 0u;
        const u32 rank = block_rank(counts, taken, all);
        if (taken) {
            at.members[drawn + rank] = row;
        }
        drawn += all;
    }
}

// One block per tile of training rows. Adds the tree's outputs to the scores, also of rows that were not drawn for it.
KERNEL(boost_rounds_score, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostGroup* all_groups,
       const u8* codes, const BoostTile* tiles, u32 round, const BoostNode* all_nodes, const BoostLeaf* all_leaves,
       const BoostState* states, double* scratch) {
    using namespace boost;
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    const BoostRows& rows = all_rows[job.rows];
    const BoostState& state = states[tile.job];
    if (state.running == 0u || state.nodes == 0u || job.averaged != 0u) {
        return;
    }
    Places at;
    place_numbers(at, job, rows, scratch);
    const BoostNode* nodes = all_nodes + job.nodes + static_cast<u64>(round) * job.node_capacity;
    const BoostLeaf* leaves = all_leaves + job.leaves + static_cast<u64>(round) * job.leaf_capacity;
    const BoostGroup* groups = all_groups + rows.first_group;
    for (u32 row = tile.from + threadIdx.x; row < tile.to; row += blockDim.x) {
        const u32 leaf = leaf_of(nodes, state.nodes, groups, codes + rows.train_codes, rows.train_rows, row);
        at.scores[row] += static_cast<double>(leaves[leaf].value);
    }
}

// One block per tile of validation rows. Adds the tree's outputs to the scores, and computes the losses and the largest one.
KERNEL(boost_rounds_valid, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostGroup* all_groups,
       const u8* codes, const BoostTile* tiles, const float* all_labels, const double* all_weights, u32 round,
       const BoostNode* all_nodes, const BoostLeaf* all_leaves, double* scratch, BoostState* states) {
    using namespace boost;
    SHARED(double, values, THREADS);
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    const BoostRows& rows = all_rows[job.rows];
    BoostState& state = states[tile.job];
    if (state.running == 0u) {
        return;
    }
    Places at;
    place_numbers(at, job, rows, scratch);
    const BoostNode* nodes = all_nodes + job.nodes + static_cast<u64>(round) * job.node_capacity;
    const BoostLeaf* leaves = all_leaves + job.leaves + static_cast<u64>(round) * job.leaf_capacity;
    const BoostGroup* groups = all_groups + rows.first_group;
    const float* labels = all_labels + job.labels + rows.train_rows;
    const double* weights = all_weights + job.weights + ((job.weighted & TRAIN_WEIGHTS) != 0u ? rows.train_rows : 0u);
    const double first = job.averaged != 0u ? 0.0 : job.base;
    double greatest = 0.0;
    for (u32 row = tile.from + threadIdx.x; row < tile.to; row += blockDim.x) {
        const u32 leaf = leaf_of(nodes, state.nodes, groups, codes + rows.valid_codes, rows.valid_rows, row);
        const double score = with_leaf(job, round == 0u ? first : at.valid_scores[row], leaves[leaf].value);
        const double loss = valid_loss(job, score, labels[row], weights, row, round + 1u);
        at.valid_scores[row] = score;
        at.losses[row] = loss;
        greatest = loss > greatest ? loss : greatest;
    }
    greatest = block_max(values, greatest);
    if (threadIdx.x == 0u) {
        atomicMax(&state.greatest_loss, arith::f64_bits(greatest));
    }
}

// One block per tile of validation rows. Adds up the rounded losses.
KERNEL(boost_rounds_losses, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostTile* tiles,
       double* scratch, BoostState* states) {
    using namespace boost;
    SHARED(u64, sum, 1);
    const BoostTile tile = tiles[blockIdx.x];
    const BoostJob& job = jobs[tile.job];
    BoostState& state = states[tile.job];
    if (state.running == 0u) {
        return;
    }
    Places at;
    place_numbers(at, job, all_rows[job.rows], scratch);
    const double scale = arith::power_of_two(loss_quantiser(arith::f64_from_bits(state.greatest_loss)));
    if (threadIdx.x == 0u) {
        sum[0] = 0ull;
    }
    u64 own = 0ull;
    for (u32 row = tile.from + threadIdx.x; row < tile.to; row += blockDim.x) {
        own += rounded_loss(at.losses[row], scale);
    }
    __syncthreads();
    atomicAdd(&sum[0], own);
    __syncthreads();
    if (threadIdx.x == 0u) {
        atomicAdd(&state.losses, sum[0]);
    }
}

// One thread per job. Stores the tree and the loss, and whether the job continues.
KERNEL(boost_rounds_end, THREADS, const BoostJob* jobs, u32 count, const BoostRows* all_rows, u32 round,
       BoostTree* trees, double* losses, BoostOutcome* outcomes, u32* running, BoostState* states) {
    using namespace boost;
    const u32 number = thread_in_grid();
    if (number >= count) {
        return;
    }
    const BoostJob& job = jobs[number];
    BoostState& state = states[number];
    if (state.running == 0u) {
        return;
    }
    trees[job.trees + round] = {state.gradient_unit, state.hessian_unit, state.nodes, state.leaves};
    bool stops = round + 1u == job.rounds;
    if (state.nodes == 0u && job.averaged == 0u) {
        // No split gains anything any more, and a tree with one leaf would only shift the base.
        stops = true;
    } else {
        state.progress.trees = round + 1u;
        if (all_rows[job.rows].valid_rows > 0u) {
            const i32 exponent = loss_quantiser(arith::f64_from_bits(state.greatest_loss));
            const double loss = mean_loss(job, state.losses, exponent);
            losses[job.trees + round] = loss;
            stops = note_loss(job, state.progress, round, loss) || stops;
        }
    }
    state.running = stops ? 0u : 1u;
    running[number] = state.running;
    outcomes[number] = outcome(state.progress);
}

// A warp per kept tree. Puts the nodes and leaves of kept trees side by side, so that nothing else goes to the host.
KERNEL(boost_rounds_keep, THREADS, const BoostKeptTree* trees, u32 count, const BoostNode* all_nodes,
       const BoostLeaf* all_leaves, BoostNode* nodes, BoostLeaf* leaves) {
    const u32 number = thread_in_grid() / boost::WARP;
    if (number >= count) {
        return;
    }
    const u32 lane = threadIdx.x % boost::WARP;
    const BoostKeptTree tree = trees[number];
    for (u32 node = lane; node < tree.nodes; node += boost::WARP) {
        nodes[tree.to_node + node] = all_nodes[tree.from_node + node];
    }
    for (u32 leaf = lane; leaf < tree.leaves; leaf += boost::WARP) {
        leaves[tree.to_leaf + leaf] = all_leaves[tree.from_leaf + leaf];
    }
}
