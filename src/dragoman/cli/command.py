"""Base classes of all commands: their help shows examples before the description, they have three shared
options, and groups suggest similar names for an unknown subcommand.

`--json`, `-v` and `-q` may stand before or after a subcommand. Each of them sets an attribute (`as_json`,
`verbose`, `quiet`) of the one `Terminal` of the run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import click

from dragoman.cli.terminal import Terminal

_SHARED = (
    (("--json", "as_json"), "Print one JSON value to stdout and no other output."),
    (("-v", "--verbose"), "Show more: tracebacks of unexpected errors."),
    (("-q", "--quiet"), "Show only errors."),
)


class UnknownCommand(click.UsageError):
    """There is no command with this name. near: the most similar names, for the error's hint; [] = none is
    similar.
    """

    def __init__(self, name: str, near: Sequence[str], context: click.Context) -> None:
        super().__init__(f"unknown command {name!r}", context)
        self.possibilities = list(near)


class Command(click.Command):
    """A command with the shared options (`--json`, `-v`, `-q`). examples: command lines that its help shows
    before the description.
    """

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples
        self.params.extend(_shared_options())

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the description of the command."""
        if self.examples:
            out = terminal_of(ctx).out
            formatter.write_paragraph()
            with formatter.indentation():
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}$ {out.styled(line, 'command')}\n")
        super().format_help_text(ctx, formatter)


class Group(Command, click.Group):
    """A group of subcommands. Without a subcommand it prints its help."""

    command_class = Command

    def __init__(self, name: str, *, examples: Sequence[str], **options: Any) -> None:
        alone = {"callback": _alone, "invoke_without_command": True}
        super().__init__(name, examples=examples, **alone, **options)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return (name, command, remaining arguments) of the subcommand that `args` begins with. `args` is
        not empty. Raises UnknownCommand if there is no such subcommand, or another UsageError of click if
        `args` begins with an unknown option.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise UnknownCommand(name, difflib.get_close_matches(name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def terminal_of(ctx: click.Context) -> Terminal:
    """Return the terminal (the output) of the run of `dragoman` to which a context of click belongs."""
    terminal = ctx.find_object(Terminal)
    assert terminal is not None, "`dragoman.cli.run` makes it"
    return terminal


@click.pass_context
def _alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), color=ctx.color)


def _shared_options() -> Iterable[click.Option]:
    for names, text in _SHARED:
        yield click.Option(names, is_flag=True, expose_value=False, callback=_set, help=text)


def _set(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's call
    if value and parameter.name is not None:
        setattr(terminal_of(ctx), parameter.name, True)
