// The interface between the host and the emulated device: the request for one block, and the report on it. Twin of
// crates/engine/src/emulated/library.rs.
#pragma once

#include "shim.h"

namespace huracan {

// What went wrong. `fault` 0 means nothing.
struct Report {
    int fault;
    unsigned thread, other;
    int line, other_line;
    int other_done;
};

struct Request {
    const Kernel* kernel;
    void** arguments;
    Dim block, threads, blocks;
    std::uint32_t shared_bytes;
    std::uint32_t barriers;
    std::uint64_t seed;
    std::uint64_t launch;  // its number: blocks of one launch have the same
};

// The memory in which one CPU thread runs blocks, one after the other.
struct Arena;

extern "C" {

// The first of a linked list of all kernels.
const Kernel* huracan_kernels();
// Null if out of memory.
Arena* huracan_arena_new();
void huracan_arena_free(Arena*);
// Runs one block. Returns 0, or the fault, whose details are then in `report`.
int huracan_run_block(Arena*, const Request*, Report*);

}  // extern "C"

}  // namespace huracan
