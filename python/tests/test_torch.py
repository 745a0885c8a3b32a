"""Models that torch runs: tiny and random, against what transformers' eager attention says.

Skipped where torch or transformers are not installed; `cargo xtask test` runs them where Python has both.
"""

import inspect

import numpy as np
import pytest

import headscope as hs

torch = pytest.importorskip("torch", reason="torch is not installed here")
transformers = pytest.importorskip("transformers", reason="transformers is not installed here")

#: Queries and keys of a layer differ by rounding between sdpa and eager, as what enters it does.
CLOSE = 2e-5

SIZES = dict(vocab_size=60, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40)
SHARED = dict(**SIZES, num_key_value_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=0)
OF_TWO = dict(
    vocab_size=60,
    d_model=32,
    encoder_layers=2,
    decoder_layers=3,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=40,
    decoder_ffn_dim=40,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=2,
    init_std=0.5,
)
T5 = dict(
    vocab_size=60,
    d_model=32,
    d_kv=8,
    d_ff=40,
    num_layers=2,
    num_heads=4,
    decoder_start_token_id=0,
    pad_token_id=0,
)
MODELS = {
    "bert": ("BertModel", "BertConfig", dict(**SIZES, initializer_range=0.5)),
    "albert": ("AlbertModel", "AlbertConfig", dict(**SIZES, embedding_size=16, initializer_range=0.5)),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        dict(
            vocab_size=60,
            n_embd=32,
            n_layer=3,
            n_head=4,
            initializer_range=0.5,
            bos_token_id=1,
            eos_token_id=2,
        ),
    ),
    "llama": ("LlamaForCausalLM", "LlamaConfig", dict(**SHARED, initializer_range=0.5)),
    "mistral": (
        "MistralForCausalLM",
        "MistralConfig",
        dict(**SHARED, sliding_window=4, initializer_range=0.5),
    ),
    "gemma2": (
        "Gemma2ForCausalLM",
        "Gemma2Config",
        dict(**SHARED, head_dim=8, sliding_window=4, initializer_range=0.5),
    ),
    "t5": ("T5ForConditionalGeneration", "T5Config", T5),
    "bart": ("BartForConditionalGeneration", "BartConfig", OF_TWO),
}
MASKS = {
    "bert": ["full"] * 3,
    "albert": ["full"] * 3,
    "gpt2": ["causal"] * 3,
    "llama": ["causal"] * 3,
    "mistral": [{"causal_window": 4}] * 3,
    "gemma2": [{"causal_window": 4}, "causal", {"causal_window": 4}],
}


def model_of(name: str, attention: str = "eager"):
    model, config, settings = MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, config)(**settings, attn_implementation=attention)
    return getattr(transformers, model)(config).eval()


def ids(count: int = 9, seed: int = 1):
    return torch.randint(3, 60, (1, count), generator=torch.Generator().manual_seed(seed))


def worst(found, expected) -> float:
    """The largest difference of any layer's weights."""
    return max(
        float(np.abs(a - b.detach().float().numpy()).max()) for a, b in zip(found, expected, strict=True)
    )


def names(count: int, letter: str = "t") -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", MASKS)
def test_a_capture_has_the_weights_of_eager_attention(name, attention):
    if (name, attention) == ("gemma2", "sdpa"):
        pytest.skip("transformers has no sdpa for Gemma 2")
    expected = model_of(name)(input_ids=ids(), output_attentions=True).attentions
    trace = hs.capture(model_of(name, attention), input_ids=ids())
    assert worst(trace.attention, [layer[0] for layer in expected]) < CLOSE
    assert [rule["mask"] for rule in trace._metadata["rules"]] == MASKS[name]
    assert trace.q.shape == (3, 4, 9, 8)
    assert len(trace.k[0]) == MODELS[name][2].get("num_key_value_heads", 4)
    assert not any(site.endswith("pattern") for site in trace.sites), "all is told by queries, keys and rules"
    assert trace.model["kernel"] == f"torch {attention}" and len(trace.view().data) > 1000


