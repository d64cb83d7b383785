// CRC-32 (reflected 0xEDB88320, as zlib.crc32 before its final inversion) over BITS bits at once, the lowest first.
module crc32 #(
    parameter BITS = 8
) (
    input  wire [31:0]     crc,
    input  wire [BITS-1:0] data,
    output reg  [31:0]     next
);
    integer i;
    always @* begin
        next = crc;
        for (i = 0; i < BITS; i = i + 1)
            next = (next >> 1) ^ ({32{next[0] ^ data[i]}} & 32'hEDB88320);
    end
endmodule
