"""Names of models as Ollama's clients write them: with a tag, and in any capitals."""

from __future__ import annotations

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.ollama.naming import missing, new, tagged, untagged


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("llama", "llama:latest"),
        ("llama:8b", "llama:8b"),
        ("team/llama", "team/llama:latest"),
        ("host:1/llama", "host:1/llama:latest"),
    ],
)
def test_a_name_without_a_tag_gets_one_and_loses_it_again(name: str, shown: str) -> None:
    assert tagged(name) == shown
    assert untagged(shown) == name


def test_the_tag_may_be_in_capitals() -> None:
    assert untagged("Llama:LATEST") == "Llama"


def test_a_new_name_is_stored_without_its_tag() -> None:
    assert new("my/model:latest") == "my/model"


@pytest.mark.parametrize("stated", ["", "a b", "/a", "a//b", "a:b:c", "größe", "a" * 129])
def test_an_invalid_new_name_is_refused(stated: str) -> None:
    with pytest.raises(RequestFailed, match="invalid model name"):
        new(stated)


def test_a_missing_model_is_told_in_ollamas_words_and_within_bounds() -> None:
    assert missing("m").message == "model 'm' not found"
    assert len(missing("m" * 10_000).message) < 200
