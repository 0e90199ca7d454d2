// Runs the threads of one block: each on its own stack if the kernel has barriers, otherwise one after the other.
//
// The order of the threads is drawn again after every barrier, and shared memory starts as garbage. A kernel that lacks a
// barrier therefore gives different bits. Threads that would wait for each other forever are reported.

#include "block.h"
#include "switch.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace huracan {

thread_local Place* place = nullptr;

namespace {

const Kernel* all_kernels = nullptr;

constexpr unsigned MOST_THREADS = 1024;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t STACK_BYTES = 256 * 1024;
// More than the frames that a finished thread leaves on its stack.
constexpr std::size_t LAST_FRAMES_BYTES = 4096;
#else
constexpr std::size_t STACK_BYTES = 64 * 1024;
#endif
constexpr std::uint64_t CANARY = 0x6b75c6f1a7e3d925ull;
constexpr int MOST_SITES = 64;

enum class State : unsigned char { Ready, AtBarrier, InWarp, Done };

struct Fiber {
    Stack stack;
    Place place;
    std::uint64_t value, result;
    unsigned mask;
    int from, line;
    Vote vote;
    State state;
};

struct Site {
    const void* site;
    void* memory;
    std::size_t bytes;
    bool live;
};

// The faults. The host turns the number into a message: crates/engine/src/emulated/library.rs.
enum Fault : int { None, Divergent, WarpDivergent, ForeignLane, StackOverflow, BarrierUndeclared, TooManySites };

}  // namespace

// The memory in which one CPU thread runs blocks, one after the other.
struct Arena {
    char* stacks;
    Fiber fibers[MOST_THREADS];
    Stack host;
    Site sites[MOST_SITES];
    void* dynamic;
    std::size_t dynamic_bytes;
    const Kernel* kernel;
    const Request* request;
    Report* report;
    unsigned count, running, waiting, first_waiting, holding, barrier_result, garbage;
    unsigned in_warp[MOST_THREADS / 32];
    std::uint64_t random;
#if defined(__SANITIZE_ADDRESS__)
    const void* host_bottom;
    std::size_t host_bytes;
    void* host_fake;
#endif
};

namespace {

thread_local Arena* arena = nullptr;

unsigned self() { return arena->running; }
char* stack_of(unsigned thread) { return arena->stacks + thread * STACK_BYTES; }

void enter(unsigned thread) {
    Arena& a = *arena;
    a.running = thread;
    place = &a.fibers[thread].place;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&a.host_fake, stack_of(thread), STACK_BYTES);
#endif
    leave(a.host, a.fibers[thread].stack);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(a.host_fake, nullptr, nullptr);
#endif
}

// Returns to the host until the thread is entered again.
void pause(bool for_ever) {
    Arena& a = *arena;
    Fiber& fiber = a.fibers[self()];
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake, a.host_bottom, a.host_bytes);
#else
    (void)for_ever;
#endif
    leave(fiber.stack, a.host);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, &a.host_bottom, &a.host_bytes);
#endif
}

[[noreturn]] void fail(Fault fault, unsigned other, int line) {
    Arena& a = *arena;
    const Fiber& with = a.fibers[other];
    *a.report = {fault, place->thread.x, other, line, with.line, with.state == State::Done};
    pause(true);
    __builtin_trap();
}

std::uint64_t next_random() {
    std::uint64_t x = arena->random += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

unsigned common_divisor(unsigned a, unsigned b) { return b == 0 ? a : common_divisor(b, a % b); }

// An order of the threads: start, start + step, …, modulo their number.
struct Order {
    unsigned at, step;
    explicit Order(unsigned count) {
        const std::uint64_t bits = next_random();
        at = static_cast<unsigned>(bits >> 33) % count;
        step = static_cast<unsigned>(bits & 0xffffffffu) % count;
        while (common_divisor(step == 0 ? count : step, count) != 1) {
            step = (step + 1) % count;
        }
        step = step == 0 ? 1 % count : step;
    }
    unsigned next(unsigned count) {
        const unsigned now = at;
        at = (at + step) % count;
        return now;
    }
};

void body() {
    const Request& request = *arena->request;
    request.kernel->call(request.kernel->function, request.arguments);
}

void begin_thread() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &arena->host_bottom, &arena->host_bytes);
#endif
    body();
    Fiber& fiber = arena->fibers[self()];
    fiber.state = State::Done;
    pause(true);
    __builtin_trap();
}

void begin_all() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &arena->host_bottom, &arena->host_bytes);
#endif
    Arena& a = *arena;
    const unsigned count = a.request->threads.x;
    Order order(count);
    for (unsigned i = 0; i < count; ++i) {
        place->thread.x = order.next(count);
        body();
    }
    a.fibers[0].state = State::Done;
    pause(true);
    __builtin_trap();
}

