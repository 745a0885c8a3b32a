"""Models that torch runs, watched while they do.

transformers hands each layer's queries and keys, after rotary, to one attention function. It is asked for by name
(`sdpa`, `eager`, `flash_attention_2`, …), and while a capture lasts what is handed out notes its arguments first.
So the model computes what it always does, on its own device, and no weights need be formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ._pieces import encoding_of
from .trace import Trace

_SUPPORTED = "transformers 5 or newer, with a model whose layers use its attention interface"


def capture(model: Any, /, *, tokenizer: Any = None, batch: int | None = None, **inputs: Any) -> Trace:
    """Runs a transformers model in torch and keeps every layer's queries, keys and values.

    `inputs` are what the model is called with; `tokenizer` gives the tokens their names. Any attention implementation
    will do. Weights are computed from queries and keys by each layer's rule (scale, mask, soft cap, sink); a layer
    that has more than that, as T5's added distances, has its weights recorded. Of a batch, `batch` says which text.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"the model is a {type(model).__name__}; expected one of transformers, in torch")
    training = model.training
    model.eval()  # dropout would show other weights each time
    try:
        with torch.no_grad(), _watch() as calls:
            model(**inputs)
    finally:
        model.train(training)
    if not calls:
        raise ValueError(
            f"{type(model).__name__} asked for no attention function; a capture takes {_SUPPORTED}"
        )
    return _Reading(model, tokenizer, batch, inputs).trace(calls)


def capture_texts(model: Any, tokenizer: Any, text: str, second: str | None) -> Trace:
    """The same of a text or a pair; the second of an encoder-decoder is the target."""
    of_two = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    texts = (text,) if second is None or of_two else (text, second)
    inputs = dict(tokenizer(*texts, return_tensors="pt"))
    if of_two and second is not None:
        labels = tokenizer(text_target=second, return_tensors="pt").input_ids
        inputs["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)
    device = next(model.parameters()).device
    return capture(model, tokenizer=tokenizer, **{name: value.to(device) for name, value in inputs.items()})


class _Call(NamedTuple):
    """What one layer handed to its attention function; `[batch, heads, tokens, d_head]`."""

    module: Any
    query: Any
    key: Any
    value: Any
    mask: Any
    settings: dict[str, Any]


@contextmanager
def _watch() -> Iterator[list[_Call]]:
    """Notes what attention functions are called with."""
    try:
        from transformers.modeling_utils import AttentionInterface

        get_interface = AttentionInterface.get_interface
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"there is no attention interface to watch; a capture takes {_SUPPORTED}"
        ) from error
    calls: list[_Call] = []

    def watched(self: Any, name: str, default: Callable) -> Callable:
        attend = get_interface(self, name, default)

        def noting(
            module: Any, query: Any, key: Any, value: Any, mask: Any, *rest: Any, **settings: Any
        ) -> Any:
            calls.append(_Call(module, query, key, value, mask, settings))
            return attend(module, query, key, value, mask, *rest, **settings)

        return noting

    AttentionInterface.get_interface = watched
    try:
        yield calls
    finally:
        AttentionInterface.get_interface = get_interface


