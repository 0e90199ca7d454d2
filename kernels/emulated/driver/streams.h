// Streams and events that behave as a GPU's: work is done later, by a thread of the stream's own, in the stream's order, and in
// no order with other streams but for events. Pauses are drawn by seed, so that a missing event shows.
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

// When an event was last recorded, and how many of its recordings have been reached.
struct Event {
    bool timed = true;
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
    explicit Stream(std::uint64_t seed) : random(seed), worker([this] { run(); }) {}

    // What was asked for is done first.
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

    // Every eighth piece of work comes late.
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
