"""How far a download is, in a notebook: one output that is kept up to date. A terminal has the command's own bar."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import Any

#: Told what was said last and, while a file is on its way, its name, how many bytes are there, and of how many.
Show = Callable[[str, "str | None", int, "int | None"], None]


def in_notebook() -> Show | None:
    """What shows a download where this runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    output: list[Any] = []

    def show(said: str, file: str | None, done: int, size: int | None) -> None:
        bundle = _bundle(said, file, done, size)
        if output:
            output[0].update(bundle, raw=True)
        else:
            from IPython.display import display

            output.append(display(bundle, raw=True, display_id=True))

    return show


def _bundle(said: str, file: str | None, done: int, size: int | None) -> dict[str, str]:
    if file is None:
        return {"text/html": html.escape(said), "text/plain": said}
    of_all = "" if size is None else f" of {_megabytes(size)}"
    line = f"{file}: {_megabytes(done)}{of_all}"
    span = "" if size is None else f' value="{done}" max="{size}"'
    return {"text/html": f"<progress{span}></progress> {html.escape(line)}", "text/plain": line}


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
