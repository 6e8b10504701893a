"""Providers, models and aliases that operators add while the gateway runs: kept, used by all, files win."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e import stubs
from tests.e2e.command import SECONDS, run, serving
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said
from tests.e2e.test_reload import ADMIN, Site

pytestmark = [
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="what is added is kept in a database"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no several workers"),
]
MANY = pytest.mark.parametrize("workers", [1, 2])
GOOD: Any = stubs.openai_chat(Said("Here I am."))
SECRET = "sk-of-the-environment-0123"


def configuration(**more: Any) -> str:
    keys = [{"name": "ops", "key": ADMIN, "scopes": ["inference", "admin"]}]
    return json.dumps(
        {"auth": {"keys": keys}, "retries": {"attempts": 1}, "reload": {"watch": False}, **more}
    )


Start = Callable[..., Site]


@pytest.fixture
async def start(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a server whose configuration file is in a folder of this name."""
    environment["ACME_KEY"] = SECRET
    async with aiohttp.ClientSession() as session:
        with ExitStack() as stack:

            def starts(text: str = configuration(), workers: int = 1, folder: str = "one") -> Site:
                place = tmp_path / folder
                place.mkdir(exist_ok=True)
                (place / "dragoman.yaml").write_text(text)
                many = ["--workers", str(workers)] if workers > 1 else []
                server = stack.enter_context(serving(environment, place, *many))
                return Site(server, place / "dragoman.yaml", session)

            yield starts


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(2 * SECONDS):
        while not await true():  # noqa: ASYNC110 - the other server cannot tell this process
            await asyncio.sleep(0.1)


async def ask(site: Site, model: str) -> int:
    return await site.ask(ADMIN, model)


@MANY
async def test_what_is_added_is_used_by_all_and_survives_a_restart(
    start: Start, provide: Provide, workers: int
) -> None:
    provider = await provide(*[GOOD] * 40)
    site = start(workers=workers)
    section = {"base_url": provider.url, "keys": "${ACME_KEY}"}
    status, added = await site.call("POST", "/admin/providers/acme", body=section)
    assert (status, added["state"], added["by"], added["version"]) == (200, "used", "ops", 1)
    assert added["section"] == section
    status, added = await site.call("PUT", "/admin/models/team/fast", body="acme/m")
    assert (status, added["name"], added["version"]) == (200, "team/fast", 2)
    status, added = await site.call("PUT", "/admin/aliases/best", body={"route": "team/fast"})
    assert (status, added["version"]) == (200, 3)
    assert [await ask(site, name) for name in ("team/fast", "best", "acme/x") * 2] == [200] * 6
    assert provider.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert {"team/fast", "best"} <= await site.listed()
    _, told = await site.call("GET", "/admin/config")
    sources = {row["path"]: row["source"] for row in told["data"]}
    assert sources['models."team/fast".use'] == "added by ops (version 2)"
    assert SECRET not in json.dumps(told)
    code, _, events = site.server.stop()
    audit = [event for event in events if event["event"] == "audit"]
    assert [(one["action"], one["target"]) for one in audit] == [
        ("add", "providers/acme"),
        ("replace", "models/team/fast"),
        ("replace", "aliases/best"),
    ]
    assert (code, SECRET in json.dumps(events)) == (0, False)

    again = start(workers=workers)
    assert [await ask(again, name) for name in ("team/fast", "best") * 2] == [200] * 4
    status, refused = await again.call("DELETE", "/admin/providers/acme")
    assert (status, refused["error"]["code"]) == (409, "still_needed")
    assert "models" in refused["error"]["message"]
    for path in ("aliases/best", "models/team/fast", "providers/acme"):
        status, removed = await again.call("DELETE", f"/admin/{path}")
        assert (status, removed["deleted"]) == (200, True)
    assert [await ask(again, name) for name in ("team/fast", "best", "acme/x") * 2] == [404] * 6
    status, told = await again.call("GET", "/admin/added")
    assert (status, told["data"], told["version"]) == (200, [], 6)


@MANY
async def test_a_wrong_entry_changes_nothing_and_names_the_field(start: Start, workers: int) -> None:
    site = start(workers=workers)
    wrong: list[tuple[str, Any, str | None, str]] = [
        ("providers/acme", {"base_url": "nowhere", "keys": []}, "base_url", "base_url"),
        ("providers/acme", {"base_url": "http://127.0.0.1:9", "colour": 1}, "colour", "unknown setting"),
        ("providers/acme", {"base_url": "http://127.0.0.1:9", "keys": "${NOT_SET}"}, "keys", "NOT_SET"),
        ("providers/acme", {"base_url": "http://127.0.0.1:9", "keys": SECRET}, "keys[0]", "${NAME}"),
        (
            "providers/acme",
            {"base_url": "http://127.0.0.1:9", "keys": f"${{X:-{SECRET}}}"},
            "keys[0]",
            "file",
        ),
        ("models/fast", "nobody/m", "use", "no provider nobody"),
        ("models/fast", {}, None, "models.fast"),
        ("aliases/best", {"route": "gone"}, "route", "gone"),
    ]
    for path, section, param, words in wrong:
        status, told = await site.call("PUT", f"/admin/{path}", body=section)
        assert (status, told["error"]["param"]) == (400, param), told
        assert words in told["error"]["message"]
        assert words in json.dumps(told["error"]["problems"])
        assert SECRET not in json.dumps(told)
    status, told = await site.call("GET", "/admin/added")
    assert (status, told["version"]) == (200, 0)


