// What crosses between host and device, how often, and what of it had crossed before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace driver {

class Traffic {
public:
    // A copy to the device, whose bytes are at `from`.
    void up(const void* from, std::size_t bytes) {
        uploads += 1;
        bytes_up += bytes;
        note(from, bytes, went_up, repeated_up, &came_down);
    }
    // A copy to the host, whose bytes have arrived at `to`.
    void down(const void* to, std::size_t bytes) {
        downloads += 1;
        bytes_down += bytes;
        note(to, bytes, came_down, repeated_down, nullptr);
    }
    void launch() { launches += 1; }

    // Writes them as an object of JSON.
    void write(std::FILE* file) const {
        const auto one = [=](const char* name, const std::atomic<std::uint64_t>& value, const char* after = ",") {
            std::fprintf(file, "\"%s\":%llu%s", name, static_cast<unsigned long long>(value.load()), after);
        };
        std::fprintf(file, "{");
        one("uploads", uploads);
        one("bytes_up", bytes_up);
        one("downloads", downloads);
        one("bytes_down", bytes_down);
        one("repeated_up", repeated_up);
        one("repeated_down", repeated_down);
        one("returned", returned);
        std::fprintf(file, "\"repeats\":[");
        for (std::size_t i = 0; i < repeats.size(); ++i) {
            std::fprintf(file, "%s%zu", i == 0 ? "" : ",", repeats[i]);
        }
        std::fprintf(file, "],");
        one("launches", launches, "}\n");
    }

private:
    using Content = std::pair<std::uint64_t, std::size_t>;

    // Fewest bytes of a copy that is compared with earlier ones.
    static constexpr std::size_t LEAST = 64 * 1024;

    void note(const void* memory, std::size_t bytes, std::set<Content>& same_way, std::atomic<std::uint64_t>& repeated,
              const std::set<Content>* other_way) {
        static const bool asked = std::getenv("HURACAN_SIMULATED_GPU_COUNTS") != nullptr;
        if (!asked || bytes < LEAST) {
            return;
        }
        std::uint64_t hash = 0xcbf29ce484222325ull;
        for (std::size_t i = 0; i < bytes; ++i) {
            hash = (hash ^ static_cast<const unsigned char*>(memory)[i]) * 0x100000001b3ull;
        }
        std::lock_guard<std::mutex> lock(mutex);
        const Content content = {hash, bytes};
        if (!same_way.insert(content).second) {
            repeated += bytes;
            repeats.push_back(bytes);
        } else if (other_way != nullptr && other_way->count(content) > 0) {
            returned += bytes;
            repeats.push_back(bytes);
        }
    }

    std::mutex mutex;
    std::set<Content> went_up, came_down;
    std::vector<std::size_t> repeats;  // bytes of each copy of what had crossed before
    // Calls and bytes each way; bytes that went the same way before; bytes that came from the device and went back.
    std::atomic<std::uint64_t> uploads{0}, bytes_up{0}, downloads{0}, bytes_down{0}, repeated_up{0}, repeated_down{0}, returned{0},
        launches{0};
};

}  // namespace driver
