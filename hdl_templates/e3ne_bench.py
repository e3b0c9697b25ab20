"""cocotb bench of e3ne_top: golden vectors in, every word of every node compared.

`python run_icarus.py` beside this file runs it. Random pauses on all ports, from a seed.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from stream_driver import StreamDriver, Vectors


def unsigned(found):
    """A port as a number; one bit may be a scalar in a netlist."""
    return found.to_unsigned() if hasattr(found, "to_unsigned") else int(found)


@cocotb.test()
async def every_word_equals_the_golden_vectors(dut):
    """Streams all frames in; compares what each node and each output send, word by word."""
    vectors = Vectors.read(cocotb.plusargs["vectors"])
    driver = StreamDriver(
        vectors.beats,
        list(vectors.out_beats),
        vectors.frames,
        vectors.probes,
        stall_seed=int(cocotb.plusargs["stalls"]),
        isolated=bool(int(cocotb.plusargs["isolated"])),
        weights=vectors.weights,
    )

    def value(name):
        found = getattr(dut, name).value
        return unsigned(found) if name.endswith("_tdata") else int(found == 1)

    dut.rst.value = 1
    for port in (*vectors.beats, *vectors.weights):
        for signal in ("tvalid", "tdata", "tlast"):
            getattr(dut, f"{port}_{signal}").value = 0
    for port in vectors.out_beats:
        getattr(dut, f"{port}_tready").value = 0
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    while not driver.done:
        for name, driven in driver.inputs().items():
            getattr(dut, name).value = driven
        await FallingEdge(dut.clk)
        driver.sample(value, unsigned(dut.probe_strobe.value), lambda: str(dut.probe_data.value))
        await RisingEdge(dut.clk)
    driver.write(cocotb.plusargs["results"], error=dut.error.value == 1)
    if int(cocotb.plusargs["record"]):
        return
    assert not driver.timed_out, "nothing moves any more"
    assert dut.error.value == 0, "error is raised"
    problems = vectors.differences(driver)
    assert not problems, "\n".join(problems[:10])
