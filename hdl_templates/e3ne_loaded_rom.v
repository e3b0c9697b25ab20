// A memory of DEPTH words of WIDTH bits without contents of its own: written after each reset, then
// only read. One port: with `enable` a clock edge writes `write_data` where `write` is high, else
// reads into `data`, which keeps its value otherwise. With E3NE_SPRAM defined Yosys makes it of large
// RAMs (SB_SPRAM256KA: 16 bits of 16,384 words each, side by side and one after the other).
module e3ne_loaded_rom #(
    parameter WIDTH = 16,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1
) (
    input  wire clk,
    input  wire [ADDRESS_WIDTH-1:0] address,
    input  wire enable,
    input  wire write,
    input  wire [WIDTH-1:0] write_data,
    output reg  [WIDTH-1:0] data
);
`ifdef E3NE_SPRAM
    (* ram_style = "huge" *)
`else
    (* ram_style = "block" *)
`endif
    reg [WIDTH-1:0] contents [0:DEPTH-1];
    always @(posedge clk)
        if (enable) begin
            if (write) contents[address] <= write_data;
            else data <= contents[address];
        end
endmodule
