// Words as they come to the external memory, upwards.
module capture #(
    parameter AW = 21
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          set,        // from now on to `from`
    input  wire [AW-1:0] from,
    input  wire          valid,
    output wire          ready,
    input  wire [31:0]   word,
    output reg           write,
    input  wire          written,
    output reg  [AW-1:0] at,
    output reg  [31:0]   data
);
    assign ready = !write || written;

    always @(posedge clk) begin
        if (ready) data <= word;
        if (set) at <= from;
        else if (write && written) at <= at + 1'b1;
        write <= !rst && (ready ? valid : write);
    end
endmodule
