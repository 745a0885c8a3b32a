"""Views: bertviz's three functions, and what a cell shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _given
from ._pieces import check_pieces, encoding_of
from .figure import Figure
from .trace import Trace


class View:
    """The workbench on a trace: a cell's output, or with :meth:`save` a page.

    In a notebook it is a frame without access to the notebook or the network, which stays when the notebook is saved.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        view: str,
        layer: int | None,
        heads: list[int],
        part: str | None,
        theme: str | None,
        height: int,
    ):
        views = ("head", "matrix", "text", "neuron", "model", "tokens")
        if view not in views:
            raise ValueError(f"there is no view {view!r}; expected one of {', '.join(views)}")
        if theme not in (None, "light", "dark"):
            raise ValueError(f"there is no theme {theme!r}; expected 'light', 'dark' or None")
        self.trace = trace
        self._focus: dict[str, Any] = {
            "view": view,
            "part": part,
            "layer": layer,
            "heads": heads,
            "theme": theme,
        }
        self._height = height
        self._html: str | None = None

    @property
    def data(self) -> str:
        """The frame that a notebook shows, as HTML."""
        if self._html is None:
            self._html = self.trace._native.page(**self._focus, height=self._height)
        return self._html

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a page that works from a file, without a network."""
        page = self.trace._native.page(**self._focus)
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)

    def figure(self, *, token: int | None = None, theme: str | None = None) -> Figure:
        """What it begins with as a picture that stands still; of a head or a matrix view."""
        focus = {**self._focus, "theme": theme or self._focus["theme"] or "light"}
        return self.trace.figure(**focus, token=token)

    def _repr_html_(self) -> str:
        return self.data

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.data, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"headscope {self._focus['view']} view: {self.trace!r}"


def head_view(
    attention: Any = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    include_layers: Sequence[int] | None = None,
    html_action: str = "view",
    *,
    batch: int | None = None,
) -> View | None:
    """Shows what every token attends to, with bertviz's arguments.

    `attention` is what transformers returns as `attentions`: a tensor for each layer, of torch, numpy or what speaks
    DLPack; also what `generate()` returns, or a model's whole output, which brings the attention of both stacks of
    an encoder-decoder. `tokens` are its tokens; from `sentence_b_start` on they are the second sentence.

    `layer` and `heads` are drawn first; of a `layer` alone all heads, and without either the head with the
    sharpest rows. Layers count from 0 in each stack. Of a batch, `batch` says which text is meant. With
    `html_action="return"` the view is returned rather than shown: `view.data` is its HTML.
    """
    trace = _trace_of(
        attention,
        _of_two(encoder_attention, decoder_attention, cross_attention),
        _Tokens(tokens, encoder_tokens, decoder_tokens, sentence_b_start, prettify_tokens),
        _Choice(include_layers, None, batch),
    )
    drawn = [] if heads is None else list(heads)
    if layer is not None or drawn:
        all_heads = _heads_of(trace, layer)
        _check_inside(drawn or all_heads, len(all_heads), "heads", "heads", "the layer")
        drawn = drawn or all_heads
    return _act(trace.view("head", layer=layer, heads=drawn), html_action)


def model_view(
    attention: Any = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    display_mode: str = "dark",
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    include_layers: Sequence[int] | None = None,
    include_heads: Sequence[int] | None = None,
    html_action: str = "view",
    *,
    batch: int | None = None,
) -> View | None:
    """Shows all heads at once, with bertviz's arguments; see :func:`head_view`."""
    trace = _trace_of(
        attention,
        _of_two(encoder_attention, decoder_attention, cross_attention),
        _Tokens(tokens, encoder_tokens, decoder_tokens, sentence_b_start, prettify_tokens),
        _Choice(include_layers, include_heads, batch),
    )
    return _act(trace.view("model", theme=display_mode), html_action)


