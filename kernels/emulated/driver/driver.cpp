// The part of NVIDIA's driver interface (libcuda.so.1) that the program uses, on simulated GPUs. It tests the host side of
// CUDA without a GPU: NVRTC's cubins, streams, events, several GPUs, full memory and faults. Kernels run as C++ on the emulated
// device; kernels that are not from this project do nothing. It is stricter than a real driver where that reveals mistakes:
// memory and streams of one GPU may not be used in another one's context. Its times say nothing about a GPU's speed.
//
// HURACAN_SIMULATED_GPUS: how many there are, by default 1.  HURACAN_SIMULATED_GPU_BYTES: their memory, by default 4 GiB; of
// 9,8,7 each has its own, and further ones the last.  HURACAN_SIMULATED_GPU_FAULT=5:719: the fifth launch on the first GPU fails
// with result 719, and so does everything after it; 5:719:2 is for the GPU with number 2.  HURACAN_SIMULATED_GPU_REFUSES=9:3: the
// ninth request for memory and two after it are refused, although there is some; 9:3:2 likewise.
// HURACAN_SIMULATED_GPU_DISPLAY=1: they drive displays.  HURACAN_SIMULATED_GPU_COUNTS=FILE: what crossed between host and device, in calls and bytes, and the launches, written when the
// program ends, a line per GPU.

// This file has the devices, their contexts, and their memory; launches.cpp has streams, events, modules and launches.

#include "calls.h"

#include <algorithm>
#include <array>
#include <cstdio>

using namespace driver;

namespace {

constexpr int MOST_DEVICES = 64;

std::mutex starting;
// Never freed, as the devices.
PageLocked* const locked_memory = new PageLocked;
std::atomic<bool> started{false};
std::array<Device*, MOST_DEVICES> devices{};
// The device is its own primary context.
thread_local Device* current = nullptr;

void* at(std::uint64_t address) { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)); }

void write_counts() {
    std::FILE* file = std::fopen(std::getenv("HURACAN_SIMULATED_GPU_COUNTS"), "w");
    if (file == nullptr) {
        return;
    }
    for (const Device* device : devices) {
        if (device != nullptr) {
            device->traffic.write(file);
        }
    }
    std::fclose(file);
}

// Copies when it is the copy's turn in the stream, if the device's bytes (and the host's, if page-locked) still exist then.
int copy_later(void* stream, std::uint64_t checked, void* to, const void* from, std::size_t bytes, const void* host,
               bool down = false) {
    const bool locked = page_locked().holds(host, 1);
    Device& device = get();
    of(stream).push([=, &device] {
        if (!device.memory.holds(checked, bytes)) {
            device.fail(IllegalAddress);
        } else if (device.fault() != Success) {
            return;
        } else if (!locked) {
            std::memcpy(to, from, bytes);
        } else if (!page_locked().copy(to, from, bytes, host)) {
            std::fprintf(stderr, "simulated GPU: a copy of %zu bytes whose page-locked memory is gone\n", bytes);
            device.fail(IllegalAddress);
        }
        if (down && device.fault() == Success) {
            device.traffic.down(to, bytes);
        }
    });
    return Success;
}

}  // namespace

namespace driver {

Device& device(int index) {
    std::lock_guard<std::mutex> lock(starting);
    static const bool counts = std::getenv("HURACAN_SIMULATED_GPU_COUNTS") != nullptr && std::atexit(write_counts) == 0;
    (void)counts;
    Device*& one = devices[static_cast<std::size_t>(index)];
    if (one == nullptr) {
        one = new Device(index);
    }
    return *one;
}

int count() {
    const char* told = std::getenv("HURACAN_SIMULATED_GPUS");
    return told == nullptr ? 1 : std::min(std::max(std::atoi(told), 0), MOST_DEVICES);
}

Device& get() { return current == nullptr ? device(0) : *current; }

PageLocked& page_locked() { return *locked_memory; }

int usable() {
    if (!started) {
        return NotInitialized;
    }
    return current == nullptr ? static_cast<int>(InvalidContext) : current->fault();
}

int usable_by_handle(const Device& owner) { return started ? owner.fault() : static_cast<int>(NotInitialized); }

}  // namespace driver

