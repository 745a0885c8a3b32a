"""A view that is joined to the kernel: what is pinned on one side is pinned on the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import _headscope
from .trace import Trace

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "a view joined to the kernel needs anywidget: pip install 'headscope[widget]'"
    ) from error


class Widget(anywidget.AnyWidget):
    """The workbench as a widget. Without the kernel that made it, it shows nothing: :meth:`Trace.view` does.

    `focus` has the view, the layer and head in front, and the tokens pinned as query and key, by their places; a
    layer's place is that among the layers shown. Setting it moves the view, and `observe` tells of changes.
    """

    _esm = _headscope.SCRIPT
    overview = traitlets.Bytes().tag(sync=True)
    editable = traitlets.Bool(False).tag(sync=True)
    focus = traitlets.Dict().tag(sync=True)

    def __init__(self, trace: Trace, view: str = "head"):
        self.trace = trace
        super().__init__(overview=trace._native.overview(), focus={"view": view})
        self.on_msg(self._answer)

    def look(self, **focus: Any) -> None:
        """Changes some of the focus: ``w.look(layer=1, head=11, query=2)``."""
        self.focus = {**self.focus, **focus}

    @property
    def selected_edges(self) -> list[tuple[int, int, float]]:
        """Query, key and weight of what is pinned in the head in front: a pair, or all edges of a token."""
        query, key = self.focus.get("query"), self.focus.get("key")
        if (query is None and key is None) or "layer" not in self.focus:
            return []
        weights = self._pattern(self.focus["layer"], self.focus["head"])
        queries = range(weights.shape[0]) if query is None else [query]
        keys = range(weights.shape[1]) if key is None else [key]
        return [(q, k, float(weights[q, k])) for q in queries for k in keys]

    def _pattern(self, place: int, head: int) -> Any:
        import numpy

        return numpy.asarray(self.trace._native.pattern(self.trace._native.blocks()[place], head))

    def _answer(self, _: Any, asked: dict[str, Any], buffers: list[Any]) -> None:
        """What the page asks for: a head's weights, or what its scores are made of."""
        names = ("kind", "layer", "head", "request")
        answer: dict[str, Any] = {name: asked[name] for name in names if name in asked}
        try:
            if asked["kind"] == "pattern":
                self.send(answer, [self._pattern(asked["layer"], asked["head"]).tobytes()])
            elif asked["kind"] == "vectors":
                vectors = dict(_tensors(self.trace._native.vectors(asked["layer"], asked["head"])))
                self.send({**answer, "names": list(vectors)}, list(vectors.values()))
        except Exception as error:  # the page says it; a kernel's log is read by nobody
            help = "Run the cell that made this view again."
            problem: dict[str, Any] = {
                "request": asked.get("request", 0),
                "message": str(error),
                "help": help,
            }
            self.send({"kind": "error", **problem})


def _tensors(container: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and numbers in a safetensors file."""
    body = 8 + int.from_bytes(container[:8], "little")
    for name, entry in json.loads(container[8:body]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield name, container[body + start : body + end]
