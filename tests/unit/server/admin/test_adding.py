"""A change is checked, written and used; where it cannot be used it is taken back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.errors import Problem, RequestFailed
from dragoman.gateway import Gateway
from dragoman.server.admin import adding
from dragoman.server.admin.adding import Adding, Change, Do
from dragoman.server.admin.problems import Unusable
from dragoman.state.added import AddedEntry, AddedKind

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    file = tmp_path / "dragoman.yaml"
    settings = {"providers": {"simulate": {"enabled": True}}, "stores": {"sql": "sqlite"}}
    file.write_text(json.dumps(settings))
    made = Gateway(file)
    await made.start()
    yield made
    await made.close()


def anything(_: AddedEntry | None) -> None:
    return None


def change(name: str, value: Any = "simulate/echo", do: Do = "replace", kind: AddedKind = "models") -> Change:
    return Change(do, kind, name, value, "ops", anything, lambda _: None)


async def names(made: Adding) -> list[str]:
    return [one.name for one in (await made.entries()).entries]


async def test_a_change_is_used_at_once_and_its_version_is_known(gateway: Gateway) -> None:
    made = Adding(gateway)
    done = await made.make(change("fast"))
    assert done.before is None
    assert done.after is not None
    state = made.state(done.after)
    assert state is not None
    assert (state.state, done.after.version) == ("used", 1)
    assert gateway.config.models["fast"].use == "simulate/echo"
    assert (made.version("models", "fast"), made.version("models", "other")) == (1, None)
    again = await made.make(change("fast", "simulate/other"))
    assert again.before == done.after
    removed = await made.make(change("fast", do="remove"))
    assert removed.after is None
    assert "fast" not in gateway.config.models


async def test_what_the_gateway_cannot_use_is_taken_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Adding(gateway)
    await made.make(change("fast"))
    reloads = 0

    async def refuses() -> Outcome:
        nonlocal reloads
        reloads += 1
        return Outcome(hash="mark", problems=(Problem("models.fast", "worker 2 is full"),))

    monkeypatch.setattr(gateway, "reload", refuses)
    for name in ("fast", "new"):
        with pytest.raises(RequestFailed, match="worker 2 is full"):
            await made.make(change(name, "simulate/other"))
    kept = await made.entries()
    assert [(one.name, one.text, one.version) for one in kept.entries] == [("fast", b'"simulate/echo"', 3)]
    assert (kept.version, reloads) == (5, 12)
    with pytest.raises(RequestFailed, match="worker 2 is full"):
        await made.make(change("fast", do="remove"))
    kept = await made.entries()
    assert [(one.name, one.text, one.version) for one in kept.entries] == [("fast", b'"simulate/echo"', 7)]


@pytest.mark.parametrize(
    ("place", "param", "line"),
    [("models.fast.body", "body", None), ("models.fast", None, None), ("models.faster.body", None, 7)],
)
async def test_a_problem_of_another_entry_names_no_field_of_this_one(
    place: str, param: str | None, line: int | None, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses() -> Outcome:
        return Outcome(hash="mark", problems=(Problem(place, "is wrong", "a.yaml", line=7),))

    monkeypatch.setattr(gateway, "reload", refuses)
    with pytest.raises(Unusable) as failed:
        await Adding(gateway).make(change("fast"))
    assert (failed.value.fault.param, failed.value.problems[0].line) == (param, line)


async def test_a_model_that_a_key_may_use_stays(gateway: Gateway, tmp_path: Path) -> None:
    made = Adding(gateway)
    await made.make(change("fast"))
    keys = [{"name": "t", "key": "a-key-of-sixteen-characters", "models": ["fast"]}]
    settings = json.loads((tmp_path / "dragoman.yaml").read_text())
    (tmp_path / "dragoman.yaml").write_text(json.dumps({**settings, "auth": {"keys": keys}}))
    assert not (await gateway.reload()).failed
    with pytest.raises(RequestFailed, match="no model or alias `fast`"):
        await made.make(change("fast", do="remove"))
    assert await names(made) == ["fast"]
    assert not (await gateway.reload()).failed


async def test_a_change_in_between_is_seen_and_the_check_begins_again(gateway: Gateway) -> None:
    one, other = Adding(gateway), Adding(gateway)
    store = gateway.engine.runtime.store.added
    assert store is not None
    seen: list[int | None] = []

    def require(before: AddedEntry | None) -> None:
        seen.append(None if before is None else before.version)

    original = store.read
    told: list[bool] = []

    async def read() -> Any:
        found = await original()
        if not told:
            told.append(True)
            await other.make(change("fast"))
        return found

    store.read = read  # type: ignore[method-assign]
    await one.make(change("fast", "simulate/other")._replace(require=require))
    assert seen == [None, 1]
    assert await names(one) == ["fast"]


async def test_bounds(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Adding(gateway)
    monkeypatch.setattr(adding, "MOST", 1)
    await made.make(change("one"))
    await made.make(change("one", "simulate/other"))
    with pytest.raises(RequestFailed) as refused:
        await made.make(change("two"))
    assert refused.value.fault.code == "too_many_entries"
    monkeypatch.setattr(adding, "LARGEST", 20)
    with pytest.raises(RequestFailed) as refused:
        await made.make(change("one", "simulate/" + "m" * 20))
    assert refused.value.fault.code == "entry_too_large"
    assert await names(made) == ["one"]
