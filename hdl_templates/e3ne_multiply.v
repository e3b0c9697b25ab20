// An unsigned product that belongs into a multiplier of the part. Synthesis maps every instance to
// one (e3ne/toolchain/yosys.py); to a simulator, and to other tools, it is a plain product.
module e3ne_multiply #(
    parameter A_WIDTH = 1,
    parameter B_WIDTH = 1
) (
    input  wire [A_WIDTH-1:0] a,
    input  wire [B_WIDTH-1:0] b,
    output wire [A_WIDTH+B_WIDTH-1:0] product
);
    assign product = a * b;
endmodule
