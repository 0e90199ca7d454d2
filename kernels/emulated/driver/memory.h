// The device's memory: blocks of the host's memory, whose addresses are recorded and whose bytes are counted.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace driver {

// Start address and bytes of each block of memory.
using Pieces = std::map<std::uintptr_t, std::size_t>;

// Whether `bytes` bytes from `address` are within one block of memory.
inline bool within(const Pieces& pieces, std::uintptr_t address, std::size_t bytes) {
    auto piece = pieces.upper_bound(address);
    if (piece == pieces.begin()) {
        return false;
    }
    --piece;
    return address - piece->first <= piece->second && bytes <= piece->second - (address - piece->first);
}

class Memory {
public:
    explicit Memory(std::size_t bytes) : total(bytes), left(bytes) {}

    // Null if there is not enough memory. New memory contains garbage.
    void* take(std::size_t bytes) {
        std::lock_guard<std::mutex> lock(mutex);
        if (bytes > left + kept) {
            return nullptr;
        }
        void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
        if (memory != nullptr) {
            std::memset(memory, garbage, bytes);
            const std::size_t of_kept = bytes < kept ? bytes : kept;
            kept -= of_kept;
            left -= bytes - of_kept;
            pieces[reinterpret_cast<std::uintptr_t>(memory)] = bytes;
        }
        return memory;
    }

    bool give_back(std::uintptr_t address) {
        std::lock_guard<std::mutex> lock(mutex);
        const auto piece = pieces.find(address);
        if (piece == pieces.end()) {
            return false;
        }
        // A late reader must not find the old values.
        std::memset(reinterpret_cast<void*>(address), ~garbage, piece->second);
        kept += piece->second;
        std::free(reinterpret_cast<void*>(address));
        pieces.erase(piece);
        return true;
    }

    // Whether `bytes` bytes from `address` are within one block of memory.
    bool holds(std::uintptr_t address, std::size_t bytes) {
        std::lock_guard<std::mutex> lock(mutex);
        return within(pieces, address, bytes);
    }

    // The pool retains freed memory, which does not count as free, until a stream is synchronised; after that it retains
    // up to the threshold.
    void keep(std::size_t bytes) { threshold = bytes; }
    void let_go(std::size_t bytes) {
        std::lock_guard<std::mutex> lock(mutex);
        if (kept > bytes) {
            left += kept - bytes;
            kept = bytes;
        }
    }
    void let_go() { let_go(threshold); }

    // Bytes in use, and with them those that the pool retains.
    std::size_t used() {
        std::lock_guard<std::mutex> lock(mutex);
        return total - left - kept;
    }
    std::size_t reserved() {
        std::lock_guard<std::mutex> lock(mutex);
        return total - left;
    }

    std::size_t free_bytes() {
        std::lock_guard<std::mutex> lock(mutex);
        return left;
    }

    const std::size_t total;
    int garbage = 0xcb;

private:
    std::mutex mutex;
    std::size_t left, kept = 0, threshold = 0;
    Pieces pieces;
};

}  // namespace driver
