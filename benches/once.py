"""A whole process, as a script is: `python benches/once.py PEER FOLDER ID,…`.

Imports what PEER (pytorch or onnxruntime) needs, loads the model, runs it once with every pattern, and
prints what of its time was what.
"""

import sys
import time

start = time.perf_counter()


def report(what):
    global start
    now = time.perf_counter()
    print(f"{what} {now - start}")
    start = now


peer, folder = sys.argv[1:3]
ids = [int(id) for id in sys.argv[3].split(",")]
if peer == "pytorch":
    import torch
    from transformers import AutoModel

    report("import")
    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    report("load")
    with torch.no_grad():
        patterns = model(torch.tensor([ids]), output_attentions=True).attentions
else:
    import numpy
    import onnxruntime

    report("import")
    session = onnxruntime.InferenceSession(f"{folder}/onnx/model.onnx", providers=["CPUExecutionProvider"])
    report("load")
    patterns = session.run(None, {"ids": numpy.array(ids)})[:-1]
report("run")
assert all(pattern.shape[-1] == len(ids) for pattern in patterns) and len(patterns) > 1
