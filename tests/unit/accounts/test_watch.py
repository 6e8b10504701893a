"""What operators and clients are told of limits that are nearly used up, reached, or refuse."""

from __future__ import annotations

from datetime import UTC, datetime

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.ledger import Refused
from dragoman.accounts.limits import NANO, Limit
from dragoman.accounts.watch import LimitEvent, Watch
from dragoman.seams.clock import Seams
from dragoman.state.counters import windowless
from tests.unit.accounts.ledger_laws import claim

NOW = datetime(2026, 11, 23, 15, 4, 38, tzinfo=UTC).timestamp()


class Scene:
    """A watch over a ledger, and what operators were told."""

    def __init__(self) -> None:
        self.now = NOW
        self.told: list[LimitEvent] = []
        self.watch = Watch()
        self.watch.tell = self.told.append
        self.ledger = MemoryLedger(Seams(now=lambda: self.now))

    def use(self, limit: Limit, amount: int, value: str = "ci") -> str | None:
        """Reserve and use an amount. Returns the warning that the answer has."""
        claims = [claim(limit, amount, self.now, value)]
        held = self.ledger.reserve(claims, self.now)
        if isinstance(held, Refused):
            self.watch.refused(held, self.now)
            return None
        text = self.watch.warning(claims, self.ledger.standing, self.now)
        self.ledger.settle(held, {claims[0].counter: amount}, self.now)
        return text


def test_a_warning_from_a_share_on_is_told_once_in_a_window() -> None:
    scene, limit = Scene(), Limit("each", "tokens", 100, "minute", warn_at=0.8)
    assert scene.use(limit, 79) is None
    text = "the limit each of key ci (100 tokens per minute) is 80 % used, until 2026-11-23T15:05:00Z"
    assert scene.use(limit, 1) == text
    assert scene.use(limit, 10) == text.replace("80", "90")
    assert scene.told == [LimitEvent("limit_warning", "each", "key ci", "100 tokens per minute", text)]
    scene.now += 60
    assert scene.use(limit, 85) is not None
    assert len(scene.told) == 2
    assert scene.use(limit, 85, "other") is not None
    assert [one.whose for one in scene.told] == ["key ci", "key ci", "key other"]


def test_a_refusal_is_told_once_and_counted_each_time() -> None:
    scene, limit = Scene(), Limit("each", "requests", 2, "minute")
    for _ in range(5):
        scene.use(limit, 1)
    (event,) = scene.told
    assert (event.kind, event.message) == (
        "limit_reached",
        "the limit each of key ci (2 requests per minute) is 100 % used, until 2026-11-23T15:05:00Z",
    )
    place = windowless(claim(limit, 1, scene.now).counter.replace("|k|", "|ci|"))
    assert scene.watch.refusals(scene.now) == {place: 3}
    scene.now += 23 * 3600
    scene.use(limit, 3)
    assert scene.watch.refusals(scene.now) == {place: 4}
    scene.now += 3600
    assert scene.watch.refusals(scene.now) == {place: 1}
    scene.now += 24 * 3600
    assert scene.watch.refusals(scene.now) == {}


def test_a_request_that_is_larger_than_the_limit_reaches_nothing() -> None:
    scene, limit = Scene(), Limit("each", "tokens", 100, "minute")
    scene.use(limit, 101)
    assert scene.told == []


def test_a_soft_limit_is_told_when_it_is_exceeded() -> None:
    scene, limit = Scene(), Limit("key ci", "money", NANO, "month", hard=False)
    assert scene.use(limit, NANO) is None
    told = scene.use(limit, NANO // 4)
    assert told == "the budget key ci (1.00 USD per month) is 125 % used, until 2026-12-01T00:00:00Z"
    assert [one.kind for one in scene.told] == ["limit_reached"]


def test_the_fullest_limit_is_what_the_answer_says() -> None:
    scene = Scene()
    claims = [
        claim(Limit("one", "tokens", 100, "minute", warn_at=0.1), 50, NOW, "k"),
        claim(Limit("two", "tokens", 60, "lifetime", warn_at=0.1), 50, NOW, "jürgen"),
    ]
    scene.ledger.reserve(claims, NOW)
    told = scene.watch.warning(claims, scene.ledger.standing, NOW)
    assert told == "the budget two of key j\\xfcrgen (60 tokens in all) is 83 % used", "a header is ASCII"
    assert len(scene.told) == 2


def test_nobody_needs_to_listen() -> None:
    scene, limit = Scene(), Limit("each", "requests", 1, "minute", warn_at=0.5)
    scene.watch.tell = None
    assert scene.use(limit, 1) is not None
    scene.watch.tell = scene.told.append
    scene.use(limit, 1)
    assert [one.kind for one in scene.told] == ["limit_reached"]


def test_invented_names_do_not_fill_the_memory() -> None:
    scene, limit = Scene(), Limit("each", "requests", 1, "lifetime", "end_user", warn_at=0.5)
    for index in range(25_000):
        for _ in range(2):
            scene.use(limit, 1, f"user {index}")
    assert len(scene.watch._told) <= 10_000
    assert len(scene.watch._refusals) <= 10_000
