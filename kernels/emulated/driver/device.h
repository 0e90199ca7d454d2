// A simulated device: its memory, its streams, its modules, and its fault.
#pragma once

#include "../block.h"
#include "memory.h"
#include "page_locked.h"
#include "streams.h"
#include "traffic.h"

#include <atomic>
#include <string>
#include <vector>

namespace driver {

// The driver's result codes.
enum Result : int {
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    NoDevice = 100,
    InvalidDevice = 101,
    InvalidImage = 200,
    InvalidContext = 201,
    InvalidHandle = 400,
    NotFound = 500,
    NotReady = 600,
    IllegalAddress = 700,
    LaunchFailed = 719,
    NotSupported = 801,
};

// Shared memory per block by default and at most, and threads per block at most; the values of sm_90.
constexpr unsigned SHARED_BYTES = 48 * 1024, MOST_SHARED_BYTES = 227 * 1024, MOST_THREADS = 1024;
constexpr int MAJOR = 9, MINOR = 0, MULTIPROCESSORS = 4;

// Code compiled by NVRTC. Only the names of its kernels are read.
struct Module {
    std::vector<std::string> kernels;
    // The device whose context loaded it.
    const void* owner = nullptr;
    // Null if the image is neither a cubin nor PTX, or is for another device.
    static Module* read(const void* image);
    bool has(const std::string& name) const;
};

struct Function {
    std::string name;
    // Null for a kernel that is not from this project; it does nothing here.
    const huracan::Kernel* kernel;
    // The device whose context loaded its module.
    const void* owner;
    unsigned shared_bytes = SHARED_BYTES;
};

struct Launch {
    const Function* function;
    huracan::Dim blocks, threads;
    unsigned shared_bytes;
    std::uint64_t seed;
    // Copies of the arguments, made at the launch.
    std::vector<std::vector<std::uint64_t>> arguments;
};

class Device {
public:
    explicit Device(int index);

    // The first fault; it is permanent.
    int fault() const { return sticky.load(); }
    void fail(int result);
    // Runs a launch's blocks on all cores. Called when it is the launch's turn in its stream.
    void run(Launch& launch);
    // Counts a launch. Returns the result that it must fail with, if it is the one that HURACAN_SIMULATED_GPU_FAULT names.
    int counts_launch();
    // Counts a request for memory. Whether it is among those that HURACAN_SIMULATED_GPU_REFUSES names.
    bool refuses_memory() { return requests.fetch_add(1) + 1 - refused_from < refused; }
    std::uint64_t next_seed() { return seed.fetch_add(1); }

    const int index;
    Memory memory;
    Stream null_stream;
    std::mutex mutex;
    // Shared, so that a thread that waits for all streams keeps one that is destroyed meanwhile.
    std::map<void*, std::shared_ptr<Stream>> streams;
    Traffic traffic;

private:
    std::atomic<int> sticky{0};
    std::atomic<std::uint64_t> seed{1};
    std::atomic<std::uint64_t> launches{0}, requests{0};
    unsigned long long refused_from = 0, refused = 0, failing = 0, failing_with = 0;
};

}  // namespace driver
