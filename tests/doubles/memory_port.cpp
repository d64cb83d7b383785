// The device between its two byte streams, with a plain memory at its port that is as slow and as moody as it is told.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "Vdevice.h"
#include "verilated.h"

namespace {

struct Bench {
    VerilatedContext context;
    std::unique_ptr<Vdevice> top{new Vdevice{&context}};
    std::mt19937 random{1};
    uint64_t cycles = 0, reads = 0, writes = 0;
    std::vector<uint32_t> memory;
    std::deque<std::pair<uint64_t, uint32_t>> coming;  // when, and what
    uint32_t least = 4, most = 4, often = 256;         // cycles that a read takes; of 256 cycles, in how many it is ready

    explicit Bench(uint32_t words) : memory(words) {}

    void tick() {
        top->clk = 0;
        top->clk_cores = 0;
        top->mem_ready = (random() & 255) < often;
        top->mem_got = !coming.empty() && coming.front().first <= cycles;
        top->mem_data = top->mem_got ? coming.front().second : uint32_t(random());
        top->eval();
        if (top->mem_got) coming.pop_front();
        if (top->mem_valid && top->mem_ready) {
            uint32_t& word = memory[top->mem_addr];
            if (top->mem_write) {
                word = top->mem_wdata;
                ++writes;
            } else {
                const uint64_t soonest = cycles + least + random() % (most - least + 1);
                coming.emplace_back(coming.empty() ? soonest : std::max(soonest, coming.back().first + 1), word);
                ++reads;
            }
        }
    }

    void tock() {
        top->clk = 1;
        top->clk_cores = 1;
        top->eval();
        ++cycles;
    }
};

}  // namespace

extern "C" {

void* bench_create(uint32_t words) {
    auto* bench = new Bench(words);
    bench->top->reset = 1;
    for (int i = 0; i < 9; ++i) {
        if (i == 8) bench->top->reset = 0;  // and a cycle until that is heard
        bench->tick();
        bench->tock();
    }
    return bench;
}

void bench_destroy(void* handle) { delete static_cast<Bench*>(handle); }

uint32_t* bench_memory(void* handle) { return static_cast<Bench*>(handle)->memory.data(); }

void bench_pace(void* handle, uint32_t least, uint32_t most, uint32_t often) {
    auto* bench = static_cast<Bench*>(handle);
    bench->least = least;
    bench->most = most;
    bench->often = often;
}

// Gives all bytes and takes what comes, until nothing has moved for `rest` cycles or `patience` cycles have passed.
uint32_t bench_run(void* handle, const uint8_t* bytes, uint32_t count, uint64_t rest, uint64_t patience, uint8_t* out,
                   uint32_t capacity) {
    auto* bench = static_cast<Bench*>(handle);
    auto& top = *bench->top;
    uint32_t given = 0, got = 0;
    uint64_t still = 0, after = 0;
    while (got < capacity && (given < count || (still < rest && after < patience))) {
        top.in_valid = given < count;
        top.in_data = given < count ? bytes[given] : 0xAA;
        top.out_ready = 1;
        bench->tick();
        if (top.out_valid) out[got++] = top.out_data;
        const bool moved = top.in_valid || top.out_valid || top.active;
        given += top.in_valid && top.in_ready;
        bench->tock();
        still = moved ? 0 : still + 1;
        after += given == count;
    }
    top.in_valid = 0;
    return got;
}

uint64_t bench_cycles(void* handle) { return static_cast<Bench*>(handle)->cycles; }

uint64_t bench_reads(void* handle) { return static_cast<Bench*>(handle)->reads; }

uint64_t bench_writes(void* handle) { return static_cast<Bench*>(handle)->writes; }

}  // extern "C"
