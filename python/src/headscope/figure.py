"""Pictures that stand still: SVG, for papers and for notebooks that are read without scripts."""

from __future__ import annotations

import os
from typing import Any


class Figure:
    """A head view or a matrix view as SVG: a cell's output, or with :meth:`save` a file."""

    def __init__(self, svg: str, about: str):
        self.svg = svg
        self._about = about

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an SVG file."""
        name, ending = os.path.splitext(os.fspath(path))
        if ending.lower() != ".svg":
            raise ValueError(
                f"cannot write {name}{ending}: figures are written as SVG; name it {name}.svg, which browsers print to PDF"
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"headscope figure: {self._about}"
