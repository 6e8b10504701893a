"""Finished exchanges are stored beside the loop: nothing is lost in silence, and no secret is stored."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly import recording
from dragoman.assembly.recording import Recording, stored_form
from dragoman.assembly.redaction import Redaction
from dragoman.exchange import AttemptRecord, Exchange, KeptBodies
from dragoman.observe.finished import Wanted
from dragoman.observe.metrics import Metrics
from dragoman.state.exchanges import ALL, Search, StoredExchange
from dragoman.state.store import StoreFailed

SECRET = "a-secret-without-any-form"


class Shelf:
    """A store in memory. fails: how many writes fail; -1 = all."""

    def __init__(self, fails: int = 0) -> None:
        self.rows: list[StoredExchange] = []
        self.searches: list[Search] = []
        self.fails = fails
        self.tries = 0
        self.batches: list[int] = []
        self.refused: set[str] = set()

    async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
        self.tries += 1
        if self.fails:
            self.fails -= 1
            raise StoreFailed("the database is locked")
        taken = [one for one in exchanges if one.id not in self.refused]
        self.rows += taken
        self.batches.append(len(exchanges))
        return len(taken)

    async def find(self, id_: str, within: Search = ALL) -> bytes | None:
        self.searches.append(within)
        return next((row.trace for row in self.rows if id_ in (row.id, row.request_id)), None)

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        self.searches.append(search)
        return [row.line for row in reversed(self.rows)][:limit]

    async def sweep(self, now: float) -> None:
        raise AssertionError("somebody else does")

    async def close(self) -> None:
        raise AssertionError("somebody else does")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_GATHERING", 0.0)
    monkeypatch.setattr(recording, "_PAUSES", (0.001, 0.002))


def exchange(number: int = 1, **more: Any) -> Exchange:
    made = Exchange(
        f"ex_{number}", f"req_{number}", "openai_chat", "POST", "/v1/chat/completions", 10.0, 100.0
    )
    made.asked, made.client, made.status = "gpt", "ann", 200
    made.attempts = [AttemptRecord("ex_1-1", "up/gpt", "1234", "relay", 10.0)]
    for name, value in more.items():
        setattr(made, name, value)
    made.close(11.0)
    return made


def with_bodies(number: int, size: int) -> Exchange:
    bodies = KeptBodies(size)
    bodies.asked(b"x" * size)
    return exchange(number, bodies=bodies)


async def until(true: Any) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - it is true of a thread
            await asyncio.sleep(0.001)


async def test_an_exchange_is_stored_with_its_trace_and_found_again() -> None:
    shelf = Shelf()
    written = Recording(shelf)
    metrics = Metrics(lambda _: "")
    written.adopt(3, (), metrics)
    written.note(exchange(1))
    fault = ir.Fault("upstream", "Broken.", "server_error", blame="upstream")
    written.note(exchange(2, fault=fault, status=502))
    await until(lambda: written.stored == 2)
    first, second = shelf.rows
    assert (first.id, first.request_id, first.created, first.client) == ("ex_1", "req_1", 100.0, "ann")
    assert (first.model, first.status, first.end, first.error) == ("gpt", 200, "done", None)
    assert (first.called, first.attempts, first.losses) == (("up/gpt",), 1, 0)
    assert (second.error, second.end) == ("server_error", "upstream/head/server_error")
    found = await written.find("req_2")
    assert found is not None
    assert (found["worker"], found["error"]["message"], found["total_ms"]) == (3, "Broken.", 1000.0)
    assert [line["id"] for line in await written.listed(Wanted(), None, 9)] == ["ex_2", "ex_1"]
    assert await written.find("nobody") is None
    assert written.state() == {"healthy": True, "last_error": None, "stored": 2, "dropped": 0, "waiting": 0}
    assert b'dragoman_exchanges_recorded_total{result="stored"} 2' in metrics.page((), 0.0)
    await written.close()


async def test_probes_and_lists_are_not_stored_and_bodies_only_of_models() -> None:
    shelf = Shelf()
    written = Recording(shelf)
    written.note(exchange(1, asked=None, attempts=[]))
    refused = ir.Fault("authentication", "No.", "invalid_api_key")
    bodies = KeptBodies(9, b"words", request_size=5)
    written.note(exchange(2, asked=None, attempts=[], fault=refused, bodies=bodies))
    written.note(exchange(3, bodies=bodies))
    await written.close()
    assert [row.id for row in shelf.rows] == ["ex_2", "ex_3"]
    assert "bodies" not in json.loads(zlib.decompress(shelf.rows[0].trace))
    assert json.loads(zlib.decompress(shelf.rows[1].trace))["bodies"]["request"]["text"] == "words"


async def test_many_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_BATCH_BYTES", 4000)
    shelf = Shelf()
    written = Recording(shelf)
    for number in range(500):
        written.note(exchange(number))
    await until(lambda: written.stored == 500)
    assert shelf.batches == [200, 200, 100]
    for number in range(3):
        written.note(with_bodies(number, 3000))
    await until(lambda: written.stored == 503)
    assert shelf.batches[3:] == [2, 1]
    await written.close()


async def test_a_write_that_fails_is_tried_again_and_told(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(fails=3)
    written = Recording(shelf)
    written.note(exchange(1))
    await until(lambda: shelf.tries == 1)
    assert written.state() | {"waiting": 1} == {
        "healthy": False,
        "last_error": "the database is locked",
        "stored": 0,
        "dropped": 0,
        "waiting": 1,
    }
    await until(lambda: written.stored == 1)
    assert written.state()["healthy"] is True
    assert caplog.text.count("finished requests cannot be stored: the database is locked") == 1
    await written.close()


async def test_if_too_many_wait_the_oldest_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WAITING", 10)
    shelf = Shelf(fails=-1)
    written = Recording(shelf)
    metrics = Metrics(lambda _: "")
    written.adopt(1, (), metrics)
    for number in range(30):
        written.note(exchange(number))
    assert (written.dropped, written.waiting) == (20, 10)
    assert b'dragoman_exchanges_recorded_total{result="dropped"} 20' in metrics.page((), 0.0)
    shelf.fails = 0
    await until(lambda: written.stored == 10)
    assert [row.id for row in shelf.rows] == [f"ex_{number}" for number in range(20, 30)]
    await written.close()


async def test_bodies_that_wait_have_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WAITING_BYTES", 2500)
    written = Recording(Shelf())
    for number in range(4):
        written.note(with_bodies(number, 1000))
    assert (written.dropped, written.waiting) == (2, 2)
    await written.close()
    assert (written.stored, written.waiting) == (2, 0)


async def test_what_the_store_has_no_room_for_is_counted() -> None:
    shelf = Shelf()
    shelf.refused = {"ex_1"}
    written = Recording(shelf)
    written.note(exchange(1))
    written.note(exchange(2))
    await written.close()
    assert (written.stored, written.dropped) == (1, 1)


async def test_one_that_cannot_be_written_down_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(one: Exchange, worker: int, redaction: Redaction) -> StoredExchange:
        if one.id == "ex_1":
            raise ValueError("odd")
        return stored_form(one, worker, redaction)

    monkeypatch.setattr(recording, "stored_form", odd)
    shelf = Shelf()
    written = Recording(shelf)
    written.note(exchange(1))
    written.note(exchange(2))
    await written.close()
    assert [row.id for row in shelf.rows] == ["ex_2"]
    assert (written.stored, written.dropped) == (1, 1)
    assert "exchange ex_1 cannot be stored" in caplog.text


async def test_a_gateway_that_closes_writes_what_waits_and_tells_what_it_could_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_GATHERING", 1000.0)
    shelf = Shelf()
    written = Recording(shelf)
    written.note(exchange(1))
    await written.close()
    assert (len(shelf.rows), written.dropped) == (1, 0)
    written.note(exchange(2))
    assert (written.waiting, written.dropped) == (0, 1)
    broken = Recording(Shelf(fails=-1))
    broken.note(exchange(1))
    broken.note(exchange(2))
    await broken.close()
    assert broken.dropped == 2
    assert "2 finished requests were not stored: the database is locked" in caplog.text


async def test_a_store_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Shelf):
        async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
            await asyncio.Event().wait()
            return 0

    monkeypatch.setattr(recording, "_FAREWELL", 0.01)
    written = Recording(Hanging())
    written.note(exchange(1))
    async with asyncio.timeout(60):
        await written.close()
    assert written.dropped == 1


async def test_secrets_do_not_get_into_the_store() -> None:
    shelf = Shelf()
    written = Recording(shelf)
    written.adopt(1, [SECRET], None)
    bodies = KeptBodies(999)
    bodies.asked(f'{{"said": "my key is sk-abcdef1234567890abcdef, and {SECRET}"}}'.encode())
    bodies.told(f"{SECRET} it is".encode())
    fault = ir.Fault("upstream", f"{SECRET} is refused", SECRET, blame="upstream")
    written.note(exchange(1, bodies=bodies, fault=fault, asked=SECRET, agent=f"curl {SECRET}", client=SECRET))
    await written.close()
    (row,) = shelf.rows
    everything = repr(row) + zlib.decompress(row.trace).decode()
    assert SECRET not in everything
    assert "sk-abcdef" not in everything
    assert "[redacted] it is" in everything


async def test_secrets_of_earlier_configurations_do_not_get_into_the_store_either() -> None:
    shelf = Shelf(fails=-1)
    written = Recording(shelf)
    written.adopt(1, [SECRET], None)
    bodies = KeptBodies(999)
    bodies.asked(f"the key was {SECRET}".encode())
    written.note(exchange(1, bodies=bodies))
    for number in range(3):
        written.adopt(1, [f"another-secret-{number}"], None)
    shelf.fails = 0
    await until(lambda: written.stored == 1)
    written.adopt(1, ["a-new-secret"], None)
    bodies.asked(b"the keys were another-secret-2 and a-new-secret")  # it had begun before
    written.note(exchange(2, bodies=bodies))
    await written.close()
    told = [zlib.decompress(row.trace).decode() for row in shelf.rows]
    assert [one.count("[redacted]") for one in told] == [1, 2]
    assert written._secrets == {"another-secret-2", "a-new-secret"}, "the others are forgotten"


async def test_a_failure_that_nobody_expects_does_not_end_the_writing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(Shelf):
        async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
            if not self.tries:
                self.tries += 1
                raise OverflowError("too large")
            return await super().keep(exchanges)

    written = Recording(Odd())
    written.note(exchange(1))
    await until(lambda: written.dropped == 1)
    assert written.state()["last_error"] == "OverflowError: too large"
    written.note(exchange(2))
    await until(lambda: written.stored == 1)
    assert written.state()["healthy"] is True
    assert "1 finished requests cannot be stored" in caplog.text
    await written.close()


async def test_wishes_are_told_to_the_store_in_its_words() -> None:
    shelf = Shelf()
    written = Recording(shelf)
    wanted = Wanted(
        "ann", "gpt", "up/gpt", "up", "4xx", "code", "upstream", 1.0, 2.0, ("error", "losses"), "q"
    )
    await written.listed(wanted, (3.0, "ex_9"), 5)
    await written.listed(Wanted(status="404", has=("failover",)), None, 5)
    assert shelf.searches == [
        Search(
            client="ann",
            model="gpt",
            deployment="up/gpt",
            provider="up",
            status=(400, 499),
            error="code",
            end="upstream",
            since=1.0,
            until=2.0,
            losses=True,
            failed=True,
            q="q",
            before=(3.0, "ex_9"),
        ),
        Search(status=(404, 404), failover=True),
    ]
    await written.close()


async def test_the_tenant_is_stored_and_filters() -> None:
    shelf = Shelf()
    written = Recording(shelf)
    written.note(exchange(1, caller=Caller("ann", tenant="acme")))
    written.note(exchange(2))
    await until(lambda: written.stored == 2)
    assert [row.tenant for row in shelf.rows] == ["acme", None]
    assert [json.loads(row.line)["tenant"] for row in shelf.rows] == ["acme", None]
    within = Wanted(tenant="acme", since=5.0)
    await written.find("ex_1", within)
    await written.listed(within, None, 9)
    assert shelf.searches == [Search(tenant="acme", since=5.0)] * 2
    await written.close()


async def test_half_of_a_surrogate_pair_does_not_keep_an_exchange_from_being_stored() -> None:
    row = stored_form(exchange(asked="m\ud800"), 1, Redaction())
    assert json.loads(row.line)["model"] == json.loads(zlib.decompress(row.trace))["model"] == "m?"
