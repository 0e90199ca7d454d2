// Trees of large tables, level by level: many blocks per job, all jobs in the same launches.
//
// The launches of a level are: clear, build (histograms of the smaller children, by tiles of rows), search (one block per part
// and group of features; the larger child's histogram is its parent's minus its sibling's), decide (numbers nodes and leaves),
// count, place (creates the children), move (the rows). The order in which blocks run changes the order of the work lists, but
// no result.
//
// Twin of crates/boost/src/grow.rs. The rules for splits are in boost_split.cuh.
#include "boost_levels.cuh"

// One thread per job. Starts a tree with a part that has all rows drawn for it.
KERNEL(boost_levels_root, THREADS, const BoostJob* jobs, u32 count, const BoostRows* all_rows, u32 tile, u32 few,
       BoostLevelPart* parts, BoostState* states, u32* lengths, BoostTile* builds, BoostTile* clears,
       BoostTile* searches) {
    using namespace boost;
    const u32 number = thread_in_grid();
    if (number >= count || states[number].running == 0u) {
        return;
    }
    const Lists lists = {lengths, builds, clears, searches};
    const BoostJob& job = jobs[number];
    BoostState& state = states[number];
    const BoostPart part = {ROOT_PATH, 0u, state.drawn, state.gradient, state.hessian, NONE, 0u};
    const bool searched = worth_splitting(job, rules_of(job, state.gradient_unit, state.hessian_unit), part, 0u);
    const bool large = searched && part.to > few;
    parts[level_at(job, 0u)] = {part, large ? 0u : NONE, NONE, NONE, searched ? 1u : 0u};
    state.width = 1u;
    if (large) {
        ask_for_histogram(lists, number, 0u, part.from, part.to, tile);
    }
    if (searched) {
        ask_for_split(lists, number, 0u, large, all_rows[job.rows].groups);
    }
}

// Clears the histograms that will be built. Blocks take pairs of list entry and group in turn.
KERNEL(boost_levels_clear, THREADS, const BoostLevelJob* level_jobs, u32 groups, u32 depth, const u32* lengths,
       const BoostTile* clears, u64* histograms) {
    using namespace boost;
    const u64 count = static_cast<u64>(lengths[CLEARS]) * groups;
    for (u64 at = blockIdx.x; at < count; at += gridDim.x) {
        const BoostTile clear = clears[at / groups];
        u64* bins = histograms
            + histogram_at(level_jobs[clear.job], depth, groups, clear.of, static_cast<u32>(at % groups));
        for (u32 word = threadIdx.x; word < GROUP_WORDS; word += blockDim.x) {
            bins[word] = 0ull;
        }
    }
}

// Builds histograms. Blocks take pairs of tile and group in turn, and add up in shared memory first.
KERNEL(boost_levels_build, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows,
       const BoostGroup* all_groups, const u8* codes, const u32* all_drawn, u32 groups, u32 depth, const u32* lengths,
       const BoostTile* builds, u32* scratch, u64* histograms) {
    using namespace boost;
    SHARED(Shared, block_memory, 1);
    Shared& shared = block_memory[0];
    const u64 count = static_cast<u64>(lengths[BUILDS]) * groups;
    for (u64 at = blockIdx.x; at < count; at += gridDim.x) {
        const BoostTile tile = builds[at / groups];
        const u32 number = static_cast<u32>(at % groups);
        const BoostJob& job = jobs[tile.job];
        const BoostRows& rows = all_rows[job.rows];
        const BoostGroup& group = all_groups[rows.first_group + number];
        const u32* drawn = all_drawn + static_cast<u64>(tile.job) * MARK_WORDS;
        if (!__syncthreads_or(is_in(drawn, group.feature[threadIdx.x % LANES]))) {
            continue;
        }
        Places places;
        place_words(places, job, rows, scratch);
        swap_members(places, depth);
        clear_bins(shared, group.bins);
        add_rows(shared, codes + rows.train_codes + static_cast<u64>(number) * rows.train_rows * LANES, places, tile.from,
                 tile.to);
        u64* bins = histograms + histogram_at(level_jobs[tile.job], depth, groups, tile.of, number);
        for (u32 slot = threadIdx.x; slot < (group.bins + 1u) * LANES; slot += blockDim.x) {
            const u64 word = word_of(shared.gradient[slot], shared.hessian[slot]);
            if (word != 0ull) {
                atomicAdd(&bins[slot], word);
            }
        }
        __syncthreads();
    }
}

