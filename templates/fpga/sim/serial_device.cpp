// The virtual board: the device's Verilog with a UART on its pins. The host's side of the line runs at
// the host's own bit time, so a wrong baud rate garbles here as it does on copper.
#include <cstdint>
#include <deque>
#include <memory>

#include "Vserial_device.h"
#include "verilated.h"

namespace {

constexpr uint32_t kDrowsy = 64;  // cycles for which the cores' clock goes on after they said that they need none

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vserial_device> top{new Vserial_device{&context}};
    uint64_t cycles = 0;
    uint32_t quiet = 0;           // cycles since the cores needed their clock

    std::deque<uint8_t> to_device;
    uint32_t bit_cycles = 4;      // clock cycles per bit at the host's end
    uint32_t send_bits = 0;       // line bits still to be driven, lowest first
    uint32_t send_left = 0;       // their number
    uint32_t send_count = 0;      // cycles left of the current bit
    bool receiving = false;
    uint32_t receive_count = 0;
    uint32_t receive_bit = 0;
    uint32_t receive_byte = 0;

    void drive() {
        if (send_count) {
            --send_count;
            return;
        }
        if (!send_left && !to_device.empty()) {
            send_bits = uint32_t(to_device.front()) << 1 | 0x200;  // start 0, data, stop 1
            send_left = 10;
            to_device.pop_front();
        }
        if (send_left) {
            top->rx = send_bits & 1;
            send_bits >>= 1;
            --send_left;
            send_count = bit_cycles - 1;
        }
    }

    // Returns a byte, or -1.
    int sample() {
        if (!receiving) {
            if (!top->tx) {
                receiving = true;
                receive_count = bit_cycles / 2;
                receive_bit = receive_byte = 0;
            }
            return -1;
        }
        if (--receive_count) return -1;
        receive_count = bit_cycles;
        if (receive_bit == 0) {
            receiving = !top->tx;
        } else if (receive_bit <= 8) {
            receive_byte |= uint32_t(top->tx) << (receive_bit - 1);
        } else {
            receiving = false;
            return top->tx ? int(receive_byte) : -1;
        }
        ++receive_bit;
        return -1;
    }

    // Most cycles go to the line while the cores wait; stopping their clock then changes no bit and saves most work.
    void tick() {
        top->clk = 0;
        top->clk_cores = 0;
        top->eval();
        if (top->awake) quiet = 0;
        top->clk = 1;
        top->clk_cores = quiet < kDrowsy;
        top->eval();
        ++quiet;
        ++cycles;
    }
};

}  // namespace

extern "C" {

void* board_create(uint32_t divider) {
    auto* board = new Board;
    board->top->divider = divider;
    board->top->rx = 1;
    board->top->rst = 1;
    for (int i = 0; i < 8; ++i) board->tick();
    board->top->rst = 0;
    return board;
}

void board_destroy(void* handle) { delete static_cast<Board*>(handle); }

// Bytes from the host, at `bit_cycles` clock cycles per bit.
void board_send(void* handle, const uint8_t* bytes, uint32_t count, uint32_t bit_cycles) {
    auto* board = static_cast<Board*>(handle);
    board->bit_cycles = bit_cycles;
    board->to_device.insert(board->to_device.end(), bytes, bytes + count);
}

// Simulates up to `cycles` cycles, fewer once the board has been at rest for `rest` of them or has
// `capacity` bytes for the host. Returns the bytes written to `out`; *active: whether it still works.
uint32_t board_run(void* handle, uint64_t cycles, uint64_t rest, uint8_t* out, uint32_t capacity, uint32_t* active) {
    auto* board = static_cast<Board*>(handle);
    uint32_t got = 0;
    uint64_t at_rest = 0;
    for (uint64_t i = 0; i < cycles && got < capacity && at_rest < rest; ++i) {
        board->drive();
        board->tick();
        const int byte = board->sample();
        if (byte >= 0) out[got++] = uint8_t(byte);
        const bool moving = board->top->active || board->receiving || board->send_left || !board->to_device.empty();
        at_rest = moving ? 0 : at_rest + 1;
    }
    *active = at_rest < rest;
    return got;
}

uint64_t board_cycles(void* handle) { return static_cast<Board*>(handle)->cycles; }

}  // extern "C"
