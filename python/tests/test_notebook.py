"""The lesson runs from top to bottom, and its outputs are there to be read."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

LESSON = Path(__file__).parents[2] / "notebooks" / "attention.ipynb"


def texts(notebook) -> list[str]:
    """What the cells printed, and what stands for what they showed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.get("text") or output["data"]["text/plain"] for output in outputs]


def test_the_lesson_runs(tmp_path):
    committed = nbformat.read(LESSON, as_version=4)
    notebook = nbformat.read(LESSON, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert texts(notebook) == texts(committed), (
        "the outputs in notebooks/attention.ipynb are of another version"
    )
    frames = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert sum("headscope-frame" in output["data"].get("text/html", "") for output in frames) == 2
    assert sum("image/svg+xml" in output["data"] for output in frames) == 1
