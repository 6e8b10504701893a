"""`dragoman setup`: what it shows, what it writes, what it keeps, and what it refuses."""

from __future__ import annotations

import json
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from dragoman.cli import asking
from dragoman.cli.clients import CLIENTS, Gateway
from tests.unit.cli.conftest import Run

WITH_FILES = [name for name, client in CLIENTS.items() if client.run or name == "continue"]
BASE = "http://127.0.0.1:8080"


class Fake:
    """A gateway: what it offers, what it was asked, and what comes of it."""

    def __init__(self) -> None:
        self.offers = ["first/model", "second"]
        self.seen: list[Gateway] = []
        self.asked: list[tuple[str, Gateway]] = []
        self.fails: Exception | None = None
        self.refuses: Exception | None = None

    async def models(self, gateway: Gateway) -> list[str]:
        self.seen.append(gateway)
        if self.fails is not None:
            raise self.fails
        return self.offers

    async def ask(self, dialect: str, gateway: Gateway) -> str:
        self.asked.append((dialect, gateway))
        if self.refuses is not None:
            raise self.refuses
        return "Hello\x1b[2J there."


@pytest.fixture(autouse=True)
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """A gateway that answers, and nothing else of this machine."""
    fake = Fake()
    monkeypatch.setattr(asking, "models", fake.models)
    monkeypatch.setattr(asking, "ask", fake.ask)
    monkeypatch.setenv("HOME", str(tmp_path))
    moved = (
        "CODEX_HOME",
        "XDG_CONFIG_HOME",
        "CLAUDE_CONFIG_DIR",
        "GEMINI_CLI_HOME",
        "CONTINUE_GLOBAL_DIR",
        "CLINE_DATA_DIR",
    )
    used = ("DRAGOMAN_API_KEY", "DRAGOMAN_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY")
    clashes = [variable for client in CLIENTS.values() for variable in client.clashes]
    for name in (*moved, *used, *clashes):
        monkeypatch.delenv(name, raising=False)
    return fake


def test_alone_it_lists_the_clients(run: Run) -> None:
    code, out, err = run("setup")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "name\tdialect\tclient"
    assert [line.partition("\t")[0] for line in out.splitlines()[1:]] == list(CLIENTS)
    assert [row["name"] for row in json.loads(run("setup", "--json").out)] == list(CLIENTS)


def test_an_unknown_client_is_misuse(run: Run) -> None:
    assert run("setup", "codx") == (
        2, "", "error: unknown client 'codx'\n hint: did you mean codex?\n",
    )  # fmt: skip
    assert "one of: codex" in run("setup", "zzz").err


def test_lines_for_a_shell_and_nothing_else(run: Run) -> None:
    code, out, err = run("setup", "openai", "--key", "k'1")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"export OPENAI_BASE_URL={BASE}/v1",
        "export OPENAI_API_KEY='k'\"'\"'1'",
    ]
    assert run("setup", "anthropic").out.splitlines() == [
        f"export ANTHROPIC_BASE_URL={BASE}",
        "export ANTHROPIC_API_KEY=any",
    ]
    assert run("setup", "azure", "--key", "k-1").out.splitlines() == [
        f"export AZURE_OPENAI_ENDPOINT={BASE}",
        "export AZURE_OPENAI_API_KEY=k-1",
        "export OPENAI_API_VERSION=2024-10-21",
    ]
    assert run("setup", "ollama").out.splitlines() == [f"export OLLAMA_HOST={BASE}"]
    assert run("setup", "ollama", "--key", "k/1").out.splitlines() == [
        f"export OLLAMA_HOST={BASE}/key/k%2F1",
        "export OLLAMA_API_KEY=k/1",
    ]


def test_a_key_of_the_shell_is_not_printed_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_API_KEY", "secret-1")
    code, out, _ = run("setup", "openai")
    assert (code, out.splitlines()[1]) == (0, 'export OPENAI_API_KEY="$DRAGOMAN_API_KEY"')
    assert run("setup", "ollama").out.splitlines() == [
        f'export OLLAMA_HOST="{BASE}/key/$DRAGOMAN_API_KEY"',
        'export OLLAMA_API_KEY="$DRAGOMAN_API_KEY"',
    ]
    out = run("setup", "codex").out
    assert "secret" not in out
    assert "export" not in out
    assert 'env_key = "DRAGOMAN_API_KEY"' in out


