"""A peer that runs as long as the benchmark: `python benches/serve.py PEER FOLDER THREADS`.

PEER is pytorch, pytorch-bf16, pytorch-lm or onnxruntime (which reads FOLDER/onnx/model.onnx, see graphs.py).
After a line `ready SETTINGS` each line on stdin is answered by one on stdout:

    tokens N    takes the N ids that every peer takes      ok
    run         one pass, every pattern kept               its seconds
    write N     N further tokens, greedily (pytorch-lm)    its seconds and their ids
    dump PATH   about 64 rows of each pattern, then        ok
                of the last hidden state, as raw f32
"""

import json
import os
import sys
import time
from pathlib import Path

# Libraries greet on stdout; the answers go to what stdout was.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import numpy as np


def pytorch(folder, threads, dtype):
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    dtype = getattr(torch, dtype)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=dtype).eval()
    if hasattr(model, "pooler"):
        model.pooler = None  # nobody else computes it

    def run(ids):
        out = model(torch.from_numpy(ids)[None], output_attentions=True, use_cache=False)
        return [*out.attentions, out.last_hidden_state]

    def numbers(tensor):
        return tensor[0].float().numpy()

    return f"{dtype}".removeprefix("torch.") + ", eager", run, numbers


def writer(folder, threads):
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def write(ids, n):
        ids = torch.from_numpy(ids)[None]
        settings = dict(max_new_tokens=n, min_new_tokens=n, do_sample=False, eos_token_id=None, pad_token_id=0)
        written = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        return written[0, ids.shape[1] :].tolist()

    return "float32, sdpa, key/value cache", write


def onnxruntime(folder, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(f"{folder}/onnx/model.onnx", options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]

    def run(ids):
        ids = ort.OrtValue.ortvalue_from_numpy(ids)
        return session.run_with_ort_values(outputs, {"ids": ids})  # kept where they are, not copied

    return "float32, all optimisations", run, lambda value: value.numpy()


def dump(values, path):
    with open(path, "wb") as file:
        for value in values:  # [heads, tokens, tokens], at last [tokens, width]
            step = -(-value.shape[-2] // 64)
            file.write(np.ascontiguousarray(value[..., ::step, :], dtype="<f4").tobytes())


def main():
    peer, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    if peer == "pytorch-lm":
        settings, write = writer(folder, threads)
    elif peer == "onnxruntime":
        settings, run, numbers = onnxruntime(folder, threads)
    else:
        settings, run, numbers = pytorch(folder, threads, "bfloat16" if peer == "pytorch-bf16" else "float32")
    print("ready", settings, file=answers)
    ids = None
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "tokens":
            ids = 1000 + np.arange(int(argument), dtype=np.int64) * 7919 % (vocabulary - 1000)
            print("ok", file=answers)
        elif command == "run":
            start = time.perf_counter()
            kept = run(ids)
            print(time.perf_counter() - start, file=answers)
            del kept
        elif command == "write":
            start = time.perf_counter()
            written = write(ids, int(argument))
            print(time.perf_counter() - start, *written, file=answers)
        elif command == "dump":
            dump(map(numbers, run(ids)), argument)
            print("ok", file=answers)
        else:
            sys.exit(f"unknown line {line!r}")


if __name__ == "__main__":
    main()
