"""cocotb bench of e3ne_top: golden vectors in, every word of every node compared.

`python run_icarus.py` beside this file runs it. Random pauses on both sides, from a seed.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from stream_driver import StreamDriver, Vectors


@cocotb.test()
async def every_word_equals_the_golden_vectors(dut):
    """Streams all frames in; compares what each node and the output send, word by word."""
    vectors = Vectors.read(cocotb.plusargs["vectors"])
    driver = StreamDriver(
        vectors.beats,
        vectors.frames,
        vectors.probes,
        stall_seed=int(cocotb.plusargs["stalls"]),
        isolated=bool(int(cocotb.plusargs["isolated"])),
    )
    dut.rst.value = 1
    dut.s_axis_tvalid.value = 0
    dut.s_axis_tdata.value = 0
    dut.s_axis_tlast.value = 0
    dut.m_axis_tready.value = 0
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    while not driver.done:
        inputs = driver.inputs()
        dut.s_axis_tvalid.value = inputs.s_axis_tvalid
        dut.s_axis_tdata.value = inputs.s_axis_tdata
        dut.s_axis_tlast.value = inputs.s_axis_tlast
        dut.m_axis_tready.value = inputs.m_axis_tready
        await FallingEdge(dut.clk)
        driver.sample(
            s_axis_tready=dut.s_axis_tready.value == 1,
            m_axis_tvalid=dut.m_axis_tvalid.value == 1,
            m_axis_tdata=lambda: dut.m_axis_tdata.value.to_unsigned(),
            m_axis_tlast=lambda: dut.m_axis_tlast.value == 1,
            probe_strobe=dut.probe_strobe.value.to_unsigned(),
            probe_bits=lambda: str(dut.probe_data.value),
        )
        await RisingEdge(dut.clk)
    driver.write(cocotb.plusargs["results"], error=dut.error.value == 1)
    if int(cocotb.plusargs["record"]):
        return
    assert not driver.timed_out, "nothing moves any more"
    assert dut.error.value == 0, "error is raised"
    problems = vectors.differences(driver)
    assert not problems, "\n".join(problems[:10])
