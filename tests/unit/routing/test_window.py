"""Who has room for a prompt, and what its client is told when nobody has."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.errors import RequestFailed
from dragoman.routing.route import Deployment
from dragoman.routing.window import Fitting, room
from dragoman.tokens.vocabulary import vocabulary

TINY, SMALL, LARGE = (Deployment("p", "gpt-4o", window=window) for window in (20, 60, 500))
OPEN = Deployment("p", "other", Facts(context=1))


OWN_VOCABULARY = pytest.mark.skipif(
    not vocabulary("gpt-4o").own, reason="the extra `tokens` is not installed"
)


def prompt(words: int, *, truncation: str | None = None, earlier: int = 0) -> ir.Request:
    """Some words to answer, and some in an earlier turn."""
    messages = [ir.Message("user", (ir.Text(" word" * count),)) for count in (earlier, words) if count]
    return ir.Request("here", "m", tuple(messages), truncation=truncation)


@pytest.mark.parametrize(
    ("request_", "deployments", "able"),
    [
        (prompt(2), (TINY, SMALL, LARGE), (TINY, SMALL, LARGE)),
        (prompt(40), (LARGE, TINY, SMALL), (LARGE, SMALL)),
        (prompt(200), (TINY, SMALL, LARGE), (LARGE,)),
        (prompt(900), (TINY, OPEN, LARGE), (OPEN,)),
        (prompt(900), (OPEN,), (OPEN,)),
        (prompt(40, truncation="auto"), (TINY, LARGE), (LARGE,)),
        (prompt(40, truncation="auto", earlier=20), (TINY, OPEN), (OPEN,)),
    ],
)
def test_those_with_room_are_left_in_their_order(
    request_: ir.Request, deployments: tuple[Deployment, ...], able: tuple[Deployment, ...]
) -> None:
    assert room(request_, deployments) == Fitting(able, shortened=False)


@pytest.mark.parametrize(("words", "able"), [(4, (TINY, SMALL)), (40, (SMALL,))])
def test_truncation_makes_room_where_there_is_none(words: int, able: tuple[Deployment, ...]) -> None:
    asked = prompt(words, truncation="auto", earlier=300)
    assert room(asked, (TINY, SMALL)) == Fitting(able, shortened=True)


@OWN_VOCABULARY
@pytest.mark.parametrize("truncation", [None, "disabled", "auto"])
def test_what_fits_nowhere_is_refused(truncation: str | None) -> None:
    with pytest.raises(RequestFailed) as failed:
        room(prompt(900, truncation=truncation), (SMALL, LARGE, TINY))
    fault = failed.value.fault
    assert (fault.kind, fault.code, fault.param) == ("context_length", "context_length_exceeded", "messages")
    assert (fault.blame, fault.http_status) == ("client", 400)
    assert "maximum context length is 500 tokens" in fault.message
    assert "907 tokens" in fault.message


def test_a_history_is_refused_unless_it_may_be_shortened() -> None:
    with pytest.raises(RequestFailed):
        room(prompt(4, truncation="disabled", earlier=300), (TINY, SMALL))


@OWN_VOCABULARY
@pytest.mark.parametrize(("tokens", "fits"), [(906, False), (907, True)])
def test_the_limit_itself_fits(tokens: int, fits: bool) -> None:
    deployment = Deployment("p", "gpt-4o", window=tokens)
    if fits:
        assert room(prompt(900), (deployment,)) == Fitting((deployment,), shortened=False)
        return
    with pytest.raises(RequestFailed, match="resulted in 907 tokens"):
        room(prompt(900), (deployment,))


def test_an_estimate_says_so() -> None:
    with pytest.raises(RequestFailed, match=r"resulted in about \d+ tokens"):
        room(prompt(900), (Deployment("p", "llama-3.3-70b", window=10),))


def test_nothing_is_counted_while_it_need_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.routing.window.count", lambda *_: pytest.fail("counted"))
    assert room(prompt(900), (OPEN, OPEN)) == Fitting((OPEN, OPEN), shortened=False)
    assert room(prompt(90), (LARGE, LARGE)) == Fitting((LARGE, LARGE), shortened=False)
