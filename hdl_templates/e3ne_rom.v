// A ROM of DEPTH words of WIDTH bits, read from FILE (hexadecimal, one word a line). The path is
// relative to the folder in which the tool runs: start tools in the build folder. The register
// behind `data` is the reader's, so that synthesis can merge both into a block RAM. STYLE: "block"
// or "logic" where it is not the tool's choice.
module e3ne_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter FILE = "",
    parameter STYLE = ""
) (
    input  wire [ADDRESS_WIDTH-1:0] address,
    output wire [WIDTH-1:0] data
);
    /* verilator lint_off WIDTH */  // texts of different lengths are compared
    generate
        if (STYLE == "block") begin : in_block
            (* rom_style = "block" *) reg [WIDTH-1:0] contents [0:DEPTH-1];
            if (FILE != "") initial $readmemh(FILE, contents);
            assign data = contents[address];
        end else if (STYLE == "logic") begin : in_logic
            (* rom_style = "logic" *) reg [WIDTH-1:0] contents [0:DEPTH-1];
            if (FILE != "") initial $readmemh(FILE, contents);
            assign data = contents[address];
        end else begin : anywhere
            reg [WIDTH-1:0] contents [0:DEPTH-1];
            if (FILE != "") initial $readmemh(FILE, contents);
            assign data = contents[address];
        end
    endgenerate
    /* verilator lint_on WIDTH */
endmodule
