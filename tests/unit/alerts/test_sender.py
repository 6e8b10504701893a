"""The delivery of alerts to a real receiver: retries, order, bounds, and what the log says of the rest."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from dragoman.alerts import sender
from dragoman.alerts.alert import Alert
from dragoman.alerts.sender import TRIES, Alerts, Target
from dragoman.seams.secret import Secret
from dragoman.testing.provider import FakeProvider, Seen, Whole

SECRET = "a secret that only two know"
OK, NO = Whole({}), Whole({}, 500)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_FIRST_WAIT", 0.001)


def target(url: str, *events: str, every: float = 60.0) -> Target:
    chosen = frozenset(events or ("key_refused", "keys_exhausted", "outage", "recovery"))
    return Target("alerts[0]", Secret(url), Secret(SECRET), chosen, every)


def note(alerts: Alerts, type_: str, deployment: str = "up/m") -> None:
    alerts.note(msgspec.to_builtins(Alert(type_, 1000.0, "up", deployment, f"{deployment}: {type_}")))


@asynccontextmanager
async def sending(*targets: Target) -> AsyncIterator[Alerts]:
    alerts = Alerts()
    alerts.adopt(targets)
    try:
        yield alerts
    finally:
        await alerts.close()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - the receiver tells nobody
            await asyncio.sleep(0.005)


def told(receiver: FakeProvider) -> list[str]:
    return [f"{seen.body['type']} {seen.body['data']['deployment']}" for seen in receiver.seen]


def verified(seen: Seen) -> bool:
    """As a receiver checks it."""
    named, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    signed = f"{named}.{at}.".encode() + seen.raw
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    return seen.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


async def test_alerts_arrive_signed_and_in_their_order() -> None:
    async with FakeProvider(OK) as receiver, sending(target(receiver.url + "/hook")) as alerts:
        for type_ in ("keys_exhausted", "outage", "recovery"):
            note(alerts, type_)
        await until(lambda: len(receiver.seen) == 3)
        assert told(receiver) == ["keys_exhausted up/m", "outage up/m", "recovery up/m"]
        assert {(seen.method, seen.path) for seen in receiver.seen} == {("POST", "/hook")}
        assert all(verified(seen) for seen in receiver.seen)
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 3


async def test_an_alert_is_sent_until_it_is_taken() -> None:
    async with FakeProvider(NO, NO, OK) as receiver, sending(target(receiver.url)) as alerts:
        note(alerts, "outage")
        note(alerts, "recovery")
        await until(lambda: len(receiver.seen) == 4)
        assert told(receiver) == ["outage up/m"] * 3 + ["recovery up/m"]
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 2
        assert all(verified(seen) for seen in receiver.seen)


async def test_a_receiver_that_never_takes_it_is_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_LONGER", 1.0)
    with caplog.at_level(logging.WARNING):
        async with FakeProvider(NO) as receiver, sending(target(receiver.url + "/token-in-url")) as alerts:
            note(alerts, "outage")
            await until(lambda: "given up" in caplog.text)
            assert len(receiver.seen) == TRIES
    assert "alerts[0]: alert given up after 6 tries: up/m: outage" in caplog.text
    assert "token-in-url" not in caplog.text


async def test_one_that_is_not_there_does_not_keep_another_from_its_alerts() -> None:
    async with (
        FakeProvider(OK) as receiver,
        sending(target("http://127.0.0.1:9"), target(receiver.url)) as alerts,
    ):
        note(alerts, "outage")
        await until(lambda: receiver.seen)


async def test_each_gets_what_it_wants() -> None:
    async with FakeProvider(OK) as one, FakeProvider(OK) as two:
        async with sending(target(one.url, "outage"), target(two.url, "recovery", "outage")) as alerts:
            for type_ in ("outage", "keys_exhausted", "recovery"):
                note(alerts, type_)
            await until(lambda: len(two.seen) == 2)
            await until(lambda: one.seen)
        assert (told(one), told(two)) == (["outage up/m"], ["outage up/m", "recovery up/m"])


async def test_a_held_outage_goes_out_at_its_time() -> None:
    async with FakeProvider(OK) as receiver, sending(target(receiver.url, every=0.2)) as alerts:
        for type_ in ("outage", "recovery", "outage"):
            note(alerts, type_)
        await until(lambda: len(receiver.seen) == 3)
        assert told(receiver) == ["outage up/m", "recovery up/m", "outage up/m"]


async def test_too_many_alerts_drop_the_oldest_and_a_stop_names_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeProvider(Whole({}, delay=60.0)) as receiver:
        async with sending(target(receiver.url)) as alerts:
            for number in range(102):
                note(alerts, "outage", f"up/{number}")
                if not number:
                    await until(lambda: receiver.seen)
        dropped = [line for line in caplog.messages if "dropped" in line]
        unsent = [line for line in caplog.messages if "not sent" in line]
    assert dropped == ["alerts[0]: alert dropped, too many wait: up/1: outage"]
    assert len(unsent) == 101
    assert unsent[0] == "alerts[0]: alert not sent, the gateway stops: up/0: outage"


async def test_a_receiver_that_is_removed_names_what_it_does_not_get(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeProvider(Whole({}, delay=60.0)) as receiver, sending(target(receiver.url)) as alerts:
        note(alerts, "outage")
        await until(lambda: receiver.seen)
        for type_ in ("keys_exhausted", "recovery", "outage"):  # the last one comes too soon, and is held
            note(alerts, type_)
        alerts.adopt([])
        await until(lambda: len(caplog.messages) == 4)
    assert caplog.messages == [
        f"alerts[0]: alert not sent, this receiver was removed: up/m: {type_}"
        for type_ in ("outage", "keys_exhausted", "recovery", "outage")
    ]


async def test_other_settings_keep_what_is_known() -> None:
    async with FakeProvider(OK) as receiver, sending(target(receiver.url)) as alerts:
        note(alerts, "outage")
        await until(lambda: receiver.seen)
        alerts.adopt([target(receiver.url, "recovery")])
        note(alerts, "keys_exhausted")
        note(alerts, "recovery")
        await until(lambda: len(receiver.seen) == 2)
        alerts.adopt([])
        note(alerts, "keys_exhausted")
        assert told(receiver) == ["outage up/m", "recovery up/m"]


async def test_two_targets_with_one_url_are_both_kept_and_both_closed() -> None:
    async with FakeProvider(OK) as receiver:
        both = [target(receiver.url), target(receiver.url, "recovery")]
        async with sending(*both) as alerts:
            first = list(alerts._receivers)
            alerts.adopt(both)
            assert alerts._receivers == first
            note(alerts, "outage")
            note(alerts, "recovery")
            await until(lambda: len(receiver.seen) == 3)
        assert sorted(told(receiver)) == ["outage up/m", "recovery up/m", "recovery up/m"]
