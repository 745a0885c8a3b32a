"""Tables of a trace, as polars or pandas has them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trace import Trace


def to_frame(trace: Trace, of: str, layer: int | None, head: int | None, min_weight: float) -> Any:
    if of == "heads":
        return _frame(_heads(trace, layer, head))
    if of == "edges":
        return _frame(_edges(trace, layer, head, min_weight))
    raise ValueError(f"there is no table of {of!r}; expected 'heads' or 'edges'")


def _frame(columns: dict[str, Any]) -> Any:
    """Of the libraries that are there the one that is in use already, or else the first."""
    names = ["polars", "pandas"]
    for name in [*(name for name in names if name in sys.modules), *names]:
        try:
            return import_module(name).DataFrame(columns)
        except ModuleNotFoundError:
            continue
    return columns


def _blocks(trace: Trace, layer: int | None) -> list[tuple[int, str, str, int]]:
    """Place, site, part and layer of the blocks asked for."""
    blocks = []
    for place, block in enumerate(trace._native.blocks()):
        *stacks, _, number, kind = block.split(".")  # encoder.blocks.3.attn
        stack = "".join(stacks)
        part = "cross" if kind == "cross_attn" else stack
        if layer is None or int(number) == layer:
            blocks.append((place, block, part, int(number)))
    if not blocks:
        raise IndexError(f"there is no layer {layer}; the trace has {', '.join(trace._native.blocks())}")
    return blocks


def _head_numbers(trace: Trace, block: str, head: int | None) -> list[tuple[int, int]]:
    """Place and own number of the heads asked for."""
    rule = next(rule for rule in trace._metadata["rules"] if rule["site"] == block)
    numbers = trace._metadata.get("heads") or range(rule["query_heads"])
    return [(place, number) for place, number in enumerate(numbers) if head is None or number == head]


def _heads(trace: Trace, layer: int | None, head: int | None) -> dict[str, Any]:
    import numpy

    names, metrics = trace._native.metrics()
    values = numpy.asarray(metrics)  # [metrics, blocks, heads]
    rows = [
        (part, number, own, values[:, place, at])
        for place, block, part, number in _blocks(trace, layer)
        for at, own in _head_numbers(trace, block, head)
    ]
    columns = {
        "part": [row[0] for row in rows],
        "layer": [row[1] for row in rows],
        "head": [row[2] for row in rows],
    }
    return columns | {name: numpy.array([row[3][i] for row in rows]) for i, name in enumerate(names)}


def _edges(trace: Trace, layer: int | None, head: int | None, min_weight: float) -> dict[str, Any]:
    import numpy

    parts: dict[str, list] = {"part": [], "layer": [], "head": [], "query": [], "key": [], "weight": []}
    pieces: tuple[list[str], list[str]] = ([], [])
    for _, block, part, number in _blocks(trace, layer):
        target = trace.target_tokens or trace.tokens
        sides = {"cross": (target, trace.tokens), "decoder": (target, target)}.get(part, (trace.tokens,) * 2)
        for place, own in _head_numbers(trace, block, head):
            weights = numpy.asarray(trace._native.pattern(block, place))
            queries, keys = numpy.nonzero(weights >= min_weight)
            count = len(queries)
            rows: tuple[Any, ...] = (
                [part] * count,
                [number] * count,
                [own] * count,
                queries,
                keys,
                weights[queries, keys],
            )
            for column, values in zip(parts.values(), rows):
                column.extend(values)
            for spelled, side, places in zip(pieces, sides, (queries, keys)):
                spelled.extend(side[i] for i in places)
    weight = numpy.array(parts.pop("weight"), dtype=numpy.float32)
    return {**parts, "query_piece": pieces[0], "key_piece": pieces[1], "weight": weight}
