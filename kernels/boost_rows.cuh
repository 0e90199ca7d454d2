// What boosting does per row and per round: gradients, draws, outputs, losses, and when to stop. Twin of
// crates/boost/src/{objective,quantised,sample,walk,loss,cpu}.rs.
#pragma once
#include "boost.cuh"

// Most bits of the sum of all gradients, or of all Hessians, of a job; and of one of them, without its sign.
constexpr i32 SUM_BITS = 30;
constexpr i32 VALUE_BITS = 30;
// Bits of the largest loss of a row.
constexpr i32 LOSS_BITS = 40;
// Largest magnitude of the exponent of a power of two that values are multiplied by.
constexpr i32 MAX_EXPONENT = 1000;
// Factor of the square in the Huber loss.
constexpr double HUBER_FACTOR = 0.5;

namespace boost {

DEVICE bool takes_row(const BoostJob& job, u32 round, u32 row) {
    return job.subsample >= 1.0 || arith::uniform(arith::draw(job.seed ^ ROW_STREAM, round, row)) < job.subsample;
}

// Marks the `wanted` features with the smallest draws among those in `among`, or among all if that is null.
DEVICE void mark_least(u32* marks, const u32* among, u32 features, u32 wanted, u64 seed, u64 stream) {
    for (u32 word = threadIdx.x; word < MARK_WORDS; word += blockDim.x) {
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

// Gradient and Hessian of a training row's loss at its score.
DEVICE void row_gradient(const BoostJob& job, double score, float said, const double* weights, u32 row, double& gradient,
                         double& hessian) {
    const double label = static_cast<double>(said);
    double g = score - label;
    double h = 1.0;
    if (job.objective == BINARY) {
        const double p = arith::sigmoid(score);
        g = p - label;
        h = p * (1.0 - p);
    } else if (job.objective == HUBER) {
        g = g < -job.delta ? -job.delta : (g > job.delta ? job.delta : g);
    }
    if ((job.weighted & TRAIN_WEIGHTS) != 0u) {
        g *= weights[row];
        h *= weights[row];
    }
    gradient = g;
    hessian = h;
}

// The exponent of the power of two by which `count` numbers of at most `greatest` are multiplied before they are rounded, so
// that their sum has at most SUM_BITS bits.
DEVICE i32 quantiser(u32 count, double greatest) {
    i32 bits = SUM_BITS - arith::exponent_above(static_cast<double>(count));
    bits = bits < VALUE_BITS ? bits : VALUE_BITS;
    const i32 exponent = bits - arith::exponent_above(greatest);
    return exponent < -MAX_EXPONENT ? -MAX_EXPONENT : (exponent > MAX_EXPONENT ? MAX_EXPONENT : exponent);
}

DEVICE u32 quantised(double value, double scale) { return static_cast<u32>(arith::round_to_i32(value * scale)); }

// The output of a node if it is a leaf: -G/(H + l2), times the learning rate, rounded to f32.
DEVICE float output(const BoostJob& job, double gradient_unit, double hessian_unit, i32 gradient, i32 hessian) {
    const double g = static_cast<double>(gradient) * gradient_unit;
    const double h = static_cast<double>(hessian) * hessian_unit;
    return h + job.l2 <= 0.0 ? 0.0f : static_cast<float>(-g / (h + job.l2) * job.rate);
}

// Whether a row with this code of the node's feature goes left. `bins` is the code of a missing value.
DEVICE bool goes_left(const BoostNode& node, u32 bins, u32 code) {
    return code == bins ? node.missing_left != 0u : code <= node.bin;
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
        const u32 next = goes_left(node, groups[node.group].bins, code) ? node.left : node.right;
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
    return d <= job.delta ? HUBER_FACTOR * d * d : job.delta * (d - HUBER_FACTOR * job.delta);
}

// The score of a validation row after adding a leaf.
DEVICE double with_leaf(const BoostJob& job, double score, float leaf) {
    const double value = static_cast<double>(leaf);
    return score + (job.averaged != 0u ? value + job.base : value);
}

// The loss of a validation row after `rounds` rounds.
DEVICE double valid_loss(const BoostJob& job, double score, float label, const double* weights, u32 row, u32 rounds) {
    const double said = job.averaged != 0u ? score / static_cast<double>(rounds) : score;
    const double loss = row_loss(job, said, label);
    return (job.weighted & VALID_WEIGHTS) != 0u ? loss * weights[row] : loss;
}

// The exponent of the power of two by which losses are multiplied before they are rounded: the largest one is then at most
// 2^LOSS_BITS.
DEVICE i32 loss_quantiser(double greatest) {
    const i32 exponent = LOSS_BITS - arith::exponent_above(greatest);
    return exponent < -MAX_EXPONENT ? -MAX_EXPONENT : (exponent > MAX_EXPONENT ? MAX_EXPONENT : exponent);
}

DEVICE u64 rounded_loss(double loss, double scale) { return static_cast<u64>(arith::round_to_i64(loss * scale)); }

// The mean loss from the sum of the rounded losses.
DEVICE double mean_loss(const BoostJob& job, u64 sum, i32 exponent) {
    return static_cast<double>(static_cast<i64>(sum)) * arith::power_of_two(-exponent) / job.valid_total;
}

// The progress of a job.
struct Progress {
    double best_loss;
    u32 best_round;
    u32 trees;
    u32 losses;
    u32 padding;
};

DEVICE Progress no_progress() { return {arith::f64_infinity(), 0u, 0u, 0u, 0u}; }

// Records the validation loss after a round. Returns whether to stop early.
DEVICE bool note_loss(const BoostJob& job, Progress& progress, u32 round, double loss) {
    progress.losses = round + 1u;
    const bool eligible = round + 1u >= job.min_rounds;
    if (eligible && loss < progress.best_loss) {
        progress.best_loss = loss;
        progress.best_round = round;
    }
    return eligible && job.patience > 0u && round - progress.best_round >= job.patience;
}

// If no round was eligible, all trees are kept.
DEVICE BoostOutcome outcome(const Progress& progress) {
    const bool chosen = progress.best_loss < arith::f64_infinity();
    return {progress.trees, progress.losses, chosen ? progress.best_round : progress.trees};
}

}  // namespace boost
