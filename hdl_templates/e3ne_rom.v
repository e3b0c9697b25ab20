// A ROM of DEPTH words of WIDTH bits, read from FILE (hexadecimal, one word a line). The path is
// relative to the folder in which the tool runs: start tools in the build folder. The register
// behind `data` is the reader's, so that synthesis can merge both into a block RAM.
module e3ne_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter FILE = ""
) (
    input  wire [ADDRESS_WIDTH-1:0] address,
    output wire [WIDTH-1:0] data
);
    reg [WIDTH-1:0] contents [0:DEPTH-1];
    generate
        if (FILE != "") begin : load
            initial $readmemh(FILE, contents);
        end
    endgenerate
    assign data = contents[address];
endmodule
