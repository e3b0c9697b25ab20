"""Runs the cocotb bench of this build on Icarus Verilog: `python run_icarus.py`.

Options: --vectors FOLDER (golden vectors), --results FOLDER (what came out), --stalls SEED
(0: no pauses), --isolated (one frame at a time), --record (compare nothing).
"""

import argparse
from pathlib import Path

from cocotb_tools.runner import get_results, get_runner


def main() -> None:
    """Compiles e3ne_top, runs the bench, and exits with 1 where a word differs."""
    sim = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, default=sim / "vectors")
    parser.add_argument("--results", type=Path, default=sim / "icarus")
    parser.add_argument("--stalls", type=int, default=1)
    parser.add_argument("--sources", type=Path, nargs="+", help="instead of rtl/: a netlist")
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("--record", action="store_true", help="record only, compare nothing")
    options = parser.parse_args()
    results = options.results.resolve()
    results.mkdir(parents=True, exist_ok=True)
    runner = get_runner("icarus")
    runner.build(
        sources=[file.resolve() for file in options.sources or ()]
        or sorted((sim.parent / "rtl").glob("*.v")),
        hdl_toplevel="e3ne_top",
        defines={"E3NE_PROBES": 1},
        build_dir=results / "compiled",
        timescale=("1ns", "1ps"),
    )
    report = runner.test(
        hdl_toplevel="e3ne_top",
        test_module="e3ne_bench",
        build_dir=results / "compiled",
        test_dir=sim.parent,
        results_xml=str(results / "results.xml"),
        extra_env={"PYTHONPATH": str(sim)},
        plusargs=[
            f"+vectors={options.vectors.resolve()}",
            f"+results={results}",
            f"+stalls={options.stalls}",
            f"+isolated={int(options.isolated)}",
            f"+record={int(options.record)}",
        ],
    )
    tests, failures = get_results(report)
    raise SystemExit(1 if failures or not tests else 0)


if __name__ == "__main__":
    main()
