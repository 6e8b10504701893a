"""Members of the bodies of Ollama's clients, of which many are empty or have two names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.errors import RequestFailed
from dragoman.server.ollama.bodies import is_empty, needed, text, value


@pytest.mark.parametrize(
    ("raw", "empty"),
    [
        (None, True),
        (b'""', True),
        (b"null", True),
        (b"[ \n]", True),
        (b"{}", False),
        (b"0", False),
        (b'" "', True),
        (b"[" + b" " * 100 + b"]", False),
    ],
)
def test_an_empty_member(raw: bytes | None, empty: bool) -> None:
    assert is_empty(None if raw is None else msgspec.Raw(raw)) is empty


@pytest.mark.parametrize(("raw", "read"), [(None, None), (b"[1]", [1]), (b"{", None), (b'"\xff"', None)])
def test_an_invalid_value_is_left_to_the_engine(raw: bytes | None, read: Any) -> None:
    assert value(None if raw is None else msgspec.Raw(raw)) == read


def test_the_first_name_with_a_text_counts() -> None:
    assert text({"model": "", "name": "llama"}, "model", "name") == "llama"
    assert text({"model": None}, "model", "name") == ""
    assert needed({"name": "llama"}, "model", "name") == "llama"


@pytest.mark.parametrize(
    ("body", "told", "code"),
    [
        ({"model": 1}, "'model' must be a string", "invalid_type"),
        ({}, "model is required", "missing_required_parameter"),
        ({"model": ""}, "model is required", "missing_required_parameter"),
    ],
)
def test_what_is_no_text_or_missing_is_refused(body: dict[str, Any], told: str, code: str) -> None:
    with pytest.raises(RequestFailed, match=told) as refused:
        needed(body, "model", "name")
    assert (refused.value.fault.code, refused.value.fault.param) == (code, "model")
