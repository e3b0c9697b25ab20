"""SpikingJelly 0.0.0.0.14: the cases of `spikingjelly.py` in a session that sees that version."""

from .spikingjelly import CASES, VERSION

assert VERSION == "0.0.0.0.14", f"found SpikingJelly {VERSION}; start with its folder first"

__all__ = ["CASES"]
