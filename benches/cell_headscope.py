"""The lesson's cell with headscope alone: `python benches/cell_headscope.py TEXT_A TEXT_B PAGE`.

Imports, loads the model inside the package, runs a pair, and writes what a notebook would show to PAGE.
"""

import sys
import time

start = time.perf_counter()
import headscope as hs  # noqa: E402

print("import", time.perf_counter() - start)
text_a, text_b, page = sys.argv[1:4]
view = hs.trace(text_a, text_b).view()
with open(page, "w", encoding="utf-8") as file:
    file.write(view.data)
