"""What all commands have in common: help, shared options on both sides, near names, how errors end."""

from __future__ import annotations

import json

import click
import pytest

from dragoman.cli import check, config, models, selftest, serve, translate
from dragoman.cli.command import Command, Group
from tests.unit.cli.conftest import Run

COMMANDS = [("serve",), ("test",), ("translate",), ("check",), ("models", "list"), ("models", "install")]
COMMANDS += [("models", "verify"), ("config", "show"), ("config", "schema")]


@pytest.mark.parametrize("group", ["models", "config"])
def test_a_group_alone_prints_its_help(run: Run, group: str) -> None:
    assert run(group) == run(group, "--help") == run(group, "-h")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_begins_with_two_examples_of_the_command(run: Run, words: tuple[str, ...]) -> None:
    code, out, _ = run(*words, "--help")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith(f"Usage: dragoman {' '.join(words)} ")
    assert [line.startswith(f"  $ dragoman {' '.join(words)}") for line in lines[2:4]] == [True, True]


def test_every_command_has_the_shared_options() -> None:
    leaves: list[click.Command] = [m.command for m in (check, config, models, selftest, serve, translate)]
    leaves += [*models.command.commands.values(), *config.command.commands.values()]
    for command in leaves:
        assert isinstance(command, Command | Group), command.name
        assert {"as_json", "verbose", "quiet"} <= {parameter.name for parameter in command.params}


@pytest.mark.parametrize(
    "arguments", [("--json", "config", "show"), ("config", "--json", "show"), ("config", "show", "--json")]
)
def test_json_may_stand_anywhere(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert json.loads(out)[0] == {"path": "discover", "value": "false", "source": "DRAGOMAN_DISCOVER"}
