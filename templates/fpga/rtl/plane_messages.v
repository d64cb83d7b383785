// Words of spikes as bus messages: one for each bit plane of their numbers, the lowest first.
module plane_messages #(
    parameter SPIKES = 1,            // planes, at most
    parameter AW     = 10,
    parameter GW     = 5,
    parameter COUNTS = 1
) (
    // verilator lint_off UNUSEDSIGNAL
    input  wire               clk,   // one plane needs no state
    input  wire               rst,
    // verilator lint_on UNUSEDSIGNAL
    input  wire               valid,
    output wire               ready,
    // {words of a plane, planes - 1, group, parity, address, first, last, the planes' bits}
    // verilator lint_off UNUSEDSIGNAL
    input  wire [COUNTS+GW+AW+3+32*SPIKES-1:0] entry,
    // verilator lint_on UNUSEDSIGNAL
    output wire               out_valid,
    input  wire               out_ready,
    output wire [GW+AW+34:0]  out_message  // {group, parity, address, bits, first, last}
);
    localparam E = 32 * SPIKES;
    wire [GW:0]   group_parity = entry[E+2+AW +: GW+1];
    wire [AW-1:0] start = entry[E+2 +: AW];
    wire          first = entry[E+1];
    wire          last  = entry[E];

    assign out_valid = valid;

    generate
        if (SPIKES > 1) begin : planes
            wire [2:0]    most = entry[E+GW+AW+3 +: 3];
            wire [AW-1:0] step = entry[E+GW+AW+6 +: AW];
            reg  [2:0]    plane;
            reg  [AW-1:0] above;      // words from the first plane to this one
            wire          ends = plane == most;

            assign ready = out_ready && ends;
            assign out_message = {group_parity, start + above, entry[32*plane +: 32], first, last && ends};

            always @(posedge clk) begin
                if (rst || (valid && ready)) {plane, above} <= 0;
                else if (valid && out_ready) {plane, above} <= {plane + 1'b1, above + step};
            end
        end else begin : one
            assign ready = out_ready;
            assign out_message = {group_parity, start, entry[31:0], first, last};
        end
    endgenerate
endmodule
