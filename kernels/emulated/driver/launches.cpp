// Streams, events, modules and launches of the simulated GPU. driver.cpp describes the whole.

#include "calls.h"

#include <cstdio>

using namespace driver;

extern "C" {

int cuStreamCreateWithPriority(void** stream, unsigned, int) {
    USABLE();
    auto made = std::make_shared<Stream>(&get(), get().next_seed());
    *stream = made.get();
    std::lock_guard<std::mutex> lock(get().mutex);
    get().streams[made.get()] = made;
    return Success;
}

int cuStreamCreate(void** stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

int cuStreamDestroy_v2(void* stream) {
    std::shared_ptr<Stream> last;
    {
        // By its address, because it may be one that is gone.
        for (int index = 0; index < count() && last == nullptr; ++index) {
            Device& one = device(index);
            std::lock_guard<std::mutex> lock(one.mutex);
            const auto known = one.streams.find(stream);
            if (known != one.streams.end()) {
                last = known->second;
                one.streams.erase(known);
            }
        }
        REQUIRE(last != nullptr, InvalidHandle);
    }
    // Its queued work is finished before it is destroyed, but this call does not wait for that.
    std::thread([last = std::move(last)] {}).detach();
    return Success;
}

int cuStreamSynchronize(void* stream) {
    Device& device = owner_of(stream);
    USABLE_BY_HANDLE(device);
    of(stream).wait();
    device.memory.let_go();
    return device.fault();
}

int cuStreamQuery(void* stream) {
    USABLE_BY_HANDLE(owner_of(stream));
    return of(stream).is_idle() ? Success : NotReady;
}

int cuStreamIsCapturing(void*, int* capturing) {
    *capturing = 0;
    return Success;
}

int cuStreamWaitEvent(void* stream, void* event, unsigned) {
    USABLE_BY_HANDLE(owner_of(stream));
    auto* awaited = static_cast<Event*>(event);
    const std::uint64_t number = awaited->newest();
    of(stream).push([=] { awaited->wait(number); });
    return Success;
}

int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
    USABLE_IN(stream);
    of(stream).push([=] { function(data); });
    return Success;
}

int cuEventCreate(void** event, unsigned flags) {
    USABLE();
    auto* made = new Event;
    made->timed = (flags & 2) == 0;
    made->owner = &get();
    *event = made;
    return Success;
}

// Pending work may still refer to the event, so it is leaked.
int cuEventDestroy_v2(void*) { return Success; }

int cuEventRecord(void* event, void* stream) {
    auto* recorded = static_cast<Event*>(event);
    USABLE_BY_HANDLE(owner_of(stream));
    REQUIRE(recorded->owner == &owner_of(stream), InvalidHandle);
    const std::uint64_t number = recorded->record();
    of(stream).push([=] { recorded->reach(number); });
    return Success;
}

int cuEventQuery(void* event) {
    USABLE_BY_HANDLE(*static_cast<Device*>(static_cast<Event*>(event)->owner));
    return static_cast<Event*>(event)->is_reached() ? Success : NotReady;
}

int cuEventSynchronize(void* event) {
    auto* awaited = static_cast<Event*>(event);
    Device& device = *static_cast<Device*>(awaited->owner);
    USABLE_BY_HANDLE(device);
    awaited->wait(awaited->newest());
    return device.fault();
}

int cuEventElapsedTime(float* milliseconds, void* begun, void* ended) {
    USABLE_BY_HANDLE(*static_cast<Device*>(static_cast<Event*>(begun)->owner));
    auto &from = *static_cast<Event*>(begun), &to = *static_cast<Event*>(ended);
    REQUIRE(from.timed && to.timed && from.newest() > 0 && to.newest() > 0, InvalidHandle);
    REQUIRE(from.is_reached() && to.is_reached(), NotReady);
    *milliseconds = std::chrono::duration<float, std::milli>(to.time - from.time).count();
    return Success;
}

int cuEventElapsedTime_v2(float* milliseconds, void* begun, void* ended) {
    return cuEventElapsedTime(milliseconds, begun, ended);
}

int cuModuleLoadData(void** module, const void* image) {
    USABLE();
    Module* read = Module::read(image);
    *module = read;
    REQUIRE(read != nullptr, InvalidImage);
    read->owner = &get();
    return Success;
}

int cuModuleUnload(void* module) {
    delete static_cast<Module*>(module);
    return Success;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
    USABLE();
    REQUIRE(static_cast<Module*>(module)->has(name), NotFound);
    const huracan::Kernel* kernel = huracan::huracan_kernels();
    while (kernel != nullptr && std::strcmp(kernel->name, name) != 0) {
        kernel = kernel->next;
    }
    if (kernel == nullptr) {
        std::fprintf(stderr, "simulated GPU: kernel %s is not from this project and does nothing\n", name);
    }
    *function = new Function{name, kernel, static_cast<Module*>(module)->owner};
    return Success;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
    USABLE();
    if (attribute == 8) {  // most dynamic shared bytes
        REQUIRE(value >= 0 && static_cast<unsigned>(value) <= MOST_SHARED_BYTES, InvalidValue);
        static_cast<Function*>(function)->shared_bytes = static_cast<unsigned>(value);
    }
    return Success;
}

int cuFuncGetAttribute(int* value, int, void*) {
    *value = 0;
    return usable();
}

int cuFuncSetCacheConfig(void*, int) { return usable(); }

int cuLaunchKernel(void* handle, unsigned x, unsigned y, unsigned z, unsigned threads_x, unsigned threads_y,
                   unsigned threads_z, unsigned shared_bytes, void* stream, void** arguments, void**) {
    USABLE_IN(stream);
    Device& device = get();
    const auto* function = static_cast<const Function*>(handle);
    REQUIRE(function->owner == &device, InvalidHandle);
    const unsigned long long threads = 1ull * threads_x * threads_y * threads_z;
    REQUIRE(x > 0 && y > 0 && z > 0 && x <= 0x7fffffffu && y <= 65535 && z <= 65535, InvalidValue);
    REQUIRE(threads > 0 && threads <= MOST_THREADS && shared_bytes <= function->shared_bytes, InvalidValue);
    auto launch = std::make_shared<Launch>();
    *launch = {function, {x, y, z}, {threads_x, threads_y, threads_z}, shared_bytes, device.next_seed(), {}};
    if (const huracan::Kernel* kernel = function->kernel) {
        REQUIRE(threads <= kernel->threads, InvalidValue);
        for (unsigned k = 0; k < kernel->count; ++k) {
            const huracan::Parameter& parameter = kernel->parameters[k];
            const std::size_t bytes = parameter.pointer ? 8 : parameter.bytes;
            std::vector<std::uint64_t> copy((bytes + 7) / 8);
            std::memcpy(copy.data(), arguments[k], bytes);
            // A null pointer is allowed; any other pointer must be into the device's memory.
            REQUIRE(!parameter.pointer || copy[0] == 0 || device.memory.holds(copy[0], 0), InvalidValue);
            launch->arguments.push_back(std::move(copy));
        }
    }
    const int failing = device.counts_launch();
    of(stream).push([=, &device] {
        if (failing != Success) {
            device.fail(failing);
        }
        device.run(*launch);
    });
    return Success;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int, std::size_t) {
    *blocks = 1;
    return Success;
}

}  // extern "C"
