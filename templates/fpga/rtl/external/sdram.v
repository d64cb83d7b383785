// An SDR SDRAM as a memory of 32-bit words. A request is taken where `valid` and `ready` meet; what is read comes back in
// order. The rows last used stay open, one in each bank, and accesses to them follow each other as fast as the data bus
// goes: a word a cycle on 32 data bits, one in two cycles on 16 (low half first).
//
// Times are in cycles, rounded up by whoever sets them; a command that may come N cycles after another comes no earlier.
// Some are kept for all banks together where the chip asks for it in one (RAS, RC, WR), which costs a cycle or two where
// rows of several banks are opened one after the other, and saves three sets of counters.
module sdram #(
    parameter DATA     = 32,    // bits of the data bus: 16 or 32
    parameter BANKS    = 2,     // bits of addresses
    parameter ROWS     = 11,
    parameter COLUMNS  = 8,     // at most 10: above is the bit that says "all banks"
    parameter CAS      = 2,     // cycles from a read to its data
    parameter RCD      = 1,     // a row opened to its first access
    parameter RP       = 1,     // a row closed to the next opened, or to a refresh
    parameter RAS      = 2,     // a row opened to closed
    parameter RC       = 3,     // a row opened to the next opened
    parameter WR       = 2,     // the last datum written to its row closed
    parameter RFC      = 3,     // a refresh to the next command
    parameter MRD      = 2,     // the mode set to the next command
    parameter REFRESH  = 400,   // from refresh to refresh
    parameter POWER_UP = 5000,  // until the first command
    parameter STAGES   = 3,     // cycles that a command takes to the chip and its data takes back, beyond CAS
    parameter AW       = BANKS + ROWS + COLUMNS - (DATA == 16 ? 1 : 0),
    parameter PINS     = ROWS > 11 ? ROWS : 11
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             valid,
    output wire             ready,
    input  wire             write,
    input  wire [AW-1:0]    addr,     // bank, row, column
    input  wire [31:0]      wdata,
    output wire             got,
    output wire [31:0]      data,
    // to and from the chip's pins, all but `dq_in` out of registers; CKE is high, CS low
    output reg  [2:0]       command,  // RAS, CAS, WE, all active low
    output reg  [BANKS-1:0] bank,
    output reg  [PINS-1:0]  address,
    output reg              mask,     // DQM: high until the mode is set
    output reg  [DATA-1:0]  dq_out,
    output reg              dq_drive,
    input  wire [DATA-1:0]  dq_in
);
    localparam BEATS     = 32 / DATA;
    localparam LATENCY   = CAS + STAGES + BEATS;    // from a read's command to its word
    localparam REFRESHES = 8;                       // ahead of the first access
    localparam TW        = $clog2(POWER_UP > REFRESH ? POWER_UP : REFRESH);
    localparam [2:0] NOTHING = 3'b111, OPEN = 3'b011, READ = 3'b101, WRITE = 3'b100, CLOSE = 3'b010, AGAIN = 3'b001,
                     MODE = 3'b000;
    localparam ALL       = 1 << 10;                 // of an address
    localparam SETTINGS  = CAS << 4 | (BEATS == 2 ? 1 : 0);  // in order, bursts of a word

    localparam WRITTEN   = BEATS + WR - 2;          // cycles but one from a write's command to its row closed
    localparam [1:0] WAKES = 2'd0, REFRESHES_NEXT = 2'd1, SETS = 2'd2, WORKS = 2'd3;

    reg [1:0]    state;
    reg [TW-1:0] ticks;            // to the next refresh; at first to the first command
    reg          due;              // a refresh, as soon as what is under way has ended
    reg [3:0]    first;            // of the refreshes ahead of the first access, how many are left

    // ---------------------------------------------------------------- what may come next: each is 0 when it may
    reg [3:0] to_access, to_close, to_open, rests, to_write;
    reg       beat;                // the second half of a word is on the data bus

    // ---------------------------------------------------------------- requests: one waits, one is worked off
    reg               waits, works, next_write, does_write;
    reg [AW-1:0]      next_addr, at;
    reg [31:0]        next_data, word;
    reg [DATA-1:0]    rest;         // of the word before, its upper half
    reg               hit, opened;  // the row is open; another one of its bank is, or this
    reg [(1<<BANKS)-1:0] is_open;
    reg [ROWS-1:0]    rows [0:(1<<BANKS)-1];

    wire [BANKS-1:0]  next_bank = next_addr[AW-1 -: BANKS], at_bank = at[AW-1 -: BANKS];
    wire [ROWS-1:0]   next_row  = next_addr[AW-BANKS-1 -: ROWS], at_row = at[AW-BANKS-1 -: ROWS];
    reg  [PINS-1:0]   column, row;

    wire accesses = state == WORKS && works && hit && !due && !beat && to_access == 0 && !(does_write && to_write != 0);
    wire proceeds = state == WORKS && works && !hit && !due;
    wire closes   = proceeds && opened && to_close == 0 && rests == 0;
    wire opens    = proceeds && !opened && to_open == 0 && rests == 0;
    wire tidies   = state == WORKS && due && to_close == 0 && !beat && rests == 0;  // all banks, ahead of a refresh
    wire wakes    = state == WAKES && ticks == 0;
    wire renews   = state == REFRESHES_NEXT && rests == 0;
    wire sets     = state == SETS && rests == 0;
    wire follows  = !works || accesses;                                             // the next request's turn

    assign ready = !waits || follows;

    always @* begin
        row    = 0;
        column = 0;
        row[ROWS-1:0] = at_row;
        column[COLUMNS-1:0] = at[COLUMNS-1:0] << (BEATS - 1);
    end

    initial begin                  // so that nothing is asked of the chip ahead of the reset
        command  = NOTHING;
        mask     = 1'b1;
        dq_drive = 1'b0;
    end

    function [3:0] later(input [3:0] left, input [3:0] asked);
        later = left > asked ? left - 1'b1 : asked;
    endfunction

    always @(posedge clk) begin
        // requests
        if (ready) begin
            waits      <= valid;
            next_write <= write;
            next_addr  <= addr;
            next_data  <= wdata;
        end
        if (follows) begin
            works      <= waits;
            does_write <= next_write;
            at         <= next_addr;
            word       <= next_data;
            hit        <= is_open[next_bank] && rows[next_bank] == next_row;
            opened     <= is_open[next_bank];
        end

        // time
        ticks <= ticks == 0 ? REFRESH[TW-1:0] - 1'b1 : ticks - 1'b1;
        if (ticks == 0) due <= state != WAKES;
        to_access <= later(to_access, 4'd0);
        to_open   <= later(to_open, 4'd0);
        to_write  <= later(to_write, 4'd0);
        rests     <= later(rests, 4'd0);
        to_close  <= later(to_close, !accesses ? 4'd0 : does_write ? WRITTEN[3:0] : BEATS[3:0] - 1'b1);
        beat      <= BEATS == 2 && accesses;

        // commands
        command  <= NOTHING;
        bank     <= at_bank;
        address  <= column;
        rest     <= word[31 -: DATA];
        dq_out   <= BEATS == 2 && beat ? rest : word[DATA-1:0];
        dq_drive <= accesses ? does_write : beat && dq_drive;
        if (accesses) begin
            command <= does_write ? WRITE : READ;
            if (!does_write) to_write <= CAS[3:0] + BEATS[3:0];
        end
        if (closes) begin
            command          <= CLOSE;
            address          <= {PINS{1'b0}};
            rests            <= RP[3:0] - 1'b1;
            opened           <= 1'b0;
            is_open[at_bank] <= 1'b0;
        end
        if (opens) begin
            command          <= OPEN;
            address          <= row;
            to_access        <= RCD[3:0] - 1'b1;
            to_open          <= RC[3:0] - 1'b1;
            to_close         <= later(to_close, RAS[3:0] - 1'b1);
            hit              <= 1'b1;
            opened           <= 1'b1;
            is_open[at_bank] <= 1'b1;
            rows[at_bank]    <= at_row;
        end
        if (tidies || wakes) begin
            command <= CLOSE;
            address <= ALL[PINS-1:0];
            rests   <= RP[3:0] - 1'b1;
            hit     <= 1'b0;
            opened  <= 1'b0;
            is_open <= 0;
            state   <= REFRESHES_NEXT;
        end
        if (renews) begin
            command <= AGAIN;
            rests   <= RFC[3:0] - 1'b1;
            due     <= 1'b0;
            first   <= later(first, 4'd0);
            if (first <= 1) state <= first == 0 ? WORKS : SETS;
        end
        if (sets) begin
            command <= MODE;
            bank    <= 0;
            address <= SETTINGS[PINS-1:0];
            mask    <= 1'b0;
            rests   <= MRD[3:0] - 1'b1;
            state   <= WORKS;
        end

        if (rst) begin
            state     <= WAKES;
            ticks     <= POWER_UP[TW-1:0] - 1'b1;
            first     <= REFRESHES[3:0];
            due       <= 1'b0;
            waits     <= 1'b0;
            works     <= 1'b0;
            hit       <= 1'b0;
            opened    <= 1'b0;
            is_open   <= 0;
            to_access <= 0;
            to_close  <= 0;
            to_open   <= 0;
            to_write  <= 0;
            rests     <= 0;
            beat      <= 1'b0;
            command   <= NOTHING;
            mask      <= 1'b1;
            dq_drive  <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- what is read
    reg [LATENCY-1:0] reads;       // by how many cycles ago they were asked for

    assign got = reads[LATENCY-1];

    always @(posedge clk) reads <= rst ? {LATENCY{1'b0}} : {reads[LATENCY-2:0], accesses && !does_write};

    generate
        if (DATA == 16) begin : halves
            reg [DATA-1:0] lower;
            always @(posedge clk) lower <= dq_in;
            assign data = {dq_in, lower};
        end else begin : whole
            assign data = dq_in;
        end
    endgenerate
endmodule
