"""What vectors are asked for, as texts: parts are joined, tokens read where their vocabulary is public."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects import inputs as module
from dragoman.dialects.inputs import text_of, texts_of
from dragoman.dialects.loss import Report
from dragoman.errors import WireError


def read(ids: tuple[int, ...], model: str | None) -> tuple[str, int] | None:
    """A vocabulary of letters, in which 0 is a piece of one; that of the model `ours` alone."""
    if model != "ours":
        return None
    if max(ids) > 26:
        raise ValueError("its vocabulary has no 27")
    return "".join(chr(96 + one) for one in ids if one), ids.count(0)


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "detokenized", read)


def test_all_kinds_become_texts() -> None:
    report = Report("ollama")
    asked = ("a text", ir.Parts(("two", "parts")), ir.Tokens((15, 11)), ir.Tokens((8, 9, 0)))
    request = ir.EmbedRequest("openai_chat", "ours", asked)
    assert texts_of(request, report) == ["a text", "two\nparts", "ok", "hi"]
    assert [change.path for change in report.changes] == ["inputs[1]", "inputs[2]", "inputs[3]"]
    assert [(loss.path, loss.severity) for loss in report.losses] == [("inputs[3]", "hint")]


@pytest.mark.parametrize(
    ("model", "ids", "code"), [("theirs", (1,), "unsupported_value"), ("ours", (27,), "invalid_value")]
)
def test_tokens_that_mean_nothing_are_refused(model: str, ids: tuple[int, ...], code: str) -> None:
    report = Report("ollama")
    with pytest.raises(WireError) as refused:
        text_of(ir.Tokens(ids), 1, model, report, "input[1]")
    assert (refused.value.path, refused.value.code) == ("inputs[1]", code)
    assert report.changes == []
