"""The banner: true words on access, lines that a shell takes as they are, the key where it was just made."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import pytest

from dragoman.cli.banner import Ready, address, for_people, for_programs
from dragoman.cli.terminal import Channel

READY = Ready(
    host="127.0.0.1",
    port=8080,
    base="http://127.0.0.1:8080/ai",
    providers=["openai 2 keys", "local"],
    models=43,
    model="gpt-5-mini",
    file=None,
    access="open here",
    made=None,
    kept=None,
    store=None,
    seconds=0.7142,
)


def shown(ready: Ready) -> dict[str, str]:
    lines = list(for_people(ready, Channel(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))))
    return {line[:12].strip(): line[13:] for line in lines if line.startswith("  ")}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
        ("gateway.lan", "http://gateway.lan:1"),
    ],
)
def test_the_address_is_one_that_can_be_called(host: str, url: str) -> None:
    assert address(host, 1) == url
    assert address(host, 1, "/ai") == url + "/ai"


def test_a_person_sees_who_answers_where() -> None:
    rows = shown(READY)
    assert rows["providers"] == "● openai 2 keys   ● local"
    assert rows["models"] == "43, for example gpt-5-mini · config: none, from the environment"
    assert rows["store"] == "memory, until this process ends"
    assert shown(READY._replace(store=Path("/home/state.db")))["store"] == "/home/state.db"
    assert list(rows) == ["providers", "models", "access", "store", "curl", "python", "list"]


@pytest.mark.parametrize(("host", "every"), [("127.0.0.1", False), ("0.0.0.0", True), ("::", True)])
def test_who_listens_everywhere_says_so(host: str, every: bool) -> None:
    first, *_ = for_people(READY._replace(host=host), Channel(io.TextIOWrapper(io.BytesIO())))
    assert (" and at every address of this machine · " in first) is every


def test_a_server_nearby_is_offered() -> None:
    ready = READY._replace(nearby=["Ollama at http://127.0.0.1:11434 (3 models)"])
    assert shown(ready)["nearby"] == f"{ready.nearby[0]} · use it: DRAGOMAN_DISCOVER=true"
    assert for_programs(ready)["nearby"] == list(ready.nearby)
    assert "nearby" not in for_programs(READY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "open on this machine"),
        ({"access": "open to all", "host": "0.0.0.0"}, "▲ open to everybody who reaches 0.0.0.0:8080"),
        ({"access": "key"}, "with a key"),
        ({"access": "key", "kept": Path("/home/k")}, "with a key · it is in /home/k"),
        (
            {"access": "key", "made": "dgm_1", "kept": Path("/home/k")},
            "this key, shown only now: dgm_1 · kept in /home/k",
        ),
        ({"access": "key", "made": "dgm_1"}, "dgm_1 · kept nowhere: set DRAGOMAN_API_KEY"),
    ],
)
def test_access_is_told_as_it_is(changes: dict[str, object], said: str) -> None:
    assert said in shown(READY._replace(**changes))["access"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clients", "said"),
    [
        ({"team-a": 1}, "1 key: team-a"),
        ({"team-a": 2, "key 2f767850": 1}, "3 keys: team-a (2), key 2f767850"),
        ({f"t{n}": 1 for n in range(9)}, "9 keys: t0, t1, t2, t3, t4 and 4 more"),
    ],
)
def test_the_keys_of_clients_are_counted_by_name(clients: dict[str, int], said: str) -> None:
    ready = READY._replace(access="key", clients=clients)
    assert shown(ready)["clients"] == said
    assert for_programs(ready)["clients"] == clients
    assert "clients" not in shown(READY)
    assert "clients" not in shown(ready._replace(made="dgm_1"))


def test_many_providers_stand_below_each_other_within_the_window() -> None:
    ready = READY._replace(providers=[f"provider-{n} 1 key" for n in range(9)])
    lines = list(for_people(ready, Channel(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))))
    rows = [line for line in lines if "provider-" in line]
    assert len(rows) == 3
    assert all(len(row) <= 80 for row in rows)
    assert [row.index("●") for row in rows] == [13, 13, 13]
    assert "".join(rows).count("●") == 9


@pytest.mark.parametrize("model", ["gpt-5-mini", 'it\'s a "model"; $(rm -rf)', "a\\b"])
def test_lines_can_be_pasted_whatever_the_model_is_called(model: str) -> None:
    paste = READY._replace(model=model).paste
    curl = shlex.split(paste["curl"])
    assert json.loads(curl[curl.index("--json") + 1])["model"] == model
    assert curl[-1] == "http://127.0.0.1:8080/ai/v1/chat/completions"
    python = shlex.split(paste["python"])
    assert python[:2] == ["python", "-c"]
    compile(python[2], "paste", "exec")
    assert shlex.split(paste["list"]) == ["curl", "http://127.0.0.1:8080/ai/v1/models"]


def test_without_any_model_only_the_list_is_left() -> None:
    assert list(READY._replace(model=None).paste) == ["list"]


def test_a_key_is_in_the_lines_only_when_it_was_just_made() -> None:
    assert "authorization" not in READY.paste["curl"]
    assert "Bearer KEY" in READY._replace(access="key").paste["curl"]
    assert "Bearer dgm_1" in READY._replace(access="key", made="dgm_1").paste["curl"]


def test_programs_get_one_event_with_the_made_key_in_one_place() -> None:
    event = for_programs(READY._replace(access="key", made="dgm_1"))
    assert event["client_key"] == "dgm_1"
    assert json.dumps(event).count("dgm_1") == 1
    assert (event["event"], event["url"], event["seconds"]) == ("ready", "http://127.0.0.1:8080/ai", 0.714)
    assert "client_key" not in for_programs(READY)