async def test_a_change_is_made_only_if_nobody_was_faster(start: Start) -> None:
    site = start()
    status, told = await site.call("POST", "/admin/models/fast", body="simulate/echo")
    assert status == 200
    status, told = await site.call("POST", "/admin/models/fast", body="simulate/echo")
    assert (status, told["error"]["code"]) == (409, "already_added")
    for path, section in (
        ("models/fast", "simulate/slow"),
        ("providers/acme", {"base_url": "http://127.0.0.1:9"}),
    ):
        await site.call("PUT", f"/admin/{path}", body=section)
        async with site.session.get(
            f"{site.server.url}/admin/{path}", headers={"authorization": f"Bearer {ADMIN}"}
        ) as got:
            tag = got.headers["etag"]
        status, _ = await site.call("PUT", f"/admin/{path}", body=section, **{"if-match": tag})
        assert status == 200
        for method in ("PUT", "DELETE"):
            body = section if method == "PUT" else None
            status, told = await site.call(method, f"/admin/{path}", body=body, **{"if-match": tag})
            assert (status, told["error"]["code"]) == (412, "precondition_failed")
    for method, name in (("GET", "nothing"), ("DELETE", "nothing")):
        status, told = await site.call(method, f"/admin/models/{name}")
        assert (status, told["error"]["code"]) == (404, "not_added")


async def test_a_file_wins_and_says_so(start: Start) -> None:
    site = start()
    await site.call("PUT", "/admin/models/fast", body="simulate/echo")
    status, told = await site.reload(configuration(aliases={"fast": "simulate/other"}))
    assert status == 200
    assert "declares this name" in json.dumps(told["warnings"])
    _, told = await site.call("GET", "/admin/added")
    (entry,) = told["data"]
    assert (entry["state"], "dragoman.yaml" in entry["problems"][0]["message"]) == ("shadowed", True)
    status, told = await site.call("PUT", "/admin/models/fast", body="simulate/echo")
    assert (status, told["error"]["code"]) == (409, "declared_elsewhere")
    assert "dragoman.yaml" in told["error"]["message"]
    status, told = await site.call("PUT", "/admin/providers/simulate", body={})
    assert (status, told["error"]["code"]) == (409, "declared_elsewhere")
    await site.reload(configuration())
    _, told = await site.call("GET", "/admin/added")
    assert told["data"][0]["state"] == "used"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_two_servers_on_one_database_learn_from_each_other(
    request: pytest.FixtureRequest, start: Start, environment: dict[str, str], kind: str
) -> None:
    if kind == "sqlite":
        await learn_from_each_other(start)
        return
    with request.getfixturevalue("postgres").database(None) as url:
        environment["DRAGOMAN_SQL"] = url
        await learn_from_each_other(start)


async def learn_from_each_other(start: Start) -> None:
    one, two = start(workers=2), start(folder="two")
    await one.call("PUT", "/admin/models/fast", body="simulate/echo")
    await until(lambda: _is(two, "fast", 200))
    status, _ = await two.call("DELETE", "/admin/models/fast")
    assert status == 200
    await until(lambda: _is(one, "fast", 404))


async def _is(site: Site, model: str, status: int) -> bool:
    return await ask(site, model) == status


async def test_without_a_database_nothing_can_be_added(start: Start) -> None:
    site = start(configuration(stores={"sql": "memory"}))
    for method, path in (("PUT", "models/fast"), ("DELETE", "providers/acme"), ("GET", "added")):
        body = "simulate/echo" if method == "PUT" else None
        status, told = await site.call(method, f"/admin/{path}", body=body)
        assert (status, told["error"]["code"]) == (501, "no_database")


def test_the_command_adds_and_removes(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text(configuration(models={"own": "simulate/echo"}))
    with tempfile.TemporaryDirectory() as home:  # the path of a Unix socket may have about 100 characters
        environment["DRAGOMAN_HOME"] = home
        with serving(environment, tmp_path):
            for arguments, words in (
                (
                    ("providers", "add", "acme", "base_url=http://127.0.0.1:9/v1", "keys=[]"),
                    "acme is added, version 1",
                ),
                (("models", "add", "team/fast", "simulate/echo"), "version 2"),
                (("aliases", "add", "best", "route=team/fast", "defaults.seed=1"), "version 3"),
                (("aliases", "add", "best", "own", "--replace"), "best is replaced, version 4"),
                (("providers", "remove", "acme", "--yes"), "acme is removed"),
            ):
                ended = run(environment, tmp_path, *arguments)
                assert (ended.returncode, words in ended.stderr) == (0, True), ended.stderr
            refused = run(environment, tmp_path, "models", "add", "own", "simulate/x")
            assert (refused.returncode, "dragoman.yaml" in refused.stderr) == (1, True)
        shown = run(environment, tmp_path, "config", "show", "--json")
        rows = {row["path"]: row["source"] for row in json.loads(shown.stdout)}
        assert rows["aliases.best.route"].startswith("added by uid")
        listed = run(environment, tmp_path, "models", "list", "--json")
        assert {"team/fast", "best", "own"} <= {row["id"] for row in json.loads(listed.stdout)}
