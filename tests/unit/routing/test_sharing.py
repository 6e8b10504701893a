"""What workers tell each other, as transcripts: whatever becomes of marks on the way, all end up the same."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest

from dragoman import ir
from dragoman.routing import sharing
from dragoman.routing.health import Calling, Health
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Candidate, Deployment, Route
from dragoman.routing.sharing import Mark, Sharing

ONE, TWO, OWN = Deployment("one", "m"), Deployment("two", "m"), Deployment("own", "m")
ALL = Route("all", (ONE, TWO, OWN))


class Worker:
    """A process that learns for itself and hears of the others. sent: what it has told."""

    def __init__(self) -> None:
        self.health = Health()
        self.health.pools = {"one": Pool([Key("1a"), Key("1b")]), "two": Pool([Key("2a")])}
        self.sharing = Sharing(self.health)
        self.sent: list[Mark] = []
        self.now = 0.0
        self.health.share = self._share

    def _share(self, calling: Calling | None) -> None:
        self.sent += self.sharing.learnt(calling, self.now)

    def asks(self, candidate: Candidate, now: float, fault: ir.Fault | None = None) -> list[Mark]:
        """A call that is answered or fails; what the others are told of it."""
        self.now, before = now, len(self.sent)
        calling = self.health.began(candidate, now)
        if fault is None:
            self.health.answered(calling)
        else:
            self.health.learn(calling, fault, now)
        return self.sent[before:]

    def hears(self, marks: Iterable[Mark], now: float) -> None:
        self.sharing.hear(marks, now)

    def order(self, now: float) -> list[tuple[str, int]]:
        return [(one.deployment.provider, one.account) for one in self.health.order(ALL, now).ready]


def fault(kind: ir.Kind, retry_after: float | None = None) -> ir.Fault:
    return ir.Fault(kind, kind, retry_after=retry_after, blame="upstream")


def fails(worker: Worker, deployment: Deployment, *times: float) -> list[Mark]:
    return [
        mark for now in times for mark in worker.asks(Candidate(deployment, 0), now, fault("unavailable"))
    ]


def is_calm(worker: Worker) -> bool:
    return worker.health.calm


def test_a_rest_is_told_once_and_heard() -> None:
    one, two = Worker(), Worker()
    told = one.asks(Candidate(ONE, 0), 1.0, fault("rate_limit", 20.0))
    assert told == [Mark("rests", "1a", "m", 1.0, 21.0)]
    assert one.asks(Candidate(ONE, 0), 2.0, fault("rate_limit", 10.0)) == [], "it rests longer anyway"
    two.hears(told, 1.0)
    assert is_calm(two) is False
    assert two.order(2.0) == one.order(2.0) == [("one", 1), ("two", 0), ("own", 0)]
    assert two.order(21.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]
    two.health.settle(21.0)
    assert is_calm(two)
    assert two.asks(Candidate(ONE, 0), 22.0) == [], "that it is over needs no word"


def test_what_says_nothing_new_is_not_told() -> None:
    worker = Worker()
    assert worker.asks(Candidate(ONE, 0), 1.0) == []
    assert worker.asks(Candidate(OWN, 0), 1.0) == []
    assert worker.asks(Candidate(ONE, 0), 1.0, fault("invalid_request")) == []
    assert fails(worker, OWN, 1.0, 2.0) == [], "two failures are no open breaker"


@pytest.mark.parametrize(("kind", "fact"), [("authentication", "retired"), ("permission", "barred")])
def test_a_refused_key_that_works_again_works_everywhere(kind: ir.Kind, fact: str) -> None:
    one, two = Worker(), Worker()
    (refused,) = one.asks(Candidate(ONE, 0), 1.0, fault(kind))
    assert (refused.kind, refused.until, bool(refused.why)) == (fact, 601.0, fact == "retired")
    two.hears([refused], 1.0)
    assert two.order(2.0)[0] == ("one", 1)
    (works,) = two.asks(Candidate(ONE, 0), 3.0)
    assert (works.kind, works.at, works.until) == (fact, 3.0, 0.0)
    one.hears([works], 3.0)
    assert one.order(4.0)[0] == ("one", 0)
    one.hears([refused], 5.0)
    assert one.order(6.0)[0] == ("one", 0), "the refusal is older than the answer"


def test_an_open_breaker_is_one_trial_for_all() -> None:
    one, two, three = Worker(), Worker(), Worker()
    told = fails(one, ONE, 0.0, 1.0, 2.0)
    assert told == [Mark("open", "one/m", "", 2.0, 7.0, 5.0)]
    for other in (two, three):
        other.hears(told, 2.0)
        assert other.order(3.0)[0] == ("two", 0)
    two.now = 7.0
    trial = two.health.began(Candidate(ONE, 0), 7.0)
    assert two.sent == [Mark("open", "one/m", "", 7.0, 12.0, 5.0)]
    for other in (one, three):
        assert other.order(7.0)[0] == ("one", 0)
        other.hears(two.sent, 7.0)
        assert other.order(7.0)[0] == ("two", 0), "another worker tries it"
        assert other.order(12.0)[0] == ("one", 0), "if that worker has died"
    two.now = 8.0
    two.health.learn(trial, fault("unavailable"), 8.0)
    one.hears(two.sent[1:], 8.0)
    assert one.order(17.9)[0] == ("two", 0), "twice as long"
    told = one.asks(Candidate(ONE, 0), 18.0)
    assert [mark.until for mark in told] == [28.0, 0.0], "the trial, and its answer"
    for other in (two, three):
        other.hears(told, 18.0)
        assert other.order(18.0)[0] == ("one", 0)
        assert other.health.calm


def test_a_trial_that_says_nothing_leaves_it_to_others() -> None:
    one, two = Worker(), Worker()
    two.hears(fails(one, ONE, 0.0, 1.0, 2.0), 2.0)
    one.now = 7.0
    calling = one.health.began(Candidate(ONE, 0), 7.0)
    one.now = 8.0
    one.health.abandoned(calling)
    two.hears(one.sent[1:], 8.0)
    assert one.order(8.0)[0] == two.order(8.0)[0] == ("one", 0)


def test_a_check_of_the_keeper_is_heard_by_all() -> None:
    keeper, worker = Worker(), Worker()
    keeper.now = 1.0
    assert keeper.health.checked("one", 1.0, 60.0)
    worker.hears(keeper.sent, 1.0)
    assert worker.order(2.0)[0] == ("two", 0)
    keeper.now = 2.0
    assert keeper.health.checked("one", 2.0, None)
    worker.hears(keeper.sent[1:], 2.0)
    assert worker.order(2.0)[0] == ("one", 0)
    assert worker.health.calm
    worker.hears(keeper.sent[:1], 3.0)
    assert worker.health.calm
    told = fails(worker, ONE, 3.0, 4.0, 5.0)
    keeper.hears(told, 5.0)
    keeper.now = 6.0
    keeper.health.checked("one", 6.0, None)
    worker.hears(keeper.sent[2:], 6.0)
    assert worker.order(6.0)[0] == ("one", 0), "its pause has ended early"


def test_what_people_forget_is_forgotten_everywhere() -> None:
    one, two = Worker(), Worker()
    told = one.asks(Candidate(ONE, 0), 1.0, fault("rate_limit", 20.0))
    told += one.asks(Candidate(TWO, 0), 1.0, fault("authentication"))
    told += fails(one, OWN, 1.0, 2.0, 3.0)
    two.hears(told, 3.0)
    two.now = 4.0
    two.health.revive()
    one.hears(two.sent, 4.0)
    assert one.order(5.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]
    assert one.health.calm


def test_who_starts_late_learns_all_that_is_in_force() -> None:
    one, late = Worker(), Worker()
    one.asks(Candidate(ONE, 0), 1.0, fault("rate_limit", 20.0))
    one.asks(Candidate(TWO, 0), 1.0, fault("authentication"))
    fails(one, OWN, 1.0, 2.0, 3.0)
    late.hears(one.sharing.state(4.0), 4.0)
    assert late.order(5.0) == one.order(5.0) == [("one", 1), ("own", 0)]
    assert one.sharing.state(2000.0) == [], "what was over long ago is forgotten"


def test_marks_of_strangers_are_kept_from_nothing() -> None:
    """After a reload that this process has not made yet."""
    worker = Worker()
    worker.hears([Mark("rests", "9z", "m", 1.0, 50.0), Mark("open", "new/m", "", 1.0, 50.0, 5.0)], 1.0)
    assert worker.order(2.0)[0] == ("one", 0)


def test_marks_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_MOST", 8)
    worker = Worker()
    for number in range(40):
        deployment = Deployment("one", f"m{number}")
        worker.asks(Candidate(deployment, 0), float(number), fault("rate_limit", 1000.0))
    marks = worker.sharing.state(40.0)
    assert len(marks) == 4
    assert marks[-1].model == "m39"
    worker.hears([Mark("open", f"one/m{number}", "", 40.0, 99.0) for number in range(40)], 40.0)
    assert len(worker.sharing.state(41.0)) == 4


@pytest.mark.parametrize("seed", range(20))
def test_marks_that_are_doubled_and_out_of_order_lead_to_one_state(seed: int) -> None:
    """Three workers learn at the same times, and hear each other late, twice and in any order."""
    chance = random.Random(seed)
    workers = [Worker() for _ in range(3)]
    kinds: list[ir.Kind | None] = [None, None, "rate_limit", "authentication", "permission", "unavailable"]
    everywhere = [Candidate(ONE, 0), Candidate(ONE, 1), Candidate(TWO, 0), Candidate(OWN, 0)]
    pending: list[list[Mark]] = [[], [], []]
    now = 0.0
    for _ in range(200):
        now += chance.random()
        place = chance.randrange(3)
        kind = chance.choice(kinds)
        told = None if kind is None else fault(kind, chance.choice([5.0, 500.0]))
        sent = workers[place].asks(chance.choice(everywhere), now, told)
        for other in {0, 1, 2} - {place}:
            pending[other] += sent
        for worker, waiting in zip(workers, pending, strict=True):
            chance.shuffle(waiting)
            heard = waiting[: chance.randrange(3)]
            del waiting[: chance.choice([0, len(heard)])]
            worker.hears(heard, now)
    for worker, waiting in zip(workers, pending, strict=True):
        worker.hears(waiting, now)
    orders = [worker.health.order(ALL, now) for worker in workers]
    assert orders[0].ready == orders[1].ready == orders[2].ready
    assert orders[0].resting == orders[1].resting == orders[2].resting


def test_what_was_lost_is_mended_by_the_state_of_all() -> None:
    """As a new keeper does it: it asks all workers, and tells all of them what they know together."""
    one, two, keeper = Worker(), Worker(), Worker()
    one.asks(Candidate(ONE, 0), 1.0, fault("authentication"))
    two.asks(Candidate(TWO, 0), 2.0, fault("rate_limit", 50.0))
    for worker in (one, two):
        keeper.hears(worker.sharing.state(3.0), 3.0)
    together = msgspec.convert(
        msgspec.json.decode(msgspec.json.encode(keeper.sharing.state(3.0))), list[Mark]
    )
    for worker in (one, two):
        worker.hears(together, 3.0)
        assert worker.order(4.0) == [("one", 1), ("own", 0)]


def test_a_spent_key_is_told_and_heard_and_so_is_its_return() -> None:
    one, two = Worker(), Worker()
    one.now = 1.0
    one.health.spent("one", "1a", "m", 20.0, 1.0)
    assert one.sent == [Mark("spent", "1a", "m", 1.0, 21.0)]
    two.hears(one.sent, 1.1)
    assert two.order(2.0)[0] == ("one", 1)
    assert not is_calm(two)
    told = two.asks(Candidate(ONE, 0), 3.0)
    assert [(mark.kind, mark.until) for mark in told] == [("spent", 0.0)]
    one.hears(told, 3.1)
    assert one.order(4.0)[0] == ("one", 0)


def test_what_is_over_is_repeated_for_a_while_only() -> None:
    one = Worker()
    fails(one, TWO, 0.0, 1.0, 2.0)
    one.asks(Candidate(TWO, 0), 10.0)
    one.asks(Candidate(ONE, 0), 20.0, fault("rate_limit", 500.0))
    assert [mark.kind for mark in one.sharing.state(50.0, 60.0)] == ["open", "rests"]
    assert [mark.kind for mark in one.sharing.state(100.0, 60.0)] == ["rests"]
    assert [mark.kind for mark in one.sharing.state(100.0)] == ["open", "rests"]


def test_a_key_that_comes_to_be_known_later_has_what_others_have_found() -> None:
    first, second = Worker(), Worker()
    brought, same = Key("t"), Key("t")
    first.health.bring({"one": {"t": brought}})
    mine = first.health.with_keys({"one": brought})
    calling = mine.began(Candidate(ONE, 0), 1.0)
    mine.learn(calling, fault("rate_limit", 20.0), 1.0)
    assert [(mark.kind, mark.who) for mark in first.sent] == [("rests", "t")]
    second.hears(first.sent, 2.0)
    second.health.share = second._share
    second.now = 2.0
    second.health.revive("two")  # says nothing of a key that is not known here
    assert not second.sent
    second.health.bring({"one": {"t": same}})
    second.sharing.recall(3.0)
    assert same.resting(3.0) == {"m": 18.0}