class _Reading:
    """Makes a trace of what was noted."""

    def __init__(self, model: Any, tokenizer: Any, batch: int | None, inputs: dict[str, Any]):
        self.model = model
        self.tokenizer = tokenizer
        self.inputs = inputs
        self.batch = batch
        self.of_two = getattr(model.config, "is_encoder_decoder", False)
        self.names = {id(module): name for name, module in model.named_modules()}

    def trace(self, calls: list[_Call]) -> Trace:
        from ._assemble import assemble, rule

        texts = calls[0].query.shape[0]
        if self.batch is None and texts != 1:
            raise ValueError(f"the batch has {texts} texts; say which one to capture: batch=0")
        row = self.batch or 0
        if not -texts <= row < texts:
            raise IndexError(f"there is no text {row} in the batch; it has {texts}")
        encoder = self._encoding(row, "input_ids", "attention_mask", calls, decoder=False)
        decoder = self._encoding(row, "decoder_input_ids", "decoder_attention_mask", calls, decoder=True)
        rules: dict[str, dict[str, Any]] = {}
        tensors: dict[str, Any] = {}
        for call in calls:
            block = self._block(call, rules)
            keys_of = encoder if block.endswith("cross_attn") or not block.startswith("decoder") else decoder
            query, key = call.query[row].float(), call.key[row].float()
            if key.shape[1] != len(keys_of["tokens"]):
                raise ValueError(
                    f"{block} has {key.shape[1]} keys for {len(keys_of['tokens'])} tokens; run the model on the whole "
                    "text at once, without past_key_values"
                )
            mask = _mask_of(call, row, [token["mask"] for token in keys_of["tokens"]])
            rules[block] = rule(
                query.shape[0],
                key_heads=key.shape[0],
                scale=_scale_of(call),
                mask=mask or "full",
                soft_cap=call.settings.get("softcap"),
                sink=_sink_of(call),
            )
            if mask is None:  # more than a rule can say
                tensors[f"{block}.pattern"] = _weights(call, row)
            else:
                tensors[f"{block}.q"], tensors[f"{block}.k"] = query, key
            tensors[f"{block}.v"] = call.value[row]
        config = self.model.config
        return assemble(
            model=getattr(config, "_name_or_path", "") or type(self.model).__name__,
            family=getattr(config, "model_type", ""),
            dtype=str(calls[0].query.dtype).removeprefix("torch."),
            kernel=f"torch {getattr(config, '_attn_implementation', '')}".strip(),
            encoding=encoder,
            target=decoder if self.of_two else None,
            rules=rules,
            tensors=tensors,
        )

    def _block(self, call: _Call, known: dict[str, Any]) -> str:
        """The site of a layer, by its name in the model; a layer that is run again counts on."""
        name = self.names.get(id(call.module), "")
        cross = self.of_two and re.search(r"encoder_attn|encdecattention|cross_?att", name, re.I) is not None
        stack = ("decoder." if re.search(r"\bdecoder\b", name) else "encoder.") if self.of_two else ""
        site = f"{stack}blocks.{{}}.{'cross_attn' if cross else 'attn'}"
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        layer = numbers[0] if numbers else 0
        while site.format(layer) in known:
            layer += 1
        return site.format(layer)

    def _encoding(self, row: int, ids_name: str, mask_name: str, calls: list[_Call], *, decoder: bool) -> Any:
        if decoder and not self.of_two:
            return None
        ids, mask = self.inputs.get(ids_name), self.inputs.get(mask_name)
        if ids is None and decoder and self.inputs.get("labels") is not None:
            ids = self.model.prepare_decoder_input_ids_from_labels(labels=self.inputs["labels"])
        if ids is None:  # embeddings, or an image
            count = (calls[-1] if decoder else calls[0]).query.shape[2]
            return encoding_of([f"#{place}" for place in range(count)])
        ids = ids[row].tolist()
        mask = None if mask is None or mask.dim() != 2 else mask[row].tolist()
        if self.tokenizer is None:
            return encoding_of([f"<{id}>" for id in ids], ids=ids, mask=mask, special=[False] * len(ids))
        pieces = [_spelled(piece) for piece in self.tokenizer.convert_ids_to_tokens(ids)]
        special = set(self.tokenizer.all_special_ids)
        segments = None if decoder else self._segments(row, ids, special)
        return encoding_of(
            pieces,
            ids=ids,
            segments=segments,
            special=[id in special for id in ids],
            mask=mask or [True] * len(ids),
        )

    def _segments(self, row: int, ids: list[int], special: set[int]) -> Sequence[int] | None:
        types = self.inputs.get("token_type_ids")
        return None if types is None else types[row].tolist()


def _spelled(piece: Any) -> str:
    return piece if isinstance(piece, str) else bytes(piece).decode(errors="replace")