def neuron_view(
    model: Any,
    model_type: str,
    tokenizer: Any,
    sentence_a: str,
    sentence_b: str | None = None,
    display_mode: str = "dark",
    layer: int | None = None,
    head: int | None = None,
    html_action: str = "view",
) -> View | None:
    """Shows a weight as the product of query and key, with the arguments of bertviz's `neuron_view.show`.

    `model` is any model of transformers: what it computes is captured. Its type is asked of the model itself;
    `model_type` is there for those who only change the import.
    """
    from .capturing import capture_texts

    trace = capture_texts(model, tokenizer, sentence_a, sentence_b)
    heads = [] if head is None else [head]
    return _act(trace.view("neuron", layer=layer, heads=heads, theme=display_mode), html_action)


def _act(view: View, html_action: str) -> View | None:
    if html_action == "return":
        return view
    if html_action != "view":
        raise ValueError(f"html_action is {html_action!r}; expected 'view' or 'return'")
    try:
        from IPython.display import display
    except ModuleNotFoundError:
        print(
            f"{view!r}\nNo notebook is here to show it: html_action='return' returns it, "
            "and .save('view.html') writes it."
        )
    else:
        display(view)
    return None


class _Tokens(NamedTuple):
    """The pieces that were given, of one stack or of two, and how to read them."""

    tokens: Any
    encoder_tokens: Any
    decoder_tokens: Any
    sentence_b_start: int | None
    prettify: bool


class _Choice(NamedTuple):
    """What of the attention is meant."""

    layers: Sequence[int] | None
    heads: Sequence[int] | None
    batch: int | None


def _of_two(encoder: Any, decoder: Any, cross: Any) -> dict[str, Any]:
    """The attention of two stacks, by bertviz's names."""
    return {"encoder_attention": encoder, "decoder_attention": decoder, "cross_attention": cross}


def _trace_of(attention: Any, of_two: dict[str, Any], tokens: _Tokens, choice: _Choice) -> Trace:
    """A trace that has the patterns that were given, and nothing else."""
    if attention is not None and _given.is_output(attention):
        attention, of_two = _of_output(attention)
    if attention is not None:
        if any(one is not None for one in (*of_two.values(), tokens.encoder_tokens, tokens.decoder_tokens)):
            raise ValueError(
                "attention is of a model with one stack; give it and tokens alone, or for an encoder-decoder "
                "encoder_attention, decoder_attention and cross_attention"
            )
        given = {"attention": (attention, "blocks.{}.attn", "tokens", "tokens")}
    else:
        sides = {
            "encoder_attention": ("encoder.blocks.{}.attn", "encoder_tokens", "encoder_tokens"),
            "decoder_attention": ("decoder.blocks.{}.attn", "decoder_tokens", "decoder_tokens"),
            "cross_attention": ("decoder.blocks.{}.cross_attn", "decoder_tokens", "encoder_tokens"),
        }
        given = {name: (one, *sides[name]) for name, one in of_two.items() if one is not None}
        if not given:
            raise ValueError(
                "no attention was given: give attention and tokens, or for an encoder-decoder encoder_attention, "
                "decoder_attention or cross_attention with encoder_tokens and decoder_tokens"
            )
    return _assembled(given, tokens, choice)


def _of_output(output: Any) -> tuple[Any, dict[str, Any]]:
    """A model's attention, of one stack or of two."""
    names = ("encoder_attentions", "decoder_attentions", "cross_attentions")
    of_two = _of_two(*(_given.find(output, name) for name in names))
    if of_two["encoder_attention"] is not None or of_two["decoder_attention"] is not None:
        return None, of_two
    attention = _given.find(output, "attentions")
    return () if attention is None else attention, {}


