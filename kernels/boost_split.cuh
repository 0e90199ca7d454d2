// Finds the best split of a node, and divides the node's rows by it. Twin of crates/boost/src/{histogram,split}.rs and
// crates/boost/src/grow/{search,partition}.rs.
#pragma once
#include "boost_rows.cuh"

// Fewest rows of a node that may be split.
constexpr u32 MIN_SPLIT_ROWS = 2u;
// Rows that a thread reads at a time.
constexpr u32 AHEAD = 8u;
// Below 1 by more than the rounding of a few products.
constexpr float NEARLY = 1.0f - 1.0f / 65536.0f;
// Bins whose splits a thread compares at a time.
constexpr u32 BINS_AHEAD = 4u;
// Children of a split. Each must have at least the minimum Hessian.
constexpr i32 CHILDREN = 2;

namespace boost {

DEVICE bool beats(float score, u32 feature, u32 split, const Best& other) {
    // A score without a feature is the minimum to beat: a tie with it does not win.
    const bool tie = score == other.score && other.feature != NONE;
    return score > other.score
        || (tie && (feature < other.feature || (feature == other.feature && split < other.split)));
}

// The conditions for a split, in quantised units.
struct Rules {
    float l2;
    float min_split_gain;
    i32 min_child_hessian;
};

DEVICE Rules rules_of(const BoostJob& job, double gradient_unit, double hessian_unit) {
    const double of_score = hessian_unit / (gradient_unit * gradient_unit);
    const double least = job.min_child_hessian / hessian_unit;
    const i32 least_hessian = least >= 2147483647.0 ? 2147483647 : static_cast<i32>(least);
    return {static_cast<float>(job.l2 / hessian_unit), static_cast<float>(job.min_split_gain * of_score),
            least_hessian > 1 ? least_hessian : 1};
}

DEVICE bool worth_splitting(const BoostJob& job, const Rules& rules, const BoostPart& part, u32 depth) {
    return depth < job.max_depth && part.to - part.from >= MIN_SPLIT_ROWS && part.hessian / CHILDREN >= rules.min_child_hessian;
}

// The features that a node may be split by, from those in `shared.drawn`.
DEVICE const u32* features_of_node(Shared& shared, const BoostJob& job, u32 features, u32 round, u64 path) {
    if (job.features_a_node >= job.features_a_tree) {
        return shared.drawn;
    }
    const u64 node = arith::draw(job.seed ^ NODE_STREAM, round, path);
    mark_least(shared.allowed, shared.drawn, features, job.features_a_node, node, 0ull);
    return shared.allowed;
}

DEVICE float node_score(const Rules& rules, i32 gradient, i32 hessian) {
    const float g = static_cast<float>(gradient);
    return g * g / (static_cast<float>(hessian) + rules.l2);
}

// A thread's best split of one feature, whose splits it compares in their order: on a tie the first wins.
struct Candidate {
    float score;  // below 0 if there is none
    u32 split;
    i32 gradient;
    i32 hessian;
};

DEVICE void consider(Candidate& best, const Rules& rules, const BoostPart& part, i32 gl, i32 hl, u32 split, bool there,
                     float& bar) {
    const i32 gr = part.gradient - gl;
    const i32 hr = part.hessian - hl;
    const float fl = static_cast<float>(gl);
    const float fr = static_cast<float>(gr);
    const float dl = static_cast<float>(hl) + rules.l2;
    const float dr = static_cast<float>(hr) + rules.l2;
    // Both fractions over one denominator, because a division is expensive; and it is done only where it may matter: if the
    // numerator is less than the score to beat times the denominator by more than rounding can make up for, so is the quotient.
    const float numerator = fl * fl * dr + fr * fr * dl;
    const float denominator = dl * dr;
    const bool may = there & (hl >= rules.min_child_hessian) & (hr >= rules.min_child_hessian)
        & (numerator >= bar * denominator * NEARLY);
    if (may) {
        const float score = numerator / denominator;
        if (score > best.score) {
            best = {score, split, gl, hl};
            bar = score > bar ? score : bar;
        }
    }
}

// Clears a group's bins in shared memory, including the one for missing values.
DEVICE void clear_bins(Shared& shared, u32 bins) {
    FourWords* gradient = reinterpret_cast<FourWords*>(shared.gradient);
    FourWords* hessian = reinterpret_cast<FourWords*>(shared.hessian);
    for (u32 four = threadIdx.x; four < (bins + 1u) * LANES / 4u; four += blockDim.x) {
        gradient[four] = {{0u, 0u, 0u, 0u}};
        hessian[four] = {{0u, 0u, 0u, 0u}};
    }
    __syncthreads();
}

// Adds rows to a group's bins: those of `members` at `at`, `at + step`, …, AHEAD of them or as many as come before `to`.
// `column` holds the codes of this thread's feature. Everything that is read for several rows is on its way before the first
// of them is added; beyond the last row, the first one is read again.
template <bool ALL>
DEVICE void add_some(Shared& shared, const u8* column, const u32* members, const RowSums* all_sums, u32 lane, u32 at,
                     u32 step, u32 to) {
    u32 row[AHEAD];
    u32 code[AHEAD];
    RowSums sums[AHEAD];
#pragma unroll
    for (u32 k = 0u; k < AHEAD; ++k) {
        row[k] = members[ALL || at + k * step < to ? at + k * step : at];
    }
#pragma unroll
    for (u32 k = 0u; k < AHEAD; ++k) {
        code[k] = column[static_cast<u64>(row[k]) * LANES];
        sums[k] = all_sums[row[k]];
    }
#pragma unroll
    for (u32 k = 0u; k < AHEAD; ++k) {
        if (ALL || k == 0u || at + k * step < to) {
            atomicAdd(&shared.gradient[code[k] * LANES + lane], sums[k].gradient);
            atomicAdd(&shared.hessian[code[k] * LANES + lane], sums[k].hessian);
        }
    }
}

// Adds the rows `members[from .. to]` to a group's bins in shared memory. `codes` are those of the group.
DEVICE void add_rows(Shared& shared, const u8* codes, const Places& places, u32 from, u32 to) {
    const u32 lane = threadIdx.x % LANES;
    const u32 step = blockDim.x / LANES;
    const u32* members = IN_GLOBAL(places.members);
    const RowSums* sums = IN_GLOBAL(places.sums);
    const u8* column = codes + lane;
    u32 at = from + threadIdx.x / LANES;
    for (; at + (AHEAD - 1u) * step < to; at += AHEAD * step) {
        add_some<true>(shared, column, members, sums, lane, at, step, to);
    }
    if (at < to) {
        add_some<false>(shared, column, members, sums, lane, at, step, to);
    }
    __syncthreads();
}

// Sets the score that a split must reach to matter. All scores are at least 0, so their bits have their order.
DEVICE void set_bar(Shared& shared, float least) {
    if (threadIdx.x == 0u) {
        shared.bar = __float_as_uint(least);
    }
}

// Compares the splits by group `number`, whose bins are in shared memory, with this thread's best so far. Each thread scans a
// segment of one feature's bins, after the sums of the segments below it are known.
DEVICE void scan_group(Shared& shared, const BoostGroup& group, u32 number, bool wanted, const BoostPart& part,
                       const Rules& rules, Best& best) {
    const u32 lane = threadIdx.x % LANES;
    const u32 segment = threadIdx.x / LANES;
    const u32 segments = blockDim.x / LANES;
    const u32 count = group.bins;
    const u32 length = (count + segments - 1u) / segments;
    const u32 from = segment * length < count ? segment * length : count;
    const u32 to = from + length < count ? from + length : count;
    i32 gradient = 0;
    i32 hessian = 0;
#pragma unroll 4
    for (u32 bin = from; bin < to; ++bin) {
        gradient += shared.gradient[bin * LANES + lane];
        hessian += shared.hessian[bin * LANES + lane];
    }
    shared.sums[0][threadIdx.x] = gradient;
    shared.sums[1][threadIdx.x] = hessian;
    const i32 missing_gradient = shared.gradient[count * LANES + lane];
    const i32 missing_hessian = shared.hessian[count * LANES + lane];
    // Without missing values in the node, both splits of a bin are the same, and on a tie the first wins. A warp has all lanes.
    const bool any_missing = group.any_missing != 0u && __any_sync(ALL_LANES, (missing_gradient | missing_hessian) != 0) != 0;
    __syncthreads();
    if (wanted) {
        gradient = 0;
        hessian = 0;
#pragma unroll 4
        for (u32 before = 0u; before < segment; ++before) {
            gradient += shared.sums[0][before * LANES + lane];
            hessian += shared.sums[1][before * LANES + lane];
        }
        const u32 feature = group.feature[lane];
        const u32 place = number * LANES + lane;
        Candidate own = {-1.0f, NONE, 0, 0};
        float bar = __uint_as_float(shared.bar);
        for (u32 start = from; start < to; start += BINS_AHEAD) {
            i32 g[BINS_AHEAD];
            i32 h[BINS_AHEAD];
#pragma unroll
            for (u32 k = 0u; k < BINS_AHEAD; ++k) {
                const bool inside = start + k < to;
                g[k] = inside ? shared.gradient[(start + k) * LANES + lane] : 0;
                h[k] = inside ? shared.hessian[(start + k) * LANES + lane] : 0;
            }
#pragma unroll
            for (u32 k = 0u; k < BINS_AHEAD; ++k) {
                const u32 bin = start + k;
                gradient += g[k];
                hessian += h[k];
                // An empty bin splits the rows as the bin before it does, and on a tie the first wins.
                const bool there = ((g[k] | h[k]) != 0) | (bin == 0u);
                consider(own, rules, part, gradient, hessian, 2u * bin, there, bar);
                if (any_missing) {
                    consider(own, rules, part, gradient + missing_gradient, hessian + missing_hessian, 2u * bin + 1u,
                             there, bar);
                }
            }
        }
        if (own.split != NONE && beats(own.score, feature, own.split, best)) {
            best = {own.score, feature, own.split, place, own.gradient, own.hessian};
        }
    }
    const u32 most = __reduce_max_sync(ALL_LANES, best.feature != NONE ? __float_as_uint(best.score) : 0u);
    if (threadIdx.x % WARP == 0u) {
        atomicMax(&shared.bar, most);
    }
    __syncthreads();
}

// The first of the best splits of a warp's lanes, as `beats` orders them. Scores are not negative, so their bits have their
// order.
DEVICE Best best_of_warp(const Best& best) {
    const u32 score = best.feature != NONE ? __float_as_uint(best.score) : 0u;
    const u32 most = __reduce_max_sync(ALL_LANES, score);
    const u32 feature = __reduce_min_sync(ALL_LANES, score == most ? best.feature : NONE);
    const u32 split = __reduce_min_sync(ALL_LANES, score == most && best.feature == feature ? best.split : NONE);
    const bool leads = score == most && best.feature == feature && best.split == split;
    const i32 leader = 31 - __clz(static_cast<i32>(__ballot_sync(ALL_LANES, leads)));
    return {__uint_as_float(most), feature, split, __shfl_sync(ALL_LANES, best.place, leader),
            __shfl_sync(ALL_LANES, best.gradient, leader), __shfl_sync(ALL_LANES, best.hessian, leader)};
}

// The best split of all threads. Its feature is NONE if there is none.
DEVICE Best best_of_block(Shared& shared, const Best& best) {
    const Best own = best_of_warp(best);
    const u32 lane = threadIdx.x % WARP;
    if (lane == 0u) {
        shared.best[threadIdx.x / WARP] = own;
    }
    __syncthreads();
    Best of_lane = {0.0f, NONE, NONE, 0u, 0, 0};
    if (lane < blockDim.x / WARP) {
        of_lane = shared.best[lane];
    }
    const Best found = best_of_warp(of_lane);
    __syncthreads();
    return found;
}

// The best split of a node by the allowed features of all groups. Its feature is NONE if none beats `least`.
DEVICE Best search(Shared& shared, const u32* allowed, const BoostRows& rows, const BoostGroup* groups, const u8* codes,
                   const Places& places, const BoostPart& part, const Rules& rules, float least) {
    Best best = {least, NONE, NONE, 0u, 0, 0};
    set_bar(shared, least);
    for (u32 number = 0u; number < rows.groups; ++number) {
        const BoostGroup& group = groups[number];
        const bool wanted = is_in(allowed, group.feature[threadIdx.x % LANES]);
        if (!__syncthreads_or(wanted)) {
            continue;
        }
        clear_bins(shared, group.bins);
        add_rows(shared, codes + static_cast<u64>(number) * rows.train_rows * LANES, places, part.from, part.to);
        scan_group(shared, group, number, wanted, part, rules, best);
    }
    return best_of_block(shared, best);
}

// Empty bins between the two sides may go either way. This chooses the cut that is nearest to the middle of the values on both
// sides. `next` is the first bin with rows after `bin`. If it is after the last cut, only missing values follow.
DEVICE u32 middle_of_gap(const float* cuts, u32 count, u32 bin, u32 next) {
    if (next > count) {
        return count;
    }
    const double middle = static_cast<double>(cuts[bin]) / 2.0 + static_cast<double>(cuts[next - 1u]) / 2.0;
    u32 low = bin;
    u32 high = next - 1u;
    while (low < high) {
        const u32 half = low + (high - low) / 2u;
        if (static_cast<double>(cuts[half]) < middle) {
            low = half + 1u;
        } else {
            high = half;
        }
    }
    const u32 below = low > bin ? low - 1u : bin;
    return middle - static_cast<double>(cuts[below]) <= static_cast<double>(cuts[low]) - middle ? below : low;
}

// What follows a split: the first bin after it that has rows of the node (NONE if there is none below that of missing values),
// and whether the node has missing values.
struct Gap {
    u32 next;
    u32 missing;
};

// The gap after a split, from the bins in shared memory. The feature's bins start at `first` and are `stride` apart; the last
// one is `cuts`, and `bins` is the one for missing values.
DEVICE Gap gap_after(Shared& shared, u32 stride, u32 first, u32 bin, u32 cuts, u32 bins) {
    if (threadIdx.x == 0u) {
        shared.least[0] = NONE;
    }
    __syncthreads();
    for (u32 next = bin + 1u + threadIdx.x; next <= cuts; next += blockDim.x) {
        if ((shared.gradient[next * stride + first] | shared.hessian[next * stride + first]) != 0) {
            atomicMin(&shared.least[0], next);
        }
    }
    __syncthreads();
    const u32 at = bins * stride + first;
    const Gap gap = {shared.least[0], (shared.gradient[at] | shared.hessian[at]) != 0 ? 1u : 0u};
    __syncthreads();
    return gap;
}

// The gap after a node's split, from the node's rows. `codes` are those of the split's group.
DEVICE Gap gap_by_rows(Shared& shared, const u8* codes, const BoostGroup& group, const Places& places,
                       const BoostPart& part, const Best& best) {
    const u32 lane = best.place % LANES;
    for (u32 slot = threadIdx.x; slot < GROUP_BINS; slot += blockDim.x) {
        shared.gradient[slot] = 0;
        shared.hessian[slot] = 0;
    }
    __syncthreads();
    for (u32 at = part.from + threadIdx.x; at < part.to; at += blockDim.x) {
        const u32 row = places.members[at];
        const u32 code = codes[static_cast<u64>(row) * LANES + lane];
        const RowSums sums = places.sums[row];
        atomicAdd(&shared.gradient[code], sums.gradient);
        atomicAdd(&shared.hessian[code], sums.hessian);
    }
    __syncthreads();
    return gap_after(shared, 1u, 0u, best.split / 2u, group.cuts[lane], group.bins);
}

// Makes a node from its split. `value` is its output if it were a leaf, `own_score` its score without the split.
DEVICE BoostNode node_of(const BoostGroup& group, const float* all_cuts, const BoostPart& part, const Best& best,
                         const Gap& gap, float value, float own_score, double of_gain) {
    const u32 lane = best.place % LANES;
    BoostNode node;
    node.feature = best.feature;
    node.bin = middle_of_gap(all_cuts + group.first_cut[lane], group.cuts[lane], best.split / 2u, gap.next);
    // If no training row has a missing value, missing values go to the child with the larger Hessian.
    const u32 heavier = best.hessian >= part.hessian - best.hessian ? 1u : 0u;
    node.missing_left = gap.missing != 0u ? best.split % 2u : heavier;
    node.group = best.place / LANES;
    node.lane = lane;
    node.left = 0u;
    node.right = 0u;
    node.gain = static_cast<float>(static_cast<double>(best.score - own_score) * of_gain);
    node.value = value;
    node.hessian = part.hessian;
    node.count = part.to - part.from;
    return node;
}

// Stores the number of a node, or of a leaf with LEAF, in its parent.
DEVICE void tell_parent(BoostNode* nodes, const BoostPart& part, u32 number) {
    if (part.parent != NONE) {
        BoostNode& parent = nodes[part.parent / 2u];
        (part.parent % 2u != 0u ? parent.right : parent.left) = number;
    }
}

// The children of node `number`. The sums are those of the left child, whose rows end at `middle`.
DEVICE BoostPart left_child(const BoostPart& part, i32 gradient, i32 hessian, u32 number, u32 middle) {
    return {arith::draw(part.path, 0ull, 0ull), part.from, middle, gradient, hessian, 2u * number, 0u};
}
DEVICE BoostPart right_child(const BoostPart& part, i32 gradient, i32 hessian, u32 number, u32 middle) {
    return {arith::draw(part.path, 0ull, 1ull), middle, part.to, part.gradient - gradient, part.hessian - hessian,
            2u * number + 1u, 0u};
}

// Moves the rows that go left to the front of the part; both sides keep their order. Returns the number of those rows.
DEVICE u32 divide(Shared& shared, const u8* codes, const BoostNode& node, u32 bins, const Places& places,
                  const BoostPart& part) {
    u32* members = places.members;
    u32* spare = places.spare;
    u32 lefts = 0u;
    u32 rights = 0u;
    for (u32 start = part.from; start < part.to; start += blockDim.x) {
        const u32 at = start + threadIdx.x;
        const bool there = at < part.to;
        u32 row = 0u;
        bool left = false;
        if (there) {
            row = members[at];
            left = goes_left(node, bins, codes[static_cast<u64>(row) * LANES + node.lane]);
        }
        u32 all_left = 0u;
        const u32 rank = block_rank(shared.counts, there && left, all_left);
        if (there && left) {
            members[part.from + lefts + rank] = row;
        } else if (there) {
            spare[rights + threadIdx.x - rank] = row;
        }
        const u32 here = part.to - start < blockDim.x ? part.to - start : blockDim.x;
        lefts += all_left;
        rights += here - all_left;
        __syncthreads();
    }
    for (u32 i = threadIdx.x; i < rights; i += blockDim.x) {
        members[part.from + lefts + i] = spare[i];
    }
    __syncthreads();
    return lefts;
}

}  // namespace boost