def _scale_of(call: _Call) -> float:
    scale = call.settings.get("scaling")
    return float(scale) if scale is not None else call.query.shape[-1] ** -0.5


def _sink_of(call: _Call) -> list[float] | None:
    sinks = call.settings.get("s_aux")
    return None if sinks is None else sinks.float().tolist()


def _seen(call: _Call, row: int) -> Any:
    """Which keys each query sees, `[queries, keys]`; nothing if scores have more added to them than a mask."""
    import torch

    queries, keys = call.query.shape[2], call.key.shape[2]
    mask, device = call.mask, call.query.device
    if isinstance(mask, torch.Tensor) and mask.dim() == 4:
        one = mask[row if mask.shape[0] > 1 else 0]
        if one.shape[0] != 1 and not (one == one[:1]).all():
            return None
        one = one[0][..., :keys].expand(queries, keys)
        if one.dtype == torch.bool:
            return one
        hidden = one <= torch.finfo(one.dtype).min / 2
        return None if (one.masked_fill(hidden, 0) != 0).any() else ~hidden
    seen = torch.ones(queries, keys, dtype=torch.bool, device=device)
    causal = call.settings.get("is_causal")
    if causal if causal is not None else getattr(call.module, "is_causal", False):
        seen = seen.tril()
        if (window := call.settings.get("sliding_window")) is not None:
            seen = seen.triu(1 - window)
    if isinstance(mask, torch.Tensor) and mask.dim() == 2:  # flash: which keys are no padding
        seen = seen & mask[row].bool()
    return seen


def _mask_of(call: _Call, row: int, open_keys: list[bool]) -> Any:
    """The mask of a trace's rule that says the same, for queries that are no padding; nothing if none does."""
    import torch

    bias = call.settings.get("position_bias")
    if bias is not None and bias.any():  # T5's cross-attention is given zeros
        return None
    seen = _seen(call, row)
    if seen is None:
        return None
    queries, keys = seen.shape
    padding = torch.tensor(open_keys, device=seen.device)
    all_of_them = torch.ones_like(seen)
    candidates: dict[Any, Any] = {"full": all_of_them}
    if queries == keys:
        candidates["causal"] = all_of_them.tril()
        window = call.settings.get("sliding_window")
        if isinstance(window, int):
            candidates["causal_window", window] = all_of_them.tril().triu(1 - window)
            candidates["window", window - 1] = all_of_them.tril(window - 1).triu(1 - window)
            candidates["window", window // 2] = all_of_them.tril(window // 2).triu(-(window // 2))
    counted = padding if queries == keys else torch.ones(queries, dtype=torch.bool, device=seen.device)
    for name, candidate in candidates.items():
        if torch.equal((candidate & padding)[counted], seen[counted]):
            return {name[0]: name[1]} if isinstance(name, tuple) else name
    return None


def _weights(call: _Call, row: int) -> Any:
    """The weights themselves, in 32 bits."""
    import torch

    query, key = call.query[row].float(), call.key[row].float()
    key = key.repeat_interleave(query.shape[0] // key.shape[0], dim=0)
    scores = query @ key.transpose(1, 2) * _scale_of(call)
    if (cap := call.settings.get("softcap")) is not None:
        scores = cap * torch.tanh(scores / cap)
    if (bias := call.settings.get("position_bias")) is not None:
        scores = scores + bias[row if bias.shape[0] > 1 else 0].float()
    seen = _seen(call, row)
    if seen is None:
        scores = scores + call.mask[row if call.mask.shape[0] > 1 else 0][..., : key.shape[1]].float()
    else:
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    if (sinks := _sink_of(call)) is not None:
        sink = torch.tensor(sinks, device=scores.device)[:, None, None].expand(-1, scores.shape[1], 1)
        return torch.cat([scores, sink], dim=-1).softmax(-1)[..., :-1]
    return scores.softmax(-1)
