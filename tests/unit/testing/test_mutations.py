"""Odd forms of recorded bodies and streams: the same for the same seed, and never the original itself."""

from __future__ import annotations

import copy
import json

from dragoman.testing.mutations import Draw, mutants, odd_streams

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "n": 1,
}
FRAMES = [b'data: {"a": 1}\n\n', b'data: {"a": 2}\n\n', b"data: [DONE]\n\n"]


def test_the_same_seed_draws_the_same_forms() -> None:
    assert list(mutants(BODY, "s", 50)) == list(mutants(BODY, "s", 50))
    assert list(odd_streams(FRAMES, "s", 50)) == list(odd_streams(FRAMES, "s", 50))
    assert list(mutants(BODY, "s", 50)) != list(mutants(BODY, "t", 50))


def test_forms_are_odd_and_leave_the_original_alone() -> None:
    before = copy.deepcopy(BODY)
    forms = {json.dumps(one.value) for one in mutants(BODY, "s", 200)}
    assert before == BODY
    assert len(forms) > 50


def test_a_form_is_named_by_its_change_and_its_place() -> None:
    names = [one.name.partition(": ")[2] for one in mutants({"a": 1}, "s", 100)]
    assert any(name == "removed a" for name in names)
    assert any(", then " in name for name in names)
    assert next(mutants({}, "s", 1)).name.startswith("0: nothing to change")


def test_draws_are_in_their_range_and_lose_nothing() -> None:
    draw = Draw("s")
    assert {draw.below(3) for _ in range(100)} == {0, 1, 2}
    assert {draw.choice("ab") for _ in range(100)} == {"a", "b"}
    assert sorted(draw.shuffled(range(9))) == list(range(9))
