"""Times the lesson's cell: `python benches/cell.py BINARY [ROUNDS]`.

The cell tokenizes "The cat sat on the mat" / "The dog played in the park", runs gte-small and
writes the head view to a file. Whole processes, interleaved, weights in the page cache:

- headscope page:   `headscope A B -o view.html`
- headscope trace:  `headscope trace A B -o t.safetensors`
- Python + bertviz: import, load, tokenize, forward with attentions, `head_view`, write
- Python forward:   the same without bertviz and without a page

Needs torch, transformers and (for its row) bertviz. Prints median and least wall time, the largest
peak memory, and ratios within this run.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = Path(__file__).resolve().parent.parent / "models" / "gte-small"
PAIR = ("The cat sat on the mat", "The dog played in the park")

FORWARD = f"""
import sys, torch
from transformers import AutoModel, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained({str(MODEL)!r})
model = AutoModel.from_pretrained({str(MODEL)!r}, attn_implementation="eager", dtype=torch.float32)
inputs = tokenizer({PAIR[0]!r}, {PAIR[1]!r}, return_tensors="pt")
with torch.no_grad():
    attention = model(**inputs, output_attentions=True).attentions
assert len(attention) == 12
"""

CELL = FORWARD + """
from bertviz import head_view
tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
start = inputs["token_type_ids"][0].tolist().index(1)
page = head_view(attention, tokens, start, html_action="return")
open(sys.argv[1], "w").write(page.data)
"""


def measure(command):
    """Wall seconds and peak MB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command[:3])}… failed:\n{process.stderr.read().decode()}")
    process.stderr.close()
    return seconds, usage.ru_maxrss / 1e3


def importable(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: python benches/cell.py BINARY [ROUNDS]")
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 11
    if not importable("torch, transformers"):
        sys.exit("torch and transformers are needed: pip install torch transformers bertviz")
    folder = tempfile.mkdtemp()
    out = f"{folder}/out"
    rows = {
        "headscope page": [binary, *PAIR, "-o", out],
        "headscope trace": [binary, "trace", *PAIR, "-o", out],
        "Python forward": [sys.executable, "-c", FORWARD, out],
    }
    if importable("bertviz"):
        rows["Python + bertviz"] = [sys.executable, "-c", CELL, out]
    else:
        print("bertviz is not importable: its row is left out")

    found = {name: [] for name in rows}
    for turn in range(rounds + 1):
        for name, command in rows.items():
            result = measure(command)
            if turn > 0:  # the first turn fills the page cache
                found[name].append(result)
    shutil.rmtree(folder)

    ours = statistics.median(s for s, _ in found["headscope page"])
    print(f"{'':<18}{'median ms':>10}{'least ms':>10}{'peak MB':>9}{'ratio':>8}")
    for name, results in found.items():
        seconds = [s for s, _ in results]
        median, least, peak = statistics.median(seconds), min(seconds), max(mb for _, mb in results)
        print(f"{name:<18}{median * 1e3:>10.0f}{least * 1e3:>10.0f}{peak:>9.0f}{median / ours:>7.1f}x")


if __name__ == "__main__":
    main()