@pytest.mark.parametrize("keys", ["secret-1,secret-2", "secret-1, secret-2", " secret-1 , secret-2"])
def test_of_several_keys_of_the_shell_a_client_gets_the_first(
    run: Run, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setenv("DRAGOMAN_API_KEY", keys)
    for client, variable in (("openai", "OPENAI_API_KEY"), ("codex", "DRAGOMAN_API_KEY")):
        out = run("setup", client).out
        assert ("secret" in out) is keys.startswith(" ")
        lines = "\n".join(line for line in out.splitlines() if line.startswith("export"))
        told = subprocess.run(
            ["/bin/sh", "-c", f'{lines}\nprintf %s "${variable}"'],
            env={"DRAGOMAN_API_KEY": keys},
            capture_output=True,
            check=True,
        )
        assert told.stdout == b"secret-1"


@pytest.mark.parametrize("name", WITH_FILES)
def test_without_write_nothing_is_changed(run: Run, folder: Path, name: str) -> None:
    before = sorted(folder.rglob("*"))
    code, out, err = run("setup", name, "--model", "a/b")
    assert (code, sorted(folder.rglob("*"))) == (0, before)
    assert err.startswith("nothing was written: add --write to write it")
    assert out.startswith("# ")
    assert "127.0.0.1:8080" in out
    assert "a/b" in out


def test_an_agent_on_an_embedded_model_is_warned(run: Run) -> None:
    assert (
        "local/smollm2:135m is a small embedded model"
        in run("setup", "codex", "--model", "local/smollm2:135m").err
    )
    assert "embedded" not in run("setup", "openai", "--model", "local/smollm2:135m").err


@pytest.mark.parametrize("name", WITH_FILES)
def test_what_is_written_is_what_was_shown(run: Run, folder: Path, name: str) -> None:
    shown = json.loads(run("setup", name, "--json", "--key", "K1").out)
    assert (shown["written"], shown["model"]) == (False, "first/model")
    report = json.loads(run("setup", name, "--json", "--key", "K1", "--write").out)
    assert report["written"]
    assert [row["kept"] for row in report["files"]] == [None] * len(report["files"])
    for row in shown["files"]:
        path = Path(row["path"])
        assert path.read_text() == row["text"]
        assert path.is_relative_to(folder)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = json.loads(run("setup", name, "--json", "--key", "K1", "--write").out)
    assert not any(row["changed"] for row in again["files"])
    assert not list(folder.rglob("*.before-dragoman*"))


def test_where_a_key_goes(run: Run) -> None:
    """Into the shell where the client reads it from there, else into the file that it reads."""
    shown = {name: json.loads(run("setup", name, "--json", "--key", "K1").out) for name in WITH_FILES}
    in_shell = {name for name, report in shown.items() if "K1" in report["environment"].values()}
    in_files = {name for name, report in shown.items() if "K1" in json.dumps(report["files"])}
    assert in_shell == {"codex", "opencode", "aider"}
    assert in_files == {"claude-code", "gemini-cli", "continue", "cline"}


def test_what_was_there_is_kept_beside_it(run: Run, folder: Path) -> None:
    path = folder / ".codex" / "config.toml"
    path.parent.mkdir()
    own = '# mine\nmodel = "gpt-5"\n\n[features]\nx = true\n'
    path.write_text(own)
    path.chmod(0o640)
    code, out, err = run("setup", "codex", "--write", "--model", "a/b")
    assert (code, out) == (0, "")
    assert f"{path} is written; the old file is kept as config.toml.before-dragoman" in err
    assert (path.parent / "config.toml.before-dragoman").read_text() == own
    there = tomllib.loads(path.read_text())
    assert (there["model"], there["features"]) == ("a/b", {"x": True})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    run("setup", "codex", "--write", "--model", "c")
    assert (path.parent / "config.toml.before-dragoman").read_text() == own, "the first copy stays"
    assert tomllib.loads((path.parent / "config.toml.before-dragoman2").read_text()) == there
    assert f"{path} is already up to date" in run("setup", "codex", "--write", "--model", "c").err


def test_a_link_stays_a_link(run: Run, folder: Path) -> None:
    real = folder / "dotfiles.yml"
    real.write_text("dark-mode: true\n")
    link = folder / ".aider.conf.yml"
    link.symlink_to(real)
    assert run("setup", "aider", "--write").code == 0
    assert link.is_symlink()
    assert yaml.safe_load(real.read_text())["dark-mode"] is True


def test_a_file_that_cannot_be_changed_safely_is_left(run: Run, folder: Path) -> None:
    path = folder / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('// mine\n{"env": {}}\n')
    code, out, err = run("setup", "claude-code", "--write")
    assert (code, out) == (1, "")
    assert err.splitlines()[-2].startswith(f"error: {path} was not changed: it is not plain JSON")
    assert path.read_text() == '// mine\n{"env": {}}\n'
    assert [one.name for one in path.parent.iterdir()] == ["settings.json"]
    path.write_bytes(b"\xff\xfe")
    assert "it is not UTF-8" in run("setup", "claude-code", "--write").err
    path.unlink()
    path.mkdir()
    assert "cannot be written" in run("setup", "claude-code", "--write").err


def test_there_is_nothing_to_write_for_a_plain_program(run: Run) -> None:
    code, out, err = run("setup", "openai", "--write")
    assert (code, out) == (2, "")
    assert 'eval "$(dragoman setup openai)"' in err


def test_check_asks_in_the_clients_own_protocol(run: Run, gateway: Fake) -> None:
    for name, client in CLIENTS.items():
        code, _, err = run("setup", name, "--model", "second", "--check")
        assert (code, gateway.asked[-1]) == (0, (client.dialect, Gateway(BASE, "second")))
        assert err.splitlines()[-1] == "● second answers: Hello[2J there."
    assert json.loads(run("setup", "codex", "--check", "--json").out)["answer"].startswith("Hello")


@pytest.mark.parametrize(("status", "code"), [(401, 5), (403, 5), (404, 1), (500, 1)])
def test_check_says_what_the_client_would_get(run: Run, gateway: Fake, status: int, code: int) -> None:
    gateway.refuses = asking.Refused("no such thing", status)
    ended = run("setup", "codex", "--check")
    assert ended.code == code
    assert ended.err.splitlines()[-2] == "error: Codex would get this error: no such thing"
    gateway.refuses = asking.NotThere("it broke")
    assert run("setup", "codex", "--check").code == 4


def test_the_model_is_the_configurations_else_the_first(run: Run, folder: Path, gateway: Fake) -> None:
    assert json.loads(run("setup", "codex", "--json").out)["model"] == "first/model"
    (folder / "dragoman.yaml").write_text("default_model: simulate/echo\nserver:\n  port: 9000\n")
    report = json.loads(run("setup", "codex", "--json").out)
    assert (report["model"], report["url"]) == ("simulate/echo", "http://127.0.0.1:9000")
    gateway.offers = []
    assert "lists no models" in run("setup", "codex", "--url", BASE).err


def test_a_model_that_is_not_listed_is_said(run: Run) -> None:
    code, _, err = run("setup", "codex", "--model", "secnd")
    assert code == 0
    assert f"▲ {BASE} does not list secnd; did you mean second?" in err
    assert "does not list" not in run("setup", "codex", "--model", "any/name").err


def test_without_a_gateway(run: Run, gateway: Fake) -> None:
    gateway.fails = asking.NotThere("Connection refused")
    code, out, err = run("setup", "codex")
    assert (code, out) == (4, "")
    assert err.splitlines() == [
        f"error: cannot connect to a gateway at {BASE}: Connection refused",
        " hint: start it with `dragoman serve`, or choose another with --url",
    ]
    assert run("setup", "codex", "--model", "m", "--check").code == 4
    code, out, err = run("setup", "codex", "--model", "m")
    assert (code, 'model = "m"' in out) == (0, True)
    assert f"▲ no gateway is running at {BASE} yet" in err


def test_a_refused_key(run: Run, gateway: Fake) -> None:
    gateway.fails = PermissionError("Incorrect API key")
    code, out, err = run("setup", "codex", "--key", "wrong")
    assert (code, out) == (5, "")
    assert err.startswith(f"error: {BASE} rejected the client key: Incorrect API key")


@pytest.mark.parametrize("url", ["localhost:9000", "http://localhost:9000/v1/", "http://localhost:9000"])
def test_another_gateway(run: Run, gateway: Fake, url: str) -> None:
    run("setup", "codex", "--url", url)
    assert gateway.seen == [Gateway("http://localhost:9000", None)]
    assert run("setup", "codex", "--url", "ftp://x").code == 2


def test_a_loop_to_ourselves_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8080/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    code, out, err = run("setup", "codex")
    assert (code, out) == (3, "")
    assert "OPENAI_BASE_URL" in err
    assert "the address of this gateway" in err


def test_a_variable_that_leads_elsewhere_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
    monkeypatch.setenv("DRAGOMAN_PORT", "8080")
    err = run("setup", "claude-code", "--url", BASE).err
    assert "▲ ANTHROPIC_API_KEY is set in this shell and may send Claude Code to another server" in err
    assert "sk-ant-x" not in err
