// How the simulated GPU loads modules and runs launches, and its settings from the environment.

#include "device.h"

#include <algorithm>
#include <cstdio>

namespace driver {

namespace {

// An environment variable's number for a device: of several with commas between them the device's own, or the last one.
unsigned long long number(const char* name, int index, unsigned long long otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr) {
        return otherwise;
    }
    for (const char* comma; index > 0 && (comma = std::strchr(text, ',')) != nullptr; --index) {
        text = comma + 1;
    }
    return std::strtoull(text, nullptr, 10);
}

// Reads "FROM:COUNT" for the first device, or "FROM:COUNT:DEVICE". Whether it is for the device with this number.
bool two_numbers(const char* name, int index, unsigned long long& first, unsigned long long& second) {
    const char* text = std::getenv(name);
    if (text == nullptr) {
        return false;
    }
    int device = 0;
    unsigned long long a = 0, b = 0;
    if (std::sscanf(text, "%llu:%llu:%d", &a, &b, &device) < 2) {
        std::fprintf(stderr, "%s must be two numbers with a colon between them\n", name);
        return false;
    }
    if (device != index) {
        return false;
    }
    first = a;
    second = b;
    return true;
}

template <class T> T read_at(const unsigned char* image, std::size_t at) {
    T value;
    std::memcpy(&value, image + at, sizeof(T));
    return value;
}

// Arenas that no thread is using.
std::mutex arenas_mutex;
std::vector<huracan::Arena*> arenas;

huracan::Arena* take_arena() {
    std::lock_guard<std::mutex> lock(arenas_mutex);
    if (arenas.empty()) {
        return huracan::huracan_arena_new();
    }
    huracan::Arena* arena = arenas.back();
    arenas.pop_back();
    return arena;
}

void give_arena_back(huracan::Arena* arena) {
    std::lock_guard<std::mutex> lock(arenas_mutex);
    arenas.push_back(arena);
}

// Reads the names of the kernels in a cubin, an ELF file: the code of kernel K is in the section .text.K.
bool read_cubin(const unsigned char* image, std::vector<std::string>& kernels) {
    constexpr std::uint16_t EM_CUDA = 190;
    const auto flags = read_at<std::uint32_t>(image, 48);
    const unsigned architecture = MAJOR * 10 + MINOR;
    if (read_at<std::uint16_t>(image, 18) != EM_CUDA ||
        ((flags & 0xff) != architecture && (flags >> 8 & 0xff) != architecture)) {
        return false;
    }
    const auto sections = read_at<std::uint64_t>(image, 40);
    const auto bytes = read_at<std::uint16_t>(image, 58), count = read_at<std::uint16_t>(image, 60);
    const auto names_in = read_at<std::uint16_t>(image, 62);
    const auto names = read_at<std::uint64_t>(image, sections + names_in * bytes + 24);
    for (unsigned k = 0; k < count; ++k) {
        const auto name = read_at<std::uint32_t>(image, sections + k * bytes);
        const std::string section = reinterpret_cast<const char*>(image + names + name);
        if (section.compare(0, 6, ".text.") == 0) {
            kernels.push_back(section.substr(6));
        }
    }
    return true;
}

// Reads the names of the kernels in PTX.
bool read_ptx(const char* text, std::vector<std::string>& kernels) {
    const std::string ptx = text, entry = ".entry ";
    for (std::size_t at = ptx.find(entry); at != std::string::npos; at = ptx.find(entry, at + 1)) {
        const std::size_t begin = at + entry.size(), end = ptx.find_first_of("( \n", begin);
        kernels.push_back(ptx.substr(begin, end - begin));
    }
    return !kernels.empty();
}

}  // namespace

Module* Module::read(const void* image) {
    auto* module = new Module;
    const auto* bytes = static_cast<const unsigned char*>(image);
    const bool sound = std::memcmp(bytes, "\x7f" "ELF", 4) == 0 ? read_cubin(bytes, module->kernels)
                                                               : read_ptx(static_cast<const char*>(image), module->kernels);
    if (!sound) {
        delete module;
        return nullptr;
    }
    return module;
}

bool Module::has(const std::string& name) const {
    return std::find(kernels.begin(), kernels.end(), name) != kernels.end();
}

Device::Device(int index)
    : index(index), memory(number("HURACAN_SIMULATED_GPU_BYTES", index, 4ull << 30)), null_stream(this, 0) {
    two_numbers("HURACAN_SIMULATED_GPU_REFUSES", index, refused_from, refused);
    // "5:719": the fifth launch fails with result 719.
    two_numbers("HURACAN_SIMULATED_GPU_FAULT", index, failing, failing_with);
}

void Device::fail(int result) {
    int none = Success;
    sticky.compare_exchange_strong(none, result);
}

int Device::counts_launch() {
    traffic.launch();
    return launches.fetch_add(1) + 1 == failing ? static_cast<int>(failing_with) : static_cast<int>(Success);
}

void Device::run(Launch& launch) {
    if (launch.function->kernel == nullptr || fault() != Success) {
        return;
    }
    static std::atomic<std::uint64_t> launches{0};
    const std::uint64_t number = launches++;
    std::vector<void*> arguments;
    for (auto& argument : launch.arguments) {
        arguments.push_back(argument.data());
    }
    const huracan::Dim all = launch.blocks;
    const std::uint64_t count = std::uint64_t{all.x} * all.y * all.z;
    std::atomic<std::uint64_t> next{0};
    auto work = [&] {
        huracan::Arena* arena = take_arena();
        for (std::uint64_t block = next++; block < count && fault() == Success; block = next++) {
            const huracan::Dim place = {static_cast<unsigned>(block % all.x), static_cast<unsigned>(block / all.x % all.y),
                                        static_cast<unsigned>(block / all.x / all.y)};
            const huracan::Request request = {launch.function->kernel, arguments.data(), place, launch.threads, all,
                                              launch.shared_bytes, 1, launch.seed * 0x9e3779b97f4a7c15ull + block, number};
            huracan::Report report;
            if (huracan::huracan_run_block(arena, &request, &report) != 0) {
                std::fprintf(stderr, "simulated GPU: %s: fault %d of thread %u at line %d\n",
                             launch.function->name.c_str(), report.fault, report.thread, report.line);
                fail(LaunchFailed);
            }
        }
        give_arena_back(arena);
    };
    // A meter's counts must not depend on which thread runs which block.
    static const unsigned cores = std::getenv("HURACAN_METER") != nullptr ? 1 : std::max(1u, std::thread::hardware_concurrency());
    const unsigned threads = static_cast<unsigned>(std::min<std::uint64_t>(cores, count));
    std::vector<std::thread> others;
    for (unsigned k = 1; k < threads; ++k) {
        others.emplace_back(work);
    }
    work();
    for (auto& other : others) {
        other.join();
    }
}

}  // namespace driver
