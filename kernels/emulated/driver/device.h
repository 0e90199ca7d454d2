// The one device that there is: its memory, its streams, its modules, and what went wrong on it.
#pragma once

#include "../block.h"
#include "memory.h"
#include "page_locked.h"
#include "streams.h"

#include <atomic>
#include <string>
#include <vector>

namespace driver {

// The driver's own numbers.
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

// What every GPU has without being asked, and what this one has at most; as sm_90 says of itself.
constexpr unsigned SHARED_BYTES = 48 * 1024, MOST_SHARED_BYTES = 227 * 1024, MOST_THREADS = 1024;
constexpr int MAJOR = 9, MINOR = 0, MULTIPROCESSORS = 4;

// Code as NVRTC made it. What its kernels are called is read from it.
struct Module {
    std::vector<std::string> kernels;
    // Null where the image is of no form that a driver takes, or for another device.
    static Module* read(const void* image);
    bool has(const std::string& name) const;
};

struct Function {
    std::string name;
    // Null for a kernel of others, which does nothing here.
    const huracan::Kernel* kernel;
    unsigned shared_bytes = SHARED_BYTES;
};

struct Launch {
    const Function* function;
    huracan::Dim blocks, threads;
    unsigned shared_bytes;
    std::uint64_t seed;
    // A copy of each argument, as they are at the launch.
    std::vector<std::vector<std::uint64_t>> arguments;
};

class Device {
public:
    Device();

    // The first fault, which stays.
    int fault() const { return sticky.load(); }
    void fail(int result);
    // Runs a launch's blocks on all cores; called in its stream's turn.
    void run(Launch& launch);
    // What the launch that comes now is to fail with, if it is the one that is to.
    int counts_launch();
    std::uint64_t next_seed() { return seed.fetch_add(1); }

    Memory memory;
    Stream null_stream;
    std::mutex mutex;
    // Whoever waits for all streams keeps one that is destroyed meanwhile.
    std::map<void*, std::shared_ptr<Stream>> streams;
    PageLocked page_locked;

private:
    std::atomic<int> sticky{0};
    std::atomic<std::uint64_t> seed{1};
    std::atomic<long> launches{0};
    long failing = 0;
    int failing_with = 0;
};

}  // namespace driver
