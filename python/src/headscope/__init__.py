"""See what every head of a transformer attends to.

For those who know bertviz, only the import changes::

    from headscope import head_view
    head_view(outputs.attentions, tokens)

headscope runs models by itself, without torch, and looks into those that torch runs::

    import headscope as hs
    hs.trace("The cat sat on the mat", "The dog played in the park").view()
    hs.capture(model, tokenizer=tokenizer, **inputs).view()
"""

from ._headscope import HeadscopeError, __version__
from .capturing import capture
from .figure import Figure
from .model import Model, trace
from .trace import Trace, open
from .views import View, head_view, model_view, neuron_view

__all__ = [
    "Figure",
    "HeadscopeError",
    "Model",
    "Trace",
    "View",
    "__version__",
    "capture",
    "head_view",
    "model_view",
    "neuron_view",
    "open",
    "trace",
]