@pytest.mark.parametrize("name", MASKS)
def test_padding_is_not_looked_at(name):
    two, mask = torch.cat([ids(), ids(seed=2)]), torch.ones(2, 9, dtype=torch.long)
    padded = slice(6, 9) if name in ("bert", "albert") else slice(0, 3)
    mask[1, padded] = 0
    expected = model_of(name)(input_ids=two, attention_mask=mask, output_attentions=True).attentions
    model = model_of(name, "eager" if name == "gemma2" else "sdpa")
    with pytest.raises(ValueError, match="the batch has 2 texts; say which one to capture: batch=0"):
        hs.capture(model, input_ids=two, attention_mask=mask)
    trace = hs.capture(model, input_ids=two, attention_mask=mask, batch=1)
    rows = mask[1].bool()
    assert (
        worst(
            [layer[:, rows.numpy()] for layer in trace.attention], [layer[1][:, rows] for layer in expected]
        )
        < CLOSE
    )
    assert [token["mask"] for token in trace.encoding["tokens"]] == rows.tolist()


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_two_stacks_are_captured(name):
    inputs = dict(input_ids=ids(), decoder_input_ids=ids(5, seed=3))
    expected = model_of(name)(**inputs, output_attentions=True)
    trace = hs.capture(model_of(name, "sdpa"), **inputs)
    for part in ("encoder", "decoder", "cross"):
        found = getattr(trace, f"{part}_attention")
        layers = getattr(expected, f"{part}_attentions")
        assert worst(found, [layer[0] for layer in layers]) < CLOSE, part
    assert ("encoder.blocks.0.attn.pattern" in trace.sites) == (name == "t5"), "T5 adds more than a rule says"


def test_a_capture_changes_nothing():
    from transformers.modeling_utils import AttentionInterface

    model, before = model_of("bert", "sdpa").train(), AttentionInterface.get_interface
    hs.capture(model, input_ids=ids())
    assert model.training and AttentionInterface.get_interface is before
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        hs.capture(model, nonsense=1)
    assert model.training and AttentionInterface.get_interface is before


def test_a_model_in_16_bits_is_captured():
    model = model_of("llama", "sdpa").to(torch.bfloat16)
    trace = hs.capture(model, input_ids=ids())
    expected = model.float()(input_ids=ids(), output_attentions=False)
    assert expected.logits is not None and trace.model["dtype"] == "bfloat16"
    assert np.allclose(np.asarray(trace.attention).sum(axis=-1), 1, atol=1e-5)


