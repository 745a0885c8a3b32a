"""Tokens that are known as pieces alone: what they spell, and what is special about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

#: The id of a token that is not known.
UNKNOWN_ID = 2**32 - 1

_SPECIAL = re.compile(
    r"\[(CLS|SEP|PAD|MASK|BOS|EOS)\]|</?s>|<(pad|bos|eos|mask|cls|sep|start_of_turn|end_of_turn)>|<\|.*\|>"
)
_PADDING = {"[PAD]", "<pad>", "<|pad|>"}


def check_pieces(tokens: Any, what: str) -> list[str]:
    """`tokens` as a list of strings, or an error that says how to get one."""
    line = "tokenizer.convert_ids_to_tokens(inputs.input_ids[0])"
    if isinstance(tokens, str):
        raise TypeError(f"{what} is one string; expected the list of its tokens, as {line} gives it")
    pieces = list(tokens)
    for piece in pieces:
        if not isinstance(piece, str):
            raise TypeError(f"{what} holds {type(piece).__name__}; expected strings, as {line} gives them")
    return pieces


def encoding_of(
    pieces: Sequence[str],
    *,
    ids: Iterable[int] | None = None,
    segments: Sequence[int] | None = None,
    special: Sequence[bool] | None = None,
    mask: Sequence[bool] | None = None,
    prettify: bool = True,
) -> dict[str, Any]:
    """The encoding of a trace's file; its text is what the pieces spell.

    A page shows the marks of spaces and joins as signs; `prettify` takes away that of a word's end, too.
    """
    special = [_SPECIAL.fullmatch(piece) is not None for piece in pieces] if special is None else special
    segments = [0] * len(pieces) if segments is None else segments
    mask = [piece not in _PADDING for piece in pieces] if mask is None else mask
    text, parts, spans = _spell(pieces, segments, special)
    ids = [UNKNOWN_ID] * len(pieces) if ids is None else ids
    if prettify:
        pieces = [piece.removesuffix("</w>") for piece in pieces]
    tokens = [
        {
            "id": int(id),
            "piece": piece,
            "span": span,
            "segment": int(segment),
            "special": bool(s),
            "mask": bool(m),
        }
        for id, piece, span, segment, s, m in zip(ids, pieces, spans, segments, special, mask)
    ]
    return {"text": text, "parts": parts, "tokens": tokens}


def _spell(pieces: Sequence[str], segments: Sequence[int], special: Sequence[bool]):
    """The text, the bytes of each sentence in it, and those of each token."""
    of_bytes = any("Ġ" in piece or "Ċ" in piece for piece in pieces)
    spaced = of_bytes or any("▁" in piece or piece.endswith("</w>") for piece in pieces)
    text = b""
    parts: list[list[int]] = []
    spans: list[list[int] | None] = []
    for piece, segment, is_special in zip(pieces, segments, special):
        if is_special:
            spans.append(None)
            continue
        while len(parts) <= segment:  # the next sentence begins
            text += b"\n" if parts else b""
            parts.append([len(text), len(text)])
        begins = parts[-1][0] == len(text)
        word = piece.removesuffix("</w>")
        space = b""
        if of_bytes:
            spelled = bytes(_BYTES.get(character, 0x3F) for character in word)
        elif spaced:
            spelled = word.replace("▁", " ").encode()
        else:
            space = b"" if begins or word.startswith("##") else b" "
            spelled = word.removeprefix("##").encode()
        if piece.endswith("</w>"):
            spelled += b" "
        stripped = spelled.strip(b" ")
        space += spelled[: len(spelled) - len(spelled.lstrip(b" "))]
        start = len(text) + (0 if begins else len(space))
        text += (b"" if begins else space) + spelled.lstrip(b" ")
        spans.append([start, start + len(stripped)])
        parts[-1][1] = len(text)
    try:
        return text.decode(), parts, _whole_characters(text, spans)
    except UnicodeDecodeError:  # pieces that were cut from the middle of a text
        return "", [], [None] * len(pieces)


def _whole_characters(text: bytes, spans: list):
    """Spans without those that begin or end inside a character."""
    whole = lambda at: at == len(text) or text[at] & 0xC0 != 0x80  # noqa: E731
    return [span if span and whole(span[0]) and whole(span[1]) else None for span in spans]


def _byte_letters() -> dict[str, int]:
    """How byte-level vocabularies write bytes: printable ones as themselves, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_BYTES = _byte_letters()
