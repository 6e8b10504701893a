"""Another configuration under a running gateway: what is new, what stays, what is refused, what is closed."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from dragoman import ir
from dragoman.assembly import core
from dragoman.assembly import reload as reloading
from dragoman.assembly.assemble import Assembly, assemble
from dragoman.assembly.reload import Outcome, has_no_news, until_restart
from dragoman.config.load import Loaded, load
from dragoman.errors import Problem, RequestFailed
from dragoman.gateway import Gateway
from dragoman.net.transport import Transport
from dragoman.upstreams.local import weights

UP = "providers: {up: {base_url: 'https://up.example', keys: [a-key-of-ours-1]}, simulate: {enabled: true}}\n"


class House:
    """A started gateway and its configuration file."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        file.write_text(text)
        self.gateway = Gateway(load(file, {"DRAGOMAN_HOME": str(file.parent)}))
        self.told: list[Outcome] = []
        self.gateway.reloads.told = self.told.append

    async def reload(self, text: str | None = None) -> Outcome:
        if text is not None:
            self.file.write_text(text)
        return await self.gateway.reload()

    @property
    def upstream(self) -> Any:
        return self.gateway.running.upstreams["up"]


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    monkeypatch.setattr(reloading, "_LOOK", 0.01)
    houses: list[House] = []

    async def starts(text: str = UP) -> House:
        house = House(tmp_path / "dragoman.yaml", text)
        houses.append(house)
        await house.gateway.start()
        return house

    yield starts
    for house in houses:
        await house.gateway.close()


def names(gateway: Gateway) -> set[str]:
    return {entry.id for entry in gateway.entries()}


async def test_what_is_new_is_there_and_what_is_gone_is_not(start: Start) -> None:
    house = await start(f"{UP}models: {{old: simulate/echo}}")
    outcome = await house.reload(f"{UP}models: {{new: simulate/echo}}")
    assert [(one.setting, one.change) for one in outcome.changed] == [
        ("models.old", "removed"),
        ("models.new", "added"),
    ]
    assert names(house.gateway) & {"old", "new"} == {"new"}
    answer = await house.gateway.ask({"model": "new", "messages": [{"role": "user", "content": "Hi"}]})
    assert answer["choices"][0]["message"]["content"] == "Hi"
    with pytest.raises(RequestFailed, match="does not exist"):
        house.gateway.engine.table.resolve("old")
    assert house.told == [outcome]


async def test_what_does_not_change_goes_on(start: Start) -> None:
    house = await start()
    gateway, upstream = house.gateway, house.upstream
    store, keys, local = gateway.running.store, gateway.admitting, gateway.running.own_machine
    assert upstream.learns("m", ir.Fault("not_found", "no such path", status=404))
    await house.reload(f"{UP}strict: true")
    assert house.upstream is upstream
    assert (gateway.running.store, gateway.admitting) == (store, keys)
    assert gateway.running.own_machine is None or gateway.running.own_machine._processes is local._processes
    await house.reload(f"{UP.replace('a-key-of-ours-1', 'a-key-of-ours-2')}strict: true")
    assert house.upstream is not upstream
    assert house.upstream._sender.transport is upstream._sender.transport
    assert house.upstream._lessons is upstream._lessons
    assert [account.tail for account in house.upstream.accounts] == ["rs-2"]
    assert [account.tail for account in upstream.accounts] == ["rs-1"], "running requests have the old one"
    pools = gateway.engine.runtime.health.pools
    assert [key.tail for key in pools["up"].keys] == ["rs-2"]


