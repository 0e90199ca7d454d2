// Page-locked memory of the host. Copies access it when it is their turn in the stream, long after the call.
#pragma once

#include "memory.h"

namespace driver {

class PageLocked {
public:
    void* take(std::size_t bytes) {
        void* memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
        if (memory != nullptr) {
            std::lock_guard<std::mutex> lock(mutex);
            pieces[reinterpret_cast<std::uintptr_t>(memory)] = bytes;
        }
        return memory;
    }

    // A real driver may wait here for pending copies, but does not promise it. Here it does not: a copy that comes later
    // fails, because the memory is gone.
    bool give_back(void* memory) {
        std::lock_guard<std::mutex> lock(mutex);
        if (pieces.erase(reinterpret_cast<std::uintptr_t>(memory)) == 0) {
            return false;
        }
        std::free(memory);
        return true;
    }

    // Whether `bytes` bytes from `memory` are within one block of memory.
    bool holds(const void* memory, std::size_t bytes) {
        std::lock_guard<std::mutex> lock(mutex);
        return known(memory, bytes);
    }

    // Copies. `locked` is whichever of the two is page-locked; false if it no longer exists.
    bool copy(void* to, const void* from, std::size_t bytes, const void* locked) {
        std::lock_guard<std::mutex> lock(mutex);
        if (!known(locked, bytes)) {
            return false;
        }
        std::memcpy(to, from, bytes);
        return true;
    }

private:
    bool known(const void* memory, std::size_t bytes) const {
        return within(pieces, reinterpret_cast<std::uintptr_t>(memory), bytes);
    }

    std::mutex mutex;
    Pieces pieces;
};

}  // namespace driver
