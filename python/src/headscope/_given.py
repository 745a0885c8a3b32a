"""Attention as people have it, made into one array for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._arrays import dtype_of, to_floats

if TYPE_CHECKING:
    import numpy

_EAGER = """\
Load the model so that it computes attention step by step, and ask for the weights:
    model = AutoModel.from_pretrained(name, attn_implementation="eager")
    outputs = model(**inputs, output_attentions=True)
or leave the model as it is, and let headscope watch its queries and keys:
    headscope.capture(model, tokenizer=tokenizer, **inputs).view()"""

_OUTPUTS = (
    "In transformers 5, outputs[-1] is no longer the attentions: give outputs.attentions, or outputs itself."
)

#: Weights may be off by rounding, in bfloat16 too.
_ROUNDING = 0.02


class Layers:
    """Patterns by the number of their layer, each `[heads, queries, keys]`."""

    def __init__(self, patterns: dict[int, numpy.ndarray], dtype: str):
        self.patterns = patterns
        self.dtype = dtype

    @property
    def sides(self) -> tuple[int, int]:
        """The number of queries and of keys."""
        _, queries, keys = next(iter(self.patterns.values())).shape
        return queries, keys

    def only(self, layers: Sequence[int] | None, heads: Sequence[int] | None) -> Layers:
        """Some of the layers, and of each some of the heads."""
        kept = self.patterns
        if layers is not None:
            kept = {layer: kept[layer] for layer in layers if layer in kept}
        if heads is not None:
            kept = {layer: pattern[list(heads)] for layer, pattern in kept.items()}
        return Layers(kept, self.dtype)


def find(outputs: Any, name: str) -> Any:
    """What a model's output, an object or a dictionary, has under a name."""
    return outputs.get(name) if isinstance(outputs, dict) else getattr(outputs, name, None)


def is_output(given: Any) -> bool:
    """Whether `given` is all that a model put out, rather than its attention."""
    names = ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions")
    return not hasattr(given, "shape") and any(
        name in given if isinstance(given, dict) else hasattr(given, name) for name in names
    )


def read_layers(given: Any, what: str, batch: int | None, *, cross: bool = False) -> Layers:
    """The patterns of one text.

    `given` has a tensor for each layer, `[batch, heads, queries, keys]` or without the first axis, or is one tensor
    of them all; or it has for each step of `generate()` a tensor for each layer.
    """
    if given is None:
        raise ValueError(f"{what} is None: the model was not asked for it.\n{_EAGER}")
    if hasattr(given, "shape"):
        if len(given.shape) not in (4, 5):
            raise ValueError(
                f"{what} is one tensor of shape {list(given.shape)}; expected one for each layer, "
                f"[batch, heads, queries, keys].\n{_OUTPUTS}"
            )
        given = list(given)
    if not isinstance(given, (tuple, list)):
        raise TypeError(
            f"{what} is a {type(given).__name__}; expected a tensor for each layer, "
            f"[batch, heads, queries, keys].\n{_OUTPUTS}"
        )
    if all(layer is None or (isinstance(layer, (tuple, list)) and not layer) for layer in given):
        raise ValueError(f"{what} is empty: sdpa and flash attention never form the weights.\n{_EAGER}")
    if isinstance(given[0], (tuple, list)) and hasattr(given[0][0], "shape"):
        given = [_Steps([step[layer] for step in given], cross) for layer in range(len(given[0]))]
    patterns, dtype = {}, ""
    for number, layer in enumerate(given):
        if layer is None:
            continue  # a layer that does not attend
        pieces = layer.steps if isinstance(layer, _Steps) else [layer]
        dtype = dtype_of(pieces[0])
        texts = [_one_text(piece, f"{what}, layer {number}", batch) for piece in pieces]
        patterns[number] = layer.stitch(texts) if isinstance(layer, _Steps) else texts[0]
        _check_weights(patterns[number], f"{what}, layer {number}")
    return Layers(patterns, dtype)


class _Steps:
    """One layer of what `generate()` returns: first the prompt, then a row for each token it wrote."""

    def __init__(self, steps: list, cross: bool):
        self.steps = steps
        self.cross = cross

    def stitch(self, steps: list[numpy.ndarray]) -> numpy.ndarray:
        """One matrix of all steps: without `cross` each sees the keys up to its own."""
        import numpy

        if self.cross:
            return numpy.concatenate(steps, axis=1)
        heads, tokens = steps[0].shape[0], sum(step.shape[1] for step in steps)
        whole = numpy.zeros((heads, tokens, tokens), numpy.float32)
        end = 0
        for step in steps:
            start, end = end, end + step.shape[1]
            keys = step[:, :, :end]  # a static cache has room for what is not written yet
            first = end - keys.shape[2]  # a cache with a window has dropped those before
            whole[:, start:end, first:end] = keys
        return whole


def _one_text(layer: Any, what: str, batch: int | None) -> numpy.ndarray:
    """`[heads, queries, keys]` of one text of a batch."""
    shape = list(getattr(layer, "shape", ()))
    if len(shape) == 4:
        if batch is None and shape[0] != 1:
            raise ValueError(f"{what} is of {shape[0]} texts; say which one to show: batch=0")
        if batch is not None and not -shape[0] <= batch < shape[0]:
            raise IndexError(f"there is no text {batch} in the batch; it has {shape[0]}")
        layer = layer[batch or 0]
    elif len(shape) != 3:
        raise ValueError(f"{what} has shape {shape}; expected [batch, heads, queries, keys].\n{_OUTPUTS}")
    return to_floats(layer)


def _check_weights(pattern: numpy.ndarray, what: str) -> None:
    if pattern.size == 0:
        raise ValueError(f"{what} has shape {list(pattern.shape)}, which holds no weight")
    low, high = float(pattern.min()), float(pattern.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # so that NaN is caught too
        raise ValueError(
            f"{what} has values from {low:.3g} to {high:.3g}; expected weights after softmax, from 0 to 1.\n{_OUTPUTS}"
        )
