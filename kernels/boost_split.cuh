// The best split of a node, and the node's rows divided by it. Twin of src/boost/{histogram,split}.rs and
// src/boost/grow/{search,partition}.rs.
#pragma once
#include "boost_rows.cuh"

namespace boost {

DEVICE bool beats(float score, u32 feature, u32 split, const Best& other) {
    // What was to be beaten in the first place has no feature, and loses no ties.
    const bool tie = score == other.score && other.feature != NONE;
    return score > other.score
        || (tie && (feature < other.feature || (feature == other.feature && split < other.split)));
}

// What a split must satisfy, in quantised units.
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
    return depth < job.max_depth && part.to - part.from >= 2u && part.hessian / 2 >= rules.min_child_hessian;
}

// The features that a node may be split by, of those marked in `shared.drawn`.
DEVICE const u32* features_of_node(Shared& shared, const BoostJob& job, u32 features, u32 round, u64 path) {
    if (job.features_a_node >= job.features_a_tree) {
        return shared.drawn;
    }
    const u64 node = arith::draw(job.seed ^ 3ull, round, path);
    mark_least(shared.allowed, shared.drawn, features, job.features_a_node, node, 0ull);
    return shared.allowed;
}

DEVICE float node_score(const Rules& rules, i32 gradient, i32 hessian) {
    const float g = static_cast<float>(gradient);
    return g * g / (static_cast<float>(hessian) + rules.l2);
}

DEVICE void consider(Best& best, const Rules& rules, const BoostPart& part, i32 gl, i32 hl, u32 feature, u32 split,
                     u32 place) {
    const i32 gr = part.gradient - gl;
    const i32 hr = part.hessian - hl;
    const float fl = static_cast<float>(gl);
    const float fr = static_cast<float>(gr);
    const float dl = static_cast<float>(hl) + rules.l2;
    const float dr = static_cast<float>(hr) + rules.l2;
    // Both fractions over one denominator: a division is dear.
    const float score = (fl * fl * dr + fr * fr * dl) / (dl * dr);
    const bool allowed = hl >= rules.min_child_hessian && hr >= rules.min_child_hessian;
    if (allowed && beats(score, feature, split, best)) {
        best = {score, feature, split, place, gl, hl};
    }
}

// Sets a group's bins in shared memory, and the one for missing values, to nothing.
DEVICE void clear_bins(Shared& shared, u32 bins) {
    for (u32 slot = threadIdx.x; slot < (bins + 1u) * LANES; slot += blockDim.x) {
        shared.gradient[slot] = 0;
        shared.hessian[slot] = 0;
    }
    __syncthreads();
}

// Adds the rows `members[from .. to]` to a group's bins in shared memory; `codes` are the group's.
DEVICE void add_rows(Shared& shared, const u8* codes, const Places& places, u32 from, u32 to) {
    const u32 lane = threadIdx.x % LANES;
    for (u32 at = from + threadIdx.x / LANES; at < to; at += blockDim.x / LANES) {
        const u32 row = places.members[at];
        const u32 slot = codes[static_cast<u64>(row) * LANES + lane] * LANES + lane;
        atomicAdd(&shared.gradient[slot], static_cast<i32>(places.gradients[row]));
        atomicAdd(&shared.hessian[slot], static_cast<i32>(places.hessians[row]));
    }
    __syncthreads();
}

// Holds the splits by group `number`, whose bins are in shared memory, against the best that this thread knows: each
// thread walks a segment of one feature's bins, once what lies below it is known.
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
#pragma unroll 1
    for (u32 bin = from; bin < to; ++bin) {
        gradient += shared.gradient[bin * LANES + lane];
        hessian += shared.hessian[bin * LANES + lane];
    }
    shared.sums[0][threadIdx.x] = gradient;
    shared.sums[1][threadIdx.x] = hessian;
    __syncthreads();
    if (wanted) {
        gradient = 0;
        hessian = 0;
#pragma unroll 1
        for (u32 before = 0u; before < segment; ++before) {
            gradient += shared.sums[0][before * LANES + lane];
            hessian += shared.sums[1][before * LANES + lane];
        }
        const i32 missing_gradient = shared.gradient[count * LANES + lane];
        const i32 missing_hessian = shared.hessian[count * LANES + lane];
        const bool any_missing = group.any_missing != 0u;
        const u32 feature = group.feature[lane];
        const u32 place = number * LANES + lane;
#pragma unroll 1
        for (u32 bin = from; bin < to; ++bin) {
            const i32 g = shared.gradient[bin * LANES + lane];
            const i32 h = shared.hessian[bin * LANES + lane];
            // A bin without rows parts them as the one before did, and of equals the first wins.
            if ((g | h) == 0 && bin != 0u) {
                continue;
            }
            gradient += g;
            hessian += h;
            consider(best, rules, part, gradient, hessian, feature, 2u * bin, place);
            if (any_missing) {
                consider(best, rules, part, gradient + missing_gradient, hessian + missing_hessian, feature,
                         2u * bin + 1u, place);
            }
        }
    }
    __syncthreads();
}

