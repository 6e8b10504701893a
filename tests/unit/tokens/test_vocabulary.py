"""Which vocabulary counts for which model, and what happens without any."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dragoman.tokens import vocabulary as module
from dragoman.tokens.vocabulary import by_bytes, detokenized, reads_tokens, size, vocabulary

CODE = "def f(x):\n    return x  # größer, 你好世界\n" * 20


def counts(model: str | None) -> int:
    return vocabulary(model).weigh(CODE)


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (module._bindings, module._tokenizer, module._vocabulary)
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    yield
    for cache in caches:
        cache.cache_clear()


OWN_VOCABULARY = pytest.mark.skipif(
    not vocabulary("gpt-4o").own, reason="the extra `tokens` is not installed"
)


@OWN_VOCABULARY
@pytest.mark.parametrize(
    ("model", "like", "own"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("GPT-4.1-nano", "gpt-4o", True),
        ("openai/gpt-4o", "gpt-4o", True),
        ("ft:gpt-4o-mini:acme::x1", "gpt-4o", True),
        ("o3-mini", "gpt-4o", True),
        ("gpt-5.2", "gpt-4o", True),
        ("gpt-4-turbo", "gpt-4", True),
        ("gpt-35-turbo", "gpt-4", True),
        ("babbage-002", "gpt-4", True),
        ("text-embedding-3-small", "gpt-4", True),
        ("text-embedding-004", "gpt-4o", False),  # Google's
        ("gpt-4.1", "gpt-4o", True),
        ("gpt-oss-120b", "gpt-4o", False),  # the words, but not the frame around them
        ("o9-mini", "gpt-4o", False),
        ("gpt-6-astra", "gpt-4o", False),
        ("llama-3.3-70b", "gpt-4o", False),
        ("", "gpt-4o", False),
        (None, "gpt-4o", False),
    ],
)
def test_a_model_is_known_by_its_name(model: str | None, like: str, own: bool) -> None:
    assert counts(model) == counts(like)
    assert vocabulary(model).own is own


@OWN_VOCABULARY
def test_the_vocabularies_are_openais() -> None:
    """https://platform.openai.com/tokenizer"""
    text = "antidisestablishmentarianism"
    assert (vocabulary("gpt-4").weigh(text), vocabulary("gpt-4o").weigh(text)) == (6, 6)
    assert (
        vocabulary("gpt-4").weigh("お誕生日おめでとう"),
        vocabulary("gpt-4o").weigh("お誕生日おめでとう"),
    ) == (9, 8)
    assert vocabulary("gpt-4o").weigh("<|endoftext|>") == 7  # words of a client, not a mark
    assert vocabulary("gpt-4o").weigh("") == 0


def test_others_count_more_or_less() -> None:
    claude, gemini, other = (
        vocabulary("claude-sonnet-4-5"),
        vocabulary("models/gemini-2.5-pro"),
        vocabulary("x"),
    )
    assert 1.1 * other.weigh(CODE) < claude.weigh(CODE) < 1.2 * other.weigh(CODE) + 1
    assert (claude.tools, other.tools) == (530, 0)
    assert gemini.weigh(CODE) == other.weigh(CODE)
    assert (gemini.picture, other.picture) == (258, 765)
    assert vocabulary("anthropic.claude-3-haiku-20240307-v1:0").tools == 530


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "llama-3.3-70b", None])
def test_without_the_extra_bytes_are_divided(model: str | None) -> None:
    assert vocabulary(model).own is False
    assert counts(model) == by_bytes(CODE)


@pytest.mark.parametrize(
    ("text", "held", "tokens"),
    [("", 0, 0), ("a", 1, 1), ("abcd", 4, 1), ("abcde", 5, 2), ("你好", 6, 2), ("\ud800", 1, 1)],
)
def test_a_text_by_its_bytes(text: str, held: int, tokens: int) -> None:
    assert (size(text), by_bytes(text)) == (held, tokens)


BIRTHDAY = (33334, 45918, 243, 21990, 9080, 33334, 62004, 16556, 78699)
"""お誕生日おめでとう: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken"""


@OWN_VOCABULARY
@pytest.mark.parametrize(
    ("ids", "text", "left"),
    [
        (BIRTHDAY, "お誕生日おめでとう", 0),
        ((15339, 1917), "hello world", 0),
        (BIRTHDAY[:2], "お", 1),  # two tokens are a letter
        (BIRTHDAY[2:], "生日おめでとう", 1),
        ((243, 15339, 45918), "hello", 2),
    ],
)
@pytest.mark.parametrize("model", ["text-embedding-3-small", "openai/text-embedding-ada-002", "gpt-4"])
def test_tokens_are_their_text(ids: tuple[int, ...], text: str, left: int, model: str) -> None:
    assert detokenized(ids, model) == (text, left)


@OWN_VOCABULARY
@pytest.mark.parametrize("ids", [(100_256,), (100_257,), (2**32,), (2**70,), (1, -1), (45918,), (243, 243)])
def test_what_is_no_text(ids: tuple[int, ...]) -> None:
    """Marks, tokens that nobody has, and pieces of characters alone. The compiled part must not see most."""
    with pytest.raises(ValueError, match=r"no text token|not valid text"):
        detokenized(ids, "text-embedding-3-large")


@OWN_VOCABULARY
def test_the_token_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="no text token -1"):
        detokenized((5, -1), "text-embedding-3-large")


@pytest.mark.parametrize("model", ["text-embedding-004", "gemini-embedding-001", "", None])
def test_tokens_of_unknown_vocabularies_stay_what_they_are(model: str | None) -> None:
    assert detokenized((15339,), model) is None


@OWN_VOCABULARY
@pytest.mark.parametrize(
    ("model", "written_for", "reads"),
    [
        ("text-embedding-3-small", "text-embedding-3-small", True),
        ("text-embedding-3-large", "openai/text-embedding-3-small", True),
        ("nomic-embed-text", "text-embedding-3-small", False),
        ("gpt-4o", "text-embedding-3-small", False),
        ("text-embedding-3-small", "vectors", True),
        ("nomic-embed-text", None, True),
    ],
)
def test_whose_tokens_a_model_reads(model: str, written_for: str | None, reads: bool) -> None:
    assert reads_tokens(model, written_for) is reads


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_tokens_are_left_to_the_model() -> None:
    assert reads_tokens("nomic-embed-text", "text-embedding-3-small")


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_tokens_stay_what_they_are() -> None:
    assert detokenized((15339,), "text-embedding-3-small") is None


@OWN_VOCABULARY
def test_half_a_surrogate_pair_counts_as_a_question_mark() -> None:
    weigh = vocabulary("gpt-4o").weigh
    assert weigh("a \ud800 b") == weigh("a ? b")


@OWN_VOCABULARY
def test_only_what_counts_is_loaded() -> None:
    """The package around the vocabularies takes a second to import, and warns."""
    program = (
        "import sys, dragoman.tokens; assert not any('bpe' in name for name in sys.modules);"
        "from dragoman.tokens.vocabulary import vocabulary as v; assert v('gpt-4').weigh('two words') == 2;"
        "assert 'bpe_openai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
