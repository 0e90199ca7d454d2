// Kernels that test the engine itself: the arithmetic, and the faults that the emulated device must detect.
#include "arith.cuh"

// Per x: ln, exp, sigmoid, square root, rounded value and exponent, `[count × 6]`; and draws, `[count × 2]`.
KERNEL(selftest_arithmetic, 128, const double* x, double* out, u64* draws, u64 seed, u32 count) {
    const u32 i = thread_in_grid();
    if (i >= count) {
        return;
    }
    out[i * 6u + 0u] = arith::ln(x[i]);
    out[i * 6u + 1u] = arith::exp(x[i]);
    out[i * 6u + 2u] = arith::sigmoid(x[i]);
    out[i * 6u + 3u] = arith::root(arith::magnitude(x[i]));
    out[i * 6u + 4u] = static_cast<double>(arith::round_to_i64(x[i]));
    out[i * 6u + 5u] = static_cast<double>(arith::exponent_above(x[i]));
    draws[i * 2u] = arith::draw(seed, 3, i);
    draws[i * 2u + 1u] = static_cast<u64>(__popcll(static_cast<u64>(arith::round_to_i64(arith::uniform(draws[i * 2u]) * 1e6))));
}

// The sum of each block's values, computed by a tree in shared memory and by shuffles. Both must be equal.
KERNEL(selftest_sums, 256, const u32* x, u32* by_tree, u32* by_shuffle) {
    SHARED(u32, sums, 256);
    SHARED_DYNAMIC(u32, warps);
    const u32 t = threadIdx.x;
    const u32 value = x[thread_in_grid()];
    sums[t] = value;
    __syncthreads();
    for (u32 width = blockDim.x / 2u; width > 0u; width /= 2u) {
        if (t < width) {
            sums[t] += sums[t + width];
        }
        __syncthreads();
    }
    u32 sum = value;
    for (int by = 16; by > 0; by /= 2) {
        sum += __shfl_down_sync(ALL_LANES, sum, by);
    }
    if ((t & 31u) == 0u) {
        warps[t / 32u] = sum;
    }
    __syncthreads();
    if (t == 0u) {
        u32 total = 0;
        for (u32 w = 0; w < blockDim.x / 32u; ++w) {
            total += warps[w];
        }
        by_tree[blockIdx.x] = sums[0];
        by_shuffle[blockIdx.x] = total;
    }
}

// Votes and atomics: the number of odd values, counted in four ways, and the least and the greatest value.
KERNEL(selftest_votes, 256, const u32* x, u32* counts, u32* extremes, u32 count) {
    const u32 i = thread_in_grid();
    const bool odd = i < count && (x[i] & 1u) != 0u;
    const u32 lanes = __ballot_sync(ALL_LANES, odd);
    const u32 in_block = static_cast<u32>(__syncthreads_count(odd));
    if ((threadIdx.x & 31u) == 0u) {
        atomicAdd(&counts[0], static_cast<u32>(__popc(lanes)));
    }
    if (threadIdx.x == 0u) {
        atomicAdd(&counts[1], in_block);
    }
    if (odd) {
        atomicAdd(&counts[2], 1u);
    }
    const u32 sum = __reduce_add_sync(ALL_LANES, odd ? 1u : 0u);
    if ((threadIdx.x & 31u) == 31u) {
        atomicAdd(&counts[3], sum);
    }
    if (i < count) {
        atomicMin(&extremes[0], x[i]);
        atomicMax(&extremes[1], x[i]);
    }
}

// Reverses each block's values. If `barrier` is 0, it omits the barrier that it needs.
KERNEL(selftest_missing_barrier, 256, const u32* x, u32* out, u32 barrier) {
    SHARED(u32, values, 256);
    values[threadIdx.x] = x[thread_in_grid()];
    if (barrier != 0u) {
        __syncthreads();
    }
    out[thread_in_grid()] = values[blockDim.x - 1u - threadIdx.x];
}

// Threads from index `from` on wait at another barrier (`way` 0), at none (1), or at another shuffle (2).
KERNEL(selftest_divergent, 256, u32* out, u32 from, u32 way) {
    const bool apart = threadIdx.x >= from;
    if (way == 1u && apart) {
        return;
    }
    u32 got = 0;
    if (way == 2u) {
        if (apart) {
            got = __shfl_sync(ALL_LANES, threadIdx.x, 0);
        } else {
            got = __shfl_sync(ALL_LANES, threadIdx.x, 1);
        }
    } else if (apart) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    out[threadIdx.x] = got;
}

// Writes at index `at`, which may be out of bounds.
KERNEL(selftest_out_of_bounds, 32, u32* out, u32 at, u32 shared) {
    SHARED(u32, values, 32);
    if (threadIdx.x == 0u) {
        if (shared != 0u) {
            u32* from = values;
            from[at] = 1u;
        } else {
            out[at] = 1u;
        }
    }
}
