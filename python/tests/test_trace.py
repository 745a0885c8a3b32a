"""Models that run, and what a trace holds."""

import signal
import sys
import threading
import time

import numpy as np
import pytest

import headscope as hs

PAIR = ("The cat sat on the mat", "The dog played in the park")


@pytest.fixture(scope="module")
def model():
    return hs.Model()


@pytest.fixture(scope="module")
def trace(model):
    return model.trace(*PAIR)


def test_the_numbers_are_those_of_transformers(trace):
    assert trace.tokens[:8] == ["[CLS]", "the", "cat", "sat", "on", "the", "mat", "[SEP]"]
    assert [token["id"] for token in trace.encoding["tokens"]][:4] == [101, 1996, 4937, 2938]
    expected = [0.409991, 0.016155, 0.001783, 0.007142, 0.013035]
    assert np.allclose(trace.attention[0, 0, 0][:5], expected, atol=2e-6)
    assert trace.attention[1, 11][2, 3] == pytest.approx(0.990, abs=5e-4)
    everything = np.asarray(trace.attention, dtype=np.float64)
    entropy = -(everything * np.log(np.maximum(everything, 1e-30))).sum(axis=-1).mean()
    assert entropy == pytest.approx(1.69001, abs=1e-5)


def test_arrays_have_shapes_and_indices_as_in_numpy(trace):
    attention = trace.attention
    everything = np.asarray(attention)
    assert attention.shape == everything.shape == (12, 12, 15, 15) and len(attention) == 12
    assert (attention[3, 5] == everything[3, 5]).all() and (attention[-1, -2] == everything[-1, -2]).all()
    assert (attention[2] == everything[2]).all() and (attention[1:3, 4] == everything[1:3, 4]).all()
    assert attention[3, 5, 2].shape == (15,) and attention[3, :, 2].shape == (12, 15)
    assert trace.q.shape == trace.k.shape == trace.v.shape == (12, 12, 15, 32)
    assert len(trace.hidden) == 13 and trace.hidden[0].shape == (15, 384)


def test_recorded_numbers_are_not_copied(trace):
    first, second = trace.attention[3, 5], trace.attention[3, 5]
    assert np.shares_memory(first, second) and not first.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_numbers_outlive_the_trace():
    row = hs.trace("A cat").attention[0, 0]
    before = row.copy()
    for _ in range(3):
        hs.trace("Another text, which takes memory")
    assert (row == before).all()


def test_weights_are_computed_from_queries_and_keys_where_they_were_not_recorded(model, trace):
    lazy = model.trace(*PAIR, sites="*attn.q,*attn.k")
    assert "blocks.0.attn.pattern" not in lazy.sites
    assert np.allclose(np.asarray(lazy.attention), np.asarray(trace.attention), atol=2e-5)


def test_a_trace_comes_back_from_its_file(trace, tmp_path):
    trace.save(tmp_path / "t.safetensors")
    again = hs.open(tmp_path / "t.safetensors")
    assert again.tokens == trace.tokens and again.sites == trace.sites
    assert all((again[site] == trace[site]).all() for site in trace.sites)


def test_token_ids_run_as_they_are(model):
    trace = model.trace_ids([101, 4937, 102])
    assert trace.tokens == ["[CLS]", "cat", "[SEP]"]


def test_tables_have_a_row_for_each_head_and_edge(trace):
    heads, edges = trace.to_frame(), trace.to_frame("edges", layer=1, head=11, min_weight=0.9)
    assert len(heads["layer"]) == 144 and max(heads["head"]) == 11
    place = 1 * 12 + 11
    following = [
        trace.attention[1, 11][i, i + 1] for i in range(14) if not trace.encoding["tokens"][i]["special"]
    ]
    assert heads["next"][place] == pytest.approx(np.mean(following), abs=1e-6)
    rows = list(zip(edges["query_piece"], edges["key_piece"], edges["weight"]))
    assert len(rows) == (trace.attention[1, 11] >= 0.9).sum()
    assert any(query == "cat" and key == "sat" and weight > 0.98 for query, key, weight in rows)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_tables_are_of_the_library_at_hand(trace, library, monkeypatch):
    frames = pytest.importorskip(library)
    other = {"polars": "pandas", "pandas": "polars"}[library]
    monkeypatch.setitem(sys.modules, other, None)  # as if it were not installed
    assert isinstance(trace.to_frame(), frames.DataFrame)


def test_what_is_wrong_is_said(trace, tmp_path):
    for wrong, error, message in [
        (lambda: hs.trace("  "), hs.HeadscopeError, "only spaces.*help: "),
        (lambda: hs.trace("word " * 600), hs.HeadscopeError, "602 tokens.*512.*\nhelp: "),
        (lambda: hs.trace("a", model=str(tmp_path)), hs.HeadscopeError, "config.json"),
        (lambda: hs.Model("no such/id/at all", offline=True), hs.HeadscopeError, "no such"),
        (lambda: hs.open(tmp_path / "none"), FileNotFoundError, "none"),
        (lambda: trace.attention[12, 0], IndexError, "there is no layer 12; the trace has 0, 1"),
        (lambda: trace.attention[0, 12], IndexError, "there is no head 12; layer 0 has heads 0 to 11"),
        (lambda: trace.logits, AttributeError, "no logits"),
        (lambda: trace["embed"], KeyError, "nothing was recorded at 'embed'"),
        (lambda: trace.to_frame("words"), ValueError, "expected 'heads' or 'edges'"),
        (lambda: hs.trace("a", sites="*.nothing"), hs.HeadscopeError, "nothing"),
    ]:
        with pytest.raises(error, match=f"(?s){message}"):
            wrong()


def test_a_long_text_is_cut_when_that_is_asked_for(model):
    assert len(model.trace("word " * 600, truncate=True, sites="embed").tokens) == 512


def test_other_threads_go_on_while_a_model_runs(model):
    text = "word " * 500
    model.trace(text, sites="embed")
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)

    other = threading.Thread(target=count)
    other.start()
    before = counted[0]
    model.trace(text, sites="embed")
    after = counted[0]
    done.set()
    other.join()
    assert after - before > 100


def test_an_interruption_gets_away_from_a_run(model):
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            for _ in range(1000):
                model.trace("word " * 500, sites="embed")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert model.trace("A cat").tokens[1] == "a"
