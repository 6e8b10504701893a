"""Limits on what runs at once: who waits, who is next, who is refused, and that no place is ever lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from dragoman.capacity.gates import FULL, Gates, Held, Limit
from dragoman.capacity.places import OwnPlaces
from dragoman.errors import RequestFailed

M, P, Q = "models.m", "providers.p", "providers.q"


def gates(now: float = 0.0, **limits: Limit) -> Gates:
    made = Gates(lambda: now)
    names = {"m": M, "p": P, "q": Q}
    made.adopt({names[name]: limit for name, limit in limits.items()})
    return made


class Request:
    """A request that wants a place, and keeps it until `end`."""

    def __init__(self, made: Gates, client: str = "a", options: Sequence[Sequence[str]] = ((M,),)) -> None:
        self.gates = made
        self.held: Held = {}
        self.task = asyncio.ensure_future(made.wait(self.held, client, options))

    @property
    def runs(self) -> bool:
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    @property
    def refused(self) -> str | None:
        error = self.task.exception() if self.task.done() and not self.task.cancelled() else None
        return error.fault.code if isinstance(error, RequestFailed) else None

    def end(self) -> None:
        self.gates.leave(self.held)


async def settled(*requests: Request) -> list[bool]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [one.runs for one in requests]


async def test_the_third_waits_until_one_ends() -> None:
    made = gates(m=Limit(2))
    one, two, three = (Request(made) for _ in range(3))
    assert await settled(one, two, three) == [True, True, False]
    assert (made.named[M].running, made.named[M].waiting) == (2, 1)
    two.end()
    assert await settled(three) == [True]
    one.end()
    three.end()
    assert (made.named[M].running, made.named[M].waiting) == (0, 0)


async def test_a_request_that_ends_twice_gives_its_place_back_once() -> None:
    made = gates(m=Limit(1))
    one = Request(made)
    await settled()
    one.end()
    one.end()
    assert made.named[M].running == 0


async def test_clients_take_turns_and_each_keeps_its_order() -> None:
    made = gates(m=Limit(1))
    first = Request(made, "x")
    await settled()
    named = {name: Request(made, name[0]) for name in ("a1", "a2", "a3", "b1", "c1", "b2")}
    await settled()
    order = []
    running = first
    for _ in named:
        running.end()
        await settled()
        (name,) = [name for name, one in named.items() if one.runs and name not in order]
        order.append(name)
        running = named[name]
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_nobody_overtakes_those_who_wait() -> None:
    made = gates(m=Limit(1))
    one, two = Request(made), Request(made)
    await settled()
    one.end()  # the place is the second one's from now on
    three = Request(made)
    assert await settled(two, three) == [True, False]


async def test_a_full_queue_refuses_who_comes() -> None:
    made = gates(m=Limit(1, queue=1))
    one, two, three = (Request(made) for _ in range(3))
    assert await settled(one, two, three) == [True, False, False]
    assert (two.refused, three.refused) == (None, FULL)
    fault = three.task.exception().fault  # type: ignore[union-attr]
    assert (fault.kind, fault.blame, fault.retry_after) == ("rate_limit", "gateway", 5.0)
    assert "models.m" in fault.message


async def test_a_full_queue_refuses_the_last_of_the_client_that_fills_it() -> None:
    made = gates(m=Limit(1, queue=3))
    requests = [Request(made, "greedy") for _ in range(4)]
    await settled()
    other, another = Request(made, "other"), Request(made, "other")
    await settled()
    assert [one.refused for one in requests] == [None, None, None, FULL]
    assert (other.refused, another.refused) == (None, FULL)  # 2 : 1 is as near as it gets
    requests[0].end()
    assert await settled(requests[1], other) == [True, False]
    requests[1].end()
    assert await settled(other) == [True]


async def test_without_a_queue_nobody_waits() -> None:
    made = gates(m=Limit(1, queue=0))
    one, two = Request(made), Request(made)
    await settled()
    assert (one.runs, two.refused) == (True, FULL)


async def test_room_is_made_in_the_queue_of_any_deployment() -> None:
    """The first one's queue is full with requests of several clients, the second one's with those of one."""
    made = gates(p=Limit(1, queue=2), q=Limit(1, queue=3))
    running = [Request(made, "x", [[P]]), Request(made, "x", [[Q]])]
    first = [Request(made, client, [[P]]) for client in ("a", "b")]
    second = [Request(made, "a", [[Q]]) for _ in range(3)]
    await settled(*running, *first, *second)
    other = Request(made, "c", [[P], [Q]])
    await settled(other)
    assert [one.refused for one in (*first, *second, other)] == [None, None, None, None, FULL, None]
    assert "providers.q" in str(second[-1].task.exception())


async def test_room_is_made_in_two_full_queues_if_one_request_waits_in_both() -> None:
    made = gates(m=Limit(1, queue=2), p=Limit(1, queue=2))
    of_model, of_provider = Request(made, "x", [[M]]), Request(made, "x", [[P]])
    await settled(of_model, of_provider)
    crowd = [Request(made, "a", [[M, P]]) for _ in range(2)]
    await settled(*crowd)
    of_model.end()  # now the provider stops them, too
    assert [made.named[name].waiting for name in (M, P)] == [2, 2]
    other = Request(made, "b", [[M, P]])
    await settled(other)
    assert [one.refused for one in (*crowd, other)] == [None, FULL, None]


async def test_a_queue_has_no_more_requests_than_it_may_if_another_has_room() -> None:
    made = gates(p=Limit(1, queue=1), q=Limit(1, queue=3))
    running = [Request(made, options=[(P,)]), Request(made, options=[(Q,)])]
    waiting = [Request(made, options=[(P,), (Q,)]) for _ in range(3)]
    await settled()
    assert [made.named[name].waiting for name in (P, Q)] == [1, 3]
    late = Request(made, options=[(P,)])
    await settled()
    assert late.refused == FULL
    running[0].end()
    assert await settled(*waiting) == [True, False, False]
    assert waiting[0].task.result() == 0
    assert [made.named[name].waiting for name in (P, Q)] == [1, 2], "the next one has its room in the queue"


async def test_who_waits_elsewhere_takes_a_place_that_nobody_in_the_queue_can_use() -> None:
    made = gates(p=Limit(1, queue=0), q=Limit(1))
    first, second = Request(made, options=[(P,)]), Request(made, options=[(Q,)])
    waiting = Request(made, options=[(P,), (Q,)])
    await settled()
    assert [made.named[name].waiting for name in (P, Q)] == [0, 1]
    first.end()
    assert await settled(waiting) == [True]
    assert await waiting.task == 0
    second.end()
    waiting.end()
    assert [(gate.running, gate.waiting, gate.awaited) for gate in made.named.values()] == [(0, 0, False)] * 2


async def test_who_comes_does_not_overtake_who_had_no_room_in_the_queue() -> None:
    made = gates(p=Limit(1, queue=1), q=Limit(1))
    running = [Request(made, "x", [(P,)]), Request(made, "x", [(Q,)])]
    queued = Request(made, "a", [(P,)])
    standby = Request(made, "b", [(P,), (Q,)])
    await settled(*running, queued, standby)
    queued.task.cancel()
    await settled()
    assert made.named[P].waiting == 1
    late = Request(made, "c", [(P,)])
    await settled()
    assert late.refused == FULL
    running[0].end()
    assert await settled(standby) == [True]


class _SharedPlaces:
    """Places that another worker waits for, too."""

    shared = True

    def __init__(self) -> None:
        own = OwnPlaces()
        self.take, self.give, self.due, self.start = own.take, own.give, own.due, own.start

    def wait(self, *, waiting: bool) -> None:
        pass

    def others_wait(self) -> bool:
        return True


async def test_who_comes_does_not_overtake_those_on_standby_while_other_workers_look_first() -> None:
    made = Gates(places=lambda name: _SharedPlaces() if name == P else OwnPlaces())
    made.adopt({P: Limit(1, queue=0), Q: Limit(1)})
    running = [Request(made, options=[(P,)]), Request(made, options=[(Q,)])]
    standby = Request(made, options=[(P,), (Q,)])
    await settled(*running, standby)
    running[0].end()
    assert made.enter({}, [[P]]) is None
    assert not made.has_place({}, [P])
    late = Request(made, options=[(P,)])
    assert await settled(standby, late) == [False, False]
    assert late.refused == FULL
    assert await asyncio.wait_for(standby.task, 5.0) == 0


async def test_who_is_on_standby_keeps_no_place_idle_while_another_gate_stops_it() -> None:
    made = gates(m=Limit(1), p=Limit(1, queue=0), q=Limit(1))
    running = [Request(made, options=[(name,)]) for name in (P, Q)]
    standby = Request(made, options=[(M, P), (Q,)])
    await settled(*running, standby)
    of_model = Request(made, options=[(M,)])
    await settled(of_model)
    running[0].end()
    assert await settled(standby) == [False]
    assert list(made.named[P].standby)
    assert made.has_place({}, [P])
    late = Request(made, options=[(P,)])
    assert await settled(late) == [True]
    late.end()
    of_model.end()
    assert await settled(standby) == [True]


async def test_who_moves_on_to_another_gate_makes_its_queue_no_longer() -> None:
    made = gates(m=Limit(1), p=Limit(1, queue=1))
    of_model, of_provider = Request(made, options=[(M,)]), Request(made, options=[(P,)])
    waiting = Request(made, options=[(M, P)])
    queued = Request(made, options=[(P,)])
    await settled()
    of_model.end()  # now the provider stops it, too
    await settled()
    assert [made.named[name].waiting for name in (M, P)] == [1, 1]
    of_provider.end()
    assert await settled(queued, waiting) == [True, False]
    queued.end()
    assert await settled(waiting) == [True]


async def test_the_room_that_one_client_leaves_is_for_the_one_that_came() -> None:
    made = gates(p=Limit(1, queue=2), q=Limit(1, queue=1))
    running = [Request(made, "x", [(P,)]), Request(made, "x", [(Q,)])]
    crowd = [Request(made, "a", [(P,)]) for _ in range(2)]
    standby = Request(made, "a", [(P,), (Q,)])
    await settled(*running, *crowd, standby)
    other = Request(made, "b", [(P,), (Q,)])
    await settled(other)
    assert [one.refused for one in (*crowd, standby, other)] == [None, FULL, None, None]
    assert [made.named[name].waiting for name in (P, Q)] == [2, 1]
    running[0].end()
    assert await settled(crowd[0], other, standby) == [True, False, False]
    crowd[0].end()
    assert await settled(other, standby) == [True, False]


async def test_who_is_only_on_standby_after_its_wait_is_refused() -> None:
    made = gates(p=Limit(1, wait=0.02), q=Limit(1, queue=1))
    running = [Request(made, options=[(P,)]), Request(made, options=[(Q,)])]
    queued = Request(made, options=[(Q,)])
    waiting = Request(made, options=[(P,), (Q,)])
    await settled(*running, queued, waiting)
    assert [made.named[name].waiting for name in (P, Q)] == [1, 1]
    await asyncio.sleep(0.05)
    assert (waiting.refused, queued.refused) == (FULL, None)
    running[1].end()
    assert await settled(queued) == [True]
    assert not made.named[Q].awaited


async def test_a_longer_queue_has_room_for_those_on_standby() -> None:
    made = gates(p=Limit(1, queue=0), q=Limit(1))
    running = [Request(made, options=[(P,)]), Request(made, options=[(Q,)])]
    waiting = [Request(made, options=[(P,), (Q,)]) for _ in range(3)]
    await settled(*running, *waiting)
    made.adopt({P: Limit(1, queue=2), Q: Limit(1)})
    assert [made.named[name].waiting for name in (P, Q)] == [2, 3]


async def test_a_full_deployment_is_passed_over() -> None:
    made = gates(p=Limit(1), q=Limit(1))
    one, two, three = (Request(made, options=[(P,), (Q,)]) for _ in range(3))
    assert await settled(one, two, three) == [True, True, False]
    assert (one.task.result(), two.task.result()) == (0, 1)
    two.end()  # it waits at both
    await settled()
    assert three.task.result() == 1


async def test_all_places_of_a_request_are_taken_at_once_or_none() -> None:
    made = gates(m=Limit(2), p=Limit(1), q=Limit(1))
    one = Request(made, options=[(M, P)])
    two = Request(made, options=[(M, P)])
    other = Request(made, options=[(M, Q)])
    assert await settled(one, two, other) == [True, False, True]
    one.end()
    assert await settled(two) == [True]
    two.end()
    other.end()
    assert [gate.running for gate in made.named.values()] == [0, 0, 0]


async def test_a_place_that_one_cannot_use_is_the_next_ones() -> None:
    made = gates(m=Limit(1), p=Limit(1), q=Limit(1))
    busy, first = Request(made, options=[(P,)]), Request(made, options=[(M,)])
    await settled()
    stuck, free = Request(made, options=[(M, P)]), Request(made, options=[(M, Q)])
    await settled()
    first.end()
    assert await settled(stuck, free) == [False, True]
    free.end()
    busy.end()
    assert await settled(stuck) == [True]


async def test_an_exchange_of_places_keeps_what_both_need() -> None:
    made = gates(m=Limit(1), p=Limit(1), q=Limit(1))
    held: Held = {}
    assert made.enter(held, [(M, P)]) == 0
    waiting = Request(made)
    await settled()
    assert made.enter(held, [(M, Q)]) == 0  # nobody is let in at the model in between
    assert {gate.name for gate in held} == {M, Q}
    assert made.named[P].running == 0
    assert await settled(waiting) == [False]
    assert made.enter(held, [()]) == 0
    assert await settled(waiting) == [True]


async def test_who_leaves_the_queue_takes_nothing_with_him() -> None:
    made = gates(m=Limit(1))
    one, two, three = (Request(made) for _ in range(3))
    await settled()
    two.task.cancel()
    await settled()
    one.end()
    assert await settled(three) == [True]
    three.end()
    assert (made.named[M].running, made.named[M].waiting) == (0, 0)


async def test_a_place_that_comes_with_the_cancellation_goes_on_to_the_next() -> None:
    made = gates(m=Limit(1))
    one, two, three = (Request(made) for _ in range(3))
    await settled()
    one.end()
    two.task.cancel()
    assert await settled(two, three) == [False, True]


async def test_a_cancelled_one_is_not_given_a_place() -> None:
    made = gates(m=Limit(1))
    one, two, three = (Request(made) for _ in range(3))
    await settled()
    two.task.cancel()
    one.end()
    assert await settled(two, three) == [False, True]


async def test_starts_keep_their_distance() -> None:
    loop = asyncio.get_running_loop()
    made = Gates(loop.time)
    made.adopt({M: Limit(None, delay=0.05)})
    began = loop.time()
    requests = [Request(made) for _ in range(3)]
    await asyncio.gather(*(one.task for one in requests))
    assert loop.time() - began >= 0.09
    assert made.named[M].running == 3


async def test_nobody_overtakes_those_who_wait_for_their_start() -> None:
    clock = [0.0]
    made = Gates(lambda: clock[0])
    made.adopt({M: Limit(None, delay=100.0)})
    one, two = Request(made), Request(made)
    assert await settled(one, two) == [True, False]
    clock[0] = 101.0  # the timer for it is late
    assert made.enter({}, [(M,)]) is None
    three = Request(made, "b")
    assert await settled(two, three) == [True, False]
    three.task.cancel()
    await settled()
    gate = made.named[M]
    assert gate.waiting == 0
    if gate.timer is not None:
        gate.timer.cancel()


async def test_a_start_that_another_delay_stops_is_not_counted() -> None:
    clock = [0.0]
    made = Gates(lambda: clock[0])
    made.adopt({M: Limit(None, delay=10.0), P: Limit(None, delay=100.0)})
    assert made.enter({}, [(M, P)]) == 0
    clock[0] = 20.0
    assert made.enter({}, [(M, P)]) is None  # the provider's delay is not over
    assert made.enter({}, [(M,)]) == 0


async def test_a_delay_that_began_meanwhile_is_waited_for_too() -> None:
    """One that waits for its model finds, when that is free, that somebody else has just begun elsewhere."""
    loop = asyncio.get_running_loop()
    made = Gates(loop.time)
    made.adopt({M: Limit(1), P: Limit(None, delay=0.1)})
    first, holder = Request(made, options=[(P,)]), Request(made, options=[(M,)])
    stuck = Request(made, options=[(M, P)])
    assert await settled(first, holder, stuck) == [True, True, False]
    holder.end()  # it waits for the delay now, too
    second = Request(made, options=[(M,)])
    assert await settled(stuck, second) == [False, True]
    await asyncio.sleep(0.15)  # the delay is over, but not the second one
    other = Request(made, options=[(P,)])
    assert await settled(stuck, other) == [False, True]
    second.end()
    async with asyncio.timeout(10):
        await stuck.task


async def test_new_limits_hold_for_those_who_wait() -> None:
    made = gates(m=Limit(1))
    requests = [Request(made) for _ in range(4)]
    await settled()
    made.adopt({M: Limit(3)})
    assert await settled(*requests) == [True, True, True, False]
    made.adopt({})
    assert await settled(*requests) == [True] * 4
    for one in requests:
        one.end()
    assert made.enter({}, [(M,)]) == 0, "a limit that is gone stops nobody"


def test_the_longest_wait_is_that_of_the_most_patient_option() -> None:
    made = gates(m=Limit(1, wait=10.0), p=Limit(1, wait=5.0), q=Limit(1, wait=None))
    assert made.patience([(M, P)]) == 5.0
    assert made.patience([(M, P), (M,)]) == 10.0
    assert made.patience([(M,), (Q,)]) is None


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_whatever_happens(seed: int) -> None:
    """Requests come, end, are cancelled and refused in any order, while limits rise, fall, go and return. At
    no time do more run or wait than may, and no place is idle that a waiting request may take.
    """
    chance = random.Random(seed)
    limits = {M: Limit(3, queue=5), P: Limit(2, queue=3), Q: Limit(2, queue=0)}
    made = gates()
    made.adopt(limits)
    known = dict(made.named)
    choices: list[Sequence[Sequence[str]]] = [[(M,)], [(M, P), (M, Q)], [(P,)], [(Q,), (P,)], [(M, P)]]
    requests: list[Request] = []
    wanted: dict[Request, Sequence[Sequence[str]]] = {}
    allowed = dict.fromkeys(known.values(), (0, 0))
    for _ in range(600):
        what = chance.random()
        if what < 0.45 or not requests:
            options = chance.choice(choices)
            requests.append(Request(made, chance.choice("abc"), options))
            wanted[requests[-1]] = options
        elif what < 0.5:
            name = chance.choice([M, P, Q])
            most = chance.choice([None, 1, 2, 3, 4])
            if most is None:
                limits.pop(name, None)
            else:
                limits[name] = Limit(most, queue={M: 5, P: 3, Q: 0}[name])
            made.adopt(limits)
        else:
            one = requests.pop(chance.randrange(len(requests)))
            if what < 0.7:
                one.task.cancel()
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            one.task.cancel()
            await asyncio.wait([one.task])
            one.end()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        for name, gate in known.items():
            most = limits[name].most if name in limits else None
            # Those that began under a higher limit may go on, but nobody may begin beside them.
            running, waiting = allowed[gate]
            allowed[gate] = (
                gate.running if most is None else max(most, min(gate.running, running)),
                max(gate.limit.queue, min(gate.waiting, waiting)),
            )
            assert gate.running <= allowed[gate][0]
            assert gate.waiting <= allowed[gate][1]
        if chance.random() < 0.3:
            await settled()
            for one in requests:
                for names in () if one.task.done() else wanted[one]:
                    stated = [known[name] for name in names if name in limits]
                    assert any(gate.running >= (gate.limit.most or 0) for gate in stated), "a place is idle"
    await settled()
    for one in requests:
        one.task.cancel()
    await settled()
    for one in requests:
        one.end()
    assert [(gate.running, gate.waiting, gate.awaited) for gate in known.values()] == [(0, 0, False)] * 3


async def test_a_limit_that_returns_counts_those_who_run() -> None:
    made = gates(m=Limit(1))
    one = Request(made)
    await settled(one)
    made.adopt({})
    made.adopt({M: Limit(1)})
    two = Request(made)
    assert await settled(one, two) == [True, False]
    one.end()
    assert await settled(two) == [True]
    two.end()
    assert made.named[M].running == 0


async def test_whether_there_is_a_place_can_be_asked_without_taking_it() -> None:
    made = Gates()
    made.adopt({"a": Limit(1), "b": Limit(1)})
    held: Held = {}
    assert made.has_place({}, ["a", "b"])
    assert made.enter(held, [("a",)]) == 0
    assert not made.has_place({}, ["a", "b"])
    assert made.has_place(held, ["a", "b"]), "it has that one itself"
    assert made.has_place({}, ["b", "unknown"])
    assert (made.named["a"].running, made.named["b"].running) == (1, 0)
    waiting = asyncio.ensure_future(made.wait({}, "ann", [("a",)]))
    await asyncio.sleep(0)
    made.named["a"].limit = Limit(2)
    assert not made.has_place({}, ["a"]), "nobody overtakes those who wait"
    waiting.cancel()


@pytest.mark.parametrize("wait", [60.0, None])
async def test_nobody_waits_in_a_queue_longer_than_it_allows(wait: float | None) -> None:
    made = gates(p=Limit(1, wait=0.02), q=Limit(1, wait=wait))
    first, second = Request(made, options=[(P,)]), Request(made, options=[(Q,)])
    assert await settled(first, second) == [True, True]
    waiting = Request(made, "b", [(P,), (Q,)])
    behind = Request(made, "c", [(P,)])
    assert await settled(waiting, behind) == [False, False]
    assert (made.named[P].waiting, made.named[Q].waiting) == (2, 1)
    await asyncio.sleep(0.05)
    assert (made.named[P].waiting, made.named[Q].waiting) == (1, 1)
    first.end()
    assert await settled(waiting, behind) == [False, True]
    second.end()
    assert await settled(waiting) == [True]
    assert await waiting.task == 1
    for one in (waiting, behind):
        one.end()
    assert (made.named[P].running, made.named[Q].running) == (0, 0)