extern "C" {

int cuInit(unsigned) {
    started = true;
    return Success;
}

// NVRTC requests undocumented tables here, and works without them.
int cuGetExportTable(const void** table, const void*) {
    *table = nullptr;
    return NotFound;
}

int cuDriverGetVersion(int* version) {
    *version = 12090;
    return Success;
}

int cuGetErrorName(int result, const char** text) {
    switch (result) {
        case Success: *text = "CUDA_SUCCESS"; break;
        case InvalidValue: *text = "CUDA_ERROR_INVALID_VALUE"; break;
        case OutOfMemory: *text = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case NotReady: *text = "CUDA_ERROR_NOT_READY"; break;
        case IllegalAddress: *text = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
        case LaunchFailed: *text = "CUDA_ERROR_LAUNCH_FAILED"; break;
        default: *text = "CUDA_ERROR_OF_THE_SIMULATED_GPU";
    }
    return Success;
}

int cuGetErrorString(int result, const char** text) { return cuGetErrorName(result, text); }

int cuDeviceGetCount(int* found) {
    REQUIRE(started, NotInitialized);
    *found = count();
    return Success;
}

int cuDeviceGet(int* handle, int ordinal) {
    REQUIRE(started, NotInitialized);
    REQUIRE(ordinal >= 0 && ordinal < count(), InvalidDevice);
    *handle = ordinal;
    return Success;
}

int cuDeviceGetName(char* name, int bytes, int) {
    std::snprintf(name, static_cast<std::size_t>(bytes), "simulated GPU");
    return Success;
}

int cuDeviceGetUuid(unsigned char* uuid, int handle) {
    std::memset(uuid, 7, 16);
    uuid[0] = static_cast<unsigned char>(handle);
    return Success;
}

int cuDeviceGetUuid_v2(unsigned char* uuid, int handle) { return cuDeviceGetUuid(uuid, handle); }

int cuDeviceTotalMem_v2(std::size_t* bytes, int handle) {
    REQUIRE(handle >= 0 && handle < count(), InvalidDevice);
    *bytes = device(handle).memory.total;
    return Success;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 1: case 2: case 3: *value = MOST_THREADS; break;                    // threads per block, along x and y
        case 4: *value = 64; break;                                              // along z
        case 5: *value = 0x7fffffff; break;                                      // blocks along x
        case 6: case 7: *value = 65535; break;                                   // along y and z
        case 8: *value = SHARED_BYTES; break;
        case 9: case 12: case 82: *value = 65536; break;                         // constant bytes, registers
        case 10: *value = 32; break;                                             // lanes per warp
        case 14: *value = 512; break;                                            // alignment of textures
        case 16: *value = MULTIPROCESSORS; break;
        case 13: case 36: *value = 1000000; break;                               // clocks, kHz
        case 37: *value = 4096; break;                                           // width of the memory bus, bits
        case 17: *value = std::getenv("HURACAN_SIMULATED_GPU_DISPLAY") != nullptr; break;  // launches have a time limit
        case 38: *value = 50 << 20; break;                                       // bytes of the L2 cache
        case 39: *value = 2048; break;                                           // threads per multiprocessor
        case 41: case 95: case 115: *value = 1; break;                           // one address space, cooperative, pools
        case 75: *value = MAJOR; break;
        case 76: *value = MINOR; break;
        case 81: *value = MOST_SHARED_BYTES + 1024; break;
        case 97: *value = MOST_SHARED_BYTES; break;
        default: *value = 0;
    }
    return Success;
}

