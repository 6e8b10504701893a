"""The command `dragoman`. Commands are loaded when they are called, so that `--help` stays quick."""

from __future__ import annotations

import importlib
from typing import Any

import click

from dragoman.cli.terminal import Terminal
from dragoman.version import __version__

_GROUPS: dict[str, dict[str, str]] = {
    "start": {"serve": "Answer requests."},
    "try": {
        "test": "Check a running gateway, or any base URL.",
        "translate": "Show what a provider would get.",
        "check": "Check a configuration.",
    },
    "manage": {"models": "List, install and verify models.", "config": "Show the settings in force."},
}
_MODULES = {"test": "selftest"}


class _Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in _GROUPS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"dragoman.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, "command", None) or getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
@click.version_option(__version__, prog_name="dragoman", message="%(prog)s %(version)s")
@click.pass_context
def dragoman(ctx: click.Context, *, as_json: bool) -> None:
    """Dragoman interprets between any AI client and any model."""
    ctx.obj = Terminal(as_json=as_json)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; ends the process with one of the exit codes in `terminal`."""
    return dragoman.main(args=arguments, prog_name="dragoman")
