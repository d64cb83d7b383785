// Drives the fabric cycle by cycle: memories in, input bitmaps in, every bus message out.
#include <cstdint>
#include <memory>

#include "Vbench.h"
#include "verilated.h"

namespace {

struct Bench {
    VerilatedContext context;
    std::unique_ptr<Vbench> top{new Vbench{&context}};
    uint64_t cycles = 0;

    void tick() {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
        ++cycles;
    }
};

constexpr uint64_t kPatience = 2'000'000;  // cycles without a message: the fabric hangs

}  // namespace

extern "C" {

void* bench_create() {
    auto* bench = new Bench;
    bench->top->run = 0;
    for (int i = 0; i < 4; ++i) bench->tick();
    return bench;
}

void bench_destroy(void* handle) { delete static_cast<Bench*>(handle); }

// Returns 0, or 1 if the range leaves the memories.
int bench_write(void* handle, uint32_t address, const uint32_t* words, uint32_t count) {
    auto* bench = static_cast<Bench*>(handle);
    auto& top = *bench->top;
    bool inside = true;
    for (uint32_t i = 0; inside && i < count; ++i) {
        top.cfg_addr = address + i;
        top.cfg_wdata = words[i];
        bench->tick();
        top.cfg_we = 1;
        bench->tick();
        top.cfg_we = 0;
        inside = top.cfg_in_range;
    }
    bench->tick();
    bench->tick();
    return !inside;
}

void bench_read(void* handle, uint32_t address, uint32_t* words, uint32_t count) {
    auto* bench = static_cast<Bench*>(handle);
    auto& top = *bench->top;
    for (uint32_t i = 0; i < count; ++i) {
        top.cfg_addr = address + i;
        for (int k = 0; k < 7; ++k) bench->tick();
        words[i] = top.cfg_rdata;
    }
}

// Runs `steps` steps. input: (steps, input_words); first: a sample starts here; out: (steps, out_words);
// done: (steps), the cycle at which the step's last message crossed the bus. `expected`: one bit per
// group whose messages are awaited. Returns 0, or 1 if nothing moves any more.
int bench_run(void* handle, const uint32_t* input, uint32_t steps, uint32_t input_words, const uint8_t* first,
              uint32_t expected, uint32_t* out, uint32_t out_words, uint64_t* done, uint64_t* cycles,
              uint32_t* saturations) {
    auto* bench = static_cast<Bench*>(handle);
    auto& top = *bench->top;
    uint32_t finished[32] = {};
    uint32_t in_step = 0, in_word = 0, groups = 0, complete = 0;
    for (uint32_t g = 0; g < 32; ++g) groups += expected >> g & 1;
    top.run = 1;
    const uint64_t begin = bench->cycles;
    uint64_t last_seen = begin;
    while (complete < groups && bench->cycles - last_seen < kPatience) {
        top.in_valid = in_step < steps;
        if (top.in_valid) {
            top.in_addr = in_word;
            top.in_data = input[size_t(in_step) * input_words + in_word];
            top.in_first = first[in_step];
            top.in_last = in_word + 1 == input_words;
        }
        top.clk = 0;
        top.eval();
        const bool accepted = top.in_valid && top.in_ready;
        if (top.bus_valid) {
            last_seen = bench->cycles;
            const uint32_t group = top.bus_group;
            if (expected >> group & 1 && finished[group] < steps) {
                const uint32_t step = finished[group];
                out[size_t(step) * out_words + top.bus_addr] = top.bus_data;
                if (top.bus_last) {
                    if (done[step] < bench->cycles - begin) done[step] = bench->cycles - begin;
                    if (++finished[group] == steps) ++complete;
                }
            }
        }
        top.clk = 1;
        top.eval();
        ++bench->cycles;
        if (accepted && ++in_word == input_words) {
            in_word = 0;
            ++in_step;
        }
    }
    top.in_valid = 0;
    for (int i = 0; i < 4; ++i) bench->tick();
    *cycles = last_seen - begin;
    *saturations = top.saturations;
    top.run = 0;
    for (int i = 0; i < 4; ++i) bench->tick();
    return complete < groups;
}

}  // extern "C"
