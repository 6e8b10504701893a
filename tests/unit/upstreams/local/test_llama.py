"""The real engine with the real weights, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from dragoman.upstreams.local import weights
from dragoman.upstreams.local.engine import EngineRefused
from dragoman.upstreams.local.grammar import CallableTool, call_grammar, json_grammar
from dragoman.upstreams.local.llama import _BYTE_OF, Llama, LlamaModel
from dragoman.upstreams.local.protocol import Draw, Options

pytestmark = pytest.mark.local_model
GREEDY = Draw(temperature=0)


@pytest.fixture(scope="module")
def path() -> str:
    found = weights.find(weights.WEIGHTS[0])
    assert found is not None
    return str(found)


@pytest.fixture(scope="module")
def engine() -> Llama:
    return Llama()


@pytest.fixture(scope="module")
def model(engine: Llama, path: str) -> Iterator[LlamaModel]:
    model = engine.load(Options(path, context=1024))
    yield model
    model.close()


@pytest.fixture
def chunked(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaModel]:
    """The model, which reads eight tokens of a prompt at once and has read none yet."""
    monkeypatch.setattr(model, "_chunk", 8)
    model._kept.clear()
    yield model
    model._kept.clear()


def write(
    model: LlamaModel,
    prompt: str,
    draw: Draw = GREEDY,
    grammar: str | None = None,
    limit: int = 100,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[bytes]:
    """The tokens of an answer, at most `limit`."""
    tokens = model.generate(model.tokenize(prompt), draw, grammar, cancelled)
    return [token.piece for token, _ in zip(tokens, range(limit), strict=False)]


def chat(model: LlamaModel, text: str) -> str:
    return model.render(
        [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    )


def test_a_prompt_is_rendered_by_the_models_own_template(model: LlamaModel) -> None:
    assert model.render([{"role": "user", "content": "Hi"}]) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert not model.takes_tools


def test_special_tokens_are_tokens_and_a_beginning_of_text_comes_once(model: LlamaModel) -> None:
    assert len(model.tokenize("<|im_start|>")) == 1
    assert model.tokenize("<|im_start|>user")[0] == 1
    assert model.tokenize("") == []


def test_the_likeliest_answer_is_the_same_every_time(model: LlamaModel) -> None:
    prompt = chat(model, "What is the capital of France?")
    first = write(model, prompt)
    assert b"".join(first) == b"The capital of France is Paris."
    assert write(model, prompt) == first


def test_a_seed_decides_an_answer(model: LlamaModel) -> None:
    prompt = chat(model, "Tell me a story.")
    one, same, other = (write(model, prompt, Draw(temperature=1.0, seed=seed), limit=8) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("text", ["🦊", "naïve café", "漢字かな交じり文", "a\tb\r\n", "\u200d\ufeff"])
def test_tokens_are_bytes_that_add_up_to_the_text(model: LlamaModel, text: str) -> None:
    literal = "".join(f"\\U{ord(char):08x}" for char in text)
    pieces = write(model, chat(model, "Repeat."), grammar=f'root ::= "{literal}"')
    assert b"".join(pieces) == text.encode()


def test_the_alphabet_of_bytes_is_whole() -> None:
    assert sorted(_BYTE_OF.values()) == list(range(256))
    assert (_BYTE_OF["Ġ"], _BYTE_OF["Ċ"], _BYTE_OF["a"]) == (0x20, 0x0A, 0x61)


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "born": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"enum": ["a", 'b"', None]}, "maxItems": 2},
        "score": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "friend": {"anyOf": [{"$ref": "#/$defs/short"}, {"type": "null"}]},
    },
    "required": ["name", "age", "friend"],
    "$defs": {"short": {"properties": {"name": {"const": "née"}}, "required": ["name"]}},
}


@pytest.mark.parametrize(
    "schema",
    [
        PERSON,
        {"type": "array", "items": {"type": ["integer", "boolean"]}, "minItems": 2, "maxItems": 3},
        {"type": "string", "maxLength": 5000, "minLength": 3},
        {"type": "integer", "minimum": -105, "maximum": -17},
        {"properties": {f"line\n{n}": {"type": "boolean"} for n in range(5)}},
        {"const": {"deep": ["\u2028", 'q"', "\\", None]}},
    ],
)
def test_what_the_engine_writes_by_a_grammar_validates(model: LlamaModel, schema: Any) -> None:
    prompt = chat(model, "John is 25 years old. Answer in JSON.")
    pieces = write(model, prompt, Draw(temperature=1.2, seed=3), json_grammar(schema), limit=900)
    OAS31Validator(schema).validate(json.loads(b"".join(pieces)))


def test_a_forced_call_fits_its_tool(model: LlamaModel) -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    grammar = call_grammar([CallableTool("get_weather", city, "tools[0]")])
    call = json.loads(b"".join(write(model, chat(model, "What is the weather in Paris?"), grammar=grammar)))
    assert call["name"] == "get_weather"
    assert call["arguments"]["city"].casefold() == "paris"


def test_log_probabilities_are_the_models_own(model: LlamaModel) -> None:
    prompt = model.tokenize(chat(model, "What is the capital of France?"))
    # Bias and penalties change what is drawn, not what is reported.
    draw = Draw(temperature=0, top_logprobs=3, repetition=1.3, bias=((42, -5.0),))
    for token, _ in zip(model.generate(prompt, draw, None, lambda: False), range(3), strict=False):
        assert token.prob is not None
        assert token.prob.piece == token.piece
        assert token.prob == type(token.prob)(
            token.prob.top[0].id, token.prob.top[0].piece, token.prob.top[0].logprob, token.prob.top
        )
        assert [prob.logprob for prob in token.prob.top] == sorted(
            (prob.logprob for prob in token.prob.top), reverse=True
        )
        assert token.prob.logprob < 0


def test_a_bias_forbids_a_token(model: LlamaModel) -> None:
    prompt = chat(model, "What is the capital of France?") + "The capital of France is"
    (paris,) = model.tokenize(" Paris")
    assert write(model, prompt, limit=1) == [b" Paris"]
    assert write(model, prompt, Draw(temperature=0, bias=((paris, -100.0),)), limit=1) != [b" Paris"]


def test_sampling_that_leaves_one_token_takes_the_likeliest(model: LlamaModel) -> None:
    prompt = chat(model, "What is the capital of France?")
    likeliest = write(model, prompt, limit=5)
    for draw in (Draw(top_k=1), Draw(top_p=1e-6), Draw(min_p=1.0)):
        assert write(model, prompt, draw, limit=5) == likeliest


@pytest.mark.parametrize(
    "draw",
    [Draw(temperature=0, frequency=9), Draw(temperature=0, presence=9), Draw(temperature=0, repetition=9)],
)
def test_penalties_keep_an_answer_from_repeating_itself(model: LlamaModel, draw: Draw) -> None:
    prompt, grammar = chat(model, "Say a or b."), "root ::= [ab] root"
    assert len(set(write(model, prompt, GREEDY, grammar, limit=5))) < 5
    assert len(set(write(model, prompt, draw, grammar, limit=5))) == 5


def test_a_cancelled_answer_ends_before_its_prompt_is_read(model: LlamaModel) -> None:
    assert write(model, chat(model, "Hi"), cancelled=lambda: True) == []
    assert write(model, chat(model, "What is the capital of France?"), limit=2) == [b"The", b" capital"]


def test_a_prompt_longer_than_a_chunk_is_read_whole(chunked: LlamaModel) -> None:
    prompt = chat(chunked, "What is the capital of France?")
    assert len(chunked.tokenize(prompt)) > 20
    assert b"".join(write(chunked, prompt)) == b"The capital of France is Paris."


def test_a_prompt_is_read_from_where_it_differs_and_answered_to_the_bit_as_if_from_its_beginning(
    chunked: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same again, whole chunks of it, and one that goes on in another way."""
    whole, other = (
        chunked.tokenize(chat(chunked, f"Is {word} larger than a mouse?")) for word in ("it", "he")
    )
    starts: list[int] = []
    batch = chunked._native.llama_batch_get_one

    def counted(tokens: list[int], start: int) -> Any:
        starts.append(start)
        return batch(tokens, start)

    def answer(prompt: list[int]) -> list[Any]:
        starts.clear()
        draw = Draw(temperature=1.0, seed=5, top_logprobs=2)
        tokens = chunked.generate(prompt, draw, None, lambda: False)
        return [token.prob for _, token in zip(range(2), tokens, strict=False)]

    monkeypatch.setattr(chunked._native, "llama_batch_get_one", counted)
    first = answer(whole)
    assert starts[0] == 0
    for prompt, kept in ((whole, 24), (whole[:24], 16), (other, 8), (whole, 8)):
        again = answer(prompt)
        assert starts[0] == kept
        chunked._kept.clear()
        assert answer(prompt) == again
        assert starts[0] == 0
    assert answer(whole) == first


