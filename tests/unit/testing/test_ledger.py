"""The ledger counts, excepts by name, and fails for what is not excepted or no longer needs to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus, ledger
from dragoman.testing.laws import Broken
from dragoman.testing.ledger import Exceptions, Ledger

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


def refuse(*_: Any) -> None:
    raise WireError("no", "model")


CHAT = DIALECTS["openai_chat"]
REFUSING = msgspec.structs.replace(CHAT, request=msgspec.structs.replace(CHAT.request, check=refuse))
WRONG = {**DIALECTS, "openai_chat": REFUSING}


def exchange(id: str = "one", api: str = "openai.chat", body: Any = BODY) -> corpus.Exchange:
    return corpus.Exchange(id, api, request=corpus.Request(body=body))


def test_what_holds_is_counted() -> None:
    kept = Ledger(DIALECTS, Exceptions({}), mutants=0)
    for id, api in (("a", "openai.chat"), ("b", "groq.chat"), ("c", "openai.chat"), ("d", "cohere.chat_v1")):
        assert kept.run(exchange(id, api)) == []
    assert kept.ids == ["a", "b", "c"]
    assert kept.counts["openai.chat"] == ledger.ApiCounts(exchanges=2, request=2)
    assert [line.split() for line in kept.table()][1:] == [
        ["openai.chat", *"220000000"],
        ["groq.chat", *"110000000"],
        ["all", *"330000000"],
    ]
    assert list(kept.problems()) == []


def test_a_chat_of_a_protocol_without_a_list_of_its_apis_is_counted_too() -> None:
    kept = Ledger(DIALECTS, Exceptions({}), mutants=0)
    for api in ("toy.chat", "anthropic.chat", "anthropic.messages"):
        kept.counts[api] = ledger.ApiCounts(exchanges=1)
    assert [line.split()[0] for line in kept.table()][1:] == [
        *("anthropic.messages", "anthropic.chat", "toy.chat", "all"),
    ]


def test_what_is_broken_is_told() -> None:
    kept = Ledger(WRONG, Exceptions({}))
    (broken,) = kept.run(exchange(), ["request.check", "request.maps"])
    assert (broken.law, broken.api, broken.id) == ("request.check", "openai.chat", "one")
    assert kept.counts["openai.chat"].failed == 1
    assert kept.broken == [broken]


def test_an_exception_covers_one_law_of_one_exchange() -> None:
    kept = Ledger(WRONG, Exceptions({("request.check", "one"): "known"}))
    laws = ["request.check"]
    assert kept.run(exchange("one"), laws) == []
    assert len(kept.run(exchange("two"), laws)) == 1
    assert (kept.counts["openai.chat"].excepted, kept.counts["openai.chat"].failed) == (1, 1)


def test_exceptions_are_few() -> None:
    kept = Ledger(WRONG, Exceptions({("request.check", "0"): "known"}))
    for number in range(99):
        kept.run(
            exchange(str(number), "anthropic.messages" if number == 50 else "openai.chat"), ["request.check"]
        )
    assert [p for p in kept.problems() if "have an exception" in p] == [
        "openai_chat: 1 of 98 exchanges have an exception, more than 1%"
    ]
    kept.run(exchange("100"), [])
    kept.run(exchange("101"), [])
    assert list(kept.problems()) == []


def test_an_exception_that_nothing_needs_is_a_problem() -> None:
    kept = Ledger(DIALECTS, Exceptions({("request.check", "one"): "x", ("request.check", "elsewhere"): "y"}))
    kept.run(exchange("one"))
    assert list(kept.problems()) == ["the exception for request.check of one is no longer needed"]


@pytest.mark.parametrize(
    "entry",
    ['law = "request.chek"\nid = "a"\nreason = "x"', 'law = "request.check"\nid = "a"\nreason = " "'],
)
def test_exceptions_must_have_a_law_and_a_reason(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "exceptions.toml"
    path.write_text(f"[[exception]]\n{entry}\n")
    with pytest.raises(ValueError, match="unknown law, no reason"):
        Exceptions.load(path)


def test_exceptions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    entry = '[[exception]]\nlaw = "request.check"\nid = "a"\nreason = "why"\n'
    path.write_text(entry)
    assert Exceptions.load(path).reasons == {("request.check", "a"): "why"}
    assert Exceptions.load(None).reasons == {}
    path.write_text(entry * 2)
    with pytest.raises(ValueError, match="named twice"):
        Exceptions.load(path)


def test_a_breach_is_shown_in_short_or_whole() -> None:
    many = Broken("request.check", "openai.chat", "x", ("a" * 300, "b"))
    assert [line.strip() for line in ledger.shown(many, whole=True)][1:] == ["a" * 300, "b"]
    assert [line.strip() for line in ledger.shown(many, whole=False)][1:] == [
        "a" * 200,
        "and 1 more (-v shows them)",
    ]