def _assembled(given: dict[str, tuple[Any, str, str, str]], tokens: _Tokens, choice: _Choice) -> Trace:
    """`given` has for each kind of attention its name, the block it is, and the tokens of both of its sides."""
    from ._assemble import assemble, rule

    rules, tensors, read = {}, {}, {}
    for name, (attention, block, queries, keys) in given.items():
        layers = _given.read_layers(attention, name, choice.batch, cross=name == "cross_attention")
        for side, count in zip((queries, keys), layers.sides):
            read[side] = _pieces(getattr(tokens, side), side, name, count, choice.batch)
        if choice.heads is not None:
            heads = len(next(iter(layers.patterns.values())))
            _check_inside(choice.heads, heads, "include_heads", "heads", name)
        if choice.layers is not None and len(given) == 1:
            _check_inside(choice.layers, max(layers.patterns) + 1, "include_layers", "layers", name)
        layers = layers.only(choice.layers, choice.heads)
        for number, pattern in layers.patterns.items():
            mask = "causal" if name != "cross_attention" and _looks_back(pattern) else "full"
            rules[block.format(number)] = rule(len(pattern), mask=mask)
            tensors[f"{block.format(number)}.pattern"] = pattern
        dtype = layers.dtype
    if not rules:
        raise ValueError(f"include_layers is {list(choice.layers or [])}, and no stack has such a layer")
    source = read.get("tokens") or read.get("encoder_tokens") or read["decoder_tokens"]
    target = read.get("decoder_tokens") if "encoder_tokens" in read else None
    return assemble(
        model="attention",
        family="",
        dtype=dtype,
        kernel="",
        encoding=encoding_of(
            source, segments=_segments(source, tokens.sentence_b_start), prettify=tokens.prettify
        ),
        target=None if target is None else encoding_of(target, prettify=tokens.prettify),
        rules=rules,
        tensors=tensors,
        heads=None if choice.heads is None else list(choice.heads),
    )


def _pieces(pieces: Any, name: str, attention: str, count: int, batch: int | None) -> list[str]:
    """The tokens of one side of a pattern, which has so many."""
    if pieces is None:
        raise ValueError(f"{name} is required: {attention} has {count} positions")
    if batch is not None and len(pieces) and not isinstance(pieces[0], str) and not isinstance(pieces, str):
        pieces = pieces[batch]
    pieces = check_pieces(pieces, name)
    if len(pieces) == count + 1:
        pieces = pieces[:count]  # of what generate() wrote, the last token was never read
    if len(pieces) != count:
        shown = " ".join(pieces[:12]) + (" …" if len(pieces) > 12 else "")
        raise ValueError(f"{attention} has {count} positions, but {name} has {len(pieces)}: {shown}")
    return pieces


def _segments(pieces: list[str], sentence_b_start: int | None) -> list[int] | None:
    if sentence_b_start is None:
        return None
    if not 0 < sentence_b_start < len(pieces):
        raise ValueError(
            f"sentence_b_start is {sentence_b_start}; expected a place inside the {len(pieces)} tokens"
        )
    return [int(i >= sentence_b_start) for i in range(len(pieces))]


def _check_inside(chosen: Sequence[int], count: int, name: str, things: str, attention: str) -> None:
    outside = [i for i in chosen if not 0 <= i < count]
    if outside or not len(chosen):
        raise ValueError(f"{name} is {list(chosen)}; {attention} has {things} 0 to {count - 1}")


def _looks_back(pattern: Any) -> bool:
    """Whether no query sees a key behind it, in any head."""
    import numpy

    if pattern.shape[1] < 2 or numpy.triu(pattern[0], 1).any():
        return False
    return not numpy.triu(pattern, 1).any()


def _heads_of(trace: Trace, layer: int | None) -> list[int]:
    """The heads of a layer, or of the first one."""
    sites = {rule["site"]: rule for rule in trace._metadata["rules"]}
    found = [site for site in sites if layer is None or f"blocks.{layer}." in site]
    if not found:
        raise ValueError(f"there is no layer {layer} to show; there are {', '.join(sites)}")
    return list(range(sites[found[0]]["query_heads"]))
