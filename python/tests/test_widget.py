"""The view that is joined to the kernel."""

import numpy as np
import pytest

import headscope as hs

pytest.importorskip("anywidget", reason="anywidget is not installed here")


@pytest.fixture
def widget(monkeypatch):
    widget = hs.trace("The cat sat on the mat", "The dog played in the park").widget("matrix")
    widget.sent = []
    monkeypatch.setattr(
        type(widget), "send", lambda self, content, buffers=None: self.sent.append((content, buffers))
    )
    return widget


def test_a_page_is_answered(widget):
    asked = {"kind": "pattern", "layer": 1, "head": 11, "request": 7}
    widget._answer(widget, asked, [])
    (content, [numbers]) = widget.sent.pop()
    assert content == asked
    assert (np.frombuffer(numbers, "<f4").reshape(15, 15) == widget.trace.attention[1, 11]).all()

    widget._answer(widget, {**asked, "kind": "vectors"}, [])
    content, buffers = widget.sent.pop()
    vectors = dict(zip(content["names"], buffers))
    assert (np.frombuffer(vectors["q"], "<f4").reshape(15, 32) == widget.trace.q[1, 11]).all()

    widget._answer(widget, {**asked, "layer": 12}, [])
    content, _ = widget.sent.pop()
    assert (content["kind"], content["request"]) == ("error", 7) and content["help"]


def test_what_is_pinned_is_known_here(widget):
    assert widget.focus == {"view": "matrix"} and widget.selected_edges == []
    widget.look(layer=1, head=11, query=2)
    weights = widget.trace.attention[1, 11]
    assert widget.selected_edges == [(2, key, float(weights[2, key])) for key in range(15)]
    widget.look(key=3)
    assert widget.selected_edges == [(2, 3, float(weights[2, 3]))]
    widget.look(query=None)
    assert [edge[:2] for edge in widget.selected_edges] == [(query, 3) for query in range(15)]