def test_what_cannot_be_captured_is_said():
    with pytest.raises(TypeError, match="the model is a str"):
        hs.capture("gpt2")
    with pytest.raises(ValueError, match="Linear asked for no attention function"):
        hs.capture(torch.nn.Linear(2, 2), input=torch.zeros(1, 2))
    with pytest.raises(TypeError, match="headscope.capture"):
        hs.trace("A cat", model=model_of("bert"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors_of_every_kind_are_taken(dtype):
    layers = tuple(torch.randn(1, 4, 6, 6, requires_grad=True).softmax(-1).to(dtype) for _ in range(3))
    trace = hs.head_view(layers, names(6), html_action="return").trace
    assert worst(trace.attention, [layer[0] for layer in layers]) == 0
    assert trace.model["dtype"] == str(dtype).removeprefix("torch.")


def test_what_models_return_is_taken_as_it_is():
    model = model_of("gpt2")
    outputs = model(input_ids=ids(), output_attentions=True)
    trace = hs.head_view(outputs, names(9), html_action="return").trace
    assert worst(trace.attention, [layer[0] for layer in outputs.attentions]) == 0


@pytest.mark.parametrize("name", ["gpt2", "bart", "t5"])
def test_what_is_generated_is_what_one_pass_sees(name):
    model = model_of(name)
    made = model.generate(
        input_ids=ids(),
        max_new_tokens=6,
        min_new_tokens=6,
        do_sample=False,
        output_attentions=True,
        return_dict_in_generate=True,
    )
    if name == "gpt2":
        trace = hs.head_view(made.attentions, names(15), html_action="return").trace
        whole = model(input_ids=made.sequences[:, :-1], output_attentions=True)
        assert worst(trace.attention, [layer[0] for layer in whole.attentions]) < CLOSE
        return
    pieces = dict(encoder_tokens=names(9), decoder_tokens=names(made.sequences.shape[1], "d"))
    trace = hs.head_view(made, **pieces, html_action="return").trace
    whole = model(input_ids=ids(), decoder_input_ids=made.sequences[:, :-1], output_attentions=True)
    assert worst(trace.decoder_attention, [layer[0] for layer in whole.decoder_attentions]) < CLOSE
    assert worst(trace.cross_attention, [layer[0] for layer in whole.cross_attentions]) < CLOSE


def test_models_that_form_no_weights_are_told():
    model = model_of("bert", "sdpa")
    outputs = model(input_ids=ids(), output_attentions=True)
    for given in (outputs, outputs.attentions):
        with pytest.raises(ValueError, match='(?s)attn_implementation="eager".*headscope.capture'):
            hs.head_view(given, names(9))
    with pytest.raises(ValueError, match=r"In transformers 5, outputs\[-1\] is no longer the attentions"):
        hs.head_view(model(input_ids=ids())[-1], names(9))


# ---- the calls of bertviz's own notebooks ---------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog played in park ##s a".split()
    path = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    path.write_text("\n".join(words))
    return transformers.BertTokenizer(str(path))


@pytest.mark.parametrize("library", ["headscope", "bertviz"])
def test_the_notebooks_calls_run(library, tokenizer):
    """Only the import differs: `from bertviz import head_view, model_view`."""
    bertviz = pytest.importorskip(library, reason=f"{library} is not installed here")
    if library == "bertviz":
        pytest.importorskip("IPython")
    head_view, model_view = bertviz.head_view, bertviz.model_view

    model = model_of("bert")
    inputs = tokenizer("the cat sat on the mat", "the dog played in the park", return_tensors="pt")
    attention = model(**inputs, output_attentions=True).attentions
    sentence_b_start = inputs["token_type_ids"][0].tolist().index(1)
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    assert head_view(attention, tokens, html_action="return").data
    assert head_view(attention, tokens, sentence_b_start, html_action="return").data
    assert head_view(attention, tokens, layer=2, heads=[3, 1], html_action="return").data
    assert model_view(attention, tokens, sentence_b_start, html_action="return").data
    assert model_view(
        attention, tokens, display_mode="light", include_layers=[1, 2], html_action="return"
    ).data

    gpt2 = model_of("gpt2")(input_ids=ids(), output_attentions=True).attentions
    assert head_view(gpt2, names(9), html_action="return").data
    assert model_view(gpt2, names(9), html_action="return").data

    for name in ("t5", "bart"):
        outputs = model_of(name)(input_ids=ids(), decoder_input_ids=ids(5), output_attentions=True)
        for view in (head_view, model_view):
            assert view(
                encoder_attention=outputs.encoder_attentions,
                decoder_attention=outputs.decoder_attentions,
                cross_attention=outputs.cross_attentions,
                encoder_tokens=names(9),
                decoder_tokens=names(5, "d"),
                html_action="return",
            ).data


def test_the_neuron_view_takes_any_model(tokenizer):
    view = hs.neuron_view(
        model_of("bert", "sdpa"),
        "bert",
        tokenizer,
        "the cat sat on the mat",
        "the dogs played",
        layer=1,
        head=2,
        html_action="return",
    )
    tokens = view.trace.encoding["tokens"]
    assert [token["piece"] for token in tokens][-5:] == ["the", "dog", "##s", "played", "[SEP]"]
    assert [token["segment"] for token in tokens] == [0] * 8 + [1] * 5
    assert [token["special"] for token in tokens] == [
        token["piece"] in ("[CLS]", "[SEP]") for token in tokens
    ]
    assert "blocks.1.attn.q" in view.trace.sites and len(view.data) > 1000
    two = hs.neuron_view(
        model_of("bart", "sdpa"), "bart", tokenizer, "the cat", "the dog", html_action="return"
    )
    assert two.trace.target_tokens is not None


def test_arguments_and_defaults_are_bertvizs():
    bertviz = pytest.importorskip("bertviz", reason="bertviz is not installed here")
    from bertviz.neuron_view import show

    def given(function):
        ours = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in ours if p.kind is not p.KEYWORD_ONLY]

    for mine, theirs in (
        (hs.head_view, bertviz.head_view),
        (hs.model_view, bertviz.model_view),
        (hs.neuron_view, show),
    ):
        assert given(mine) == given(theirs)
