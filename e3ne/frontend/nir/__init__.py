"""Networks in the Neuromorphic Intermediate Representation (NIR), both ways.

`read_nir` needs h5py (the extra `nir`), neither torch nor the package `nir`.
"""

from .conventions import CONVENTIONS, RESETS
from .read import read_nir
from .write import write_nir

__all__ = ["CONVENTIONS", "RESETS", "read_nir", "write_nir"]