// Finds the best splits. Blocks take groups of large parts, and whole small parts, in turn.
KERNEL_AT_LEAST(2, boost_levels_search, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs,
                const BoostRows* all_rows, const BoostGroup* all_groups, const u8* codes, const u32* all_drawn, u32 round,
                u32 depth, const BoostLevelPart* parts, const BoostState* states, const BoostTile* searches, u32* scratch,
                u32* lengths, u64* histograms, BoostFound* all_found) {
    using namespace boost;
    SHARED(Shared, block_memory, 1);
    SHARED(Places, block_places, 1);
    Shared& shared = block_memory[0];
    if (blockIdx.x == 0u && threadIdx.x == 0u) {
        // The splits of the last level are done; `decide` lists the next ones.
        lengths[SPLITS] = 0u;
    }
    const u32 count = lengths[SEARCHES];
    for (u32 at = blockIdx.x; at < count; at += gridDim.x) {
        const BoostTile wanted = searches[at];
        const BoostJob& job = jobs[wanted.job];
        const BoostLevelJob& level_job = level_jobs[wanted.job];
        const BoostRows& rows = all_rows[job.rows];
        const BoostState& state = states[wanted.job];
        const BoostGroup* groups = all_groups + rows.first_group;
        const BoostLevelPart& own = parts[level_at(job, depth) + wanted.of];
        const BoostPart part = own.part;
        for (u32 word = threadIdx.x; word < MARK_WORDS; word += blockDim.x) {
            shared.drawn[word] = all_drawn[static_cast<u64>(wanted.job) * MARK_WORDS + word];
        }
        if (threadIdx.x == 0u) {
            place_words(block_places[0], job, rows, scratch);
            swap_members(block_places[0], depth);
        }
        __syncthreads();
        const u32* allowed = features_of_node(shared, job, rows.features, round, part.path);
        const Rules rules = rules_of(job, state.gradient_unit, state.hessian_unit);
        const float least = node_score(rules, part.gradient, part.hessian) + rules.min_split_gain;
        Best best = {least, NONE, NONE, 0u, 0, 0};
        Gap gap = {NONE, 0u};
        u64 place = level_job.found + wanted.of;
        if (wanted.from == NONE) {
            const u8* own_codes = codes + rows.train_codes;
            best = search(shared, allowed, rows, groups, own_codes, block_places[0], part, rules, least);
            if (best.feature != NONE) {
                const u32 number = best.place / LANES;
                const u8* column = own_codes + static_cast<u64>(number) * rows.train_rows * LANES;
                gap = gap_by_rows(shared, column, groups[number], block_places[0], part, best);
            }
        } else {
            const u32 number = wanted.from;
            const BoostGroup& group = groups[number];
            place = level_job.found + job.leaf_capacity + static_cast<u64>(own.slot) * rows.groups + number;
            const bool drawn = is_in(shared.drawn, group.feature[threadIdx.x % LANES]);
            // Groups without a feature drawn for the tree have no histogram.
            if (__syncthreads_or(drawn)) {
                u64* bins = histograms + histogram_at(level_job, depth, rows.groups, own.slot, number);
                const bool apart = own.parent != NONE;
                const u64* of_parent = bins;
                const u64* of_sibling = bins;
                if (apart) {
                    of_parent = histograms + histogram_at(level_job, depth + 1u, rows.groups, own.parent, number);
                    of_sibling = histograms + histogram_at(level_job, depth, rows.groups, own.sibling, number);
                }
                for (u32 slot = threadIdx.x; slot < (group.bins + 1u) * LANES; slot += blockDim.x) {
                    u64 word = of_parent[slot];
                    if (apart) {
                        word -= of_sibling[slot];
                        bins[slot] = word;
                    }
                    shared.gradient[slot] = gradient_of(word);
                    shared.hessian[slot] = hessian_of(word);
                }
                __syncthreads();
                set_bar(shared, least);
                const bool may = is_in(allowed, group.feature[threadIdx.x % LANES]);
                scan_group(shared, group, number, may, part, rules, best);
                best = best_of_block(shared, best);
                if (best.feature != NONE) {
                    const u32 lane = best.place % LANES;
                    gap = gap_after(shared, LANES, lane, best.split / 2u, group.cuts[lane], group.bins);
                }
            }
        }
        if (threadIdx.x == 0u) {
            all_found[place] = {best, gap};
        }
        __syncthreads();
    }
}

