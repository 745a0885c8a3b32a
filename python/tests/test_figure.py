"""Figures: XML whose curves and cells are the trace's weights."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from given import attention, tokens

import headscope as hs
from headscope import head_view

SVG = "{http://www.w3.org/2000/svg}"


def paths(svg: str, group: str):
    root = ElementTree.fromstring(svg)
    return [
        path
        for found in root.iter(f"{SVG}g")
        if found.get("class") == group
        for path in found.iter(f"{SVG}path")
    ]


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def trace():
    return hs.trace("The cat sat on the mat", "The dog played in the park")


def test_curves_are_the_weights(trace):
    weights = trace.attention[1, 11]
    svg = trace.figure(layer=1, heads=11).svg
    ends, opacities = [], []
    for path in paths(svg, "edges"):
        _, start, *_, end = map(float, re.findall(r"[\d.]+", path.get("d")))
        ends.append((start, end))
        opacities.append(float(path.get("stroke-opacity")))
    # Rows by their height on the page, of both columns alike.
    rows = sorted({y for pair in ends for y in pair})
    assert len(rows) == len(trace.tokens)
    drawn = np.zeros_like(weights)
    for (start, end), opacity in zip(ends, opacities):
        drawn[rows.index(start), rows.index(end)] = ((opacity - 0.04) / 0.89) ** (2 / 1.3)
    visible = weights >= 0.035**2
    assert (drawn > 0).tolist() == visible.tolist()
    assert np.allclose(drawn[visible], weights[visible], atol=2e-3)


def test_a_token_has_its_numbers(trace):
    svg = trace.figure(layer=1, heads=11, token=2).svg
    expected = [f"{weight:.3f}" for weight in trace.attention[1, 11][2] if weight >= 0.0005]
    assert [text for text in texts(svg) if re.fullmatch(r"\d\.\d{3}", text)] == expected
    assert "0.990" in expected and paths(svg, "pinned")


def test_cells_hold_the_weights(trace):
    written = [text for text in texts(trace.figure("matrix", layer=1, heads=11).svg) if "." in text]
    weights = trace.attention[1, 11]
    short = [f"{weight:.2f}".removeprefix("0")[:3] for weight in weights[weights >= 0.005]]
    assert written == short
    both = trace.figure("matrix", layer=1, heads=[10, 11], theme="dark").svg
    assert {"Head 10", "Head 11"} <= set(texts(both)) and "#131417" in both


def test_the_caption_names_model_layer_and_head(trace):
    svg = trace.figure(layer=2, heads=[3, 5]).svg
    assert texts(svg)[:2] == ["Layer 2, heads 3, 5", "gte-small · self-attention"]
    assert ElementTree.fromstring(svg).find(f"{SVG}title").text.startswith("Layer 2, heads 3, 5")
    assert trace.figure("matrix").svg == trace.figure("matrix").svg


def test_a_view_becomes_a_figure():
    given = attention(causal=True)
    view = head_view(given, tokens(6), layer=1, heads=[2], html_action="return")
    figure = view.figure()
    assert figure.svg == view.trace.figure(layer=1, heads=2).svg
    assert texts(figure.svg)[:2] == ["Layer 1, head 2", "self-attention, causal"]
    assert (
        view.figure(token=3, theme="dark").svg
        == view.trace.figure(layer=1, heads=2, token=3, theme="dark").svg
    )


def test_the_parts_of_two_stacks():
    trace = head_view(
        encoder_attention=attention(queries=5),
        decoder_attention=attention(queries=3, causal=True),
        cross_attention=attention(queries=3, keys=5),
        encoder_tokens=tokens(5, "e"),
        decoder_tokens=tokens(3, "d"),
        html_action="return",
    ).trace
    cross = trace.figure(part="cross", layer=1, heads=0).svg
    assert texts(cross)[0] == "Cross layer 1, head 0"
    labels = [text for text in texts(cross) if re.fullmatch(r"[de]\d", text)]
    assert labels == tokens(3, "d") + tokens(5, "e")
    with pytest.raises(hs.HeadscopeError, match="no part 'middle'|no part \"middle\""):
        trace.figure(part="middle")


def test_tokens_stay_text():
    pieces = ["</text><script>", "&amp;", '"', "\u202e\x00", "שלום", "猫" * 90]
    trace = head_view(attention(), pieces, html_action="return").trace
    for view in ("head", "matrix"):
        svg = trace.figure(view, token=0).svg
        assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
        assert "</text><script>" in texts(svg)


def test_what_cannot_be_drawn_says_how_to_go_on(trace, tmp_path):
    with pytest.raises(ValueError, match='no figure of a view "model"; expected head or matrix'):
        trace.figure("model")
    with pytest.raises(ValueError, match="there is no head 12"):
        trace.figure(layer=0, heads=12)
    with pytest.raises(ValueError, match="there is no token 15"):
        trace.figure(token=15)
    with pytest.raises(ValueError, match="no theme 'blue'"):
        trace.figure(theme="blue")
    long = head_view(attention(queries=300), tokens(300), html_action="return").trace
    with pytest.raises(ValueError, match="(?s)300 tokens in a column; at most 256.*matrix view"):
        long.figure()
    assert "2 × 2 weights" in long.figure("matrix").svg

    figure = trace.figure()
    with pytest.raises(ValueError, match=r"written as SVG; name it .*fig\.svg"):
        figure.save(tmp_path / "fig.png")
    assert not list(tmp_path.iterdir())
    figure.save(tmp_path / "fig.svg")
    assert (tmp_path / "fig.svg").read_text(encoding="utf-8") == figure.svg


def test_a_notebook_is_given_svg(trace):
    bundle = trace.figure()._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == f"headscope figure: head view of {trace!r}"
