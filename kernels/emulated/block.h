// One block of a launch: what the host asks for, and what it is told.
#pragma once

#include "shim.h"

namespace huracan {

// What went wrong; `fault` 0 is nothing.
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
};

// What one CPU thread works in, block after block.
struct Arena;

extern "C" {

// All kernels, the first of a list.
const Kernel* huracan_kernels();
// Null where there is no memory.
Arena* huracan_arena_new();
void huracan_arena_free(Arena*);
// Runs one block; 0, or what went wrong, with the details in `report`.
int huracan_run_block(Arena*, const Request*, Report*);

}  // extern "C"

}  // namespace huracan
