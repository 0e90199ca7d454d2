// Counts what a GPU would do: for kernels that crates/ptx has put back into C++ with its meter. meter.cpp explains how
// threads that run one after the other are counted as warps.
#pragma once

#include "shim.h"

namespace huracan {
namespace meter {

// Classes of instructions; `Class` in crates/ptx/src/meter/costs.rs has the same order.
constexpr unsigned CLASSES = 9;

// Where a kernel's code touches memory.
enum class Space : std::uint8_t { Global, Shared, Generic };
enum class Access : std::uint8_t { Load, Store, Atomic };
struct Site {
    Space space;
    Access access;
    std::uint8_t bytes;  // of one lane
};

// A stretch of instructions without a branch: how many machine instructions of each class it has.
struct Stretch {
    std::uint16_t instructions[CLASSES];
    std::uint32_t line;  // of the PTX
};

// Cycles from an instruction's issue to its result.
struct Latencies {
    std::uint32_t shared, l1, l2, memory, wavefront, barrier;
};

struct Kernel {
    const char* name;
    unsigned stretches, sites;
    const Stretch* stretch;
    const Site* site;
    Latencies latencies;
};

struct Thread;

// A thread's own count. Stays at its place until the block ends.
Thread& begin(const Kernel& kernel);
void enter(Thread& thread, unsigned stretch, std::uint32_t now);
// An access of `thread` at a site. Returns the cycles until its result is there.
std::uint32_t access(Thread& thread, unsigned site, std::uint64_t address);
// Before and after a wait for the block or the lanes of `mask`: the clock becomes that of the last to arrive.
void arrive(Thread& thread, std::uint32_t now);
std::uint32_t leave(Thread& thread);
void arrive(Thread& thread, std::uint32_t now, unsigned mask);
std::uint32_t leave(Thread& thread, unsigned mask);
// The thread returns: its clock, and the longest chain of loads that depend on each other.
void end(Thread& thread, std::uint32_t now, std::uint32_t chain);

inline std::uint32_t later(std::uint32_t a) { return a; }
template <class... More> inline std::uint32_t later(std::uint32_t a, std::uint32_t b, More... more) {
    return later(a > b ? a : b, more...);
}

}  // namespace meter
}  // namespace huracan
