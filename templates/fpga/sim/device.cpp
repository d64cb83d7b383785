// The device between its two byte streams, without a UART: what docs/link.md says of `valid` and `ready`, at any pace.
#include <cstdint>
#include <memory>
#include <random>

#include "Vdevice.h"
#include "verilated.h"

namespace {

struct Streams {
    VerilatedContext context;
    std::unique_ptr<Vdevice> top{new Vdevice{&context}};
    std::mt19937 random{1};
    uint64_t cycles = 0;

    // Of 256 cycles, in how many a byte is offered, and one taken.
    bool sometimes(uint32_t often) { return (random() & 255) < often; }

    void low() {
        top->clk = 0;
        top->clk_cores = 0;
        top->eval();
    }

    void high() {
        top->clk = 1;
        top->clk_cores = 1;
        top->eval();
        ++cycles;
    }
};

}  // namespace

extern "C" {

void* streams_create() {
    auto* streams = new Streams;
    streams->top->reset = 1;
    for (int i = 0; i < 9; ++i) {
        if (i == 8) streams->top->reset = 0;  // and a cycle until that is heard
        streams->low();
        streams->high();
    }
    return streams;
}

void streams_destroy(void* handle) { delete static_cast<Streams*>(handle); }

// Gives all `count` bytes and takes what comes until the device has been at rest for `rest` cycles, or `capacity` bytes
// have come. Returns their number; *taken: how many bytes the device took.
uint32_t streams_run(void* handle, const uint8_t* bytes, uint32_t count, uint32_t offered, uint32_t accepted,
                     uint64_t rest, uint8_t* out, uint32_t capacity, uint32_t* taken) {
    auto* streams = static_cast<Streams*>(handle);
    auto& top = *streams->top;
    uint32_t given = 0, got = 0;
    uint64_t still = 0;
    bool offers = false;
    while (got < capacity && (given < count || still < rest)) {
        offers = given < count && (offers || streams->sometimes(offered));  // what is offered stays until it is taken
        top.in_valid = offers;
        top.in_data = offers ? bytes[given] : 0xAA;
        top.out_ready = streams->sometimes(accepted);
        streams->low();
        if (top.out_valid && top.out_ready) out[got++] = top.out_data;
        const bool moved = (offers && top.in_ready) || top.out_valid || top.active;
        if (offers && top.in_ready) {
            ++given;
            offers = false;
        }
        streams->high();
        still = moved ? 0 : still + 1;
    }
    top.in_valid = 0;
    *taken = given;
    return got;
}

uint64_t streams_cycles(void* handle) { return static_cast<Streams*>(handle)->cycles; }

}  // extern "C"
