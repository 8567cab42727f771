"""Make the kernels of ``kernels.py`` known to the tests of this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kernels import kernel  # noqa: F401  (a fixture)