def test_what_was_not_read_to_its_end_is_not_kept(
    chunked: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = chat(chunked, "What is the capital of France?")
    batch = chunked._native.llama_batch_get_one

    def cancelled(tokens: list[int], start: int) -> Any:
        if start == 2 * 8:
            chunked.cancel()
        return batch(tokens, start)

    with monkeypatch.context() as patch:
        patch.setattr(chunked._native, "llama_batch_get_one", cancelled)
        assert write(chunked, prompt) == []
    assert len(chunked._kept) == 2 * 8
    assert write(chunked, prompt, limit=2) == [b"The", b" capital"]


def test_a_template_is_a_program_that_may_refuse(engine: Llama, path: str) -> None:
    source = (
        "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}{{ message.content }}{% endfor %}{{ tools | tojson }}{{ strftime_now('%Y')[:2] }}"
    )
    model = LlamaModel(engine._native, Options(path), 256, source)
    tools = [{"name": "é<"}]
    assert model.render([{"role": "user", "content": "Hi "}], tools) == 'Hi [{"name": "é<"}]20'
    with pytest.raises(EngineRefused, match="no system") as caught:
        model.render([{"role": "system", "content": "s"}])
    assert caught.value.kind == "invalid"
    assert model.takes_tools
    model.close()


def test_the_context_is_what_the_model_was_trained_for_at_most(engine: Llama, path: str) -> None:
    with pytest.raises(EngineRefused, match=r"the context of 9000 tokens .* 8192 tokens"):
        engine.load(Options(path, context=9000))


@pytest.mark.parametrize("content", [None, b"", b"not weights", b"GGUF\x03\0\0\0" + bytes(16)])
def test_what_is_no_model_is_refused(engine: Llama, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "own.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EngineRefused, match=r"own\.gguf cannot be") as caught:
        engine.load(Options(str(file)))
    assert caught.value.kind == "model"