// One block per job. Turns the parts of a level into nodes and leaves, numbered in their order, and lists the rows to divide.
KERNEL(boost_levels_decide, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows,
       const BoostGroup* all_groups, const float* all_cuts, u32 round, u32 depth, u32 tile, const BoostLevelPart* parts,
       const BoostFound* all_found, BoostSplit* all_splits, BoostNode* all_nodes, BoostLeaf* all_leaves,
       BoostState* states, u32* lengths, BoostTile* split_tiles) {
    using namespace boost;
    SHARED(u32, counts, THREADS / 32u);
    const BoostJob& job = jobs[blockIdx.x];
    const BoostLevelJob& level_job = level_jobs[blockIdx.x];
    const BoostRows& rows = all_rows[job.rows];
    BoostState& state = states[blockIdx.x];
    const u32 width = state.running != 0u ? state.width : 0u;
    if (width == 0u) {
        return;
    }
    const BoostGroup* groups = all_groups + rows.first_group;
    const BoostLevelPart* level = parts + level_at(job, depth);
    BoostNode* nodes = all_nodes + job.nodes + static_cast<u64>(round) * job.node_capacity;
    BoostLeaf* leaves = all_leaves + job.leaves + static_cast<u64>(round) * job.leaf_capacity;
    const Rules rules = rules_of(job, state.gradient_unit, state.hessian_unit);
    const double of_gain = state.gradient_unit * state.gradient_unit / state.hessian_unit;
    const u32 first_node = state.nodes;
    const u32 first_leaf = state.leaves;
    u32 split_count = 0u;
    for (u32 start = 0u; start < width; start += blockDim.x) {
        const u32 i = start + threadIdx.x;
        const bool there = i < width;
        BoostLevelPart own = {{0ull, 0u, 0u, 0, 0, NONE, 0u}, NONE, NONE, NONE, 0u};
        float own_score = 0.0f;
        BoostFound found = {{0.0f, NONE, NONE, 0u, 0, 0}, {NONE, 0u}};
        if (there) {
            own = level[i];
            own_score = node_score(rules, own.part.gradient, own.part.hessian);
            if (own.searched != 0u && own.slot == NONE) {
                found = all_found[level_job.found + i];
            } else if (own.searched != 0u) {
                const BoostFound* of_groups =
                    all_found + level_job.found + job.leaf_capacity + static_cast<u64>(own.slot) * rows.groups;
                for (u32 group = 0u; group < rows.groups; ++group) {
                    const Best& other = of_groups[group].best;
                    if (other.feature != NONE && (found.best.feature == NONE
                                                  || beats(other.score, other.feature, other.split, found.best))) {
                        found = of_groups[group];
                    }
                }
            }
        }
        const bool splits = found.best.feature != NONE;
        u32 all = 0u;
        const u32 rank = split_count + block_rank(counts, splits, all);
        const float value =
            output(job, state.gradient_unit, state.hessian_unit, own.part.gradient, own.part.hessian);
        if (splits) {
            const Best& best = found.best;
            const u32 number = first_node + rank;
            nodes[number] = node_of(groups[best.place / LANES], all_cuts, own.part, best, found.gap, value, own_score,
                                    of_gain);
            tell_parent(nodes, own.part, number);
            const u32 tiles = (own.part.to - own.part.from + tile - 1u) / tile;
            const u32 first = atomicAdd(&lengths[SPLITS], tiles);
            all_splits[level_job.splits + rank] = {i, number, first, 0u, best.gradient, best.hessian};
            for (u32 k = 0u; k < tiles; ++k) {
                const u32 from = own.part.from + k * tile;
                split_tiles[first + k] = {blockIdx.x, rank, from,
                                          own.part.to - from < tile ? own.part.to : from + tile};
            }
        } else if (there) {
            const u32 leaf = first_leaf + i - rank;
            leaves[leaf] = {value, own.part.hessian, own.part.to - own.part.from};
            tell_parent(nodes, own.part, leaf | LEAF);
        }
        split_count += all;
    }
    if (threadIdx.x == 0u) {
        state.splits = split_count;
        state.nodes = first_node + split_count;
        state.leaves = first_leaf + width - split_count;
    }
}