async def test_nothing_new_changes_nothing(start: Start) -> None:
    house = await start()
    before = house.gateway.running
    outcome = await house.reload()
    assert (outcome.changed, outcome.problems) == ((), ())
    assert house.gateway.running is before
    assert await house.reload("# only a comment\n" + UP) == outcome


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("providers: [", [("", 1)]),
        (f"{UP}models: {{m: nobody/x}}\nnonsense: 1", [("models.m.use", 2), ("nonsense", 3)]),
        (f"{UP}aliases: {{'*': nobody/x}}", [("aliases.*.route", 2)]),
        (UP.replace("keys:", "ca_file: dragoman.yaml, keys:"), [("providers.up.ca_file", 1)]),
    ],
    ids=["yaml", "settings", "names", "certificate"],
)
async def test_what_has_problems_changes_nothing_and_says_where(
    start: Start, text: str, problems: list[tuple[str, int | None]]
) -> None:
    house = await start()
    before, config, mark = house.gateway.running, house.gateway.config, house.gateway.reloads.hash
    outcome = await house.reload(text)
    assert outcome.failed
    assert len(outcome.problems) == len(problems)
    assert [one.line for one in outcome.problems if one.line] == [line for _, line in problems if line]
    assert house.gateway.running is before
    assert house.gateway.config is config
    state = (await house.gateway.health(details=True))["config"]
    assert state["hash"] == mark
    assert state["error"] == "\n".join(map(str, outcome.problems))
    assert not (await house.reload(UP)).failed
    assert (await house.gateway.health(details=True))["config"]["error"] is None
    assert "config" not in await house.gateway.health(details=False)


async def test_a_file_that_is_gone_is_no_empty_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("strict: true")
    gateway = Gateway(load(None, {"DRAGOMAN_HOME": str(tmp_path / "home")}, cwd=tmp_path))
    file.unlink()
    outcome = await gateway.reload()
    assert [str(one) for one in outcome.problems] == [f"{file}: is not there any more"]
    assert gateway.config.strict is True
    await gateway.close()


@pytest.mark.parametrize(
    "text", ["", "\n", "# only a comment\n", "{}"], ids=["empty", "line", "comment", "map"]
)
async def test_a_file_that_was_emptied_is_no_empty_configuration(start: Start, text: str) -> None:
    """A full disk and an interrupted command leave such a file, also twice."""
    house = await start()
    before, config = house.gateway.running, house.gateway.config
    for _ in range(2):
        outcome = await house.reload(text)
        why = "has no settings any more; if none are meant, restart the gateway"
        assert [str(one) for one in outcome.problems] == [f"{house.file}: {why}"]
        assert (house.gateway.running, house.gateway.config) == (before, config)
    assert (await house.reload(UP + "strict: true")).changed
    assert (await house.reload(text)).failed


async def test_a_file_that_was_empty_at_the_start_may_stay_so(start: Start) -> None:
    house = await start("")
    assert not (await house.reload()).failed
    assert (await house.reload(UP)).changed
    assert (await house.reload("")).failed


async def test_what_a_running_gateway_cannot_change_is_named_and_stays(start: Start) -> None:
    house = await start()
    after = "server: {port: 9, workers: 3}\nsessions: {ttl: 1d}\nmetrics: {public: true}\nstrict: true"
    outcome = await house.reload(UP + after)
    assert set(outcome.restart) == {"server.port", "server.workers", "sessions.ttl", "metrics.public"}
    assert [one.setting for one in outcome.changed] == ["strict"]
    assert house.gateway.config.server.port == 8080
    assert house.gateway.config.strict is True


async def test_a_gateway_that_asks_for_keys_does_not_open_itself(start: Start) -> None:
    keyed = f"{UP}auth: {{keys: [client-key-number-1, client-key-number-2]}}"
    house = await start(keyed)
    await house.reload(f"{UP}auth: {{keys: [client-key-number-2]}}")
    authenticate = house.gateway.client_keys.authenticate
    assert not hasattr(authenticate({"authorization": "Bearer client-key-number-1"}), "name")
    assert hasattr(authenticate({"authorization": "Bearer client-key-number-2"}), "name")
    outcome = await house.reload(UP)
    assert outcome.restart == ("auth.required",)
    refused = house.gateway.client_keys.authenticate({"authorization": "Bearer client-key-number-2"})
    assert not hasattr(refused, "name")
    assert house.gateway.client_keys.required


