"""What a model computed on one text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import _headscope
from ._frame import to_frame

if TYPE_CHECKING:
    import numpy

    from .figure import Figure
    from .views import View
    from .widget import Widget


def open(path: str | os.PathLike[str]) -> Trace:
    """Reads a trace that :meth:`Trace.save` or `headscope trace` wrote."""
    os.stat(path)  # what is not there is a FileNotFoundError, as everywhere in Python
    return Trace(_headscope.Trace.open(path))


class Trace:
    """What a model computed on one text, by layer and head.

    Arrays are numpy's, 32-bit, read-only, and share the trace's memory where it was recorded.
    """

    def __init__(self, native: _headscope.Trace):
        self._native = native

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        metadata = self._native.metadata()
        return {key: json.loads(value) for key, value in metadata.items() if key != "format"}

    @property
    def model(self) -> dict[str, Any]:
        """Which model computed it, and how: id, family, dtype, kernel."""
        return self._metadata["card"]

    @property
    def encoding(self) -> dict[str, Any]:
        """The text and its tokens with ids, spans, segments and masks."""
        return self._metadata["encoding"]

    @property
    def tokens(self) -> list[str]:
        """The text's tokens, as the vocabulary spells them."""
        return [token["piece"] for token in self.encoding["tokens"]]

    @property
    def target_tokens(self) -> list[str] | None:
        """Those that the decoder of an encoder-decoder read."""
        target = self._metadata.get("target")
        return target and [token["piece"] for token in target["tokens"]]

    @property
    def attention(self) -> Layers:
        """Every head's weights: ``t.attention[3, 5]`` is ``[queries, keys]`` of layer 3, head 5."""
        return self._self_attention("attention", "pattern")

    @property
    def encoder_attention(self) -> Layers:
        """Weights of the encoder's tokens to each other."""
        return self._layers("encoder", False, "pattern", "encoder_attention")

    @property
    def decoder_attention(self) -> Layers:
        """Weights of the decoder's tokens to each other."""
        return self._layers("decoder", False, "pattern", "decoder_attention")

    @property
    def cross_attention(self) -> Layers:
        """Weights of the decoder's tokens to the encoder's."""
        return self._layers("decoder", True, "pattern", "cross_attention")

    @property
    def q(self) -> Layers:
        """Queries as they meet keys, after rotary: ``t.q[3, 5]`` is ``[tokens, d_head]``."""
        return self._self_attention("q", "q")

    @property
    def k(self) -> Layers:
        """Keys as they meet queries; heads that share keys have one here."""
        return self._self_attention("k", "k")

    @property
    def v(self) -> Layers:
        """Values; heads that share them have one here."""
        return self._self_attention("v", "v")

    @property
    def hidden(self) -> list[numpy.ndarray]:
        """What enters each block, ``[tokens, width]``, and what leaves the last: transformers' ``hidden_states``."""
        sites = [site for site in self.sites if re.fullmatch(r"blocks\.\d+\.resid_pre|last_hidden", site)]
        if not sites:
            raise self._missing("hidden states", ["blocks.*.resid_pre", "last_hidden"])
        return [self[site] for site in sites]

    @property
    def logits(self) -> numpy.ndarray:
        """Scores over the vocabulary, ``[tokens, vocabulary]``, of a model that has them."""
        found = [site for site in self.sites if site.endswith("logits")]
        if not found:
            raise self._missing("logits", ["logits"])
        return self[found[0]]

    @property
    def sites(self) -> list[str]:
        """The names of all that was recorded, as in TransformerLens: ``blocks.3.attn.pattern``."""
        return self._native.sites()

    def __getitem__(self, site: str) -> numpy.ndarray:
        """The value recorded at a site."""
        value = self._native.value(site)
        if value is None:
            raise KeyError(f"nothing was recorded at {site!r}; the trace has {', '.join(self.sites)}")
        return _numpy(value)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file, whole or not at all."""
        self._native.save(path)

    def view(
        self,
        view: str = "head",
        *,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        part: str | None = None,
        theme: str | None = None,
        height: int = 640,
    ) -> View:
        """The workbench: shown when it is a cell's value, and by :meth:`View.save` a page.

        `view` is the one to begin with: head, matrix, text, neuron, model or tokens. Without `layer` and `heads` the
        head is shown first whose rows are sharpest. `part` is encoder, decoder or cross, where there are two stacks;
        `theme` light or dark, or else the notebook's.
        """
        from .views import View

        return View(self, view=view, layer=layer, heads=_listed(heads), part=part, theme=theme, height=height)

    def figure(
        self,
        view: str = "head",
        *,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        part: str | None = None,
        token: int | None = None,
        theme: str = "light",
    ) -> Figure:
        """A picture that stands still, as SVG: shown when it is a cell's value, and by :meth:`Figure.save` a file.

        `view` is head (curves, up to 256 tokens a side) or matrix (cells; of long texts each the largest of many
        weights), of up to 16 heads of one `layer`; without `layer` and `heads` of the head whose rows are sharpest.
        `part` is encoder, decoder or cross, where there are two stacks. `token` is the place of a query whose weights
        are strong while the others are faint; `theme` light or dark.
        """
        from .figure import Figure

        if theme not in ("light", "dark"):
            raise ValueError(f"there is no theme {theme!r}; expected 'light' or 'dark'")
        svg = self._native.figure(view, part, layer, _listed(heads), token, theme == "dark")
        return Figure(svg, f"{view} view of {self!r}")

    def widget(self, view: str = "head") -> Widget:
        """The same view joined to this kernel, which knows what is pinned; needs `pip install headscope[widget]`."""
        from .widget import Widget

        return Widget(self, view)

    def to_frame(
        self,
        of: str = "heads",
        *,
        layer: int | None = None,
        head: int | None = None,
        min_weight: float = 0.01,
    ) -> Any:
        """A table as polars or pandas has it, whichever is there; without either a dictionary of columns.

        ``"heads"``: one row for each head, with its metrics. ``"edges"``: one row for each weight from `min_weight`
        on, of one layer or head, or of all.
        """
        return to_frame(self, of, layer, head, min_weight)

    def _self_attention(self, name: str, point: str) -> Layers:
        if any(block.startswith(("encoder.", "decoder.")) for block in self._native.blocks()):
            parts = "encoder_attention, decoder_attention or cross_attention"
            instead = (
                parts if name == "attention" else f"t['encoder.blocks.0.attn.{point}'] and its neighbours"
            )
            raise AttributeError(f"the model has two stacks; use {instead}")
        return self._layers("", False, point, name)

    def _layers(self, stack: str, cross: bool, point: str, name: str) -> Layers:
        prefix = re.escape(f"{stack}.") if stack else ""
        block = re.compile(rf"{prefix}blocks\.(\d+)\.{'cross_attn' if cross else 'attn'}")
        end = f".{point}"
        recorded = [site.removesuffix(end) for site in self.sites if site.endswith(end)]
        names = self._native.blocks() if point == "pattern" else recorded
        found = {int(match[1]): name for name in names if (match := block.fullmatch(name))}
        if not found:
            raise self._missing(name, [f"*attn.{point}"])
        return Layers(self, found, point)

    def _missing(self, what: str, sites: list[str]) -> AttributeError:
        recorded = ", ".join(self.sites[:6]) + (", …" if len(self.sites) > 6 else "")
        return AttributeError(
            f"the trace has no {what}; it has {recorded or 'nothing'}. Record it: sites={','.join(sites)!r}"
        )

    def __repr__(self) -> str:
        blocks = self._native.blocks()
        target = f" and {len(self.target_tokens)} of the target" if self.target_tokens else ""
        return (
            f"Trace of {len(self.tokens)} tokens{target}, {self.model['id']}, {len(blocks)} attention blocks"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**self.view()._repr_mimebundle_(), "text/plain": repr(self)}


class Layers:
    """Values of every layer and head, fetched or computed when they are asked for.

    ``a[3, 5]`` is one head's array, ``a[3]`` one layer's, ``a[3, 5, 2]`` one row; ``numpy.asarray(a)`` is all of it.
    """

    def __init__(self, trace: Trace, blocks: dict[int, str], point: str):
        self._trace = trace
        self._blocks = blocks
        self._point = point

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def layers(self) -> list[int]:
        """The numbers of the layers that were recorded."""
        return list(self._blocks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of it, if every layer is alike: ``[layers, heads, tokens, tokens or d_head]``."""
        return (len(self), *self._layer_shape(self.layers[0]))

    def __getitem__(self, key: Any) -> numpy.ndarray:
        layer, *rest = key if isinstance(key, tuple) else (key,)
        if not hasattr(layer, "__index__"):
            return self.__array__()[key]
        number = self._number(layer)
        if rest and hasattr(rest[0], "__index__"):
            head, *inside = rest
            return self._head(number, int(head))[tuple(inside)]
        return self._layer(number)[tuple(rest)]

    def __iter__(self) -> Iterator[numpy.ndarray]:
        return (self._layer(number) for number in self.layers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray:
        import numpy

        if copy is False:
            raise ValueError("all layers in one array take a copy; ask for one head: a[layer, head]")
        return numpy.stack(list(self)).astype(dtype or numpy.float32, copy=False)

    def __repr__(self) -> str:
        return f"{self._point} of {len(self)} layers, {list(self._layer_shape(self.layers[0]))} each"

    def _number(self, layer: Any) -> int:
        number = int(layer)
        number = self.layers[number] if number < 0 and -number <= len(self) else number
        if number not in self._blocks:
            raise IndexError(f"there is no layer {layer}; the trace has {', '.join(map(str, self.layers))}")
        return number

    def _recorded(self, layer: int) -> numpy.ndarray | None:
        value = self._trace._native.value(f"{self._blocks[layer]}.{self._point}")
        return None if value is None else _numpy(value)

    def _rule(self, layer: int) -> dict[str, Any]:
        return next(rule for rule in self._trace._metadata["rules"] if rule["site"] == self._blocks[layer])

    def _layer_shape(self, layer: int) -> tuple[int, ...]:
        recorded = self._recorded(layer)
        if recorded is not None:
            return recorded.shape
        return (self._rule(layer)["query_heads"], *self._head(layer, 0).shape)

    def _layer(self, layer: int) -> numpy.ndarray:
        import numpy

        recorded = self._recorded(layer)
        if recorded is not None:
            return recorded
        return numpy.stack([self._head(layer, head) for head in range(self._rule(layer)["query_heads"])])

    def _head(self, layer: int, head: int) -> numpy.ndarray:
        recorded = self._recorded(layer)
        heads = self._rule(layer)["query_heads"] if recorded is None else len(recorded)
        if not -heads <= head < heads:
            raise IndexError(f"there is no head {head}; layer {layer} has heads 0 to {heads - 1}")
        if recorded is not None:
            return recorded[head]
        computed = self._trace._native.pattern(self._blocks[layer], head % heads)
        assert computed is not None, "blocks() names those whose patterns are known"
        return _numpy(computed)


def _listed(heads: int | Sequence[int] | None) -> list[int]:
    return [] if heads is None else [heads] if isinstance(heads, int) else list(heads)


def _numpy(value: _headscope.Array) -> numpy.ndarray:
    import numpy

    return numpy.asarray(value)
