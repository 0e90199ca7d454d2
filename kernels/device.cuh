// What every kernel stands on: number types, how a kernel is declared, and its shared memory.
//
// The same text is compiled by NVRTC for a GPU, and as C++17 for the emulated engine (HURACAN_EMULATED).
// Nothing is included that NVRTC lacks.
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

#else

// KERNEL(name, threads, parameters...) { body }: `threads` is the largest block it is launched with.
#define KERNEL(name, threads, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)

// The same, where `blocks` of them are to fit a multiprocessor: so many registers may each take, which can be more than the
// compiler would take by itself.
#define KERNEL_AT_LEAST(blocks, name, threads, ...) \
    extern "C" __global__ void __launch_bounds__(threads, blocks) name(__VA_ARGS__)

// SHARED(float, sums, 64) declares `sums[64]`, one for all threads of the block; its content is not defined.
#define SHARED(type, name, count) __shared__ type name[count]

// SHARED_DYNAMIC(float, sums) points at the shared memory that the launch asks for; once a kernel.
#define SHARED_DYNAMIC(type, name) \
    extern __shared__ __align__(16) unsigned char huracan_dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(huracan_dynamic_shared)

#define DEVICE __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__

#endif

// Place of this thread among all threads of a launch along x.
DEVICE u32 thread_in_grid() { return blockIdx.x * blockDim.x + threadIdx.x; }
