from __future__ import annotations

from math import inf

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Standing
from dragoman.accounts.shared.blocks import Block, Blocks, lasts
from dragoman.accounts.shared.messages import Known, Unreported
from tests.unit.accounts.shared.world import claim


def _blocks(most: int, granted: int) -> tuple[Blocks, Block]:
    blocks = Blocks()
    block = blocks.of(claim("a", most))
    block.granted = granted
    return blocks, block


def test_only_what_is_held_is_reserved_alone() -> None:
    blocks, block = _blocks(10, 2)
    held = [blocks.try_reserve([claim("a", 10)], 0.0, None) for _ in range(3)]
    assert [isinstance(one, Reservation) for one in held] == [True, True, False]
    assert held[2] is None
    assert (block.free, block.standing()) == (0, Standing(0, 2))


def test_what_is_settled_below_the_reservation_may_be_used_again() -> None:
    blocks, block = _blocks(100, 50)
    held = blocks.try_reserve([claim("a", 100, 50)], 0.0, None)
    assert isinstance(held, Reservation)
    blocks.settle(held, {"a/all": 20})
    assert (block.free, block.standing()) == (30, Standing(20, 0))
    assert list(blocks.changed) == [block]
    blocks.settle(held, {"a/all": 20})  # nothing is settled twice
    assert block.standing() == Standing(20, 0)


def test_what_is_settled_above_the_reservation_is_told() -> None:
    blocks, block = _blocks(100, 10)
    held = blocks.try_reserve([claim("a", 100, 10)], 0.0, None)
    assert isinstance(held, Reservation)
    blocks.settle(held, {"a/all": 25})
    report = block.report(0.0, restate=False)
    assert (report.used, report.held, report.reserved) == (25, 0, 0)


def test_a_counter_that_others_have_used_up_is_refused() -> None:
    blocks, block = _blocks(10, 0)
    block.learn(Known(9, 1, 0), 0, 0.0)
    found = blocks.try_reserve([claim("a", 10, 2)], 0.0, None)
    assert isinstance(found, Refused)
    assert (found.standing, found.again) == (Standing(9, 1), 4e9)
    assert blocks.try_reserve([claim("a", 10, 1)], 0.0, None) is None  # the store may have one


def test_a_share_is_equal_and_less_than_others_leave() -> None:
    _, block = _blocks(100, 0)
    assert block.share(100, 4) == 25
    assert block.share(100, 3) == 34
    block.learn(Known(90, 0, 0), 0, 0.0)
    assert block.share(100, 4) == 10
    block.granted = 30  # the store has granted it: nobody else uses it
    assert block.share(100, 4) == 30


def test_what_is_restated_has_what_others_used() -> None:
    _, block = _blocks(100, 20)
    block.used = block.told = 5
    block.learn(Known(45, 10, 12), 5, 0.0)
    report = block.report(0.0, restate=True)
    assert (report.used, report.held, report.base, report.seed) == (5, 15, 12, 45)
    assert block.standing() == Standing(45, 10)


def test_a_counter_is_kept_longer_than_its_window() -> None:
    block = Block("a", 1060.0)
    assert block.ttl(1000.0) == 180_000
    assert block.ttl(5000.0) == 120_000
    assert Block("a", inf).ttl(0.0) == -1


def test_windows_that_are_over_are_forgotten_when_all_is_told() -> None:
    blocks, block = _blocks(10, 5)
    held = blocks.try_reserve([claim("a", 10)], 0.0, None)
    late = block.ends + 1000
    assert blocks.drop_over(late) == []
    assert isinstance(held, Reservation)
    blocks.settle(held, {"a/all": 1})
    assert blocks.drop_over(late) == []
    block.told = 1
    del blocks.changed[block]  # as a report does
    assert blocks.drop_over(block.ends) == []
    assert blocks.drop_over(late) == ["a/all"]
    assert blocks.by_counter == {}


