"""The head view of torch tensors: `python benches/head_view.py LIBRARY TOKENS PAGE`.

Makes the attention of 12 layers of 12 heads up at random, in torch. LIBRARY, headscope or bertviz, makes of it what a
notebook shows, which is written to PAGE; with `none` nothing is made, which tells what the tensors take. Prints the
seconds from the library's import to the output.
"""

import sys
import time
from importlib import import_module

import torch

library, tokens, page = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.manual_seed(0)
attention = tuple(torch.randn(1, 12, tokens, tokens).softmax(-1) for _ in range(12))
pieces = [f"t{i}" for i in range(tokens)]
if library != "none":
    start = time.perf_counter()
    view = import_module(library).head_view(attention, pieces, html_action="return").data
    print("view", time.perf_counter() - start)
    with open(page, "w", encoding="utf-8") as file:
        file.write(view)
