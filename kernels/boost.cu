// Boosted trees and random forests for small tables: one block trains one whole model, from first to last tree.
//
// Twin of src/boost/cpu.rs with grow.rs, for jobs grown level by level; src/boost/device.rs says which jobs those are.
// Sums are of integers, so that neither the order of rows nor that of threads can matter, and splits are found by the
// same f32 operations as on the CPU. Nodes are divided level by level, which numbers them as the CPU does in the end.
#include "arith.cuh"

#define LANES 16u
#define BINS 256u
#define THREADS 256u
#define NONE 0xffffffffu
// Marks a child that is a leaf.
#define LEAF 0x80000000u

#define BINARY 0u
#define REGRESSION 1u
#define HUBER 2u

// Rows that jobs share, in bins: `[groups][rows][LANES]` codes each.
struct BoostRows {
    u64 train_codes;
    u64 valid_codes;
    u32 first_group;
    u32 groups;
    u32 features;
    u32 train_rows;
    u32 valid_rows;
    u32 padding;
};

// Up to LANES features; `bins` is also the code of a missing value.
struct BoostGroup {
    u64 first_cut[LANES];
    u32 cuts[LANES];
    u32 feature[LANES];  // NONE where the group has fewer
    u32 bins;
    u32 any_missing;
};

struct BoostJob {
    u64 seed;
    u64 labels;         // of the training rows, then those of the validation rows
    u64 weights;        // in the same order, where there are any
    u64 scratch_f64;    // 3 a training row, 2 a validation row
    u64 scratch_u32;    // 4 a training row
    u64 parts;          // 2 × leaf_capacity
    u64 nodes;          // rounds × node_capacity
    u64 leaves;         // rounds × leaf_capacity
    u64 trees;          // rounds, also the place of the losses
    double base;
    double rate;
    double l2;
    double min_child_hessian;
    double min_split_gain;
    double subsample;
    double delta;
    double valid_total;  // sum of the validation weights
    u32 rows;            // its BoostRows
    u32 objective;
    u32 averaged;
    u32 rounds;
    u32 max_depth;
    u32 patience;        // 0 never stops
    u32 min_rounds;      // the least that may be chosen
    u32 features_a_tree;
    u32 features_a_node;  // of those drawn for the tree
    u32 weighted;        // bit 0: training rows, bit 1: validation rows
    u32 node_capacity;
    u32 leaf_capacity;
};

// A split; children are numbers of nodes, or of leaves with LEAF.
struct BoostNode {
    u32 feature;
    u32 bin;
    u32 missing_left;
    u32 group;
    u32 lane;
    u32 left;
    u32 right;
    float gain;
    float value;
    i32 hessian;
    u32 count;
};

struct BoostLeaf {
    float value;
    i32 hessian;
    u32 count;
};

struct BoostTree {
    double gradient_unit;
    double hessian_unit;
    u32 nodes;
    u32 leaves;
};

// What a job leaves: trees that are worth keeping, rounds with a loss, and the round with the least of them.
struct BoostOutcome {
    u32 trees;
    u32 losses;
    u32 best_round;
};

// A node of the level at hand: its rows, their sums, and where its number is to be noted.
struct BoostPart {
    u64 path;    // names the node within its tree, for draws
    u32 from;
    u32 to;
    i32 gradient;
    i32 hessian;
    u32 parent;  // twice its node, plus 1 for the right side; NONE at the root
    u32 padding;
};

