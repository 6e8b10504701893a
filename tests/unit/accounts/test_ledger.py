"""What a refusal says of when to come again."""

from __future__ import annotations

from math import inf

import pytest

from dragoman.accounts.ledger import SOON, Refused, again, lasting
from dragoman.accounts.limits import Claim, Limit, Standing
from dragoman.state.counters import Resource

NOW, ENDS = 1_000.0, 1_060.0


def claim(amount: int, ends: float = ENDS, resource: Resource = "tokens") -> Claim:
    return Claim(Limit("l", resource, 100, "minute"), f"l|{resource}|1minute||ci|960", ends, amount)


@pytest.mark.parametrize(
    ("wanted", "standing", "when"),
    [
        (claim(101), (0, 0), None),  # never
        (claim(10), (95, 0), ENDS),
        (claim(10), (90, 5), NOW + SOON),  # the running request may use less
        (claim(10, NOW + 0.2), (90, 5), NOW + 0.2),
        (claim(10, inf), (95, 0), None),
        (claim(10, inf), (90, 5), NOW + SOON),
        (claim(10, resource="money"), (90, 5), NOW + SOON),
        (claim(10, resource="concurrency"), (0, 95), NOW + SOON),
        (claim(1, resource="requests"), (90, 10), ENDS),  # the running requests use up the limit
        (claim(1, inf, "requests"), (90, 10), None),
    ],
)
def test_when_a_request_could_succeed(wanted: Claim, standing: tuple[int, int], when: float | None) -> None:
    assert again(wanted, Standing(*standing), NOW) == when


def test_what_a_growing_reservation_has_itself_is_not_free_before_its_end() -> None:
    found = Refused(claim(40), Standing(0, 90), NOW + SOON)
    assert found.held_already(70, NOW) == Refused(claim(40), Standing(70, 20), ENDS)
    assert found.held_already(50, NOW) == Refused(claim(40), Standing(50, 40), NOW + SOON)


def test_of_several_refusals_the_longest_is_told() -> None:
    day = Claim(Limit("day", "tokens", 100, "day"), "day", NOW + 5_000, 1)
    free = Claim(Limit("free", "tokens", 100, "day"), "free", NOW + 9_000, 1)
    soft = Claim(Limit("soft", "tokens", 100, "day", hard=False), "soft", NOW + 9_000, 1)
    life = Claim(Limit("life", "tokens", 100, "lifetime"), "life", inf, 1)
    standings = {"day": Standing(100, 0), "free": Standing(99, 0), "life": Standing(100, 0)}
    standing = standings.get
    found = Refused(claim(10), Standing(95, 0), ENDS)
    full = Standing(100, 0)

    def told(*others: Claim) -> Refused:
        return lasting(found, others, lambda name: standing(name, full), NOW)

    assert told(free) == found
    assert told(soft) == found
    assert told(free, day) == Refused(day, full, NOW + 5_000)
    assert told(day, life, free) == Refused(life, full, None)
    never = Refused(claim(101), full, None)
    assert lasting(never, [day], lambda _name: full, NOW) == never
