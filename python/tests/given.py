"""Attention to give to views: random, as a model has it."""

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(layers=3, heads=4, queries=6, keys=None, batch=1, causal=False, seed=0) -> tuple:
    """A tensor for each layer, [batch, heads, queries, keys]."""
    keys = keys or queries
    scores = np.random.default_rng(seed).normal(size=(layers, batch, heads, queries, keys))
    if causal:
        scores = np.where(np.tri(queries, keys, dtype=bool), scores, -np.inf)
    return tuple(softmax(scores).astype(np.float32))


def tokens(count: int, letter: str = "t") -> list[str]:
    return [f"{letter}{i}" for i in range(count)]