// Finds and counts the rows that go left. Blocks take tiles in turn. The sides of a tile's rows are in `sides`, a bit each,
// `MAX_TILE / SIDES` words per entry of the list.
KERNEL(boost_levels_count, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows,
       const BoostGroup* all_groups, const u8* codes, u32 round, u32 depth, const BoostNode* all_nodes,
       const BoostTile* split_tiles, u32* scratch, u32* lengths, u32* lefts, u32* sides, BoostSplit* all_splits) {
    using namespace boost;
    SHARED(u32, total, 1);
    if (blockIdx.x == 0u && threadIdx.x == 0u) {
        // The work in these lists is done; `place` lists that of the next level.
        lengths[BUILDS] = 0u;
        lengths[CLEARS] = 0u;
        lengths[SEARCHES] = 0u;
    }
    const u32 count = lengths[SPLITS];
    for (u32 at = blockIdx.x; at < count; at += gridDim.x) {
        const BoostTile tile = split_tiles[at];
        const BoostJob& job = jobs[tile.job];
        const BoostRows& rows = all_rows[job.rows];
        BoostSplit& split = all_splits[level_jobs[tile.job].splits + tile.of];
        const BoostNode& node = all_nodes[job.nodes + static_cast<u64>(round) * job.node_capacity + split.node];
        const u32 bins = all_groups[rows.first_group + node.group].bins;
        const u8* column = codes + rows.train_codes + static_cast<u64>(node.group) * rows.train_rows * LANES + node.lane;
        Places places;
        place_words(places, job, rows, scratch);
        swap_members(places, depth);
        if (threadIdx.x == 0u) {
            total[0] = 0u;
        }
        __syncthreads();
        const u32* members = IN_GLOBAL(places.members);
        u32* tile_sides = sides + static_cast<u64>(at) * (MAX_TILE / SIDES);
        u32 own = 0u;
        // All of a block's threads go round together, so that whole warps vote.
        for (u32 start = tile.from; start < tile.to; start += AHEAD * blockDim.x) {
            u32 row[AHEAD];
            u32 code[AHEAD];
#pragma unroll
            for (u32 k = 0u; k < AHEAD; ++k) {
                const u32 i = start + k * blockDim.x + threadIdx.x;
                row[k] = members[i < tile.to ? i : tile.from];
            }
#pragma unroll
            for (u32 k = 0u; k < AHEAD; ++k) {
                code[k] = column[static_cast<u64>(row[k]) * LANES];
            }
#pragma unroll
            for (u32 k = 0u; k < AHEAD; ++k) {
                const u32 i = start + k * blockDim.x + threadIdx.x;
                const u32 left = __ballot_sync(ALL_LANES, i < tile.to && goes_left(node, bins, code[k]));
                if (threadIdx.x % SIDES == 0u && i < tile.to) {
                    tile_sides[(i - tile.from) / SIDES] = left;
                    own += static_cast<u32>(__popc(left));
                }
            }
        }
        if (threadIdx.x % SIDES == 0u) {
            atomicAdd(&total[0], own);
        }
        __syncthreads();
        if (threadIdx.x == 0u) {
            lefts[at] = total[0];
            atomicAdd(&split.lefts, total[0]);
        }
    }
}