async def test_names_made_at_run_time_stay_with_the_providers_that_do(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    other = "providers: {simulate: {enabled: true}}\n"
    house = await start(f"{UP}models: {{m: {{use: up/x, headers: {{x-own: old-value-of-it}}}}}}")
    table = house.gateway.engine.table
    house.gateway.make("mine", table.resolve("m"))
    house.gateway.make("sim", table.resolve("simulate/echo"))
    await house.reload(f"{UP}models: {{m: {{use: up/x, headers: {{x-own: new-value-of-it}}}}}}")
    assert house.gateway.engine.table.resolve("mine").deployments[0].headers == {"x-own": "new-value-of-it"}
    assert {"mine", "sim"} <= names(house.gateway)
    with caplog.at_level(logging.WARNING):
        await house.reload(other)
    assert names(house.gateway) & {"mine", "sim"} == {"sim"}
    assert "mine" in caplog.text


async def test_what_only_running_exchanges_use_is_closed_after_them(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Transport] = []
    really = Transport.close

    async def close(self: Transport) -> None:
        closed.append(self)
        await really(self)

    monkeypatch.setattr(Transport, "close", close)
    house = await start()
    transport, running = house.upstream._sender.transport, cast(Any, object())
    house.gateway.exchanges.add(running)
    await house.reload(UP.replace("keys:", "pool: {size: 3}, keys:"))
    assert house.upstream._sender.transport is not transport
    await asyncio.sleep(0.05)
    assert closed == []
    house.gateway.exchanges.add(later := cast(Any, object()))
    house.gateway.exchanges.discard(running)
    async with asyncio.timeout(10):
        while not closed:  # noqa: ASYNC110 - a test looks as the gateway does
            await asyncio.sleep(0.01)
    assert closed == [transport]
    await house.reload(UP)
    await house.gateway.close()
    assert len(closed) == 3, "what still waits is closed with the gateway"
    house.gateway.exchanges.discard(later)


def is_closed(upstream: Any) -> bool:
    """Whether an upstream has closed its client, ours or aiohttp's."""
    client = upstream._sender.transport._client
    session = getattr(client, "_session", None)
    closed: bool = client._closed if session is None else session.closed
    return closed


async def test_what_was_prepared_and_is_not_used_is_closed(start: Start) -> None:
    house = await start()
    before = house.upstream
    house.file.write_text(UP.replace("keys:", "pool: {size: 3}, keys:"))
    prepared = await house.gateway.reloads.prepare()
    assert house.upstream is before
    assert prepared.assembly is not None
    fresh: Any = prepared.assembly.upstreams["up"]
    await house.gateway.reloads.drop(prepared)
    assert is_closed(fresh)
    assert not is_closed(before)


async def test_what_was_prepared_before_the_gateway_is_closed_is_not_used(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a worker whose parent decides while the worker stops."""
    closed: list[Transport] = []
    really = Transport.close

    async def close(self: Transport) -> None:
        closed.append(self)
        await really(self)

    monkeypatch.setattr(Transport, "close", close)
    house = await start()
    reloads, config = house.gateway.reloads, house.gateway.config
    house.file.write_text(UP.replace("keys:", "pool: {size: 3}, keys:"))
    prepared = await reloads.prepare()
    await house.gateway.close()
    assert len(closed) == 2, "those of both configurations"
    outcome = reloads.use(prepared)
    assert [problem.message for problem in outcome.problems] == [
        "cannot be loaded again: the gateway is closed"
    ]
    assert house.gateway.config is config
    await reloads.drop(prepared)
    assert len(closed) == 2
    assert not reloads._closing


async def test_a_name_is_made_only_while_the_gateway_runs(tmp_path: Path) -> None:
    house = House(tmp_path / "dragoman.yaml", UP)
    await house.gateway.start()
    route = house.gateway.engine.table.resolve("simulate/echo")
    other = House(tmp_path / "other.yaml", UP).gateway
    with pytest.raises(RuntimeError, match="has not been started"):
        other.make("mine", route)
    assert other.own_models.made == {}
    await other.start()
    assert "mine" not in names(other)
    other.make("mine", route)
    assert "mine" in names(other)
    await other.close()
    with pytest.raises(RequestFailed):
        other.make("late", route)
    assert "late" not in other.own_models.made
    await house.gateway.close()


@pytest.mark.parametrize("more", ["", "passthrough: [files], "], ids=["plain", "with a passage"])
@pytest.mark.parametrize("key", ["a-key-of-ours-1", "{file: key}"], ids=["key", "key in a file"])
async def test_a_hundred_reloads_leave_nothing_behind(
    start: Start, request: pytest.FixtureRequest, tmp_path: Path, key: str, more: str
) -> None:
    secret = tmp_path / "key"
    secret.write_text("the-key-in-a-file-1")
    secret.chmod(0o600)
    up = UP.replace("[a-key-of-ours-1]", f"[{key}]").replace("keys:", f"{more}keys:")
    house = await start(up)
    gone: list[weakref.ref[Any]] = []
    gc.disable()
    request.addfinalizer(gc.enable)
    for number in range(100):
        gone += [weakref.ref(house.upstream), weakref.ref(house.gateway.engine.table)]
        gone += [
            weakref.ref(house.upstream._sender.transport),
            weakref.ref(house.gateway.engine.runtime.health),
        ]
        size = f"pool: {{size: {number + 1}}}, keys:"
        outcome = await house.reload(f"{up.replace('keys:', size)}models: {{m{number}: up/x}}")
        assert outcome.changed
        house.told.clear()
    async with asyncio.timeout(10):
        while house.gateway.reloads._closing:  # noqa: ASYNC110 - a test looks as the gateway does
            await asyncio.sleep(0.01)
    assert [one() for one in gone if one() is not None] == [], "also without the garbage collector"


async def test_a_reload_does_not_look_again_for_installed_models(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests wait meanwhile. Files of the operator's own are in the configuration, and count at once."""
    house = await start()
    looked: list[Any] = []
    monkeypatch.setattr(weights, "find", looked.append)
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    outcome = await house.reload(f"{UP}models: {{own: {{deployments: [{{use: local, file: '{own}'}}]}}}}")
    assert outcome.problems == ()
    assert looked == []
    assert "own" in names(house.gateway)
    await house.reload(f"{UP.replace('simulate:', 'local: {threads: 2}, simulate:')}")
    assert looked == list(weights.WEIGHTS)
    await house.reload(f"{UP.replace('simulate:', 'local: {enabled: false}, simulate:')}")
    assert house.gateway.running.own_machine is None


async def test_reloads_of_all_workers_go_through_the_parent(start: Start) -> None:
    house = await start()
    decided = Outcome(hash="decided by the parent")

    async def through() -> Outcome:
        return decided

    house.gateway.reloads.through = through
    assert await house.reload("nonsense: 1") is decided
    assert house.told == []


def test_a_configuration_that_comes_from_nowhere_stays(tmp_path: Path) -> None:
    loaded = load(None, {"DRAGOMAN_CONFIG": "", "DRAGOMAN_HOME": str(tmp_path)})
    alone: Loaded = msgspec.structs.replace(loaded, again=None)
    outcome = asyncio.run(Gateway(alone).reload())
    assert "cannot be loaded again" in outcome.problems[0].message


def test_what_is_kept_until_a_restart(tmp_path: Path) -> None:
    environ = {"DRAGOMAN_HOME": str(tmp_path)}
    before = load({"server": {"port": 1}}, environ)
    after, restart = until_restart(before, load({"server": {"port": 2}, "strict": True}, environ))
    assert (after.config.server.port, after.config.strict, restart) == (1, True, ("server.port",))


def test_the_same_again_is_no_news() -> None:
    bad, worse = Problem("a", "is bad"), Problem("b", "is bad")
    assert has_no_news(Outcome(hash="1"), (), ())
    assert not has_no_news(Outcome(hash="1"), (bad,), ()), "it is well again"
    assert has_no_news(Outcome(hash="1", problems=(bad,)), (bad,), ())
    assert not has_no_news(Outcome(hash="1", problems=(worse,)), (bad,), ())


async def test_a_setting_that_waits_for_a_restart_is_reported_once(tmp_path: Path) -> None:
    house = House(tmp_path / "dragoman.yaml", UP)
    house.file.write_text(f"{UP}server: {{port: 5000}}")
    for _ in range(2):
        await house.gateway.reloads.reload(quiet=True)
    assert [outcome.restart for outcome in house.told] == [("server.port",)]
    await house.gateway.close()


def test_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        reloading.tell(Outcome(hash="1", restart=("server.port",)))
        reloading.tell(Outcome(hash="1", problems=(Problem("a", "is bad", "f.yaml", 3),)))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "ERROR"]
    assert "f.yaml:3: a: is bad" in caplog.text


async def test_before_the_start_all_that_is_made_already_gets_the_new_settings(tmp_path: Path) -> None:
    """The traces, and the applications that look at who needs a key, are made before the first request."""
    house = House(tmp_path / "dragoman.yaml", f"{UP}trace: {{keep: 5}}")
    house.gateway.renewed.append(lambda: renewed.append(1))
    renewed: list[int] = []
    outcome = await house.reload(f"{UP}trace: {{keep: 500, max_size: 2000000, bodies: true, max_body: 3000}}")
    assert {one.setting for one in outcome.changed} == {
        *("trace.keep", "trace.max_size", "trace.bodies", "trace.max_body")
    }
    finished = house.gateway.observers.finished
    assert (finished.keep, finished._room, finished.body) == (500, 2_000_000, 3_000)
    assert renewed == [1]
    await house.gateway.start()
    await house.gateway.close()


class Held:
    """Holds up `assemble` until `go` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.made: list[Assembly] = []
        monkeypatch.setattr(core, "assemble", self._assemble)

    async def _assemble(self, *args: Any, **keywords: Any) -> Assembly:
        self.begun.set()
        made = await assemble(*args, **keywords)
        self.made.append(made)
        await self.go.wait()
        return made


async def test_a_reload_waits_for_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the start ends with the parts of one configuration and the settings of another."""
    held = Held(monkeypatch)
    house = House(tmp_path / "dragoman.yaml", f"{UP}models: {{old: simulate/echo}}")
    start = asyncio.ensure_future(house.gateway.start())
    await held.begun.wait()
    reload = asyncio.ensure_future(house.reload(f"{UP}models: {{new: simulate/echo}}"))
    await asyncio.sleep(0.05)
    assert (start.done(), reload.done()) == (False, False)
    held.go.set()
    await start
    assert not (await reload).failed
    assert names(house.gateway) & {"old", "new"} == {"new"}
    await house.gateway.close()


async def test_a_close_ends_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses nothing any more, and closes what it has built."""
    closed: list[Transport] = []
    close = Transport.close

    async def note(self: Transport) -> None:
        closed.append(self)
        await close(self)

    monkeypatch.setattr(Transport, "close", note)
    monkeypatch.setattr(reloading, "_FAREWELL", 0.05)
    house = House(tmp_path / "dragoman.yaml", UP)
    await house.gateway.start()
    held = Held(monkeypatch)
    more = UP.replace("simulate:", "more: {base_url: 'https://more.example', keys: []}, simulate:")
    reload = asyncio.ensure_future(house.reload(more))
    await held.begun.wait()
    await house.gateway.close()
    assert (house.gateway.assembly, len(closed)) == (None, 1)
    held.go.set()
    outcome = await reload
    assert [problem.message for problem in outcome.problems] == [
        "cannot be loaded again: the gateway is closed"
    ]
    assert len(closed) == 2
    assert (await house.reload()).failed
    assert len(held.made) == 1


async def test_a_reload_that_fails_in_an_odd_way_is_an_outcome(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever watches the files would end with it, and never look again."""

    async def fail(*_: object, **__: object) -> Assembly:
        raise KeyError("a mistake of ours")

    house = await start()
    monkeypatch.setattr(core, "assemble", fail)
    outcome = await house.reload(f"{UP}models: {{new: simulate/echo}}")
    assert [problem.message for problem in outcome.problems] == ["could not be used: KeyError"]
    assert "a mistake of ours" in caplog.text
    monkeypatch.setattr(core, "assemble", assemble)
    assert not (await house.reload()).failed
    assert "new" in names(house.gateway)
