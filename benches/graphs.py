"""Writes a checkpoint as an ONNX graph with every pattern as an output: `python benches/graphs.py FOLDER OUT`.

Built operation by operation, so that it needs no tracing and gives ONNX Runtime what suits it: no batch
axis, products with a constant, the scale on the queries, and grouped heads by broadcasting. Numbers are
f32; OUT/weights.bin is apart, so that a session can map it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def read_safetensors(path):
    """All tensors as f32."""
    data = np.memmap(path, np.uint8, "r")
    size = int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8 : 8 + size]))
    header.pop("__metadata__", None)

    def widened(dtype, raw):
        if dtype == "BF16":
            return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return raw.view({"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)

    return {
        name: widened(entry["dtype"], data[8 + size :][slice(*entry["data_offsets"])].copy()).reshape(entry["shape"])
        for name, entry in header.items()
    }


class Graph:
    """Nodes and constants; a value is known by its name."""

    def __init__(self, tensors, weights_file):
        self.tensors, self.file = tensors, weights_file
        self.nodes, self.constants, self.outputs = [], [], []

    def op(self, kind, *inputs, name=None, **attributes):
        name = name or f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value):
        name = f"constant.{len(self.constants)}"
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(value.dtype), dims=value.shape)
        if value.nbytes < 4096:
            tensor.raw_data = value.tobytes()
        else:
            self.file.write(b"\0" * (-self.file.tell() % 4096))
            place = {"location": Path(self.file.name).name, "offset": self.file.tell(), "length": value.nbytes}
            self.file.write(np.ascontiguousarray(value).tobytes())
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in place.items():
                tensor.external_data.add(key=key, value=str(text))
        self.constants.append(tensor)
        return name

    def integers(self, *values):
        return self.constant(np.array(values, np.int64))

    def number(self, value):
        return self.constant(np.array(value, np.float32))

    def weight(self, name):
        return self.constant(self.tensors[name])

    def linear(self, x, name):
        weight = self.constant(np.ascontiguousarray(self.tensors[f"{name}.weight"].T))
        bias = f"{name}.bias"
        if bias in self.tensors:
            return self.op("Gemm", x, weight, self.weight(bias))
        return self.op("MatMul", x, weight)

    def split_heads(self, x, shape, order):
        return self.op("Transpose", self.op("Reshape", x, self.integers(*shape)), perm=order)

    def save(self, path):
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self.outputs]
        graph = helper.make_graph(self.nodes, "headscope-bench", [ids], outputs, self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def bert(g, config):
    heads, width = config["num_attention_heads"], config["hidden_size"]
    d_head = width // heads

    def norm(x, name):
        weights = [g.weight(f"{name}.{part}") for part in ("weight", "bias")]
        return g.op("LayerNormalization", x, *weights, epsilon=config["layer_norm_eps"])

    n = g.op("Shape", "ids")
    words = g.op("Gather", g.weight("embeddings.word_embeddings.weight"), "ids")
    first_segment = g.constant(g.tensors["embeddings.token_type_embeddings.weight"][0])
    positions = g.op("Slice", g.weight("embeddings.position_embeddings.weight"), g.integers(0), n)
    x = norm(g.op("Add", g.op("Add", words, positions), first_segment), "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{layer}"
        by_head = (-1, heads, d_head)
        q, k, v = (g.linear(x, f"{block}.attention.self.{part}") for part in ("query", "key", "value"))
        q = g.split_heads(g.op("Mul", q, g.number(d_head**-0.5)), by_head, [1, 0, 2])
        k = g.split_heads(k, by_head, [1, 2, 0])
        v = g.split_heads(v, by_head, [1, 0, 2])
        pattern = g.op("Softmax", g.op("MatMul", q, k), name=f"pattern.{layer}")
        g.outputs.append(pattern)
        z = g.op("Transpose", g.op("MatMul", pattern, v), perm=[1, 0, 2])
        out = g.linear(g.op("Reshape", z, g.integers(-1, width)), f"{block}.attention.output.dense")
        x = norm(g.op("Add", out, x), f"{block}.attention.output.LayerNorm")
        hidden = g.op("Gelu", g.linear(x, f"{block}.intermediate.dense"))
        x = norm(g.op("Add", g.linear(hidden, f"{block}.output.dense"), x), f"{block}.output.LayerNorm")
    g.outputs.append(g.op("Identity", x, name="last_hidden"))


def llama(g, config):
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["hidden_size"]
    d_head = width // heads
    group, half = heads // key_heads, d_head // 2

    def norm(x, name):
        # What ONNX Runtime's own optimiser makes of the norm's five operations.
        weight = g.weight(f"{name}.weight")
        return g.op("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=config["rms_norm_eps"])

    def rotated(x):
        """Of `[tokens, heads, d_head]`."""
        first = g.op("Slice", x, g.integers(0), g.integers(half), g.integers(2))
        second = g.op("Slice", x, g.integers(half), g.integers(d_head), g.integers(2))
        turned = g.op("Concat", g.op("Neg", second), first, axis=2)
        return g.op("Add", g.op("Mul", x, cos), g.op("Mul", turned, sin))

    n = g.op("Shape", "ids")
    positions = np.arange(config["max_position_embeddings"])[:, None]
    angles = positions * config["rope_theta"] ** (-np.arange(half) / half)
    angles = np.concatenate([angles, angles], axis=1)[:, None].astype(np.float32)
    cos, sin = (
        g.op("Slice", g.constant(table.astype(np.float32)), g.integers(0), n) for table in (np.cos(angles), np.sin(angles))
    )
    square = g.op("Concat", n, n, axis=0)
    minus_infinity = helper.make_tensor("value", TensorProto.FLOAT, [1], [-np.inf])
    causal = g.op("Trilu", g.op("ConstantOfShape", square, value=minus_infinity), g.constant(np.array(1)), upper=1)
    x = g.op("Gather", g.weight("model.embed_tokens.weight"), "ids")
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        input = norm(x, f"{block}.input_layernorm")
        q, k, v = (g.linear(input, f"{block}.self_attn.{part}_proj") for part in "qkv")
        q = rotated(g.op("Reshape", g.op("Mul", q, g.number(d_head**-0.5)), g.integers(-1, heads, d_head)))
        k = rotated(g.op("Reshape", k, g.integers(-1, key_heads, d_head)))
        # [key heads, group, tokens, d_head] against [key heads, 1, d_head, tokens]
        q = g.split_heads(q, (-1, key_heads, group, d_head), [1, 2, 0, 3])
        k = g.split_heads(k, (-1, key_heads, 1, d_head), [1, 2, 3, 0])
        v = g.split_heads(v, (-1, key_heads, 1, d_head), [1, 2, 0, 3])
        weights = g.op("Softmax", g.op("Add", g.op("MatMul", q, k), causal))
        by_head = g.op("Concat", g.integers(heads), square, axis=0)
        g.outputs.append(g.op("Reshape", weights, by_head, name=f"pattern.{layer}"))
        z = g.op("Transpose", g.op("MatMul", weights, v), perm=[2, 0, 1, 3])
        z = g.op("Reshape", z, g.integers(-1, width))
        x = g.op("Add", x, g.linear(z, f"{block}.self_attn.o_proj"))
        input = norm(x, f"{block}.post_attention_layernorm")
        gate = g.linear(input, f"{block}.mlp.gate_proj")
        gate = g.op("Mul", gate, g.op("Sigmoid", gate))
        hidden = g.op("Mul", gate, g.linear(input, f"{block}.mlp.up_proj"))
        x = g.op("Add", x, g.linear(hidden, f"{block}.mlp.down_proj"))
    g.outputs.append(norm(x, "model.norm"))


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "weights.bin", "wb") as weights:
        graph = Graph(read_safetensors(folder / "model.safetensors"), weights)
        {"bert": bert, "llama": llama}[config["model_type"]](graph, config)
    graph.save(out / "model.onnx")  # last: where it stands, all is there


if __name__ == "__main__":
    main()