// One block per job. Creates the children of the split parts, and lists the work for them.
KERNEL(boost_levels_place, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows,
       u32 depth, u32 tile, u32 few, const BoostSplit* all_splits, BoostLevelPart* parts, BoostState* states,
       u32* lengths, BoostTile* builds, BoostTile* clears, BoostTile* searches) {
    using namespace boost;
    SHARED(u32, counts, THREADS / 32u);
    const Lists lists = {lengths, builds, clears, searches};
    const BoostJob& job = jobs[blockIdx.x];
    const u32 groups = all_rows[job.rows].groups;
    BoostState& state = states[blockIdx.x];
    const u32 split_count = state.running != 0u && state.width > 0u ? state.splits : 0u;
    __syncthreads();
    const Rules rules = rules_of(job, state.gradient_unit, state.hessian_unit);
    const BoostLevelPart* level = parts + level_at(job, depth);
    BoostLevelPart* below = parts + level_at(job, depth + 1u);
    u32 pairs = 0u;
    for (u32 start = 0u; start < split_count; start += blockDim.x) {
        const u32 i = start + threadIdx.x;
        const bool there = i < split_count;
        BoostLevelPart left = {{0ull, 0u, 0u, 0, 0, NONE, 0u}, NONE, NONE, NONE, 0u};
        BoostLevelPart right = left;
        u32 parent = NONE;
        if (there) {
            const BoostSplit split = all_splits[level_jobs[blockIdx.x].splits + i];
            const BoostLevelPart& own = level[split.part];
            const u32 middle = own.part.from + split.lefts;
            parent = own.slot;
            left.part = left_child(own.part, split.gradient, split.hessian, split.node, middle);
            right.part = right_child(own.part, split.gradient, split.hessian, split.node, middle);
            left.searched = worth_splitting(job, rules, left.part, depth + 1u) ? 1u : 0u;
            right.searched = worth_splitting(job, rules, right.part, depth + 1u) ? 1u : 0u;
        }
        const u32 left_rows = left.part.to - left.part.from;
        const u32 right_rows = right.part.to - right.part.from;
        const bool left_large = left.searched != 0u && left_rows > few;
        const bool right_large = right.searched != 0u && right_rows > few;
        u32 all = 0u;
        const u32 pair = pairs + block_rank(counts, left_large || right_large, all);
        pairs += all;
        if (left_large || right_large) {
            // The histogram of the smaller child is built; that of the other is the parent's minus it.
            if (left_rows <= right_rows) {
                ask_for_histogram(lists, blockIdx.x, 2u * pair, left.part.from, left.part.to, tile);
                share_histograms(left, left_large, right, right_large, parent, pair);
            } else {
                ask_for_histogram(lists, blockIdx.x, 2u * pair, right.part.from, right.part.to, tile);
                share_histograms(right, right_large, left, left_large, parent, pair);
            }
        }
        if (there) {
            below[2u * i] = left;
            below[2u * i + 1u] = right;
            if (left.searched != 0u) {
                ask_for_split(lists, blockIdx.x, 2u * i, left_large, groups);
            }
            if (right.searched != 0u) {
                ask_for_split(lists, blockIdx.x, 2u * i + 1u, right_large, groups);
            }
        }
    }
    __syncthreads();
    if (threadIdx.x == 0u) {
        state.width = 2u * split_count;
    }
}

// Moves the rows of a level to their places in the children, in their order. Blocks take tiles in turn.
KERNEL(boost_levels_move, THREADS, const BoostJob* jobs, const BoostLevelJob* level_jobs, const BoostRows* all_rows, u32 depth,
       const BoostLevelPart* parts, const BoostSplit* all_splits, const u32* lengths, const BoostTile* split_tiles,
       const u32* lefts, const u32* sides, u32* scratch) {
    using namespace boost;
    SHARED(u32, sums, 1);
    SHARED(u32, left, MAX_TILE / SIDES);
    SHARED(u32, left_before, MAX_TILE / SIDES);
    const u32 count = lengths[SPLITS];
    for (u32 at = blockIdx.x; at < count; at += gridDim.x) {
        const BoostTile tile = split_tiles[at];
        const BoostJob& job = jobs[tile.job];
        const BoostSplit& split = all_splits[level_jobs[tile.job].splits + tile.of];
        const u32 first = parts[level_at(job, depth) + split.part].part.from;
        Places places;
        place_words(places, job, all_rows[job.rows], scratch);
        swap_members(places, depth);
        const u32 words = (tile.to - tile.from + SIDES - 1u) / SIDES;
        const u32* tile_sides = sides + static_cast<u64>(at) * (MAX_TILE / SIDES);
        for (u32 word = threadIdx.x; word < words; word += blockDim.x) {
            left[word] = tile_sides[word];
        }
        const u32 before = block_sum(sums, lefts, split.first_tile, at);
        bits_before(left, words, left_before);
        const u32* members = IN_GLOBAL(places.members);
        u32* to_left = IN_GLOBAL(places.spare) + first + before;
        u32* to_right = IN_GLOBAL(places.spare) + first + split.lefts + (tile.from - first - before);
#pragma unroll 4
        for (u32 i = threadIdx.x; i < tile.to - tile.from; i += blockDim.x) {
            const u32 row = members[tile.from + i];
            const u32 side = left[i / SIDES];
            const u32 own = 1u << (i % SIDES);
            const u32 rank = left_before[i / SIDES] + static_cast<u32>(__popc(side & (own - 1u)));
            u32* to = (side & own) != 0u ? to_left + rank : to_right + (i - rank);
            *to = row;
        }
        // The next tile's sides must not overwrite these while they are read.
        __syncthreads();
    }
}
