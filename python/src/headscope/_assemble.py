"""Traces made in Python: the metadata and the tensors that a trace's file has."""

from __future__ import annotations

import json
from typing import Any

from . import _headscope
from ._arrays import to_floats
from .trace import Trace


def rule(
    heads: int,
    *,
    key_heads: int | None = None,
    scale: float = 1.0,
    mask: Any = "full",
    soft_cap: float | None = None,
    sink: list[float] | None = None,
) -> dict[str, Any]:
    """How a layer turns queries and keys into weights."""
    return {
        "scale": scale,
        "mask": mask,
        "soft_cap": soft_cap,
        "sink": sink,
        "query_heads": heads,
        "key_heads": key_heads or heads,
    }


def assemble(
    *,
    model: str,
    family: str,
    dtype: str,
    kernel: str,
    encoding: dict[str, Any],
    target: dict[str, Any] | None,
    rules: dict[str, dict[str, Any]],
    tensors: dict[str, Any],
    heads: list[int] | None = None,
) -> Trace:
    """A trace of blocks with their rules and of values by the names of their sites."""
    card = {
        "id": model,
        "hash": "",
        "family": family,
        "dtype": dtype,
        "revision": None,
        "kernel": kernel,
        "row_sum_error": None,
    }
    metadata = {
        "format": "headscope-trace/1",
        "card": json.dumps(card),
        "encoding": json.dumps(encoding),
        "rules": json.dumps([{"site": block, **rule} for block, rule in rules.items()]),
    }
    if target is not None:
        metadata["target"] = json.dumps(target)
    if heads is not None:
        metadata["heads"] = json.dumps(heads)
    return Trace(_headscope.Trace.assemble(metadata, (_as_bytes(*one) for one in tensors.items())))


def _as_bytes(name: str, numbers: Any) -> tuple[str, tuple[int, ...], bytes]:
    values = to_floats(numbers).astype("<f4", copy=False)
    return name, values.shape, values.tobytes()
