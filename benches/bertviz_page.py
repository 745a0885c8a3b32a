"""bertviz's head view of a trace that headscope wrote: `python benches/bertviz_page.py TRACE PAGE`."""

import json
import sys

from bertviz import head_view
from safetensors import safe_open

with safe_open(sys.argv[1], framework="pt") as trace:
    tokens = [token["piece"] for token in json.loads(trace.metadata()["encoding"])["tokens"]]
    layers = sum(name.endswith(".attn.pattern") for name in trace.keys())
    attention = tuple(trace.get_tensor(f"blocks.{layer}.attn.pattern")[None] for layer in range(layers))
page = head_view(attention, tokens, html_action="return")
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(page.data)
