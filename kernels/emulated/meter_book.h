// What metered launches did, summed by kernel and shape, and written to the file $HURACAN_METER when the program ends.
#pragma once

#include "meter.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace huracan {
namespace meter {

// Bytes that memory moves at least.
constexpr std::uint64_t SECTOR = 32;

// What a launch did.
struct Counts {
    std::uint64_t blocks = 0, warps = 0, instructions[CLASSES] = {}, lane_instructions = 0, divergent = 0, stretches = 0;
    std::uint64_t requests[3][2] = {};    // by access (load, store, atomic) and space (global, shared)
    std::uint64_t sectors[3] = {};        // of global memory, by access
    std::uint64_t lines = 0;              // of 128 bytes that they lie in
    std::uint64_t missed = 0;             // sectors that the block's share of the L1 cache does not have
    std::uint64_t wavefronts[3] = {};     // of shared memory, by access
    std::uint64_t ideal_wavefronts = 0;   // without conflicts
    std::uint64_t barriers = 0, path = 0, chain = 0;

    void add(const Counts& other) {
        const auto* from = reinterpret_cast<const std::uint64_t*>(&other);
        auto* to = reinterpret_cast<std::uint64_t*>(this);
        for (std::size_t i = 0; i < sizeof(Counts) / 8 - 1; ++i) {
            to[i] += from[i];
        }
        chain = std::max(chain, other.chain);
    }
};

static_assert(std::is_standard_layout_v<Counts> && sizeof(Counts) == 8 * (11 + CLASSES + 6 + 3 + 3), "numbers only, `chain` last");

// Launches of a kernel of one shape.
struct Shape {
    std::string kernel;
    Dim blocks;
    unsigned threads;
    std::uint32_t dynamic_bytes;
    bool operator<(const Shape& other) const {
        return std::tie(kernel, blocks.x, blocks.y, blocks.z, threads, dynamic_bytes) <
               std::tie(other.kernel, other.blocks.x, other.blocks.y, other.blocks.z, other.threads, other.dynamic_bytes);
    }
};
struct Launches {
    Counts counts;
    std::uint64_t unique_bytes = 0;
    // By line of the PTX: cycles of all threads, and instructions of warps.
    std::map<std::uint32_t, std::uint64_t> spent, executed;
    std::unordered_map<std::uint64_t, std::uint64_t> launches;  // the longest path of each
};

// All launches; written when the program ends.
struct Book {
    std::mutex mutex;
    std::map<Shape, Launches> shapes;
    // Sectors that a launch has touched; forgotten when another launch of any kernel begins.
    std::uint64_t launch = ~std::uint64_t{0};
    std::unordered_set<std::uint64_t> touched;

    ~Book() {
        const char* path = std::getenv("HURACAN_METER");
        std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "w");
        if (file == nullptr) {
            return;
        }
        for (const auto& [shape, launches] : shapes) {
            write(file, shape, launches);
        }
        std::fclose(file);
    }
    static void write(std::FILE* file, const Shape& shape, const Launches& launches) {
        const Counts& c = launches.counts;
        const auto list = [&](const char* name, const std::uint64_t* from, unsigned count) {
            std::fprintf(file, "\"%s\":[", name);
            for (unsigned i = 0; i < count; ++i) {
                std::fprintf(file, "%s%llu", i == 0 ? "" : ",", static_cast<unsigned long long>(from[i]));
            }
            std::fprintf(file, "],");
        };
        const auto one = [&](const char* name, std::uint64_t value, const char* after = ",") {
            std::fprintf(file, "\"%s\":%llu%s", name, static_cast<unsigned long long>(value), after);
        };
        std::fprintf(file, "{\"kernel\":\"%s\",\"grid\":[%u,%u,%u],\"threads\":%u,", shape.kernel.c_str(), shape.blocks.x,
                     shape.blocks.y, shape.blocks.z, shape.threads);
        one("dynamic_bytes", shape.dynamic_bytes);
        one("launches", launches.launches.size());
        one("blocks", c.blocks);
        one("warps", c.warps);
        list("instructions", c.instructions, CLASSES);
        one("lane_instructions", c.lane_instructions);
        one("stretches", c.stretches);
        one("divergent", c.divergent);
        list("global_requests", std::vector<std::uint64_t>{c.requests[0][0], c.requests[1][0], c.requests[2][0]}.data(), 3);
        list("shared_requests", std::vector<std::uint64_t>{c.requests[0][1], c.requests[1][1], c.requests[2][1]}.data(), 3);
        list("sectors", c.sectors, 3);
        one("lines", c.lines);
        one("missed_sectors", c.missed);
        one("unique_bytes", launches.unique_bytes);
        list("wavefronts", c.wavefronts, 3);
        one("ideal_wavefronts", c.ideal_wavefronts);
        one("barriers", c.barriers);
        one("path", c.path);
        std::uint64_t longest = 0;
        for (const auto& [number, path] : launches.launches) {
            longest += path;
        }
        one("longest_path", longest);
        one("chain", c.chain, "");
        if (std::getenv("HURACAN_METER_LINES") != nullptr) {
            lines(file, "cycles_by_line", launches.spent);
            lines(file, "instructions_by_line", launches.executed);
        }
        std::fprintf(file, "}\n");
    }
    // The lines with most of it, as shares.
    static void lines(std::FILE* file, const char* name, const std::map<std::uint32_t, std::uint64_t>& spent) {
        constexpr std::size_t MOST = 16;
        std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
        std::uint64_t total = 1;
        for (const auto& [line, cycles] : spent) {
            order.emplace_back(cycles, line);
            total += cycles;
        }
        std::sort(order.rbegin(), order.rend());
        std::fprintf(file, ",\"%s\":{", name);
        for (std::size_t i = 0; i < std::min(MOST, order.size()); ++i) {
            std::fprintf(file, "%s\"%u\":%.3f", i == 0 ? "" : ",", order[i].second,
                         static_cast<double>(order[i].first) / static_cast<double>(total));
        }
        std::fprintf(file, "}");
    }
};

inline Book& book() {
    static Book all;
    return all;
}

}  // namespace meter
}  // namespace huracan
