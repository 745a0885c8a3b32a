"""Numbers of any library as numpy has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


def to_floats(numbers: Any) -> numpy.ndarray:
    """32-bit floats in one piece: of torch tensors on any device, of numpy, of what speaks DLPack or `__array__`."""
    import numpy

    if hasattr(numbers, "detach"):  # torch: numpy knows neither gradients nor devices nor bfloat16
        numbers = numbers.detach().float().cpu().numpy()
    elif not hasattr(numbers, "__array__") and hasattr(numbers, "__dlpack__"):
        numbers = numpy.from_dlpack(numbers)
    return numpy.ascontiguousarray(numbers, dtype=numpy.float32)


def dtype_of(numbers: Any) -> str:
    """What `numbers` are, as `float32` or `bfloat16`."""
    return str(getattr(numbers, "dtype", "float")).removeprefix("torch.")
