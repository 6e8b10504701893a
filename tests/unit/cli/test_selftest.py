"""`dragoman test`: its table, its addresses and how it ends. What it asks is in `test_checks`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from dragoman.cli import selftest
from dragoman.cli.checks import KeyRefused, Outcome, Probe
from dragoman.cli.protocols import Spoken
from tests.unit.cli.conftest import Run

PASSED = Outcome("health", True, 1.5, "up 3 s")
HERE = "testing http://127.0.0.1:8080/v1\n"
FAILED = Outcome("usage", False, 2.0, "0 in,\t0 out\x1b[2J")
LEFT = Outcome("one model", None, 0.1, "no model to look up")


class Asked:
    """What was asked, and what comes of it."""

    def __init__(self) -> None:
        self.probes: list[Probe] = []
        self.outcomes: list[Outcome] = [PASSED, LEFT]
        self.refuses = False

    async def __call__(self, probe: Probe) -> AsyncGenerator[Outcome, None]:
        self.probes.append(probe)
        probe.show("Hel")
        probe.show("lo\n")
        for outcome in self.outcomes:
            yield outcome
        if self.refuses:
            raise KeyRefused("who are you?")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()

    async def chats(base: str, _key: str | None) -> Spoken:
        return Spoken("openai_chat", base)

    monkeypatch.setattr(selftest, "outcomes", asked)
    monkeypatch.setattr(selftest, "spoken", chats)
    return asked


def test_the_table_and_the_sum(run: Run, asked: Asked) -> None:
    code, out, err = run("test")
    assert (code, err) == (0, HERE + "1 passed, 0 failed, 1 left out\n")
    assert out.splitlines() == [
        "result\tcheck\tms\tsaid",
        "passed\thealth\t1.5\tup 3 s",
        "left out\tone model\t0.1\tno model to look up",
    ]


def test_one_failed_check_is_exit_code_1(run: Run, asked: Asked) -> None:
    asked.outcomes.append(FAILED)
    code, out, err = run("test")
    assert (code, err) == (1, HERE + "1 passed, 1 failed, 1 left out\n")
    assert out.splitlines()[-1] == "failed\tusage\t2.0\t0 in, 0 out[2J"


def test_for_programs_all_checks_are_one_value(run: Run, asked: Asked) -> None:
    asked.outcomes.append(FAILED)
    code, out, err = run("test", "--json", "--stream")
    report = json.loads(out)
    assert (code, err, report["passed"]) == (1, "", False)
    assert [check["passed"] for check in report["checks"]] == [True, None, False]


def test_a_refused_key_is_exit_code_5(run: Run, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.refuses = True
    code, _, err = run("test")
    assert code == 5
    assert err.splitlines()[1:] == [
        "error: http://127.0.0.1:8080/v1 asks for a key, and no key was sent",
        " hint: DRAGOMAN_API_KEY=KEY dragoman test sends one",
    ]
    monkeypatch.setenv("DRAGOMAN_API_KEY", "dgm_0123456789abcdef")
    code, _, err = run("test")
    assert err.splitlines()[1] == "error: http://127.0.0.1:8080/v1 refused the key: who are you?"
    code, out, err = run("test", "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (5, "", "forbidden")


def test_streamed_text_is_shown_when_asked_for(run: Run, asked: Asked) -> None:
    assert run("test", "--stream").err.startswith(HERE + "Hello\n")
    assert "Hello" not in run("test").err


@pytest.mark.parametrize(
    ("arguments", "environment", "base"),
    [
        ((), {}, "http://127.0.0.1:8080/v1"),
        (("--port", "3000"), {}, "http://127.0.0.1:3000/v1"),
        (("--port", "3000"), {"DRAGOMAN_URL": "https://gateway.example/"}, "http://127.0.0.1:3000/v1"),
        (("-c", "other.yaml"), {}, "http://127.0.0.1:7000/other/v1"),
        (("-c", "other.yaml"), {"DRAGOMAN_PORT": "3000"}, "http://127.0.0.1:3000/other/v1"),
        (("--host", "::1", "--port", "3000"), {}, "http://[::1]:3000/v1"),
        ((), {"DRAGOMAN_HOST": "0.0.0.0", "DRAGOMAN_PORT": "3000"}, "http://127.0.0.1:3000/v1"),
        ((), {"DRAGOMAN_URL": "https://gateway.example/"}, "https://gateway.example/v1"),
        (("localhost:3000",), {"DRAGOMAN_URL": "https://gateway.example/"}, "http://localhost:3000/v1"),
        (("https://x.example/ai/v1/",), {}, "https://x.example/ai/v1"),
        (("https://x.example/v1/chat/completions",), {}, "https://x.example/v1"),
    ],
)
def test_the_address_in_all_its_spellings(
    run: Run, asked: Asked, folder: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], environment: dict[str, str], base: str,
) -> None:  # fmt: skip
    (folder / "other.yaml").write_text("server: {port: 7000, base_path: /other}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run("test", *arguments, "--model", "m").code == 0
    assert [(probe.base, probe.model) for probe in asked.probes] == [(base, "m")]


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x?q=1", "http://a b"])
def test_what_is_no_address_is_misuse(run: Run, url: str) -> None:
    code, out, err = run("test", url)
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == " hint: dragoman test http://127.0.0.1:8080"


@pytest.mark.parametrize("options", [("--port", "1"), ("--host", "::1"), ("-c", "other.yaml")])
def test_a_url_excludes_what_else_says_where(run: Run, options: tuple[str, ...]) -> None:
    assert run("test", "http://127.0.0.1:1", *options).code == 2


def test_a_port_that_the_system_chooses_is_not_known(run: Run, folder: Path) -> None:
    (folder / "dragoman.yaml").write_text("server: {port: 0}")
    code, _, err = run("test")
    assert (code, err.splitlines()[0]) == (2, "error: the configuration lets the system choose the port")


def test_a_key_that_can_be_used_is_sent(run: Run, asked: Asked, folder: Path) -> None:
    """An expired one, one that administers only and one of few models stand before it."""
    keys = [
        {"name": "old", "key": "a-key-that-has-expired", "expires": "2025-12-31"},
        {"name": "admin", "key": "a-key-of-an-administrator", "scopes": "admin"},
        {"name": "few", "key": "a-key-of-few-models", "models": ["simulate/echo"]},
        {"name": "ann", "key": "a-key-of-all-models"},
    ]
    for left, name in ((4, "ann"), (3, "few"), (2, "admin"), (1, "old")):
        (folder / "dragoman.yaml").write_text(json.dumps({"auth": {"keys": keys[:left]}}))
        code, _, err = run("test", "--model", "m")
        assert (code, f"testing http://127.0.0.1:8080/v1 with the key of {name}\n" in err) == (0, True)
