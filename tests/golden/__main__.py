"""``python3 -m tests.golden make`` makes the folders of this version anew, in one archive. Do that before a release.

Do it with each Python that there is: what one stored, the others must open, too. Only cloudpickle has to be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nbflow as nf
from nbflow.storage.folder import FolderStorage
from tests.golden import programs

ROOT = Path(__file__).resolve().parents[2]
NEUTRAL = Path(tempfile.gettempdir(), "nbflow-golden")
"""Where the code is while it makes the runs: they hold the names of its files, which are not to be a person's."""


def make() -> None:
    """Pack the folders in a process that has the code in a neutral place."""
    name = f"{nf.__version__}-py{sys.version_info[0]}.{sys.version_info[1]}.tar.xz"
    archive = Path(__file__).parent / name
    shutil.rmtree(NEUTRAL, ignore_errors=True)
    for package in ("nbflow", "tests"):
        shutil.copytree(ROOT / package, NEUTRAL / package, ignore=shutil.ignore_patterns("__pycache__", "*.tar.xz"))
    path = os.pathsep.join([str(NEUTRAL), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "NBFLOW_SIGNING_KEY": programs.KEY}
    command = [sys.executable, "-m", "tests.golden", "pack", str(archive)]
    subprocess.run(command, cwd=NEUTRAL, env=environment, check=True)
    shutil.rmtree(NEUTRAL)
    print(f"{name}: {archive.stat().st_size} bytes")


def pack(archive: str) -> None:
    """Make both folders, plain and signed, and pack them."""
    with tempfile.TemporaryDirectory() as place:
        for name, sign in (("plain", False), ("signed", True)):
            nf.init(storage=FolderStorage(Path(place, name), sign=sign))
            programs.make()
            nf.shutdown()
        with tarfile.open(archive, "w:xz") as packed:
            for name in ("plain", "signed"):
                packed.add(Path(place, name), name, filter=nobodys)


def nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose file it is."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make()
    elif sys.argv[1:2] == ["pack"]:
        pack(sys.argv[2])
    else:
        sys.exit(__doc__)
