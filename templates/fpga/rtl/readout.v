// Listens to the probed groups and turns them into the output stream (docs/link.md), step by step, in the order of the
// probe table; takes events or the bitmap, whichever is shorter. What is asked for by sample goes into a `tally` and comes
// with the sample's last step.
module readout #(
    parameter GROUPS    = 32,
    parameter OUT_WORDS = 1024,
    parameter EVENTS    = 1,   // 0: always the bitmap, which takes fewer gates
    parameter COUNTERS  = 0,   // of the tally; 0: none
    parameter AW        = $clog2(OUT_WORDS),
    parameter GW        = $clog2(GROUPS)
) (
    input  wire                clk,
    input  wire                clear,       // forget the probe table
    input  wire                run,
    input  wire                table_we,    // append {size, address, kind, group}, or take the steps of a sample
    // verilator lint_off UNUSEDSIGNAL
    input  wire [47:0]         table_data,  // groups and addresses are smaller than their fields
    // verilator lint_on UNUSEDSIGNAL
    input  wire                bus_valid,
    input  wire [GW-1:0]       bus_group,
    input  wire                bus_parity,
    input  wire [AW-1:0]       bus_addr,
    input  wire [31:0]         bus_data,
    input  wire                bus_last,
    output reg  [2*GROUPS-1:0] occupied,
    output reg                 out_valid,
    input  wire                out_ready,
    output reg  [7:0]          out_data,
    output reg                 step         // pulses: one has been sent
);
    localparam ENTRY = 4'd0, LOOK = 4'd1, WAIT = 4'd2, COUNT = 4'd3, ADD = 4'd4, HEAD = 4'd5,
               READ = 4'd6, WORD = 4'd7, RAW = 4'd8, EVENT = 4'd9, HIGH = 4'd10, DONE = 4'd11, TALLY = 4'd12, KEEP = 4'd13;
    localparam KB = COUNTERS != 0 ? 4 : 1;  // bits of a kind
    localparam LW = COUNTERS != 0 || AW > 13 ? 16 : AW + 3;  // bits of a size
    localparam TW = LW + KB + AW + GW;
    localparam CW = COUNTERS > 1 ? $clog2(COUNTERS) : 1;

    reg [3:0]        state;
    reg [5:0]        entries;
    reg [4:0]        entry;
    reg              parity;
    reg [GROUPS-1:0] listen;

    wire [TW-1:0] fields;
    wire [GW-1:0] group = fields[GW-1:0];
    wire [3:0]    kind = COUNTERS != 0 ? fields[GW +: 4] : {3'd0, fields[GW]};
    wire [AW-1:0] start = fields[GW+KB +: AW];
    wire [LW-1:0] bytes = fields[GW+KB+AW +: LW]; // of a tally, items
    reg  [15:0]   size;
    wire          values = kind[0];
    wire          by_sample = kind[2:1] != 2'd0;
    wire          last_only = kind[2:0] == 3'd3;
    wire          tallied = by_sample && !last_only;
    wire          sample_length = COUNTERS != 0 && table_data[12];

    always @* begin
        size = 16'd0;
        size[LW-1:0] = bytes;
    end

    ram #(.WIDTH(TW), .DEPTH(32)) probes (
        .clk(clk), .we(table_we), .waddr(entries[4:0]),
        .wdata({table_data[32 +: LW], table_data[16 +: AW], table_data[8 +: KB], table_data[GW-1:0]}),
        .re(1'b1), .raddr(entry), .rdata(fields)
    );

    reg  [AW-1:0] addr;
    wire [31:0]   stored;
    ram #(.WIDTH(32), .DEPTH(2 * OUT_WORDS)) store (
        .clk(clk), .we(bus_valid && listen[bus_group]), .waddr({bus_parity, bus_addr}), .wdata(bus_data),
        .re(1'b1), .raddr({parity, addr}), .rdata(stored)
    );

    reg  [LW-1:0] left;  // bytes of the group not yet seen
    reg  [15:0] events;  // spikes of the group
    reg  [31:0] apart;   // the word that is being taken apart
    reg  [1:0]  byte_left;
    reg  [10:0] index;   // of the word within the group
    localparam  BITS = EVENTS != 0 || COUNTERS != 0;  // words are taken apart; else they stand where they were read
    wire [31:0] word = BITS ? apart : stored >> {~byte_left, 3'd0};
    wire        raw_ends = left == 1 || byte_left == 0;
    wire [LW-1:0] behind = left > 4 ? left - 4 : 0;  // bytes behind this word
    wire [31:0] onehot = BITS ? word & (~word + 1'b1) : 32'd0;
    wire [4:0]  position;
    wire        as_events = EVENTS != 0 && !values && events <= 16'd253 && {events[14:0], 1'b0} < size;
    wire        give = !out_valid || out_ready;

    // ---------------------------------------------------------------- samples
    reg  [15:0]   steps, now;     // of a sample; the one at work, from 1
    reg           reporting;      // the entry's sums go out
    reg  [15:0]   base, item;     // of the entry's first sum; of one, from there
    // verilator lint_off UNUSEDSIGNAL
    wire [15:0]   place = base + item;  // as many bits as there are counters
    // verilator lint_on UNUSEDSIGNAL
    wire          ends = now == steps;
    wire          wide = steps[15:8] != 8'd0;
    wire          tally_ready;
    wire [31:0]   sum;
    generate
        if (COUNTERS != 0) begin : counted
            tally #(.COUNTERS(COUNTERS)) sums (
                .clk(clk), .run(run), .ready(tally_ready), .at(place[CW-1:0]), .add(state == KEEP),
                .empty(state == WORD && reporting), .largest(kind[2:1] == 2'd2), .once(!values), .fresh(now == 16'd1),
                .value(values ? word : kind[2:1] == 2'd2 ? {16'd0, now} : 32'd1), .held(sum)
            );
        end else begin : uncounted
            assign tally_ready = 1'b1;
            assign sum = 32'd0;
        end
    endgenerate

    // ---------------------------------------------------------------- steps

    lowest_bit encoder (.onehot(onehot), .index(position));

    // Spikes of a word: by fours, as it arrives, and all of them a cycle later.
    reg  [23:0] ones;
    reg         counts;
    reg  [5:0]  spikes;
    integer     i;

    function [2:0] four(input [3:0] bits);
        four = {2'd0, bits[0]} + {2'd0, bits[1]} + {2'd0, bits[2]} + {2'd0, bits[3]};
    endfunction

    always @* begin
        spikes = 6'd0;
        for (i = 0; i < 8; i = i + 1) spikes = spikes + {3'd0, ones[3*i +: 3]};
    end

    always @(posedge clk) begin
        if (table_we && sample_length) steps <= table_data[47:32];
        else if (table_we) begin
            entries <= entries + 1'b1;
            listen[table_data[GW-1:0]] <= 1'b1;
        end
        if (bus_valid && bus_last && listen[bus_group]) occupied[{bus_parity, bus_group}] <= 1'b1;

        for (i = 0; i < 8; i = i + 1) ones[3*i +: 3] <= four(stored[4*i +: 4]);
        counts <= state == ADD;
        if (counts) events <= events + {10'd0, spikes};

        step <= 1'b0;
        if (out_ready) out_valid <= 1'b0;
        case (state)
            ENTRY: if (run && entries != 0 && tally_ready) state <= LOOK;
            LOOK: state <= WAIT;  // the table's word arrives
            WAIT: begin
                addr      <= start;
                left      <= !by_sample ? bytes : values ? bytes << 2 : (bytes + 7) >> 3;
                events    <= 0;
                index     <= 0;
                item      <= 0;
                reporting <= 1'b0;
                if (occupied[{parity, group}])
                    state <= by_sample ? (last_only && !ends ? DONE : READ) : values || EVENTS == 0 ? HEAD : COUNT;
            end
            COUNT: state <= EVENTS == 0 || left == 0 ? HEAD : ADD;  // the word at `addr` arrives
            ADD: begin
                addr   <= addr + 1'b1;
                left   <= behind;
                state  <= COUNT;
            end
            HEAD: if (give) begin
                out_valid <= 1'b1;
                out_data  <= as_events ? events[7:0] : 8'hFF;
                addr      <= start;
                left      <= bytes;
                state     <= as_events && events == 0 ? DONE : READ;
            end
            READ: begin
                state <= left == 0 ? DONE : WORD;
                if (left == 0 && tallied && ends && !reporting) begin
                    reporting <= 1'b1;
                    item      <= 0;
                    left      <= values ? bytes << 2 : wide ? bytes << 1 : bytes;
                    state     <= READ;
                end
            end
            WORD: begin
                apart     <= reporting ? sum : stored;
                byte_left <= reporting && !values ? {1'b0, wide} : 2'd3;
                if (BITS) addr <= addr + 1'b1;
                if (reporting) item <= item + 1'b1;
                if (reporting || !tallied) state <= as_events && !by_sample ? EVENT : RAW;
                else state <= values ? KEEP : EVENT;
            end
            RAW: if (give) begin
                out_valid <= 1'b1;
                out_data  <= word[7:0];
                apart     <= apart >> 8;
                byte_left <= byte_left - 1'b1;
                left      <= left - 1'b1;
                if (!BITS && raw_ends) addr <= addr + 1'b1;
                if (raw_ends) state <= READ;
            end
            EVENT: if (!BITS || word == 0) begin
                index <= index + 1'b1;
                left  <= behind;
                state <= READ;
            end else if (tallied) begin
                item  <= {index, position};
                apart <= word & ~onehot;
                state <= TALLY;
            end else if (give) begin
                out_valid <= 1'b1;
                out_data  <= {index[2:0], position};
                state     <= HIGH;
            end
            TALLY: state <= KEEP;  // the sum arrives
            KEEP: if (values) begin
                item  <= item + 1'b1;
                left  <= left - 4;
                state <= READ;
            end else state <= EVENT;
            HIGH: if (give) begin
                out_valid <= 1'b1;
                out_data  <= index[10:3];
                apart     <= word & ~onehot;
                state     <= EVENT;
            end
            DONE: begin
                if (!kind[3]) occupied[{parity, group}] <= 1'b0;
                state <= ENTRY;
                entry <= entry + 1'b1;
                if (tallied) base <= base + size;
                if ({1'b0, entry} + 1'b1 == entries) begin
                    entry  <= 0;
                    base   <= 0;
                    now    <= ends ? 16'd1 : now + 1'b1;
                    parity <= !parity;
                    step   <= 1'b1;
                end
            end
            default: state <= ENTRY;
        endcase

        if (!run) begin
            state     <= ENTRY;
            entry     <= 0;
            parity    <= 1'b0;
            occupied  <= 0;
            out_valid <= 1'b0;
            base      <= 0;
            now       <= 16'd1;
        end
        if (clear) begin
            entries <= 0;
            listen  <= 0;
            steps   <= 0;
        end
    end
endmodule
