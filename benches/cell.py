"""The lesson's cell as a script: `python benches/cell.py MODEL TEXT_A TEXT_B [PAGE]`.

Tokenizes a pair, runs the model with attentions and, when a PAGE is named, writes bertviz's head view
to it. `cargo xtask bench` times whole processes of it beside headscope.
"""

import sys

import torch
from transformers import AutoModel, AutoTokenizer

folder, text_a, text_b = sys.argv[1:4]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
inputs = tokenizer(text_a, text_b, return_tensors="pt")
with torch.no_grad():
    attention = model(**inputs, output_attentions=True).attentions
assert len(attention) == model.config.num_hidden_layers

if len(sys.argv) > 4:
    from bertviz import head_view

    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    start = inputs["token_type_ids"][0].tolist().index(1)
    page = head_view(attention, tokens, start, html_action="return")
    with open(sys.argv[4], "w", encoding="utf-8") as file:
        file.write(page.data)
