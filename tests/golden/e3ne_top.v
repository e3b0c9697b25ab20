// small network for some-board
// Written by e3ne 0.1.0. Streams: AXI4-Stream; manifest.json says what their words mean.
// Define E3NE_PROBES to see every word that every population sends (simulation only).
`default_nettype none
module e3ne_top (
    input  wire clk,
    input  wire rst,  // synchronous, active high
    input  wire [15:0] s_axis_tdata,
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,
    output wire [31:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input  wire m_axis_tready,
    output wire m_axis_tlast,
`ifdef E3NE_PROBES
    output wire [2:0] probe_strobe,
    output wire [35:0] probe_data,
`endif
    output wire error  // sticky: a frame was too short or too long and has been dropped
);
    e3ne_network network (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .s_axis_tlast(s_axis_tlast),
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
        .m_axis_tlast(m_axis_tlast),
`ifdef E3NE_PROBES
        .probe_strobe(probe_strobe),
        .probe_data(probe_data),
`else
        .probe_strobe(),
        .probe_data(),
`endif
        .error(error)
    );
endmodule
`default_nettype wire
