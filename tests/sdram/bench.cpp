// The controller behind `memory.v` with a chip (`Sdram`, ahead of this) at its pins.
struct Bench {
    VerilatedContext context;
    std::unique_ptr<Vmemory> top{new Vmemory{&context}};
    Sdram memory;
    uint64_t cycles = 0;

    void falls() {
        top->clk = 0;
        top->eval();
        memory.edge(top->sdram_command, top->sdram_bank, top->sdram_address, top->sdram_mask, !top->sdram_floats, top->sdram_out);
        top->sdram_in = memory.out();
        top->eval();
    }

    void rises() {
        top->clk = 1;
        top->eval();
        ++cycles;
    }
};

extern "C" {

// `chosen`: which of the controllers.
void* bench_create(uint32_t chosen) {
    auto* bench = new Bench;
    bench->top->chosen = chosen;
    bench->top->rst = 1;
    for (int i = 0; i < 4; ++i) bench->falls(), bench->rises();
    bench->top->rst = 0;
    return bench;
}

void bench_destroy(void* handle) { delete static_cast<Bench*>(handle); }

const char* bench_fault(void* handle) { return static_cast<Bench*>(handle)->memory.fault.c_str(); }

// Works off `count` requests (idle cycles before it, write, address, data), and waits for all that is read. Returns the
// cycles it took, 0 where a rule was broken.
uint64_t bench_run(void* handle, const uint32_t* requests, uint32_t count, uint32_t* out) {
    auto& bench = *static_cast<Bench*>(handle);
    auto& top = *bench.top;
    const uint64_t before = bench.cycles;
    uint32_t asked = 0, answered = 0, gap = count ? requests[0] : 0;
    for (uint32_t at = 0; at < count || answered < asked;) {
        const uint32_t* request = requests + 4 * at;
        top.valid = at < count && !gap;
        if (top.valid) {
            top.write = request[1];
            top.addr = request[2];
            top.wdata = request[3];
        }
        bench.falls();
        if (!bench.memory.fault.empty()) return 0;
        if (top.got) out[answered++] = top.data;
        if (top.valid && top.ready) {
            asked += !request[1];
            if (++at < count) gap = request[4];
        } else if (gap) {
            --gap;
        }
        bench.rises();
    }
    top.valid = 0;
    return bench.cycles - before;
}

}  // extern "C"
