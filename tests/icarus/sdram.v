// A chip of synchronous dynamic memory as its data sheet has it, times in ps, with what C++ (`sim/_sdram.h`) leaves out:
// words are unknown until they are written, what is read stands on the bus from tAC after an edge to tOH after the next
// and is unknown around that, and both sides of the bus are watched at all times. The first rule that is broken ends the
// simulation.
`timescale 1ps / 1ps
module sdram_chip #(
    parameter DATA      = 32,
    parameter BANKS     = 4,
    parameter ROWS      = 256,
    parameter COLUMNS   = 256,
    parameter PINS      = 11,
    parameter POWER_UP  = 200000000,
    parameter RCD       = 20000,
    parameter RP        = 20000,
    parameter RAS       = 44000,
    parameter RC        = 66000,
    parameter RRD       = 15000,
    parameter WR        = 15000,
    parameter WR_CYCLES = 1,
    parameter RFC       = 66000,
    parameter MRD_CYCLES = 2,
    parameter REFRESH   = 7812500,
    parameter CAS2      = 10000,
    parameter CAS3      = 7000,
    parameter AC        = 5400,    // from an edge to the data that it brings
    parameter OH        = 2500,    // that the data before stays
    parameter HZ        = 5400     // from an edge to the bus released
) (
    input  wire                      clk,
    input  wire [2:0]                command,
    input  wire [$clog2(BANKS)-1:0]  bank,
    input  wire [PINS-1:0]           address,
    input  wire                      mask,
    input  wire                      floats,  // the other side's: whether it drives
    inout  wire [DATA-1:0]           dq
);
    localparam BURST = 32 / DATA;
    localparam SLACK = 20;         // ps: a period is rounded, over as many cycles as a time takes
    localparam NEVER = -64'sd1000000000000;
    localparam [2:0] NOTHING = 3'd7, READ = 3'd5, WRITE = 3'd4, OPEN = 3'd3, CLOSE = 3'd2, RENEW = 3'd1, MODE = 3'd0;

    reg [DATA-1:0] words [0:BANKS*ROWS*COLUMNS-1];
    reg            is_open [0:BANKS-1];
    integer        row [0:BANKS-1];
    reg signed [63:0] opened [0:BANKS-1], closed [0:BANKS-1], written [0:BANKS-1];
    reg signed [63:0] now, last_opened, renewed, debt, edges, set_at, burst_until, before;
    integer        refreshes, cas, write_at, write_left, at, i;
    reg            read_goes_on;
    reg [7:0]      due_is;                       // by the edge at which the data is on the bus
    reg [DATA-1:0] due [0:7];

    // ---------------------------------------------------------------- the bus
    reg            drives;
    reg [DATA-1:0] out;
    assign dq = drives ? out : {DATA{1'bz}};

    always @(drives or floats) if (drives === 1'b1 && floats !== 1'b1) broken("bus: both sides drive it");

    task broken(input [80*8-1:0] what);
        begin
            $display("FAULT %0s (at %0d ns)", what, $time / 1000);
            $finish;
        end
    endtask

    task within(input [8*8-1:0] name, input signed [63:0] since, input signed [63:0] least);
        if (now - since + SLACK < least) broken({name, ": too soon"});
    endtask

    initial begin
        drives = 1'b0;
        due_is = 8'd0;
        {now, debt, edges} = 0;
        burst_until = 0;
        last_opened = NEVER;
        renewed = NEVER;
        set_at = -8;
        refreshes = 0;
        cas = 0;
        write_left = 0;
        read_goes_on = 1'b0;
        before = 0;
        for (i = 0; i < BANKS; i = i + 1) begin
            is_open[i] = 1'b1;  // or not: nobody knows
            row[i] = 0;
            opened[i] = NEVER;
            closed[i] = NEVER;
            written[i] = NEVER;
        end
    end

    // ---------------------------------------------------------------- commands
    task take;
        begin
            if (floats !== 1'b0) broken("bus: nobody drives what is to be written");
            words[write_at] = dq;
            write_at = write_at ^ 1;
            write_left = write_left - 1;
        end
    endtask

    task close(input integer number);
        if (is_open[number]) begin
            if (cas != 0) begin
                within("tRAS", opened[number], RAS);
                within("tWR", written[number], WR > WR_CYCLES * (now - before) ? WR : WR_CYCLES * (now - before));
                if (read_goes_on && edges < burst_until) broken("burst: its row is closed in the middle of it");
            end
            is_open[number] = 1'b0;
            closed[number] = now;
        end
    endtask

    task are_closed;
        for (i = 0; i < BANKS; i = i + 1) begin
            if (is_open[i]) broken("row: one is open where all must be closed");
            within("tRP", closed[i], RP);
        end
    endtask

    task access;
        begin
            if (cas == 0) broken("power-up: an access before the mode is set");
            if (!is_open[bank]) broken("row: an access where none is open");
            if (address >= COLUMNS) broken("column: there is none of this number, or the row is to be closed behind it");
            if (mask !== 1'b0) broken("DQM: high at an access");
            if (edges < burst_until) broken("burst: an access in the middle of one");
            within("tRCD", opened[bank], RCD);
            burst_until = edges + BURST;
            at = (bank * ROWS + row[bank]) * COLUMNS + address;
            read_goes_on = command == READ;
            if (command == READ) begin
                for (i = 0; i < BURST; i = i + 1) begin
                    due_is[(edges + cas + i) % 8] = 1'b1;
                    due[(edges + cas + i) % 8] = words[at ^ i];
                end
            end else begin
                written[bank] = now + (now - before) * (BURST - 1);
                write_at = at;
                write_left = BURST;
                take;
            end
        end
    endtask

    task obey;
        begin
            if (^{command, bank, address, mask} === 1'bx) broken("command: unknown bits");
            if (now < POWER_UP) broken("power-up: a command before it is over");
            if (edges < set_at + MRD_CYCLES) broken("tMRD: a command too soon after the mode was set");
            within("tRFC", renewed, RFC);
            case (command)
                OPEN: begin
                    if (cas == 0) broken("power-up: a row is opened before the mode is set");
                    if (is_open[bank]) broken("row: one is opened in a bank where one is open");
                    if (address >= ROWS) broken("row: there is none of this number");
                    within("tRP", closed[bank], RP);
                    within("tRC", opened[bank], RC);
                    within("tRRD", last_opened, RRD);
                    is_open[bank] = 1'b1;
                    row[bank] = address;
                    opened[bank] = now;
                    last_opened = now;
                end
                READ, WRITE: access;
                CLOSE: for (i = 0; i < BANKS; i = i + 1) if (address[10] || i == bank) close(i);
                RENEW: begin
                    are_closed;
                    refreshes = refreshes + 1;
                    renewed = now;
                    debt = debt > REFRESH ? debt - REFRESH : 0;
                end
                MODE: begin
                    are_closed;
                    if (refreshes < 2) broken("power-up: fewer than two refreshes before the mode is set");
                    if (bank != 0 || address[PINS-1:7] != 0 || address[3]) broken("mode: bits that must be zero are not");
                    if ((1 << address[2:0]) != BURST) broken("mode: a burst is not a word");
                    cas = address[6:4];
                    if (!(cas == 2 && now - before + 1 >= CAS2) && !(cas == 3 && now - before + 1 >= CAS3))
                        broken("mode: CAS latency at this clock");
                    set_at = edges;
                end
                default: broken("command: one that the controller has no use for");
            endcase
        end
    endtask

    always @(posedge clk) begin
        now = $time;
        edges = edges + 1;
        if (write_left > 0) take;
        if (refreshes > 0) debt = debt + (now - before);
        if (debt > 2 * REFRESH) broken("tREFI: refreshes come too seldom");
        if (command !== NOTHING) obey;
        before = now;
        if (due_is[(edges + 1) % 8]) begin
            out <= #(OH) {DATA{1'bx}};
            out <= #(AC) due[(edges + 1) % 8];
            drives <= #(OH) 1'b1;
        end else begin
            out <= #(OH) {DATA{1'bx}};
            drives <= #(HZ) 1'b0;
        end
        due_is[(edges + 1) % 8] = 1'b0;
    end
endmodule
