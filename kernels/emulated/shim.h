// The part of CUDA C++ that the kernels use, for a C++17 compiler. block.cpp runs the threads of a block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#define DEVICE static inline
#define DEVICE_MEMBER inline
#define __device__
#define __forceinline__ inline

namespace huracan {

struct Dim {
    unsigned x, y, z;
};

// The indices of a thread and its block, the sizes of block and launch, and the launch's number and dynamic shared memory.
struct Place {
    Dim thread, block, threads, blocks;
    std::uint64_t launch;
    std::uint32_t shared_bytes;
};
extern thread_local Place* place;

// The type of a parameter. The host compares its arguments with it.
struct Parameter {
    std::uint32_t bytes;          // of the value; for a pointer, of one element
    std::uint8_t pointer, writable;
    std::uint8_t kind;            // 0 structure, 1 signed, 2 unsigned, 3 float: ElementKind in crates/engine/src/buffer.rs
};

struct Kernel {
    const char* name;
    std::uint32_t threads;        // most threads per block
    std::uint32_t count;          // of parameters
    const Parameter* parameters;
    void (*call)(void* function, void** arguments);
    void* function;
    const Kernel* next;
};

void enlist(Kernel*);

enum class Vote : int { Sync, Shuffle, Ballot, Add, Min, Max, Or };

// Waits for all threads of the block. Returns the number of threads whose predicate is not 0.
unsigned barrier(int predicate, int line);
// Waits for the lanes of `mask`. Returns the value of `lane` (Shuffle), the lanes whose value is not 0 (Ballot), or the
// values combined.
std::uint64_t together(Vote vote, unsigned mask, std::uint64_t value, int lane, int line);
// The block's memory for one SHARED declaration, and the launch's dynamic shared memory.
void* shared(const void* site, std::size_t bytes);
void* dynamic_shared();
// Whether an address is in the block's shared memory.
bool is_shared(std::uint64_t address);

template <class T> constexpr std::uint8_t kind_of() {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        return 3;
    } else if constexpr (std::is_integral_v<T>) {
        return std::is_signed_v<T> ? 1 : 2;
    } else {
        return 0;
    }
}

template <class T> constexpr Parameter parameter() {
    if constexpr (std::is_pointer_v<T>) {
        using Element = std::remove_pointer_t<T>;
        using Plain = std::remove_cv_t<Element>;
        return {sizeof(Plain), 1, !std::is_const_v<Element>, kind_of<Plain>()};
    } else {
        return {sizeof(T), 0, 0, kind_of<T>()};
    }
}

template <class... P> struct Call {
    static constexpr Parameter parameters[sizeof...(P) + 1] = {parameter<std::remove_cv_t<P>>()..., {}};

    template <std::size_t... I> static void spread(void (*function)(P...), void** arguments, std::index_sequence<I...>) {
        function(*static_cast<std::remove_cv_t<P>*>(arguments[I])...);
    }
    static void call(void* function, void** arguments) {
        spread(reinterpret_cast<void (*)(P...)>(function), arguments, std::index_sequence_for<P...>{});
    }
};

struct Enlisted {
    Kernel kernel;
    template <class... P> Enlisted(const char* name, unsigned threads, void (*function)(P...))
        : kernel{name, threads, sizeof...(P), Call<P...>::parameters, Call<P...>::call,
                 reinterpret_cast<void*>(function), nullptr} {
        enlist(&kernel);
    }
    // A kernel with these parameters whose threads call `instead`.
    template <class... P> Enlisted(const char* name, unsigned threads, void (*)(P...), void (*instead)(void**))
        : kernel{name, threads, sizeof...(P), Call<P...>::parameters, call_with_all,
                 reinterpret_cast<void*>(instead), nullptr} {
        enlist(&kernel);
    }
    static void call_with_all(void* function, void** arguments) { reinterpret_cast<void (*)(void**)>(function)(arguments); }
};

template <class T> std::uint64_t pack(T value) {
    static_assert(sizeof(T) <= 8, "a lane passes on at most 8 bytes");
    std::uint64_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    return bits;
}
template <class T> T unpack(std::uint64_t bits) {
    T value;
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}
inline int lane() { return static_cast<int>(place->thread.x & 31u); }
template <class T> T shuffle(unsigned mask, T value, int from, int line) {
    return unpack<T>(together(Vote::Shuffle, mask, pack(value), from, line));
}

}  // namespace huracan

#define threadIdx (huracan::place->thread)
#define blockIdx (huracan::place->block)
#define blockDim (huracan::place->threads)
#define gridDim (huracan::place->blocks)

#define KERNEL_AT_LEAST(blocks, name, threads, ...) KERNEL(name, threads, __VA_ARGS__)
#ifdef HURACAN_PTX
// The kernel's threads run what NVRTC made of it, which crates/ptx has put back into C++; the source says the parameters.
#define KERNEL(name, threads, ...) \
    void huracan_ptx_##name(void**); \
    static void name(__VA_ARGS__); \
    static huracan::Enlisted enlisted_##name(#name, threads, &name, &huracan_ptx_##name); \
    static void name(__VA_ARGS__)