void prepare(unsigned thread, void (*entry)()) {
    Fiber& fiber = arena->fibers[thread];
    const Request& request = *arena->request;
    fiber.place = {{thread, 0, 0}, request.block, request.threads, request.blocks, request.launch,
                   request.shared_bytes};
    fiber.state = State::Ready;
    fiber.line = 0;
    std::memcpy(stack_of(thread), &CANARY, sizeof(CANARY));
#if defined(__SANITIZE_ADDRESS__)
    // The thread that used this stack before never returned from its last pause, so its frames are still poisoned.
    __asan_unpoison_memory_region(stack_of(thread) + STACK_BYTES - LAST_FRAMES_BYTES, LAST_FRAMES_BYTES);
#endif
    fiber.stack.begin(stack_of(thread), STACK_BYTES, entry);
}

bool intact(unsigned thread) { return std::memcmp(stack_of(thread), &CANARY, sizeof(CANARY)) == 0; }

// Reports two threads that wait for each other, when no thread can continue.
void report_stuck() {
    Arena& a = *arena;
    unsigned thread = a.count;
    for (unsigned t = 0; t < a.count && thread == a.count; ++t) {
        thread = a.fibers[t].state == State::AtBarrier || a.fibers[t].state == State::InWarp ? t : thread;
    }
    const Fiber& fiber = a.fibers[thread];
    unsigned other = thread;
    for (unsigned t = 0; t < a.count; ++t) {
        const Fiber& candidate = a.fibers[t];
        const bool apart = candidate.state != fiber.state || candidate.line != fiber.line;
        const bool near = fiber.state == State::AtBarrier || t / 32 == thread / 32;
        if (apart && near) {
            other = t;
            break;
        }
    }
    const Fiber& with = a.fibers[other];
    *a.report = {fiber.state == State::AtBarrier ? Divergent : WarpDivergent, thread, other, fiber.line, with.line,
                 with.state == State::Done};
}

void run_threads() {
    Arena& a = *arena;
    for (unsigned thread = 0; thread < a.count; ++thread) {
        prepare(thread, begin_thread);
    }
    unsigned left = a.count;
    while (left > 0 && a.report->fault == None) {
        bool moved = false;
        Order order(a.count);
        for (unsigned i = 0; i < a.count && a.report->fault == None; ++i) {
            const unsigned thread = order.next(a.count);
            if (a.fibers[thread].state != State::Ready) {
                continue;
            }
            moved = true;
            enter(thread);
            left -= a.fibers[thread].state == State::Done ? 1 : 0;
            if (!intact(thread)) {
                *a.report = {StackOverflow, thread, thread, a.fibers[thread].line, 0, 0};
            }
        }
        if (!moved) {
            report_stuck();
        }
    }
}

void run_in_turn() {
    prepare(0, begin_all);
    enter(0);
    if (!intact(0)) {
        *arena->report = {StackOverflow, arena->fibers[0].place.thread.x, 0, 0, 0, 0};
    }
}

// Gives each lane of `mask` its result, once all of them have arrived.
void settle(unsigned base, unsigned mask, Vote vote) {
    Fiber* lanes = &arena->fibers[base];
    std::uint64_t total = 0;
    bool first = true;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        const unsigned lane = static_cast<unsigned>(__builtin_ctz(rest));
        const std::uint64_t value = lanes[lane].value;
        switch (vote) {
            case Vote::Ballot: total |= value != 0 ? std::uint64_t{1} << lane : 0; break;
            case Vote::Add: total = static_cast<std::uint32_t>(total + value); break;
            case Vote::Min: total = first || value < total ? value : total; break;
            case Vote::Max: total = first || value > total ? value : total; break;
            case Vote::Or: total |= value; break;
            case Vote::Sync: case Vote::Shuffle: break;
        }
        first = false;
    }
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        const unsigned lane = static_cast<unsigned>(__builtin_ctz(rest));
        lanes[lane].result = vote == Vote::Shuffle ? lanes[lanes[lane].from].value : total;
        lanes[lane].state = State::Ready;
    }
}

// Frees the shared arrays: each kernel declares its own.
void forget_sites(Arena* a) {
    for (Site& s : a->sites) {
        std::free(s.memory);
        s = {};
    }
}

}  // namespace

void enlist(Kernel* kernel) {
    kernel->next = all_kernels;
    all_kernels = kernel;
}

unsigned barrier(int predicate, int line) {
    Arena& a = *arena;
    if (!a.request->barriers) {
        fail(BarrierUndeclared, 0, line);
    }
    Fiber& fiber = a.fibers[self()];
    fiber.line = line;
    if (a.waiting == 0) {
        a.first_waiting = self();
    } else if (a.fibers[a.first_waiting].line != line) {
        fail(Divergent, a.first_waiting, line);
    }
    a.waiting += 1;
    a.holding += predicate ? 1 : 0;
    fiber.state = State::AtBarrier;
    if (a.waiting == a.count) {
        a.barrier_result = a.holding;
        a.waiting = a.holding = 0;
        for (unsigned t = 0; t < a.count; ++t) {
            a.fibers[t].state = State::Ready;
        }
    }
    pause(false);
    // No thread can pass the next barrier before this one arrives there, so the result has not been overwritten.
    return a.barrier_result;
}

