"""Real coding agents, set up by `dragoman setup`, do a task with tools on another provider's model."""

from __future__ import annotations

import pytest

from tests.agents.conftest import SEALS, Run
from tests.agents.history import calls, results, seals
from tests.agents.installed import AGENTS, TEXTS

pytestmark = pytest.mark.agents
OTHERS = {
    "codex": ("anthropic", "gemini", "openai_chat"),
    "claude-code": ("openai_chat", "gemini"),
    "gemini-cli": ("anthropic", "openai_chat"),
    "opencode": ("anthropic", "gemini"),
    "continue": ("anthropic", "gemini"),
    "cline": ("anthropic", "gemini"),
}
"""Providers that do not speak what the agent speaks."""


@pytest.mark.parametrize(
    ("name", "dialect"), [(name, dialect) for name, dialects in OTHERS.items() for dialect in dialects]
)
async def test_a_task_with_two_tools_at_once(run: Run, name: str, dialect: str) -> None:
    ran = await run(name, dialect)
    assert ran.code == 0, ran.said
    assert "All done." in ran.said
    written = {file: (ran.folder / file).read_text(encoding="utf-8") for file in TEXTS}
    assert written == TEXTS
    failed = [exchange.fault for exchange in ran.exchanges if exchange.fault is not None]
    assert not failed
    assert len(ran.turns) == 2
    made = AGENTS[name].calls(ran.folder)
    body = ran.turns[1].body
    asked = calls(dialect, body)
    assert [arguments for _, _, arguments in asked] == [arguments for _, arguments in made]
    assert results(dialect, body) == [id_ for id_, _, _ in asked]
    if dialect in SEALS:
        assert seals(dialect, body) == [SEALS[dialect]], "what the model thought comes back as it was"


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_a_task_without_tools(run: Run, dialect: str) -> None:
    """What it writes is in the text: aider offers no tools."""
    ran = await run("aider", dialect)
    assert ran.code == 0, ran.said
    assert {file: (ran.folder / file).read_text(encoding="utf-8") for file in TEXTS} == TEXTS
    assert not [exchange.fault for exchange in ran.exchanges if exchange.fault is not None]
