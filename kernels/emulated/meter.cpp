// Counts what a GPU would do with the blocks that run here.
//
// A warp executes an instruction once for all of its lanes that are there. Lanes run one after the other here, so each one
// counts how often it enters each stretch of instructions. Between two waits, the k-th time that a lane enters a stretch or
// touches memory at a site is taken to be the same execution as the other lanes' k-th time: a warp's executions of a stretch
// are then the most of its lanes. This is what hardware does that brings lanes together again as early as it can.
//
// The lanes' addresses of one execution give the sectors of 32 bytes that it needs of global memory, and the wavefronts that
// banks of shared memory need for it. Sectors go through a cache of the size that a block has of its multiprocessor's.
//
// Each thread has a clock: an instruction starts when its operands are there, and what has effects when what came before it
// has started (crates/ptx/src/translate/metered.rs). Latencies of loads are averages of what the site's loads hit so far.

#include "meter_book.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace huracan {

namespace meter {
namespace {

constexpr unsigned WARP = 32;
// A lane may be this many waits ahead of the last of its warp.
constexpr unsigned WINDOW = 16;
constexpr std::uint64_t LINE = 128, BANKS = 32;

// What the lanes of a warp do between two waits.
struct Interval {
    std::uint64_t number = ~std::uint64_t{0};
    std::vector<std::uint32_t> most;          // entries of a lane, per stretch
    std::vector<unsigned> entered;            // stretches that a lane has entered
    std::vector<std::vector<std::uint64_t>> addresses;  // per site and lane
    std::vector<unsigned> touched;            // sites
};

struct Warp {
    Interval intervals[WINDOW];
    std::uint64_t next = 0;  // the first interval that is not counted yet
    std::uint32_t clocks[2][WARP] = {};
};

// A site's loads so far.
struct Hits {
    double cycles = 0, weight = 0;
};

// The block that a CPU thread runs.
struct Block {
    const Kernel* kernel = nullptr;
    std::uint64_t launch = 0;
    Dim place = {0, 0, 0};
    std::vector<std::unique_ptr<Warp>> warps;
    std::vector<std::unique_ptr<Thread>> threads;
    std::vector<Hits> hits;
    std::vector<std::uint64_t> spent, executed;  // cycles and instructions per stretch
    // The L1 cache: its lines from the newest use to the oldest, with the sectors of each, and where a line is among them.
    std::list<std::pair<std::uint64_t, std::uint8_t>> lines;
    std::unordered_map<std::uint64_t, decltype(lines)::iterator> places;
    std::vector<std::uint64_t> unique;
    std::unordered_set<std::uint64_t> seen;
    std::uint32_t clock[3] = {};
    unsigned count = 0, ended = 0;
    std::uint32_t last = 0, chain = 0;
    Counts counts;
};

thread_local std::map<const Kernel*, std::unique_ptr<Block>> blocks;
thread_local Block* current = nullptr;

}  // namespace

struct Thread {
    Block* block;
    Warp* warp;
    unsigned lane;
    std::uint64_t interval, block_waits, warp_waits;
    std::vector<std::uint32_t> entries;   // per stretch
    std::vector<unsigned> entered;
    unsigned stretch;
    std::uint32_t since;
};

namespace {

std::uint64_t cache_bytes() {
    static const std::uint64_t bytes = [] {
        const char* text = std::getenv("HURACAN_METER_CACHE");
        return text == nullptr ? std::uint64_t{32768} : std::strtoull(text, nullptr, 10);
    }();
    return bytes;
}

// Whether the cache has a sector; afterwards it does. Any line may be anywhere in it: sets would depend on where the system put
// the arrays.
bool cached(Block& b, std::uint64_t sector) {
    const std::uint64_t line = sector / (LINE / SECTOR);
    const auto bit = static_cast<std::uint8_t>(1u << (sector % (LINE / SECTOR)));
    const auto known = b.places.find(line);
    if (known != b.places.end()) {
        b.lines.splice(b.lines.begin(), b.lines, known->second);
        std::uint8_t& present = b.lines.front().second;
        const bool there = (present & bit) != 0;
        present = static_cast<std::uint8_t>(present | bit);
        return there;
    }
    if (b.lines.size() >= cache_bytes() / LINE) {
        b.places.erase(b.lines.back().first);
        b.lines.pop_back();
    }
    b.lines.emplace_front(line, bit);
    b.places[line] = b.lines.begin();
    return false;
}

// Counts one execution of an access by the lanes that have an address.
void execute(Block& b, unsigned site_number, const std::uint64_t* addresses, unsigned lanes) {
    const Site& site = b.kernel->site[site_number];
    const bool shared = site.space == Space::Shared || (site.space == Space::Generic && is_shared(addresses[0]));
    const auto access = static_cast<unsigned>(site.access);
    Hits& hits = b.hits[site_number];
    const Latencies& cycles = b.kernel->latencies;
    b.counts.requests[access][shared ? 1 : 0] += 1;
    if (shared) {
        // 8 and 16 bytes a lane go in two and four parts.
        const unsigned parts = std::max(1u, site.bytes / 4u), per = (lanes + parts - 1) / parts;
        std::uint64_t wavefronts = 0;
        for (unsigned from = 0; from < lanes; from += per) {
            std::uint64_t words[WARP * 4], most = 1;
            unsigned used = 0, in_bank[BANKS] = {};
            for (unsigned i = from; i < std::min(lanes, from + per); ++i) {
                for (unsigned k = 0; k < std::max(4u, static_cast<unsigned>(site.bytes)); k += 4) {
                    const std::uint64_t word = addresses[i] / 4 + k / 4;
                    // Lanes that read or write the same word share it; additions to it follow each other.
                    if (site.access == Access::Atomic || std::find(words, words + used, word) == words + used) {
                        words[used++] = word;
                        most = std::max<std::uint64_t>(most, ++in_bank[word % BANKS]);
                    }
                }
            }
            wavefronts += most;
        }
        b.counts.wavefronts[access] += wavefronts;
        b.counts.ideal_wavefronts += (lanes + per - 1) / per;
        hits.cycles += cycles.shared + cycles.wavefront * static_cast<double>(wavefronts - 1);
        hits.weight += 1;
        return;
    }
    std::uint64_t sectors[WARP * 2];
    unsigned used = 0;
    for (unsigned i = 0; i < lanes; ++i) {
        for (std::uint64_t s = addresses[i] / SECTOR; s <= (addresses[i] + site.bytes - 1) / SECTOR; ++s) {
            if (std::find(sectors, sectors + used, s) == sectors + used) {
                sectors[used++] = s;
            }
        }
    }
    b.counts.sectors[access] += used;
    for (unsigned i = 0; i < used; ++i) {
        const auto same = [&](std::uint64_t s) { return s / (LINE / SECTOR) == sectors[i] / (LINE / SECTOR); };
        b.counts.lines += std::none_of(sectors, sectors + i, same) ? 1 : 0;
    }
    std::uint32_t slowest = cycles.l1;
    for (unsigned i = 0; i < used; ++i) {
        const bool first = b.seen.insert(sectors[i]).second;
        if (first) {
            b.unique.push_back(sectors[i]);
        }
        const bool there = site.access == Access::Load && cached(b, sectors[i]);
        b.counts.missed += there ? 0 : 1;
        slowest = there ? slowest : std::max(slowest, first ? cycles.memory : cycles.l2);
    }
    hits.cycles += site.access == Access::Load ? slowest : cycles.l2;
    hits.weight += 1;
}

// Counts an interval that all lanes have left.
void count(Block& b, Interval& interval) {
    const Kernel& kernel = *b.kernel;
    for (unsigned stretch : interval.entered) {
        const std::uint64_t times = interval.most[stretch];
        b.counts.stretches += times;
        for (unsigned c = 0; c < CLASSES; ++c) {
            b.counts.instructions[c] += times * kernel.stretch[stretch].instructions[c];
            b.executed[stretch] += times * kernel.stretch[stretch].instructions[c];
        }
        interval.most[stretch] = 0;
    }
    interval.entered.clear();
    std::size_t longest = 0;
    for (unsigned site : interval.touched) {
        for (unsigned lane = 0; lane < WARP; ++lane) {
            longest = std::max(longest, interval.addresses[site * WARP + lane].size());
        }
    }
    for (std::size_t k = 0; k < longest; ++k) {
        for (unsigned site : interval.touched) {
            std::uint64_t addresses[WARP];
            unsigned lanes = 0;
            for (unsigned lane = 0; lane < WARP; ++lane) {
                const auto& own = interval.addresses[site * WARP + lane];
                if (k < own.size()) {
                    addresses[lanes++] = own[k];
                }
            }
            if (lanes > 0) {
                execute(b, site, addresses, lanes);
            }
        }
    }
    for (unsigned site : interval.touched) {
        for (unsigned lane = 0; lane < WARP; ++lane) {
            interval.addresses[site * WARP + lane].clear();
        }
    }
    interval.touched.clear();
    interval.number = ~std::uint64_t{0};
}

void count_up_to(Block& b, Warp& warp, std::uint64_t number) {
    for (; warp.next < number; ++warp.next) {
        Interval& interval = warp.intervals[warp.next % WINDOW];
        if (interval.number == warp.next) {
            count(b, interval);
        }
    }
}

Interval& interval_of(Thread& thread) {
    Warp& warp = *thread.warp;
    Interval& interval = warp.intervals[thread.interval % WINDOW];
    if (interval.number != thread.interval) {
        if (thread.interval < warp.next) {
            thread.interval = warp.next;  // left behind by the others: counted with them
            return interval_of(thread);
        }
        count_up_to(*thread.block, warp, thread.interval >= WINDOW - 1 ? thread.interval - (WINDOW - 1) : 0);
        interval.number = thread.interval;
        interval.most.resize(thread.block->kernel->stretches);
        interval.addresses.resize(thread.block->kernel->sites * WARP);
    }
    return interval;
}

// The lane's entries become part of its warp's interval.
void close(Thread& thread) {
    Interval& interval = interval_of(thread);
    for (unsigned stretch : thread.entered) {
        std::uint32_t& most = interval.most[stretch];
        const std::uint32_t own = thread.entries[stretch];
        if (most == 0) {
            interval.entered.push_back(stretch);
        } else if (most != own) {
            thread.block->counts.divergent += 1;
        }
        most = std::max(most, own);
        thread.entries[stretch] = 0;
        for (unsigned c = 0; c < CLASSES; ++c) {
            thread.block->counts.lane_instructions += std::uint64_t{own} * thread.block->kernel->stretch[stretch].instructions[c];
        }
    }
    thread.entered.clear();
    thread.interval += 1;
}

void finish(Block& b) {
    for (auto& warp : b.warps) {
        std::uint64_t last = warp->next;
        for (const Interval& interval : warp->intervals) {
            if (interval.number != ~std::uint64_t{0}) {
                last = std::max(last, interval.number + 1);
            }
        }
        count_up_to(b, *warp, last);
        warp->next = 0;
    }
    b.counts.blocks = 1;
    b.counts.warps = (b.count + WARP - 1) / WARP;
    b.counts.path = b.last;
    b.counts.chain = b.chain;
    Book& all = book();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (all.launch != place->launch) {
        all.launch = place->launch;
        all.touched.clear();
    }
    Launches& launches = all.shapes[{b.kernel->name, place->blocks, b.count, place->shared_bytes}];
    launches.counts.add(b.counts);
    for (unsigned stretch = 0; stretch < b.kernel->stretches; ++stretch) {
        const std::uint32_t line = b.kernel->stretch[stretch].line;
        launches.spent[line] += std::exchange(b.spent[stretch], 0);
        launches.executed[line] += std::exchange(b.executed[stretch], 0);
    }
    std::uint64_t& longest = launches.launches[place->launch];
    longest = std::max<std::uint64_t>(longest, b.last);
    for (std::uint64_t sector : b.unique) {
        launches.unique_bytes += all.touched.insert(sector).second ? SECTOR : 0;
    }
    b.counts = {};
    current = nullptr;
}

}  // namespace

Thread& begin(const Kernel& kernel) {
    // A block that was abandoned after a fault has left its own.
    const Dim& block = place->block;
    if (current == nullptr || current->kernel != &kernel || current->launch != place->launch || current->place.x != block.x ||
        current->place.y != block.y || current->place.z != block.z) {
        auto& made = blocks[&kernel];
        if (made == nullptr) {
            made = std::make_unique<Block>();
            made->kernel = &kernel;
            made->hits.resize(kernel.sites);
            made->spent.resize(kernel.stretches);
            made->executed.resize(kernel.stretches);
        }
        current = made.get();
        current->launch = place->launch;
        current->place = block;
        for (auto& warp : current->warps) {
            std::memset(warp->clocks, 0, sizeof(warp->clocks));
        }
        current->count = place->threads.x;
        current->ended = 0;
        current->last = current->chain = 0;
        current->lines.clear();
        current->places.clear();
        std::fill(std::begin(current->clock), std::end(current->clock), 0);
        current->seen.clear();
        current->unique.clear();
        while (current->threads.size() < current->count) {
            current->threads.push_back(std::make_unique<Thread>());
        }
        while (current->warps.size() * WARP < current->count) {
            current->warps.push_back(std::make_unique<Warp>());
        }
    }
    const unsigned number = place->thread.x;
    Thread& thread = *current->threads[number];
    thread.block = current;
    thread.warp = current->warps[number / WARP].get();
    thread.lane = number % WARP;
    thread.interval = thread.block_waits = thread.warp_waits = 0;
    thread.entries.resize(kernel.stretches);
    thread.stretch = thread.since = 0;
    return thread;
}

void enter(Thread& thread, unsigned stretch, std::uint32_t now) {
    thread.block->spent[thread.stretch] += now - thread.since;
    thread.stretch = stretch;
    thread.since = now;
    if (thread.entries[stretch]++ == 0) {
        thread.entered.push_back(stretch);
    }
}

std::uint32_t access(Thread& thread, unsigned site, std::uint64_t address) {
    Interval& interval = interval_of(thread);
    auto& own = interval.addresses[site * WARP + thread.lane];
    if (own.empty() && std::find(interval.touched.begin(), interval.touched.end(), site) == interval.touched.end()) {
        interval.touched.push_back(site);
    }
    own.push_back(address);
    const Hits& hits = thread.block->hits[site];
    const Latencies& cycles = thread.block->kernel->latencies;
    if (hits.weight > 0) {
        return static_cast<std::uint32_t>(hits.cycles / hits.weight);
    }
    return thread.block->kernel->site[site].space == Space::Shared ? cycles.shared : cycles.l2;
}

void arrive(Thread& thread, std::uint32_t now) {
    close(thread);
    Block& b = *thread.block;
    const std::uint64_t wait = thread.block_waits;
    b.clock[(wait + 1) % 3] = 0;
    b.clock[wait % 3] = std::max(b.clock[wait % 3], now);
    b.counts.barriers += thread.lane == 0 ? 1 : 0;
}

std::uint32_t leave(Thread& thread) {
    const std::uint64_t wait = thread.block_waits++;
    // All lanes have left what came before.
    count_up_to(*thread.block, *thread.warp, thread.interval);
    return thread.block->clock[wait % 3] + thread.block->kernel->latencies.barrier;
}

void arrive(Thread& thread, std::uint32_t now, unsigned) {
    close(thread);
    thread.warp->clocks[thread.warp_waits & 1][thread.lane] = now;
}

std::uint32_t leave(Thread& thread, unsigned mask) {
    const std::uint32_t* clocks = thread.warp->clocks[thread.warp_waits++ & 1];
    std::uint32_t now = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        now = std::max(now, clocks[__builtin_ctz(rest)]);
    }
    return now;
}

void end(Thread& thread, std::uint32_t now, std::uint32_t chain) {
    close(thread);
    Block& b = *thread.block;
    b.last = std::max(b.last, now);
    b.chain = std::max(b.chain, chain);
    if (++b.ended == b.count) {
        finish(b);
    }
}

}  // namespace meter
}  // namespace huracan
