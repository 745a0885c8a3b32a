"""bertviz's functions, on what numpy holds."""

import html
import inspect
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from given import attention, tokens

import headscope as hs
from headscope import head_view, model_view, neuron_view


def view_of(*args, **kwargs):
    return head_view(*args, html_action="return", **kwargs)


def focus_of(view) -> dict:
    page = html.unescape(re.search('srcdoc="([^"]*)"', view.data)[1])
    return json.loads(html.unescape(re.search('data-focus="([^"]*)"', page)[1]))


def test_arguments_are_bertvizs_in_order():
    def given(function):
        return [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.KEYWORD_ONLY]

    two = ["encoder_attention", "decoder_attention", "cross_attention", "encoder_tokens", "decoder_tokens"]
    first = ["attention", "tokens", "sentence_b_start", "prettify_tokens"]
    assert given(head_view) == [*first, "layer", "heads", *two, "include_layers", "html_action"]
    assert given(model_view) == [
        *first,
        "display_mode",
        *two,
        "include_layers",
        "include_heads",
        "html_action",
    ]
    assert given(neuron_view) == [
        "model",
        "model_type",
        "tokenizer",
        "sentence_a",
        "sentence_b",
        "display_mode",
        "layer",
        "head",
        "html_action",
    ]


class OnlyDlpack:
    """An array that numpy knows by DLPack alone."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __getitem__(self, index):
        return OnlyDlpack(self.array[index])

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArray(OnlyDlpack):
    """The same by `__array__`."""

    __dlpack__ = None

    def __getitem__(self, index):
        return OnlyArray(self.array[index])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


@pytest.mark.parametrize(
    "shape",
    [
        tuple,
        list,
        np.stack,
        lambda layers: np.stack(layers)[:, 0],
        lambda layers: [layer[0] for layer in layers],
        lambda layers: [layer.astype(np.float64) for layer in layers],
        lambda layers: [np.asfortranarray(layer) for layer in layers],
        lambda layers: [OnlyDlpack(layer) for layer in layers],
        lambda layers: [OnlyArray(layer) for layer in layers],
        lambda layers: SimpleNamespace(attentions=layers),
        lambda layers: {"attentions": layers},
    ],
)
def test_attention_comes_in_many_shapes(shape):
    given = attention()
    view = view_of(shape(given), tokens(6))
    assert (np.asarray(view.trace.attention) == np.stack(given)[:, 0]).all()


def test_a_text_of_a_batch_is_named():
    given = attention(batch=3)
    with pytest.raises(ValueError, match="is of 3 texts; say which one to show: batch=0"):
        head_view(given, tokens(6))
    with pytest.raises(IndexError, match="no text 3 in the batch"):
        head_view(given, tokens(6), batch=3)
    view = view_of(given, [tokens(6, "a"), tokens(6, "b"), tokens(6, "c")], batch=1)
    assert view.trace.tokens == tokens(6, "b")
    assert (view.trace.attention[2] == given[2][1]).all()


def test_layers_that_do_not_attend_are_passed_over():
    given = attention()
    view = view_of((None, *given[1:]), tokens(6))
    assert view.trace.attention.layers == [1, 2]


def steps_of(whole: tuple, prompt: int) -> tuple:
    """What `generate()` returns of a text whose attention is `whole`."""
    n = whole[0].shape[2]
    spans = [(0, prompt), *((end - 1, end) for end in range(prompt + 1, n + 1))]
    return tuple(tuple(layer[:, :, start:end, :end] for layer in whole) for start, end in spans)


def test_what_was_generated_is_one_matrix():
    whole = attention(queries=7, causal=True)
    view = view_of(steps_of(whole, 4), tokens(8))  # the last token was written, and never read
    assert (np.asarray(view.trace.attention) == np.stack(whole)[:, 0]).all()
    assert view.trace.tokens == tokens(7)


def test_a_cache_of_fixed_size_is_cut():
    whole = attention(queries=7, causal=True)
    padded = tuple(
        tuple(np.pad(layer, [(0, 0), (0, 0), (0, 0), (0, 10 - layer.shape[3])]) for layer in step)
        for step in steps_of(whole, 4)
    )
    view = view_of(padded, tokens(7))
    assert (np.asarray(view.trace.attention) == np.stack(whole)[:, 0]).all()


def test_a_cache_with_a_window_stands_at_its_place():
    whole = attention(queries=6, causal=True)
    windowed = tuple(
        tuple(layer[..., -3:] if layer.shape[2] == 1 else layer for layer in step)
        for step in steps_of(whole, 3)
    )
    found = view_of(windowed, tokens(6)).trace.attention[1]
    assert (found[:, 5, 3:] == whole[1][0, :, 5, 3:]).all() and (found[:, 5, :3] == 0).all()


def test_two_stacks_have_layers_of_their_own():
    encoder, decoder = attention(layers=2, queries=6), attention(layers=3, queries=4, causal=True)
    cross = attention(layers=3, queries=4, keys=6)
    names = dict(encoder_tokens=tokens(6, "e"), decoder_tokens=tokens(4, "d"))
    view = view_of(encoder_attention=encoder, decoder_attention=decoder, cross_attention=cross, **names)
    trace = view.trace
    assert trace.tokens == names["encoder_tokens"] and trace.target_tokens == names["decoder_tokens"]
    assert (trace.encoder_attention.shape, trace.decoder_attention.shape) == ((2, 4, 6, 6), (3, 4, 4, 4))
    assert (trace.cross_attention[2] == cross[2][0]).all()
    with pytest.raises(AttributeError, match="two stacks; use encoder_attention"):
        trace.attention  # noqa: B018
    output = SimpleNamespace(encoder_attentions=encoder, decoder_attentions=decoder, cross_attentions=cross)
    assert (view_of(output, **names).trace.cross_attention[1] == trace.cross_attention[1]).all()
    some = view_of(encoder_attention=encoder, cross_attention=cross, **names, include_layers=[1, 2]).trace
    assert some.encoder_attention.layers == [1] and some.cross_attention.layers == [1, 2]
    alone = view_of(decoder_attention=decoder, decoder_tokens=names["decoder_tokens"])
    assert alone.trace.tokens == names["decoder_tokens"] and len(alone.data) > 1000


def test_cross_attention_of_steps_is_one_matrix():
    whole = attention(layers=2, queries=4, keys=6)
    steps = tuple(tuple(layer[:, :, i : i + 1] for layer in whole) for i in range(4))
    found = view_of(cross_attention=steps, encoder_tokens=tokens(6), decoder_tokens=tokens(5, "d")).trace
    assert (np.asarray(found.cross_attention) == np.stack(whole)[:, 0]).all()


def test_what_is_shown_first():
    given = attention(layers=3, heads=4)
    assert focus_of(view_of(given, tokens(6))) == {"view": "head"}
    assert focus_of(view_of(given, tokens(6), layer=2)) == {
        "view": "head",
        "layer": 2,
        "head": 0,
        "heads": [0, 1, 2, 3],
    }
    focus = focus_of(view_of(given, tokens(6), layer=2, heads=[3, 1], include_layers=[0, 2]))
    assert focus == {"view": "head", "layer": 1, "head": 3, "heads": [3, 1]}  # its place among those shown
    model = model_view(given, tokens(6), include_heads=[1, 3], html_action="return")
    assert focus_of(model) == {"view": "model", "theme": "dark"}
    assert (
        focus_of(model_view(given, tokens(6), display_mode="light", html_action="return"))["theme"] == "light"
    )


def test_heads_keep_their_numbers():
    given = attention(layers=3, heads=4)
    view = model_view(given, tokens(6), include_layers=[0, 2], include_heads=[1, 3], html_action="return")
    table = view.trace.to_frame()
    assert list(zip(table["layer"], table["head"])) == [(0, 1), (0, 3), (2, 1), (2, 3)]
    assert (view.trace.attention[2][1] == given[2][0, 3]).all()


def test_sentences_and_special_tokens_are_told():
    names = ["[CLS]", "the", "cat", "##s", "[SEP]", "the", "dog", "[SEP]"]
    encoding = view_of(attention(queries=8), names, 5).trace.encoding
    assert [token["segment"] for token in encoding["tokens"]] == [0] * 5 + [1] * 3
    assert [token["special"] for token in encoding["tokens"]] == [name.startswith("[") for name in names]
    assert encoding["text"] == "the cats\nthe dog"
    assert [encoding["text"][slice(*token["span"])] for token in encoding["tokens"] if token["span"]] == [
        "the",
        "cat",
        "s",
        "the",
        "dog",
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["The", "Ġcat", "Ġd", "Ã©j", "Ãł"], "The cat déjà"),
        (["▁The", "▁cat", "s", "</s>"], "The cats"),
        (["the</w>", "cat", "s</w>"], "the cats "),
        (["I", "like", "it"], "I like it"),
    ],
)
def test_pieces_spell_a_text(names, text):
    assert view_of(attention(queries=len(names)), names).trace.encoding["text"] == text


def test_the_mark_of_a_words_end_is_taken_away_when_pieces_are_prettified():
    assert view_of(attention(queries=2), ["the</w>", "cat</w>"]).trace.tokens == ["the", "cat"]
    raw = view_of(attention(queries=2), ["the</w>", "cat</w>"], prettify_tokens=False)
    assert raw.trace.tokens == ["the</w>", "cat</w>"]


def test_what_is_wrong_is_said_with_the_way_out():
    given, names = attention(), tokens(6)
    for wrong, error, message in [
        (lambda: head_view((), names), ValueError, 'attn_implementation="eager".*headscope.capture'),
        (lambda: head_view(((), ()), names), ValueError, "sdpa and flash"),
        (lambda: head_view(SimpleNamespace(attentions=None), names), ValueError, "output_attentions=True"),
        (
            lambda: head_view(SimpleNamespace(attentions=(), cross_attentions=()), names),
            ValueError,
            "^attention is empty",
        ),
        (
            lambda: head_view(np.zeros((1, 32)), names),
            ValueError,
            r"shape \[1, 32\].*outputs\[-1\] is no longer",
        ),
        (lambda: head_view(object(), names), TypeError, r"is a object.*outputs\[-1\]"),
        (lambda: head_view([np.zeros((6, 6))], names), ValueError, r"layer 0 has shape \[6, 6\]"),
        (lambda: head_view([np.random.randn(1, 6, 32)], names), ValueError, "after softmax, from 0 to 1"),
        (lambda: head_view([np.full((1, 2, 6, 6), np.nan)], names), ValueError, "values from nan"),
        (lambda: head_view(given), ValueError, "tokens is required: attention has 6 positions"),
        (lambda: head_view(given, tokens(4)), ValueError, "6 positions, but tokens has 4: t0 t1 t2 t3"),
        (lambda: head_view(given, "a b c"), TypeError, "convert_ids_to_tokens"),
        (lambda: head_view(given, [1, 2, 3, 4, 5, 6]), TypeError, "tokens holds int"),
        (lambda: head_view(given, names, 6), ValueError, "sentence_b_start is 6"),
        (lambda: head_view(given, names, layer=3), ValueError, "there is no layer 3 to show"),
        (
            lambda: head_view(given, names, heads=[4]),
            ValueError,
            r"heads is \[4\]; the layer has heads 0 to 3",
        ),
        (lambda: head_view(given, names, layer=1, include_layers=[0]), ValueError, "no layer 1 to show"),
        (lambda: head_view(given, names, include_layers=[5]), ValueError, "attention has layers 0 to 2"),
        (lambda: model_view(given, names, include_heads=[9]), ValueError, "attention has heads 0 to 3"),
        (lambda: model_view(given, names, display_mode="blue"), ValueError, "no theme 'blue'"),
        (lambda: head_view(given, names, encoder_tokens=names), ValueError, "give it and tokens alone"),
        (lambda: head_view(), ValueError, "no attention was given"),
        (
            lambda: head_view(cross_attention=given, encoder_tokens=names),
            ValueError,
            "decoder_tokens is required",
        ),
        (lambda: head_view(given, names, html_action="print"), ValueError, "expected 'view' or 'return'"),
    ]:
        with pytest.raises(error, match=f"(?s){message}"):
            wrong()


def test_a_cell_shows_a_frame_that_reaches_nothing():
    view = view_of(attention(), ["</script>", '"><img src=x onerror=alert(1)>', "&quot;", "d", "e", "f"])
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == "headscope head view: Trace of 6 tokens, attention, 3 attention blocks"
    frame = bundle["text/html"]
    assert frame == view.data == view._repr_html_() == hs.View._repr_html_(view)
    outside, page = (
        re.sub('srcdoc="[^"]*"', "srcdoc", frame),
        html.unescape(re.search('srcdoc="([^"]*)"', frame)[1]),
    )
    assert 'sandbox="allow-scripts allow-downloads"' in outside and "allow-same-origin" not in outside
    assert "<script" not in outside and "onerror" not in outside
    assert "Content-Security-Policy\" content=\"default-src 'none'" in page
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)


def test_a_view_shows_itself_in_a_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert head_view(attention(), tokens(6)) is None
    assert [type(one) for one in shown] == [hs.View]


def test_a_view_is_saved_as_a_page(tmp_path):
    view_of(attention(), tokens(6)).save(tmp_path / "view.html")
    assert (tmp_path / "view.html").read_text().startswith("<!doctype html>")


def test_a_large_view_stays_small():
    frame = view_of(attention(layers=12, heads=12, queries=512), tokens(512)).data
    assert len(frame) < 40e6