namespace {

// A candidate: more score wins, then the lesser feature, then the lesser split (twice the last bin that goes left, plus
// 1 where missing values do).
struct Best {
    float score;
    u32 feature;
    u32 split;
    u32 place;  // group × LANES + lane
    i32 gradient;
    i32 hessian;
};

DEVICE bool beats(float score, u32 feature, u32 split, const Best& other) {
    // What was to be beaten in the first place has no feature, and loses no ties.
    const bool tie = score == other.score && other.feature != NONE;
    return score > other.score
        || (tie && (feature < other.feature || (feature == other.feature && split < other.split)));
}

// Where a job's own memory lies.
struct Places {
    double* scores;
    double* gradient;
    double* hessian;
    double* valid_scores;
    double* losses;
    u32* gradients;
    u32* hessians;
    u32* members;
    u32* spare;
};

// Memory that the threads of a block share.
struct Shared {
    i32 gradient[BINS * LANES];
    i32 hessian[BINS * LANES];
    union {
        double value[THREADS];
        i32 sums[2][THREADS];
        u32 counts[THREADS / 32u];
        float score[THREADS];
    };
    Best found;
    u32 drawn[BINS];    // bit a feature: at most 8,192 features
    u32 allowed[BINS];  // of those drawn for the tree the ones drawn for the node
    i32 total[2];
    u32 least[2];
    u32 nodes, leaves, children;
};

// The largest of all threads' values, none of them NaN or below 0.
DEVICE double block_max(Shared& shared, double own) {
    shared.value[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = blockDim.x / 2u; half > 0u; half /= 2u) {
        if (threadIdx.x < half) {
            const double other = shared.value[threadIdx.x + half];
            if (other > shared.value[threadIdx.x]) {
                shared.value[threadIdx.x] = other;
            }
        }
        __syncthreads();
    }
    const double most = shared.value[0];
    __syncthreads();
    return most;
}

// How many threads before this one hold `flag`; `all` is how many there are.
DEVICE u32 block_rank(Shared& shared, bool flag, u32& all) {
    const u32 mask = __ballot_sync(ALL_LANES, flag);
    const u32 lane = threadIdx.x & 31u;
    const u32 warp = threadIdx.x >> 5u;
    if (lane == 0u) {
        shared.counts[warp] = static_cast<u32>(__popc(mask));
    }
    __syncthreads();
    u32 before = static_cast<u32>(__popc(mask & ((1u << lane) - 1u)));
    all = 0u;
    for (u32 w = 0u; w < blockDim.x / 32u; ++w) {
        before += w < warp ? shared.counts[w] : 0u;
        all += shared.counts[w];
    }
    __syncthreads();
    return before;
}

DEVICE bool takes_row(const BoostJob& job, u32 round, u32 row) {
    return job.subsample >= 1.0 || arith::uniform(arith::draw(job.seed ^ 1ull, round, row)) < job.subsample;
}

// Marks the features of this round: those with the least draws.
DEVICE void draw_features(Shared& shared, const BoostJob& job, const BoostRows& rows, u32 round) {
    for (u32 word = threadIdx.x; word < BINS; word += blockDim.x) {
        shared.drawn[word] = 0u;
    }
    __syncthreads();
    for (u32 feature = threadIdx.x; feature < rows.features; feature += blockDim.x) {
        u32 before = 0u;
        if (job.features_a_tree < rows.features) {
            const u64 own = arith::draw(job.seed ^ 2ull, round, feature);
#pragma unroll 1
            for (u32 other = 0u; other < rows.features; ++other) {
                const u64 draw = arith::draw(job.seed ^ 2ull, round, other);
                before += (draw < own || (draw == own && other < feature)) ? 1u : 0u;
            }
        }
        if (before < job.features_a_tree) {
            atomicOr(&shared.drawn[feature / 32u], 1u << (feature % 32u));
        }
    }
    __syncthreads();
}

DEVICE bool is_in(const u32* bits, u32 feature) {
    return feature != NONE && ((bits[feature / 32u] >> (feature % 32u)) & 1u) != 0u;
}

// Marks the features of a node: of those drawn for its tree the ones with the least draws.
DEVICE void draw_features_of_node(Shared& shared, const BoostJob& job, const BoostRows& rows, u32 round, u64 path) {
    const u64 node = arith::draw(job.seed ^ 3ull, round, path);
    for (u32 word = threadIdx.x; word < BINS; word += blockDim.x) {
        shared.allowed[word] = job.features_a_node < job.features_a_tree ? 0u : shared.drawn[word];
    }
    __syncthreads();
    if (job.features_a_node < job.features_a_tree) {
        for (u32 feature = threadIdx.x; feature < rows.features; feature += blockDim.x) {
            if (!is_in(shared.drawn, feature)) {
                continue;
            }
            const u64 own = arith::draw(node, 0ull, feature);
            u32 before = 0u;
#pragma unroll 1
            for (u32 other = 0u; other < rows.features; ++other) {
                const u64 draw = is_in(shared.drawn, other) ? arith::draw(node, 0ull, other) : ~0ull;
                before += (draw < own || (draw == own && other < feature)) ? 1u : 0u;
            }
            if (before < job.features_a_node) {
                atomicOr(&shared.allowed[feature / 32u], 1u << (feature % 32u));
            }
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

// What a split must satisfy, in quantised units.
struct Rules {
    float l2;
    float min_split_gain;
    i32 min_child_hessian;
};

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

// The best split of a node over all groups; its feature is NONE where none beats `least`.
DEVICE Best search(Shared& shared, const BoostRows& rows, const BoostGroup* groups, const u8* codes, const u32* members,
                   const u32* gradients, const u32* hessians, const BoostPart& part, const Rules& rules, float least) {
    const u32 lane = threadIdx.x % LANES;
    const u32 segment = threadIdx.x / LANES;
    const u32 segments = blockDim.x / LANES;
    Best best = {least, NONE, NONE, 0u, 0, 0};
    for (u32 number = 0u; number < rows.groups; ++number) {
        const BoostGroup& group = groups[rows.first_group + number];
        const u32 feature = group.feature[lane];
        const bool wanted = is_in(shared.allowed, feature);
        if (!__syncthreads_or(wanted)) {
            continue;
        }
        const u32 count = group.bins;
        for (u32 slot = threadIdx.x; slot < (count + 1u) * LANES; slot += blockDim.x) {
            shared.gradient[slot] = 0;
            shared.hessian[slot] = 0;
        }
        __syncthreads();
        const u8* own = codes + rows.train_codes + static_cast<u64>(number) * rows.train_rows * LANES;
        for (u32 at = part.from + segment; at < part.to; at += segments) {
            const u32 row = members[at];
            const u32 slot = own[static_cast<u64>(row) * LANES + lane] * LANES + lane;
            atomicAdd(&shared.gradient[slot], static_cast<i32>(gradients[row]));
            atomicAdd(&shared.hessian[slot], static_cast<i32>(hessians[row]));
        }
        __syncthreads();
        // Each thread walks a segment of one feature's bins, once what lies below it is known.
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

// Bins without rows may go either way: of the cuts between the two sides the one nearest to the middle of their values.
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

// The first bin after `bin` that has rows of the node; NONE where there is none before the missing ones.
DEVICE u32 next_with_rows(Shared& shared, const u8* codes, u32 lane, const u32* members, const u32* gradients,
                          const u32* hessians, const BoostPart& part, u32 bin, u32 count) {
    for (u32 slot = threadIdx.x; slot < BINS; slot += blockDim.x) {
        shared.gradient[slot] = 0;
        shared.hessian[slot] = 0;
    }
    if (threadIdx.x == 0u) {
        shared.least[0] = NONE;
    }
    __syncthreads();
    for (u32 at = part.from + threadIdx.x; at < part.to; at += blockDim.x) {
        const u32 row = members[at];
        const u32 code = codes[static_cast<u64>(row) * LANES + lane];
        atomicAdd(&shared.gradient[code], static_cast<i32>(gradients[row]));
        atomicAdd(&shared.hessian[code], static_cast<i32>(hessians[row]));
    }
    __syncthreads();
    for (u32 next = bin + 1u + threadIdx.x; next <= count; next += blockDim.x) {
        if ((shared.gradient[next] | shared.hessian[next]) != 0) {
            atomicMin(&shared.least[0], next);
        }
    }
    __syncthreads();
    const u32 next = shared.least[0];
    __syncthreads();
    return next;
}

// Moves the rows that go left to the front of the part, all in their order; gives back how many they are.
DEVICE u32 divide(Shared& shared, const u8* codes, const BoostNode& node, const BoostGroup& group, u32* members,
                  u32* spare, const BoostPart& part) {
    u32 lefts = 0u;
    u32 rights = 0u;
    for (u32 start = part.from; start < part.to; start += blockDim.x) {
        const u32 at = start + threadIdx.x;
        const bool there = at < part.to;
        u32 row = 0u;
        bool left = false;
        if (there) {
            row = members[at];
            const u32 code = codes[static_cast<u64>(row) * LANES + node.lane];
            const bool missing = group.any_missing != 0u && code == group.bins;
            left = missing ? node.missing_left != 0u : code <= node.bin;
        }
        u32 all_left = 0u;
        const u32 rank = block_rank(shared, there && left, all_left);
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

// Output of a node as a leaf: -G/(H + l2), times the rate, rounded to f32.
DEVICE float output(const BoostJob& job, double gradient_unit, double hessian_unit, i32 gradient, i32 hessian) {
    const double g = static_cast<double>(gradient) * gradient_unit;
    const double h = static_cast<double>(hessian) * hessian_unit;
    return h + job.l2 <= 0.0 ? 0.0f : static_cast<float>(-g / (h + job.l2) * job.rate);
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
DEVICE double mean_loss(Shared& shared, const BoostJob& job, const double* scores, const float* labels,
                        const double* weights, u32 count, u32 rounds, double* losses, u64* total) {
    double greatest = 0.0;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        const double said = job.averaged != 0u ? scores[row] / static_cast<double>(rounds) : scores[row];
        double loss = row_loss(job, said, labels[row]);
        loss = (job.weighted & 2u) != 0u ? loss * weights[row] : loss;
        losses[row] = loss;
        greatest = loss > greatest ? loss : greatest;
    }
    greatest = block_max(shared, greatest);
    i32 exponent = 40 - arith::exponent_above(greatest);
    exponent = exponent < -1000 ? -1000 : (exponent > 1000 ? 1000 : exponent);
    const double scale = arith::power_of_two(exponent);
    u64 own = 0ull;
    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        own += static_cast<u64>(arith::round_to_i64(losses[row] * scale));
    }
    if (threadIdx.x == 0u) {
        *total = 0ull;
    }
    __syncthreads();
    atomicAdd(total, own);
    __syncthreads();
    const double sum = static_cast<double>(static_cast<i64>(*total));
    return sum * arith::power_of_two(-exponent) / job.valid_total;
}

}  // namespace

// Trains job `blockIdx.x`. Labels, weights and scratch lie at the job's offsets; nodes and leaves at those of its rounds.
KERNEL_AT_LEAST(2, boost_small, THREADS, const BoostJob* jobs, const BoostRows* all_rows, const BoostGroup* all_groups,
       const float* all_cuts, const u8* codes, const float* all_labels, const double* all_weights, double* scratch_f64,
       u32* scratch_u32, BoostPart* all_parts, BoostNode* all_nodes, BoostLeaf* all_leaves, BoostTree* all_trees,
       double* all_losses, BoostOutcome* outcomes) {
    SHARED(Shared, block_memory, 1);
    SHARED(u64, loss_total, 1);
    SHARED(BoostJob, block_job, 1);
    SHARED(BoostRows, block_rows, 1);
    SHARED(Places, block_places, 1);
    Shared& shared = block_memory[0];
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
    const BoostJob& job = block_job[0];
    const BoostRows& rows = block_rows[0];
    const BoostGroup* groups = all_groups + rows.first_group;
    const u32 count = rows.train_rows;
    const float* labels = all_labels + job.labels;
    const float* valid_labels = labels + count;
    const double* weights = all_weights + job.weights;
    const double* valid_weights = weights + ((job.weighted & 1u) != 0u ? count : 0u);
    double* const& scores = block_places[0].scores;
    double* const& gradient = block_places[0].gradient;
    double* const& hessian = block_places[0].hessian;
    double* const& valid_scores = block_places[0].valid_scores;
    double* const& losses = block_places[0].losses;
    u32* const& gradients = block_places[0].gradients;
    u32* const& hessians = block_places[0].hessians;
    u32* const& members = block_places[0].members;
    u32* const& spare = block_places[0].spare;

    for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
        scores[row] = job.base;
    }
    for (u32 row = threadIdx.x; row < rows.valid_rows; row += blockDim.x) {
        valid_scores[row] = job.averaged != 0u ? 0.0 : job.base;
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
        if (job.averaged == 0u || round == 0u) {
            for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
                const double label = static_cast<double>(labels[row]);
                double g = scores[row] - label;
                double h = 1.0;
                if (job.objective == BINARY) {
                    const double p = arith::sigmoid(scores[row]);
                    g = p - label;
                    h = p * (1.0 - p);
                } else if (job.objective == HUBER) {
                    g = g < -job.delta ? -job.delta : (g > job.delta ? job.delta : g);
                }
                if ((job.weighted & 1u) != 0u) {
                    g *= weights[row];
                    h *= weights[row];
                }
                gradient[row] = g;
                hessian[row] = h;
            }
            __syncthreads();
            gradient_unit = quantise(shared, gradient, count, gradients);
            hessian_unit = quantise(shared, hessian, count, hessians);
            __syncthreads();
        }
        const double of_score = hessian_unit / (gradient_unit * gradient_unit);
        const double of_gain = gradient_unit * gradient_unit / hessian_unit;
        const double least_hessian = job.min_child_hessian / hessian_unit;
        Rules rules = {static_cast<float>(job.l2 / hessian_unit), static_cast<float>(job.min_split_gain * of_score), 1};
        rules.min_child_hessian = least_hessian >= 2147483647.0 ? 2147483647 : static_cast<i32>(least_hessian);
        rules.min_child_hessian = rules.min_child_hessian > 1 ? rules.min_child_hessian : 1;
        draw_features(shared, job, rows, round);

        // The rows drawn, in their order, and their sums.
        if (threadIdx.x == 0u) {
            shared.total[0] = 0;
            shared.total[1] = 0;
            shared.nodes = 0u;
            shared.leaves = 0u;
        }
        u32 drawn = 0u;
        i32 own_gradient = 0;
        i32 own_hessian = 0;
        for (u32 start = 0u; start < count; start += blockDim.x) {
            const u32 row = start + threadIdx.x;
            const bool taken = row < count && takes_row(job, round, row);
            u32 all = 0u;
            const u32 rank = block_rank(shared, taken, all);
            if (taken) {
                members[drawn + rank] = row;
                own_gradient += static_cast<i32>(gradients[row]);
                own_hessian += static_cast<i32>(hessians[row]);
            }
            drawn += all;
        }
        __syncthreads();
        atomicAdd(&shared.total[0], own_gradient);
        atomicAdd(&shared.total[1], own_hessian);
        __syncthreads();

        BoostNode* nodes = all_nodes + job.nodes + static_cast<u64>(round) * job.node_capacity;
        BoostLeaf* leaves = all_leaves + job.leaves + static_cast<u64>(round) * job.leaf_capacity;
        BoostPart* level = all_parts + job.parts;
        BoostPart* below = level + job.leaf_capacity;
        if (threadIdx.x == 0u) {
            level[0] = {1ull, 0u, drawn, shared.total[0], shared.total[1], NONE, 0u};
        }
        u32 width = 1u;
        __syncthreads();
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
                    draw_features_of_node(shared, job, rows, round, part.path);
                    best = search(shared, rows, all_groups, codes, members, gradients, hessians, part, rules,
                                  own_score + rules.min_split_gain);
                }
                const float value = output(job, gradient_unit, hessian_unit, part.gradient, part.hessian);
                if (best.feature == NONE) {
                    if (threadIdx.x == 0u) {
                        const u32 leaf = shared.leaves++;
                        leaves[leaf] = {value, part.hessian, part.to - part.from};
                        if (part.parent != NONE) {
                            BoostNode& parent = nodes[part.parent / 2u];
                            (part.parent % 2u != 0u ? parent.right : parent.left) = leaf | LEAF;
                        }
                    }
                    continue;
                }
                const BoostGroup& group = groups[best.place / LANES];
                const u32 lane = best.place % LANES;
                const u8* column = codes + rows.train_codes + static_cast<u64>(best.place / LANES) * count * LANES;
                const u32 bin = best.split / 2u;
                const u32 cut_count = group.cuts[lane];
                const u32 next = next_with_rows(shared, column, lane, members, gradients, hessians, part, bin, cut_count);
                BoostNode node;
                node.feature = best.feature;
                node.bin = next == NONE ? cut_count
                                        : middle_of_gap(all_cuts + group.first_cut[lane], cut_count, bin, next);
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
                const u32 lefts = divide(shared, column, node, group, members, spare, part);
                if (threadIdx.x == 0u) {
                    const u32 number = shared.nodes++;
                    nodes[number] = node;
                    if (part.parent != NONE) {
                        BoostNode& parent = nodes[part.parent / 2u];
                        (part.parent % 2u != 0u ? parent.right : parent.left) = number;
                    }
                    const u32 middle = part.from + lefts;
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

        const u32 node_count = shared.nodes;
        if (threadIdx.x == 0u) {
            all_trees[job.trees + round] = {gradient_unit, hessian_unit, node_count, shared.leaves};
        }
        __syncthreads();
        if (node_count == 0u && job.averaged == 0u) {
            // Nothing is left to gain; a bare leaf would only shift the base.
            break;
        }
        trees = round + 1u;
        if (job.averaged == 0u) {
            for (u32 row = threadIdx.x; row < count; row += blockDim.x) {
                const u32 leaf = leaf_of(nodes, node_count, groups, codes + rows.train_codes, count, row);
                scores[row] += static_cast<double>(leaves[leaf].value);
            }
        }
        if (rows.valid_rows == 0u) {
            __syncthreads();
            continue;
        }
        for (u32 row = threadIdx.x; row < rows.valid_rows; row += blockDim.x) {
            const u32 leaf = leaf_of(nodes, node_count, groups, codes + rows.valid_codes, rows.valid_rows, row);
            const double value = static_cast<double>(leaves[leaf].value);
            valid_scores[row] += job.averaged != 0u ? value + job.base : value;
        }
        __syncthreads();
        const double loss = mean_loss(shared, job, valid_scores, valid_labels, valid_weights, rows.valid_rows, round + 1u,
                                      losses, loss_total);
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