def test_an_idle_share_is_kept_while_a_request_waits_for_it() -> None:
    """Otherwise the request would reserve in a share that is not found again, and never be settled there."""
    blocks, block = _blocks(10, 0)
    block.ends = inf
    assert blocks.drop_over(0.0, {block}) == []
    assert blocks.by_counter == {"a/all": block}
    assert blocks.drop_over(0.0) == ["a/all"]


def test_a_share_that_is_given_back_is_kept_until_the_store_knows_it() -> None:
    """Otherwise the store would take it for held for ever: nobody would report this counter any more."""
    blocks, block = _blocks(10, 5)
    block.ends = inf
    block.give_back()
    blocks.changed[block] = None
    assert blocks.drop_over(0.0) == []
    del blocks.changed[block]  # as a report does
    assert blocks.drop_over(0.0) == ["a/all"]


def test_what_was_used_of_a_lifetime_before_the_start_is_known_for_ever() -> None:
    """Else, without the store, each process would serve its share of a budget that is used up."""
    blocks = Blocks()
    blocks.seeds["a/all"] = 10
    wanted = claim("a", 10)._replace(ends=inf)
    assert isinstance(blocks.by_share([wanted], 0.0, None, processes=2), Refused)
    assert blocks.drop_over(1e9) == ["a/all"]
    assert isinstance(blocks.by_share([wanted], 1e9, None, processes=2), Refused)


def test_the_first_answer_of_the_store_replaces_the_seed() -> None:
    """It may be more than what the store has. What was used never becomes less afterwards."""
    block = Block("a/all", 4e9, seed=97)
    block.learn(Known(95, 0, 90), 0, 7.0)
    assert (block.standing(), block.heard) == (Standing(95, 0), 7.0)
    block.learn(Known(80, 0, 90), 0, 8.0)
    assert (block.standing(), block.heard) == (Standing(95, 0), 8.0)


def test_what_is_reported_for_a_process_that_has_ended() -> None:
    blocks, block = _blocks(100, 20)
    owing = [blocks.owe]
    block.granted = 0
    owing.append(blocks.owe)
    block.seed, block.base = 5, 3
    block.used = 9
    owing.append(blocks.owe)
    assert owing == [True, False, True]
    assert block.unreported() == Unreported("a/all", 4e9, 9, 5)
    block.used, block.told = 9, 9
    block.granted = 9
    assert not blocks.owe
    blocks.changed[block] = None
    assert blocks.owe


def test_after_a_lapse_places_of_before_are_not_used_again() -> None:
    blocks = Blocks()
    place, tokens = claim("p", 10, resource="concurrency"), claim("t", 100, 7, resource="tokens")
    for one in (place, tokens):
        blocks.of(one).granted = 50
    running, waiting = (blocks.try_reserve([place, tokens], 0.0, None) for _ in range(2))
    assert isinstance(running, Reservation)
    assert isinstance(waiting, Reservation)
    blocks.lapse()
    places, amounts = blocks.of(place), blocks.of(tokens)
    assert (places.granted, amounts.granted, places.free, amounts.free) == (2, 14, 0, 0)
    assert set(blocks.changed) == {places, amounts}
    assert blocks.withdraw(waiting) == [place]
    assert (places.granted, places.reserved, set(waiting.claims)) == (1, 1, {tokens.counter})
    assert blocks.withdraw(waiting) == []
    blocks.settle(running, {tokens.counter: 7})
    assert (places.granted, places.reserved, places.free) == (0, 0, 0)
    assert (amounts.granted, amounts.used, amounts.reserved) == (14, 7, 7)
    places.granted = 1
    again = blocks.try_reserve([place], 0.0, None)
    assert isinstance(again, Reservation)
    blocks.settle(again, {})
    assert places.free == 1  # this one is of the present term


def test_how_long_the_store_keeps_a_counter() -> None:
    assert (lasts(inf, 0.0), lasts(1060.0, 1000.0), lasts(1000.0, 1120.0)) == (-1, 180_000, 0)