// The best of what all threads know; its feature is NONE where none knows any.
DEVICE Best best_of_block(Shared& shared, const Best& best, float least) {
    shared.score[threadIdx.x] = best.score;
    __syncthreads();
    for (u32 half = blockDim.x / 2u; half > 0u; half /= 2u) {
        if (threadIdx.x < half && shared.score[threadIdx.x + half] > shared.score[threadIdx.x]) {
            shared.score[threadIdx.x] = shared.score[threadIdx.x + half];
        }
        __syncthreads();
    }
    const float most = shared.score[0];
    if (threadIdx.x == 0u) {
        shared.found = {least, NONE, NONE, 0u, 0, 0};
        shared.least[0] = NONE;
        shared.least[1] = NONE;
    }
    __syncthreads();
    const bool leads = best.feature != NONE && best.score == most;
    if (leads) {
        atomicMin(&shared.least[0], best.feature);
    }
    __syncthreads();
    if (leads && best.feature == shared.least[0]) {
        atomicMin(&shared.least[1], best.split);
    }
    __syncthreads();
    if (leads && best.feature == shared.least[0] && best.split == shared.least[1]) {
        shared.found = best;
    }
    __syncthreads();
    const Best found = shared.found;
    __syncthreads();
    return found;
}

// The best split of a node by a feature that is allowed, over all groups; its feature is NONE where none beats `least`.
DEVICE Best search(Shared& shared, const u32* allowed, const BoostRows& rows, const BoostGroup* groups, const u8* codes,
                   const Places& places, const BoostPart& part, const Rules& rules, float least) {
    Best best = {least, NONE, NONE, 0u, 0, 0};
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
    return best_of_block(shared, best, least);
}

// Bins without rows may go either way: of the cuts between the two sides the one nearest to the middle of their values.
// `next` is the first bin with rows after `bin`; beyond the last cut there are only missing values to part from.
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

// What lies right of a split: the first bin after it that has rows of the node, NONE where there is none before the missing
// ones, and whether any are missing.
struct Gap {
    u32 next;
    u32 missing;
};

// The gap after a split, from bins in shared memory: a feature's lie `stride` apart from `first` on, up to its last one,
// `cuts`, and `bins` is that of missing values.
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

// The gap after a node's split, from its rows; `codes` are those of the split's group.
DEVICE Gap gap_by_rows(Shared& shared, const u8* codes, const BoostGroup& group, const Places& places,
                       const BoostPart& part, const Best& best) {
    const u32 lane = best.place % LANES;
    for (u32 slot = threadIdx.x; slot < BINS; slot += blockDim.x) {
        shared.gradient[slot] = 0;
        shared.hessian[slot] = 0;
    }
    __syncthreads();
    for (u32 at = part.from + threadIdx.x; at < part.to; at += blockDim.x) {
        const u32 row = places.members[at];
        const u32 code = codes[static_cast<u64>(row) * LANES + lane];
        atomicAdd(&shared.gradient[code], static_cast<i32>(places.gradients[row]));
        atomicAdd(&shared.hessian[code], static_cast<i32>(places.hessians[row]));
    }
    __syncthreads();
    return gap_after(shared, 1u, 0u, best.split / 2u, group.cuts[lane], group.bins);
}

// A node by its split; `value` is its output as a leaf, `own_score` its score left whole.
DEVICE BoostNode node_of(const BoostGroup& group, const float* all_cuts, const BoostPart& part, const Best& best,
                         const Gap& gap, float value, float own_score, double of_gain) {
    const u32 lane = best.place % LANES;
    BoostNode node;
    node.feature = best.feature;
    node.bin = middle_of_gap(all_cuts + group.first_cut[lane], group.cuts[lane], best.split / 2u, gap.next);
    // What was never seen missing goes with the heavier child.
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

// Notes the number of a node, or of a leaf with LEAF, where its parent looks for it.
DEVICE void tell_parent(BoostNode* nodes, const BoostPart& part, u32 number) {
    if (part.parent != NONE) {
        BoostNode& parent = nodes[part.parent / 2u];
        (part.parent % 2u != 0u ? parent.right : parent.left) = number;
    }
}

// The children of node `number`: the sums are those of the left one, whose rows end at `middle`.
DEVICE BoostPart left_child(const BoostPart& part, i32 gradient, i32 hessian, u32 number, u32 middle) {
    return {arith::draw(part.path, 0ull, 0ull), part.from, middle, gradient, hessian, 2u * number, 0u};
}
DEVICE BoostPart right_child(const BoostPart& part, i32 gradient, i32 hessian, u32 number, u32 middle) {
    return {arith::draw(part.path, 0ull, 1ull), middle, part.to, part.gradient - gradient, part.hessian - hessian,
            2u * number + 1u, 0u};
}

// Moves the rows that go left to the front of the part, all in their order; gives back how many they are.
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
