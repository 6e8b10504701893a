"""Row 3.23: finished requests are stored, without secrets, where `trace.store` says so; ids find them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import zlib
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.provider import Answer, Seen
from dragoman.testing.serving import serving
from tests.e2e import command, stubs
from tests.e2e.calls import CHAT, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

pytestmark = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="needs the extra `sql`")

EXCHANGES = "/admin/exchanges"
KEY = "up-key-without-any-form-4711"
CLIENT_KEY = "client-key-0123456789-abcdef"
TYPED = "sk-proj-abcdefghijkl0123456789"
GOOD: Any = stubs.openai_chat(Said())


def stored_in(folder: Path, **more: Any) -> dict[str, Any]:
    return {"store": f"sqlite:///{folder / 'exchanges.db'}", **more}


def refusing(seen: Seen) -> Answer:
    """Refuses who asks for `bad`, and tells the key with which it was asked."""
    if json.loads(seen.raw)["model"] == "bad":
        return stubs.refusal("openai_chat", 400, "bad_thing", f"Not with {KEY} and {TYPED}.")
    answer: Answer = GOOD(seen)
    return answer


async def chat(site: Site, model: str = "up/gpt", said: str = "Hello!", **headers: str) -> tuple[int, str]:
    """The status of a chat, and the id that its error states, or that its header states."""
    body = {"model": model, "messages": [{"role": "user", "content": said}]}
    async with site.session.post(site.base + CHAT, json=body, headers=headers) as response:
        told = await response.json()
        id_ = response.headers["x-request-id"]
        if response.status >= 400:
            assert told["error"]["error_id"] == id_
        return response.status, id_


async def got(site: Site, path: str, **headers: str) -> tuple[int, Any]:
    async with site.session.get(site.base + path, headers=headers) as response:
        return response.status, await response.json()


async def health(site: Site, **headers: str) -> dict[str, Any]:
    _, told = await got(site, "/health", **headers)
    found: dict[str, Any] = told["exchanges"]
    return found


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110 - it is true of a thread or another process
            await asyncio.sleep(0.05)


async def test_an_error_is_found_by_its_id_in_log_trace_and_after_a_restart_in_the_store(
    provide: Provide, tmp_path: Path
) -> None:
    provider = await provide(refusing)
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps({**up(provider.url), "trace": stored_in(tmp_path)}))
    written = bytearray()

    class Log:
        def write(self, data: bytes) -> int:
            written.extend(data)
            return len(data)

        def flush(self) -> None: ...

    log = AccessLog(Lines(Log(), people=False))  # type: ignore[arg-type]
    ids: list[str] = []
    for start in range(2):
        gateway = Gateway(load(file, {}), observers=[log])
        async with serving(gateway) as base, aiohttp.ClientSession() as session:
            site = Site(base, session)
            if start == 0:
                ids += [
                    (await chat(site, model))[1] for model in ("up/bad", "up/gpt", "up/gpt", "nobody/knows")
                ]
            bad = ids[0]
            status, told = await got(site, f"{EXCHANGES}/{bad}")
            assert (status, told["request_id"], told["error"]["code"]) == (200, bad, "bad_thing")
            assert [one["deployment"] for one in told["attempts"]] == ["up/bad"]
            for query, wanted in (
                ("", [*reversed(ids)]),
                ("?error=bad_thing", [bad]),
                ("?has=error", [ids[3], bad]),
                ("?status=4xx&model=up/bad", [bad]),
                ("?status=200&limit=1", [ids[2]]),
                (f"?q={bad[:20]}", [bad]),
                ("?provider=up&until=5", []),
            ):
                _, page = await got(site, EXCHANGES + query)
                rows = [row["request_id"] for row in page["data"] if row["path"] == CHAT]
                assert (rows, page["store"]) == (wanted, "ok"), query
            seen: list[str] = []
            after = ""
            while True:
                _, page = await got(site, f"{EXCHANGES}?limit=2&provider=up{after}")
                seen += [row["request_id"] for row in page["data"]]
                if not page["has_more"]:
                    break
                after = f"&after={page['data'][-1]['id']}"
            assert seen == [*reversed(ids[:3])]
            status, told = await got(site, f"{EXCHANGES}/req_nobody")
            assert (status, told["error"]["code"]) == (404, "exchange_not_found")
    assert ids[0] in {json.loads(line).get("request_id") for line in written.splitlines()}


async def test_the_file_has_no_secret_of_headers_bodies_and_messages(
    provide: Provide, visit: Visit, tmp_path: Path
) -> None:
    provider = await provide(refusing)
    settings = {
        **up(provider.url, keys=[KEY]),
        "auth": {"keys": [{"name": "ann", "key": CLIENT_KEY, "scopes": ["admin", "inference"]}]},
        "trace": stored_in(tmp_path, bodies=True),
    }
    site = await visit(settings)
    sent = {"authorization": f"Bearer {CLIENT_KEY}", "user-agent": f"agent {TYPED}"}
    words = f"My keys are {KEY}, {CLIENT_KEY} and {TYPED}. My dog is called Rex."
    id_ = ""
    for model in ("up/gpt", "up/bad"):
        _, id_ = await chat(site, model, words, **sent)

    async def both() -> bool:
        return bool((await health(site, **sent))["stored"] >= 2)

    await until(both)
    database = sqlite3.connect(tmp_path / "exchanges.db")
    assert database.execute("SELECT count(*) FROM exchanges WHERE owner = 'ann'").fetchone() == (2,)
    rows = database.execute("SELECT trace FROM exchanges").fetchall()
    database.close()
    files = b"".join(map(Path.read_bytes, tmp_path.glob("exchanges.db*")))  # noqa: ASYNC240 - small ones
    _, told = await got(site, f"{EXCHANGES}/{id_}", **sent)
    plain = files + b"".join(zlib.decompress(trace) for (trace,) in rows) + json.dumps(told).encode()
    assert b"My dog is called Rex." in plain
    assert [secret for secret in (KEY, CLIENT_KEY, TYPED) if secret.encode() in plain] == []


async def test_bodies_are_not_stored_unless_they_are_asked_for(
    provide: Provide, visit: Visit, tmp_path: Path
) -> None:
    site = await visit({**up((await provide(GOOD)).url), "trace": stored_in(tmp_path, keep=0)})
    _, id_ = await chat(site)

    async def there() -> bool:
        return (await got(site, f"{EXCHANGES}/{id_}"))[0] == 200

    await until(there)
    assert "bodies" not in (await got(site, f"{EXCHANGES}/{id_}"))[1]


async def test_while_somebody_locks_the_file_answers_go_on(
    provide: Provide, visit: Visit, tmp_path: Path
) -> None:
    site = await visit({**up((await provide(GOOD)).url), "trace": stored_in(tmp_path)})
    await chat(site)

    async def stored(number: int) -> bool:
        return bool((await health(site))["stored"] >= number)

    await until(lambda: stored(1))
    locking = sqlite3.connect(tmp_path / "exchanges.db", isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    for _ in range(5):
        assert (await chat(site))[0] == 200
    assert (await got(site, EXCHANGES))[0] == 200
    assert (await health(site))["waiting"] == 5
    locking.execute("ROLLBACK")
    locking.close()
    await until(lambda: stored(6))


async def test_a_file_that_cannot_be_opened_is_told_and_answers_go_on(
    provide: Provide, visit: Visit, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    site = await visit({**up((await provide(GOOD)).url), "trace": stored_in(tmp_path / "file")})
    status, id_ = await chat(site)
    assert status == 200

    async def failed() -> bool:
        return (await health(site))["healthy"] is False

    await until(failed)
    assert (await chat(site))[0] == 200
    assert (await got(site, f"{EXCHANGES}/{id_}"))[0] == 200  # in memory
    _, page = await got(site, EXCHANGES)
    assert len(page["data"]) >= 2
    assert page["store"].startswith("the database: ")
    status, told = await got(site, f"{EXCHANGES}/req_older")
    assert (status, told["error"]["code"]) == (503, "exchanges_unreadable")
    (tmp_path / "file").unlink()

    async def stored() -> bool:
        return bool((await health(site))["stored"] >= 2)

    await until(stored)


async def test_another_store_is_used_after_a_reload(provide: Provide, tmp_path: Path) -> None:
    provider = await provide(GOOD)
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(up(provider.url)))
    gateway = Gateway(load(file, {}))
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        site = Site(base, session)
        await chat(site)
        assert (await got(site, "/health"))[1]["exchanges"] is None
        file.write_text(json.dumps({**up(provider.url), "trace": stored_in(tmp_path)}))
        assert (await gateway.reload()).problems == ()
        _, id_ = await chat(site)

        async def stored() -> bool:
            return bool((await health(site))["stored"] >= 1)

        await until(stored)
        database = sqlite3.connect(tmp_path / "exchanges.db")
        assert database.execute("SELECT request_id FROM exchanges WHERE model = 'up/gpt'").fetchall() == [
            (id_,)
        ]
        database.close()
        file.write_text(json.dumps(up(provider.url)))
        assert (await gateway.reload()).problems == ()
        await chat(site)
        assert (await got(site, "/health"))[1]["exchanges"] is None


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
async def test_whichever_worker_is_asked_finds_what_all_have_stored(
    provide: Provide, tmp_path: Path, environment: dict[str, str]
) -> None:
    provider = await provide(GOOD)
    (tmp_path / "dragoman.yaml").write_text(json.dumps({**up(provider.url), "trace": {"store": "sqlite"}}))
    file = Path(environment["DRAGOMAN_HOME"], "exchanges.db")

    async def stored() -> bool:
        with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as database:
            return database.execute("SELECT count(*) FROM exchanges").fetchone() == (30,)
        return False

    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        with command.serving(environment, tmp_path, "--workers", "2") as server:
            site = Site(server.url, session)
            ids = {(await chat(site))[1] for _ in range(30)}
            await until(stored)
            server.stop()
        with command.serving(environment, tmp_path, "--workers", "2") as server:
            site = Site(server.url, session)
            workers: set[int] = set()
            for _ in range(20):
                _, page = await got(site, f"{EXCHANGES}?model=up/gpt")
                assert {row["request_id"] for row in page["data"]} == ids
                workers |= {row["worker"] for row in page["data"]}
            assert workers == {1, 2}
            shown = command.run(environment, tmp_path, "trace", min(ids), "--url", server.url)
            assert shown.returncode == 0, shown.stderr
            assert min(ids).removeprefix("req_") in shown.stdout
            server.stop()


async def test_bodies_are_stored_where_memory_keeps_no_requests(provide: Provide, tmp_path: Path) -> None:
    provider = await provide(refusing)
    settings = {**up(provider.url), "trace": stored_in(tmp_path, keep=0, bodies=True)}
    gateway = Gateway(settings)
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        site = Site(base, session)
        _, id_ = await chat(site, said="Is it kept?")

        async def is_stored() -> bool:
            return bool((await health(site))["stored"])

        await until(is_stored)
        _, told = await got(site, f"{EXCHANGES}/{id_}")
    assert "Is it kept?" in told["bodies"]["request"]["text"]