std::uint64_t together(Vote vote, unsigned mask, std::uint64_t value, int from, int line) {
    Arena& a = *arena;
    if (!a.request->barriers) {
        fail(BarrierUndeclared, 0, line);
    }
    const unsigned thread = self(), base = thread & ~31u, own = thread & 31u;
    Fiber& fiber = a.fibers[thread];
    fiber.vote = vote;
    fiber.mask = mask;
    fiber.value = value;
    fiber.from = from;
    fiber.line = line;
    if (!(mask >> own & 1u) || (vote == Vote::Shuffle && !(mask >> from & 1u))) {
        fail(ForeignLane, base + static_cast<unsigned>(from), line);
    }
    unsigned& waiting = a.in_warp[base / 32];
    fiber.state = State::InWarp;
    waiting |= 1u << own;
    if ((waiting & mask) == mask) {
        for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
            const unsigned t = base + static_cast<unsigned>(__builtin_ctz(rest));
            const Fiber& other = a.fibers[t];
            if (other.mask != mask || other.vote != vote || other.line != line) {
                fail(WarpDivergent, t, line);
            }
        }
        waiting &= ~mask;
        settle(base, mask, vote);
    }
    pause(false);
    return fiber.result;
}

void* shared(const void* site, std::size_t bytes) {
    Arena& a = *arena;
    for (Site& s : a.sites) {
        if (s.site == nullptr) {
            s = {site, std::malloc(bytes), bytes, false};
        }
        if (s.site == site) {
            if (!s.live) {
                std::memset(s.memory, static_cast<int>(a.garbage), bytes);
                s.live = true;
            }
            return s.memory;
        }
    }
    fail(TooManySites, 0, 0);
}

void* dynamic_shared() { return arena->dynamic; }

bool is_shared(std::uint64_t address) {
    const auto within = [=](const void* memory, std::size_t bytes) {
        return address - reinterpret_cast<std::uint64_t>(memory) < bytes;
    };
    bool found = within(arena->dynamic, arena->dynamic_bytes);
    for (const Site& s : arena->sites) {
        found = found || (s.site != nullptr && within(s.memory, s.bytes));
    }
    return found;
}

extern "C" {

const Kernel* huracan_kernels() { return all_kernels; }

Arena* huracan_arena_new() {
    auto* a = static_cast<Arena*>(std::calloc(1, sizeof(Arena)));
    if (a == nullptr) {
        return nullptr;
    }
    void* stacks = mmap(nullptr, MOST_THREADS * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) {
        std::free(a);
        return nullptr;
    }
    a->stacks = static_cast<char*>(stacks);
    return a;
}

void huracan_arena_free(Arena* a) {
    if (a == nullptr) {
        return;
    }
    munmap(a->stacks, MOST_THREADS * STACK_BYTES);
    forget_sites(a);
    std::free(a->dynamic);
    std::free(a);
}

// Runs one block. Returns 0, or the fault, whose details are then in `report`.
int huracan_run_block(Arena* a, const Request* request, Report* report) {
    arena = a;
    *report = {};
    a->request = request;
    a->report = report;
    a->count = request->threads.x;
    a->waiting = a->holding = 0;
    std::memset(a->in_warp, 0, sizeof(a->in_warp));
    a->random = request->seed;
    a->garbage = static_cast<unsigned>(next_random() & 0xffu) | 0x81u;
    if (a->kernel != request->kernel) {
        forget_sites(a);
        a->kernel = request->kernel;
    }
    for (Site& s : a->sites) {
        s.live = false;
    }
    if (a->dynamic_bytes != request->shared_bytes) {
        std::free(a->dynamic);
        a->dynamic = request->shared_bytes > 0 ? std::malloc(request->shared_bytes) : nullptr;
        a->dynamic_bytes = request->shared_bytes;
    }
    if (a->dynamic != nullptr) {
        std::memset(a->dynamic, static_cast<int>(a->garbage), request->shared_bytes);
    }
    if (request->barriers) {
        run_threads();
    } else {
        run_in_turn();
    }
#if defined(__SANITIZE_ADDRESS__)
    if (report->fault != None) {
        // Abandoned threads leave their frames poisoned.
        __asan_unpoison_memory_region(a->stacks, MOST_THREADS * STACK_BYTES);
    }
#endif
    place = nullptr;
    return report->fault;
}

}  // extern "C"

}  // namespace huracan