#else
#define KERNEL(name, threads, ...) \
    static void name(__VA_ARGS__); \
    static huracan::Enlisted enlisted_##name(#name, threads, &name); \
    static void name(__VA_ARGS__)
#endif

#define SHARED(type, name, count) \
    static const char site_of_##name = 0; \
    type(&name)[count] = *static_cast<type(*)[count]>(huracan::shared(&site_of_##name, sizeof(type[count])))

#define SHARED_DYNAMIC(type, name) type* name = static_cast<type*>(huracan::dynamic_shared())

#define __syncthreads() ((void)huracan::barrier(0, __LINE__))
#define __syncthreads_count(predicate) (static_cast<int>(huracan::barrier((predicate) != 0, __LINE__)))
#define __syncthreads_or(predicate) (huracan::barrier((predicate) != 0, __LINE__) != 0)
#define __syncthreads_and(predicate) (huracan::barrier((predicate) == 0, __LINE__) == 0)

#define __syncwarp(mask) ((void)huracan::together(huracan::Vote::Sync, mask, 0, 0, __LINE__))
#define __ballot_sync(mask, predicate) \
    (static_cast<unsigned>(huracan::together(huracan::Vote::Ballot, mask, (predicate) != 0, 0, __LINE__)))
#define __any_sync(mask, predicate) (__ballot_sync(mask, predicate) != 0)
#define __all_sync(mask, predicate) (__ballot_sync(mask, (predicate) == 0) == 0)
#define __reduce_add_sync(mask, value) \
    (static_cast<unsigned>(huracan::together(huracan::Vote::Add, mask, static_cast<unsigned>(value), 0, __LINE__)))
#define __reduce_min_sync(mask, value) \
    (static_cast<unsigned>(huracan::together(huracan::Vote::Min, mask, static_cast<unsigned>(value), 0, __LINE__)))
#define __reduce_max_sync(mask, value) \
    (static_cast<unsigned>(huracan::together(huracan::Vote::Max, mask, static_cast<unsigned>(value), 0, __LINE__)))
#define __reduce_or_sync(mask, value) \
    (static_cast<unsigned>(huracan::together(huracan::Vote::Or, mask, static_cast<unsigned>(value), 0, __LINE__)))

// Shuffles over the whole warp. A lane whose source is outside the warp keeps its own value, as on a GPU.
#define __shfl_sync(mask, value, from) (huracan::shuffle(mask, value, (from) & 31, __LINE__))
#define __shfl_xor_sync(mask, value, bits) (huracan::shuffle(mask, value, (huracan::lane() ^ (bits)) & 31, __LINE__))
#define __shfl_up_sync(mask, value, by) \
    (huracan::shuffle(mask, value, huracan::lane() < static_cast<int>(by) ? huracan::lane() : huracan::lane() - static_cast<int>(by), __LINE__))
#define __shfl_down_sync(mask, value, by) \
    (huracan::shuffle(mask, value, huracan::lane() + static_cast<int>(by) > 31 ? huracan::lane() : huracan::lane() + static_cast<int>(by), __LINE__))

template <class T> T __ldg(const T* from) { return *from; }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() {}

inline long long __double_as_longlong(double x) { return huracan::unpack<long long>(huracan::pack(x)); }
inline double __longlong_as_double(long long x) { return huracan::unpack<double>(huracan::pack(x)); }
inline unsigned __float_as_uint(float x) { return huracan::unpack<unsigned>(huracan::pack(x)); }
inline float __uint_as_float(unsigned x) { return huracan::unpack<float>(huracan::pack(x)); }
inline int __float_as_int(float x) { return huracan::unpack<int>(huracan::pack(x)); }
inline float __int_as_float(int x) { return huracan::unpack<float>(huracan::pack(x)); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32); }

inline double __dsqrt_rn(double x) { return __builtin_sqrt(x); }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }

template <class T> T atomicAdd(T* at, T value) {
    static_assert(std::is_integral_v<T>, "sums that threads share are sums of integers");
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
template <class T> T atomicSub(T* at, T value) {
    static_assert(std::is_integral_v<T>, "sums that threads share are sums of integers");
    return __atomic_fetch_sub(at, value, __ATOMIC_RELAXED);
}
template <class T> T atomicOr(T* at, T value) { return __atomic_fetch_or(at, value, __ATOMIC_RELAXED); }
template <class T> T atomicAnd(T* at, T value) { return __atomic_fetch_and(at, value, __ATOMIC_RELAXED); }
template <class T> T atomicExch(T* at, T value) { return __atomic_exchange_n(at, value, __ATOMIC_RELAXED); }
template <class T> T atomicCAS(T* at, T expected, T value) {
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}
template <class T> T atomicMin(T* at, T value) {
    T before = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value < before && !__atomic_compare_exchange_n(at, &before, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}
template <class T> T atomicMax(T* at, T value) {
    T before = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value > before && !__atomic_compare_exchange_n(at, &before, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}