int cuDevicePrimaryCtxRetain(void** context, int handle) {
    REQUIRE(started, NotInitialized);
    REQUIRE(handle >= 0 && handle < count(), InvalidDevice);
    *context = &device(handle);
    return Success;
}

int cuDevicePrimaryCtxRelease_v2(int) { return Success; }

int cuCtxSetCurrent(void* context) {
    current = static_cast<Device*>(context);
    return Success;
}

int cuCtxGetCurrent(void** context) {
    *context = current;
    return Success;
}

int cuCtxSetFlags(unsigned) { return usable(); }
int cuCtxSetLimit(int, std::size_t) { return usable(); }

int cuCtxSynchronize() {
    USABLE();
    get().null_stream.wait();
    std::map<void*, std::shared_ptr<Stream>> streams;
    {
        std::lock_guard<std::mutex> lock(get().mutex);
        streams = get().streams;
    }
    for (const auto& stream : streams) {
        stream.second->wait();
    }
    get().memory.let_go();
    return get().fault();
}

int cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    USABLE();
    *free = get().memory.free_bytes();
    *total = get().memory.total;
    return Success;
}

int cuMemAlloc_v2(std::uint64_t* address, std::size_t bytes) {
    USABLE();
    REQUIRE(bytes > 0, InvalidValue);
    REQUIRE(!get().refuses_memory(), OutOfMemory);
    void* memory = get().memory.take(bytes);
    REQUIRE(memory != nullptr, OutOfMemory);
    *address = reinterpret_cast<std::uintptr_t>(memory);
    return Success;
}

int cuMemAllocAsync(std::uint64_t* address, std::size_t bytes, void* stream) {
    USABLE_IN(stream);
    return cuMemAlloc_v2(address, bytes);
}

int cuMemFree_v2(std::uint64_t address) {
    if (const int result = cuCtxSynchronize()) {
        return result;
    }
    return get().memory.give_back(address) ? Success : InvalidValue;
}

int cuMemFreeAsync(std::uint64_t address, void* stream) {
    USABLE_IN(stream);
    Device& device = get();
    REQUIRE(device.memory.holds(address, 0), InvalidValue);
    of(stream).push([=, &device] {
        if (!device.memory.give_back(address)) {
            device.fail(IllegalAddress);
        }
    });
    return Success;
}

int cuDeviceGetDefaultMemPool(void** pool, int handle) {
    REQUIRE(handle >= 0 && handle < count(), InvalidDevice);
    *pool = &device(handle);
    return Success;
}

int cuMemPoolSetAttribute(void* pool, int attribute, const std::uint64_t* value) {
    USABLE();
    REQUIRE(attribute == 4, NotSupported);  // bytes to retain
    static_cast<Device*>(pool)->memory.keep(*value);
    return Success;
}

int cuMemPoolGetAttribute(void* pool, int attribute, std::uint64_t* value) {
    USABLE();
    REQUIRE(attribute == 5 || attribute == 7, NotSupported);  // bytes that the pool has, and those of them in use
    Memory& memory = static_cast<Device*>(pool)->memory;
    *value = attribute == 5 ? memory.reserved() : memory.used();
    return Success;
}

int cuMemPoolTrimTo(void* pool, std::size_t bytes) {
    USABLE();
    static_cast<Device*>(pool)->memory.let_go(bytes);
    return Success;
}

int cuMemHostAlloc(void** host, std::size_t bytes, unsigned) {
    USABLE();
    *host = page_locked().take(bytes);
    return *host == nullptr ? OutOfMemory : Success;
}

int cuMemAllocHost_v2(void** host, std::size_t bytes) { return cuMemHostAlloc(host, bytes, 0); }

int cuMemFreeHost(void* host) { return page_locked().give_back(host) ? Success : InvalidValue; }

