"""Members that clients of other gateways write: taken out of the body, then noted or named as lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.dialects.gateway_members import (
    LONGEST_TAG,
    MOST_TAGS,
    Taken,
    bounded,
    concerns_gateway,
    stated,
    take,
)


def taken(**body: Any) -> tuple[Taken, dict[str, Any]]:
    head = {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in body.items()}
    found = take(body, head, "openai_chat", {"model", "metadata"})
    assert {key: msgspec.json.decode(value) for key, value in head.items()} == body
    return found, body


def test_tags_are_noted_and_leave_the_body() -> None:
    found, body = taken(model="m", tags=["red", "blue", "red"])
    assert (found.tags, found.losses, body) == (("red", "blue"), (), {"model": "m"})
    assert [change.path for change in found.changes] == ["$.tags"]


def test_what_the_gateway_does_not_do_is_lost_by_name() -> None:
    found, body = taken(model="m", num_retries=3)
    assert ([loss.path for loss in found.losses], body) == (["$.num_retries"], {"model": "m"})


@pytest.mark.parametrize(("body", "concerns"), [({"model": "m"}, False), ({"tags": []}, True)])
def test_most_bodies_do_not_concern_the_gateway(body: dict[str, Any], concerns: bool) -> None:
    assert concerns_gateway(body) is concerns


def test_tags_of_a_header_and_their_bounds() -> None:
    assert stated("red, blue,, ") == ["red", "blue"]
    tags, losses = bounded([str(number) for number in range(MOST_TAGS + 1)])
    assert (len(tags), [loss.path for loss in losses]) == (MOST_TAGS, ["$.metadata.tags"])
    assert bounded(["a" * (LONGEST_TAG + 1)])[0] == ()


@pytest.mark.parametrize("member", ["models", "fallbacks"])
def test_other_models_are_taken_and_obeyed(member: str) -> None:
    found, body = taken(model="m", **{member: ["a", "b"]})
    assert [(one.model, one.place) for one in found.models] == [("a", f"{member}[0]"), ("b", f"{member}[1]")]
    assert (body, found.losses) == ({"model": "m"}, ())
    assert [change.path for change in found.changes] == [f"$.{member}"]


def test_fallbacks_in_another_form_are_lost_by_name() -> None:
    found, body = taken(model="m", fallbacks=[{"m": ["a"]}])
    assert ([loss.path for loss in found.losses], found.models, body) == (["$.fallbacks"], (), {"model": "m"})


@pytest.mark.parametrize("value", [None, []])
def test_no_change_is_reported_if_no_model_is_named(value: Any) -> None:
    assert taken(model="m", models=value) == (Taken(), {"model": "m"})
