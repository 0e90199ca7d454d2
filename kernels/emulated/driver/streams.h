// Streams and events that behave like a GPU's: each stream has a thread that does the work later, in the stream's order.
// Different streams are ordered only by events. Random pauses (from a seed) reveal missing events.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace driver {

using Clock = std::chrono::steady_clock;

// The number of times that an event was recorded, the last recording that was reached, and when.
struct Event {
    bool timed = true;
    // The device of its context.
    void* owner = nullptr;
    std::mutex mutex;
    std::condition_variable reached;
    std::uint64_t recorded = 0, done = 0;
    Clock::time_point time;

    std::uint64_t record() {
        std::lock_guard<std::mutex> lock(mutex);
        return ++recorded;
    }
    void reach(std::uint64_t number) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            done = number > done ? number : done;
            time = Clock::now();
        }
        reached.notify_all();
    }
    std::uint64_t newest() {
        std::lock_guard<std::mutex> lock(mutex);
        return recorded;
    }
    void wait(std::uint64_t number) {
        std::unique_lock<std::mutex> lock(mutex);
        reached.wait(lock, [&] { return done >= number; });
    }
    bool is_reached() {
        std::lock_guard<std::mutex> lock(mutex);
        return done >= recorded;
    }
};

class Stream {
public:
    Stream(void* device, std::uint64_t seed) : owner(device), random(seed), worker([this] { run(); }) {}

    // Finishes all queued work first.
    ~Stream() {
        {
            std::lock_guard<std::mutex> lock(mutex);
            ending = true;
        }
        changed.notify_all();
        worker.join();
    }

    void push(std::function<void()> work) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            queue.push_back(std::move(work));
        }
        changed.notify_all();
    }

    void wait() {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return queue.empty() && !busy; });
    }

    bool is_idle() {
        std::lock_guard<std::mutex> lock(mutex);
        return queue.empty() && !busy;
    }

    // The device of its context.
    void* const owner;

private:
    void run() {
        std::unique_lock<std::mutex> lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return !queue.empty() || ending; });
            if (queue.empty()) {
                return;
            }
            auto work = std::move(queue.front());
            queue.pop_front();
            busy = true;
            lock.unlock();
            hesitate();
            work();
            lock.lock();
            busy = false;
            changed.notify_all();
        }
    }

    // Delays one item of work in eight.
    void hesitate() {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        if ((random >> 61) == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds((random >> 33) % 300));
        }
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> queue;
    bool busy = false, ending = false;
    std::uint64_t random;
    std::thread worker;
};

}  // namespace driver
