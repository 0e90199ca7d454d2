// What every kernel uses: number types, and macros that declare kernels and shared memory.
//
// The same source is compiled by NVRTC for a GPU, and as C++17 for the emulated device (HURACAN_EMULATED). It includes
// nothing that NVRTC lacks.
#pragma once

using u8 = unsigned char;
using i8 = signed char;
using u16 = unsigned short;
using u32 = unsigned int;
using i32 = int;
using u64 = unsigned long long;
using i64 = long long;

#define ALL_LANES 0xffffffffu

#ifdef HURACAN_EMULATED

#include "emulated/shim.h"

#define IN_GLOBAL(pointer) (pointer)

#else

// The same pointer, and the compiler knows that it is one to global memory, where it would otherwise have to ask.
template <class T> __device__ __forceinline__ T* huracan_in_global(T* pointer) {
    __builtin_assume(__isGlobal(pointer));
    return pointer;
}
#define IN_GLOBAL(pointer) huracan_in_global(pointer)

// KERNEL(name, threads, parameters...) { body }: `threads` is the most threads per block of any launch.
#define KERNEL(name, threads, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)

// The same, and at least `blocks` blocks must fit on a multiprocessor. This limits the registers per thread; the limit can
// also be higher than what the compiler would use by itself.
#define KERNEL_AT_LEAST(blocks, name, threads, ...) \
    extern "C" __global__ void __launch_bounds__(threads, blocks) name(__VA_ARGS__)

// SHARED(float, sums, 64) declares `sums[64]`, which all threads of a block share; its content is undefined.
#define SHARED(type, name, count) __shared__ type name[count]

// SHARED_DYNAMIC(float, sums) declares a pointer to the launch's dynamic shared memory; at most once per kernel.
#define SHARED_DYNAMIC(type, name) \
    extern __shared__ __align__(16) unsigned char huracan_dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(huracan_dynamic_shared)

#define DEVICE __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__

#endif

// Index of this thread among all threads of a launch along x.
DEVICE u32 thread_in_grid() { return blockIdx.x * blockDim.x + threadIdx.x; }
