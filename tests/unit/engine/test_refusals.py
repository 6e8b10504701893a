"""What the refusals of one candidate teach: each lesson leads to one more call at most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from dragoman import ir
from dragoman.engine.refusals import Refusals

ABSENT = ir.Fault("not_found", "The model does not exist.", code="model_not_found")
OTHER = ir.Fault("invalid_request", "Use the Responses API.")


class Backend:
    """A backend that learns from every failure, or from none."""

    def __init__(self, *, learns: bool = True) -> None:
        self.teaches = learns
        self.heard: list[str] = []

    def learns(self, model: str, fault: ir.Fault) -> bool:
        self.heard.append(f"protocol of {model}")
        return self.teaches

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        self.heard.append(f"thinking of {model}")
        return self.teaches


class Credential:
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    async def refused(self, lease: str) -> bool:
        assert lease == "the lease"
        return self.answers.pop(0)


def attempt(backend: Backend) -> Any:
    return SimpleNamespace(backend=backend, deployment=SimpleNamespace(model="gpt"))


def account(credential: Credential) -> Any:
    return SimpleNamespace(renewal=SimpleNamespace(credential=credential, lease="the lease"))


async def test_a_credential_is_renewed_once() -> None:
    refusals, credential = Refusals(), Credential(True)
    assert await refusals.renewed(account(credential))
    assert not await refusals.renewed(account(credential))
    assert credential.answers == []


async def test_a_credential_that_could_not_be_renewed_is_tried_again() -> None:
    refusals, credential = Refusals(), Credential(False, True)
    assert not await refusals.renewed(account(credential))
    assert await refusals.renewed(account(credential))


async def test_there_may_be_nothing_to_renew() -> None:
    refused: Any = SimpleNamespace(renewal=None)
    assert not await Refusals().renewed(refused)


def test_thinking_ends_once() -> None:
    refusals, backend = Refusals(), Backend()
    assert refusals.ends_thinking(attempt(backend), OTHER)
    assert not refusals.ends_thinking(attempt(backend), OTHER)
    assert backend.heard == ["thinking of gpt"]


def test_a_failure_that_teaches_nothing_ends_nothing() -> None:
    refusals, backend = Refusals(), Backend(learns=False)
    assert not refusals.ends_thinking(attempt(backend), OTHER)
    assert not refusals.ends_protocol(attempt(backend), OTHER)
    assert (refusals.plain, refusals.first) == (False, None)


def test_each_protocol_is_called_once() -> None:
    refusals, chat, responses = Refusals(), cast("Any", Backend()), cast("Any", Backend())
    refusals.note(chat, OTHER)
    assert refusals.untried(chat) is None
    assert refusals.untried(responses) is responses


def test_the_client_is_told_why_the_first_protocol_refused_if_the_last_only_lacks_the_model() -> None:
    refusals, backend = Refusals(), cast("Any", Backend())
    assert refusals.note(backend, OTHER) is OTHER
    assert refusals.ends_protocol(attempt(backend), OTHER)
    assert refusals.note(backend, ABSENT) is OTHER
    assert refusals.ends_protocol(attempt(backend), ABSENT)
    assert refusals.first is OTHER
    last = ir.Fault("rate_limit", "Slowly.")
    assert refusals.note(backend, last) is last


def test_an_absent_model_alone_is_told_as_it_is() -> None:
    assert Refusals().note(cast("Any", Backend()), ABSENT) is ABSENT
