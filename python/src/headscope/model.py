"""Models that headscope runs by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from . import _headscope
from ._download import in_notebook
from .trace import Trace

#: The model inside the package.
DEFAULT = "gte-small"


class Model:
    """A model that is loaded once and runs many texts.

    `name` is `gte-small`, which the package holds, a folder, a `.gguf` file, or a Hub id, which is downloaded if it
    is not in the Hugging Face cache; a notebook, or a terminal, shows how far that is.
    """

    def __init__(
        self,
        name: str | os.PathLike[str] = DEFAULT,
        *,
        revision: str | None = None,
        threads: int | None = None,
        offline: bool = False,
    ):
        self._native = _headscope.Model(os.fspath(name), revision, threads, offline, in_notebook())

    @property
    def card(self) -> dict[str, Any]:
        """Which model it is: id, hash, family, dtype."""
        return json.loads(self._native.card)

    def encode(self, text: str, second: str | None = None) -> dict[str, Any]:
        """How a text or a pair is cut into tokens: piece, id, span, segment, mask of each."""
        return json.loads(self._native.encode(text, second))

    def trace(
        self, text: str, second: str | None = None, *, sites: str | None = None, truncate: bool = False
    ) -> Trace:
        """Runs a text, a pair, or the text and the target of an encoder-decoder; of a model that sees, an image file.

        `sites` names what to record as `"blocks.*.attn.pattern,embed"`; without it that is what views need, values
        and hidden states. The interpreter is free meanwhile, and Ctrl-C gets away from it.
        """
        return Trace(self._native.trace(os.fspath(text), second, sites, truncate))

    def trace_ids(
        self, ids: Sequence[int], decoder_ids: Sequence[int] | None = None, *, sites: str | None = None
    ) -> Trace:
        """Runs token ids as they are: nothing is added."""
        decoder = None if decoder_ids is None else [int(id) for id in decoder_ids]
        return Trace(self._native.trace_ids([int(id) for id in ids], decoder, sites))

    def __repr__(self) -> str:
        card = self.card
        return f"Model({card['id']!r}: {card['family']}, {card['dtype']} weights)"


def trace(
    text: str,
    second: str | None = None,
    *,
    model: str | os.PathLike[str] | Model = DEFAULT,
    sites: str | None = None,
    truncate: bool = False,
) -> Trace:
    """Runs a text or a pair, as :meth:`Model.trace` does; the last models are kept loaded."""
    if hasattr(model, "named_modules"):
        raise TypeError(
            "the model is torch's; let headscope watch it: headscope.capture(model, tokenizer=tokenizer, **inputs)"
        )
    if not isinstance(model, Model):
        model = _loaded(os.fspath(model))
    return model.trace(text, second, sites=sites, truncate=truncate)


@lru_cache(maxsize=2)
def _loaded(name: str) -> Model:
    return Model(name)
