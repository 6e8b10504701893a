"""Asks the person at the terminal whether a command may go on, for commands with the option `--yes`."""

from __future__ import annotations

import sys

import click

from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal


def confirm(
    terminal: Terminal,
    doing: str,
    question: str,
    *,
    yes: bool,
    hint: str = "add --yes",
    default: bool = False,
) -> None:
    """Ask a question on stderr, and return if the answer is yes. If it is no, end the command with the exit
    code `ANSWER_IS_NO` (click's Exit). If `yes` is True, return without a question. Otherwise raises Failure
    if stdin is not a terminal, or with `--json`, because then nobody can answer.

    doing: what needs the answer, for the text of the failure ("removing acme"). hint: what the failure
    advises. default: the answer that an empty line means; True = yes.
    """
    if yes:
        return
    if terminal.as_json or not sys.stdin.isatty():
        text = f"{doing} needs a confirmation, and there is no terminal to ask on"
        raise Failure(MISUSE, text, hint=hint)
    if not click.confirm(question, default=default, err=True):
        raise click.exceptions.Exit(ANSWER_IS_NO)
