"""Run one tutorial without a browser, in the Python of ``.venv``: say what it does, then show its last table.

The notebook file is left as it is, unless ``--save`` asks to write the outputs into it: then it starts from nothing,
and what differs from day to day (times, folders) is left out. Its questions are answered from ``NBFLOW_ANSWERS``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbclient
import nbformat

ANSWERS = json.dumps(
    {
        "Publish this model?": "approve",
        "Is this model good enough?": "go on",
        "When shall the alarm ring?": {"option": "use this", "threshold": 0.1, "comment": "better one biopsy too many"},
    }
)
STORAGE = ".nbflow-unattended"  # a person who opens the tutorial starts from nothing, and is asked


def main(arguments: list[str]) -> int:
    """Run the notebook that is named; return 0 if every cell ran, else 1 with the failing cell's traceback printed."""
    save = "--save" in arguments
    path = Path(next(word for word in arguments if word != "--save")).resolve()
    os.environ.setdefault("NBFLOW_ANSWERS", ANSWERS)
    os.environ.setdefault("NBFLOW_STORAGE", STORAGE)
    with tempfile.TemporaryDirectory(prefix="nbflow-") as fresh:
        if save:
            os.environ.update(NBFLOW_STORAGE=fresh, NBFLOW_FRONTEND="nbval")  # views show no clock there
        notebook = execute(path)
    if notebook is None:
        return 1
    if save:
        path.write_text(nbformat.writes(tidied(notebook)) + "\n", encoding="utf-8")  # type: ignore[no-untyped-call]
    return 0


def execute(path: Path) -> Any:
    """Run the notebook at ``path``, tell about it, and return it with its outputs; None if a cell failed."""
    print(f"Running {path.name}", flush=True)
    began = time.monotonic()
    notebook: Any = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    folder = {"metadata": {"path": str(path.parent)}}
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources=folder, on_cell_start=say_heading, record_timing=False
    )
    with tempfile.TemporaryFile() as muttered:  # what the kernel says of itself: for the case that it fails
        try:
            client.execute(stderr=muttered)
        except (nbclient.exceptions.CellExecutionError, nbclient.exceptions.DeadKernelError) as error:
            muttered.seek(0)
            print(muttered.read().decode(errors="replace"), error, sep="\n", file=sys.stderr)
            print(f"{path.name} failed. Its checkpoints are kept in {storage_folder(path)}", file=sys.stderr)
            return None
    for text in texts(notebook, tag="final-table"):
        print(f"\n{text}")
    print(f"\nDone in {time.monotonic() - began:.0f} s. The checkpoints are in {storage_folder(path)}")
    return notebook


def say_heading(cell: Any, cell_index: int) -> None:
    """Print a section's heading when its turn comes."""
    if cell.cell_type == "markdown" and cell.source.startswith("## "):
        print(f"  {cell.source.splitlines()[0][3:]} ...", flush=True)


def texts(notebook: Any, tag: str) -> list[str]:
    """Return, as plain text, what the cells with this tag have shown."""
    cells = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    outputs = [output for cell in cells for output in cell.outputs if "data" in output]
    return [output.data["text/plain"] for output in outputs if "text/plain" in output.data]


def tidied(notebook: Any) -> Any:
    """Return the notebook without what another machine would write differently."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined([output for output in cell.outputs if not of_this_place(output)])
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with each stream in one piece; where a print is cut is chance."""
    found: list[Any] = []
    for output in outputs:
        if found and output.output_type == "stream" and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def of_this_place(output: Any) -> bool:
    """Tell whether an output belongs to this call alone: a warning, or where the checkpoints are."""
    return output.get("name") == "stderr" or "nbflow keeps its checkpoints in" in str(output.get("text", ""))


def storage_folder(notebook: Path) -> Path:
    """Return where the notebook's runs are kept."""
    return notebook.parent / os.environ["NBFLOW_STORAGE"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
