"""The command line program `dragoman`.

The module of a subcommand is imported when the subcommand runs, so that `dragoman --help` is fast.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from dragoman.cli.command import Group, UnknownCommand, terminal_of
from dragoman.cli.terminal import ANSWER_IS_NO, CLOSED_PIPE, DONE, INTERRUPTED, MISUSE, Failure, Terminal
from dragoman.errors import DragomanError
from dragoman.version import __version__

_GROUPS: Final[dict[str, dict[str, str]]] = {
    "start": {"serve": "Answer requests.", "setup": "Set up a client or a coding agent."},
    "try": {
        "test": "Check a running gateway, or any base URL.",
        "translate": "Show the request that a provider would receive.",
        "check": "Check the configuration.",
    },
    "manage": {
        "keys": "Make client keys, list, rotate and revoke them.",
        "tenants": "List and set tenants.",
        "teams": "List and set teams.",
        "users": "List and set users.",
        "provider-keys": "Keep keys of providers that tenants have brought.",
        "providers": "Show, test, disable, add and remove providers.",
        "models": "List, install, add and remove models.",
        "aliases": "Add and remove aliases.",
        "prices": "Show, set and import what models cost.",
        "limits": "Show, set and remove limits.",
        "trace": "Show what became of a request.",
        "usage": "Show requests, tokens and spend.",
        "config": "Show the current settings.",
        "db": "Show and upgrade the database.",
        "import": "Take over the configuration and the keys of LiteLLM.",
    },
}
_MODULES: Final = {"test": "selftest", "import": "importing", "provider-keys": "provider_keys"}


class _Dragoman(Group):
    """The command `dragoman`. The module of a subcommand is imported when the subcommand runs or its help is
    shown.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in _GROUPS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"dragoman.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        out = terminal_of(ctx).out
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(out.styled(name, "command"), text) for name, text in commands.items()])


dragoman = _Dragoman(
    name="dragoman",
    help="Dragoman connects any AI client to any model.",
    examples=("dragoman serve", "dragoman test"),
    epilog="dragoman COMMAND --help shows the options of a command.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": True},
)
click.version_option(__version__, prog_name="dragoman", message="%(prog)s %(version)s")(dragoman)


def main() -> NoReturn:
    """Run the command line of this process, then end the process with one of the exit codes in `terminal`. A
    stream that the parent process has closed is replaced by the null device before.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed this stream
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line on the streams of this process, and return the exit code (those of `terminal`).
    Errors are printed, except Ctrl-C and a closed pipe. After a closed pipe, the stdout of this process is
    the null device. arguments: without the name of the program.
    """
    terminal = Terminal(sys.stdout, sys.stderr)
    try:
        with dragoman.make_context("dragoman", list(arguments), obj=terminal) as context:
            dragoman.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout at its end. Without this, it would print an error about the closed
        # pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except click.ClickException as error:
        terminal.as_json = terminal.as_json or "--json" in arguments  # click stops before a later `--json`
        failure = _misuse(error)
    except Failure as error:
        failure = error
    except DragomanError as error:
        failure = Failure(ANSWER_IS_NO, str(error))
    except Exception as error:  # noqa: BLE001 - the outermost function reports every error
        failure = _unexpected(terminal, error)
    else:
        return DONE
    terminal.fail(failure)
    return failure.code


def _misuse(error: click.ClickException) -> Failure:
    """Return the failure for an error that click found in the arguments. Its hint names the command's --help,
    and up to two similar options or commands, if click knows any.
    """
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path if context else 'dragoman'} --help"
    near = getattr(error, "possibilities", None)
    message = (
        error.message if isinstance(error, click.NoSuchOption | UnknownCommand) else error.format_message()
    )
    if near:
        hint = f"did you mean {' or '.join(near[:2])}? {hint} lists all of them"
    return Failure(MISUSE, message[:1].lower() + message[1:].rstrip("."), hint=hint)


def _unexpected(terminal: Terminal, error: Exception) -> Failure:
    """Return the failure for a bug in Dragoman. With `--verbose`, its JSON form has the traceback, which is
    printed here unless that form will be (`--json`).
    """
    told = "".join(traceback.format_exception(error))
    if terminal.verbose and not terminal.as_json:
        terminal.insist(told)
    return Failure(
        ANSWER_IS_NO,
        f"unexpected {type(error).__name__}: {error}",
        hint=None if terminal.verbose else "-v shows the traceback",
        fields={"traceback": told} if terminal.verbose else {},
    )