int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void* from, std::size_t bytes, void* stream) {
    USABLE_IN(stream);
    Device& device = get();
    device.traffic.up(from, bytes);
    if (page_locked().holds(from, 1)) {
        return copy_later(stream, to, at(to), from, bytes, from);
    }
    // Other memory is copied to a buffer before the call returns.
    auto aside = std::make_shared<std::vector<unsigned char>>(bytes);
    std::memcpy(aside->data(), from, bytes);
    of(stream).push([=, &device] {
        if (!device.memory.holds(to, bytes)) {
            device.fail(IllegalAddress);
        } else {
            std::memcpy(at(to), aside->data(), bytes);
        }
    });
    return Success;
}

int cuMemcpyHtoD_v2(std::uint64_t to, const void* from, std::size_t bytes) {
    USABLE();
    get().traffic.up(from, bytes);
    copy_later(nullptr, to, at(to), from, bytes, from);
    get().null_stream.wait();
    return get().fault();
}

int cuMemcpyDtoHAsync_v2(void* to, std::uint64_t from, std::size_t bytes, void* stream) {
    USABLE_IN(stream);
    copy_later(stream, from, to, at(from), bytes, to, true);
    if (!page_locked().holds(to, 1)) {
        of(stream).wait();
    }
    return get().fault();
}

int cuMemcpyDtoH_v2(void* to, std::uint64_t from, std::size_t bytes) {
    return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
}

int cuMemcpyDtoDAsync_v2(std::uint64_t to, std::uint64_t from, std::size_t bytes, void* stream) {
    USABLE_IN(stream);
    Device& device = get();
    of(stream).push([=, &device] {
        if (!device.memory.holds(from, bytes)) {
            device.fail(IllegalAddress);
        }
    });
    return copy_later(stream, to, at(to), at(from), bytes, nullptr);
}

// CUDA_MEMCPY2D of the driver interface.
struct Copy2D {
    std::size_t from_x, from_y;
    int from_kind;
    const void* from_host;
    std::uint64_t from_device;
    void* from_array;
    std::size_t from_pitch, to_x, to_y;
    int to_kind;
    void* to_host;
    std::uint64_t to_device;
    void* to_array;
    std::size_t to_pitch, width, height;
};

int cuMemcpy2DAsync_v2(const Copy2D* copy, void* stream) {
    constexpr int OF_HOST = 1, OF_DEVICE = 2;
    REQUIRE(copy->from_x == 0 && copy->from_y == 0 && copy->to_x == 0 && copy->to_y == 0, NotSupported);
    REQUIRE(copy->from_pitch >= copy->width && copy->to_pitch >= copy->width, InvalidValue);
    REQUIRE((copy->from_kind == OF_HOST && copy->to_kind == OF_DEVICE) || (copy->from_kind == OF_DEVICE && copy->to_kind == OF_HOST),
            NotSupported);
    int result = Success;
    for (std::size_t row = 0; row < copy->height && result == Success; ++row) {
        const std::size_t from = row * copy->from_pitch, to = row * copy->to_pitch;
        result = copy->to_kind == OF_DEVICE
                     ? cuMemcpyHtoDAsync_v2(copy->to_device + to, static_cast<const char*>(copy->from_host) + from,
                                            copy->width, stream)
                     : cuMemcpyDtoHAsync_v2(static_cast<char*>(copy->to_host) + to, copy->from_device + from, copy->width,
                                            stream);
    }
    return result;
}

int cuMemsetD8Async(std::uint64_t to, unsigned char value, std::size_t bytes, void* stream) {
    USABLE_IN(stream);
    Device& device = get();
    of(stream).push([=, &device] {
        if (!device.memory.holds(to, bytes)) {
            device.fail(IllegalAddress);
        } else {
            std::memset(at(to), value, bytes);
        }
    });
    return Success;
}

int cuMemsetD8_v2(std::uint64_t to, unsigned char value, std::size_t bytes) {
    return cuMemsetD8Async(to, value, bytes, nullptr);
}

}  // extern "C"
