"""`dragoman translate`: prints the request that a provider would receive, and the losses. Nothing is sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from dragoman.cli.command import Command
from dragoman.cli.options import require_known
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal, clean
from dragoman.errors import RequestFailed, WireError

if TYPE_CHECKING:
    from dragoman.dialects.translation import Translation

_SEVERITY = {"meaning": "bad", "quality": "warn", "hint": "off"}


@click.command(
    "translate",
    cls=Command,
    examples=(
        "dragoman translate --from openai_chat --to anthropic < body.json",
        "dragoman translate --from openai_chat --to gemini --model gemini-2.5-flash < body.json",
        "dragoman translate --from openai_chat --to openai_chat --vendor groq < body.json",
    ),
)
@click.option(
    "--from", "source", required=True, metavar="DIALECT", help="The protocol of the request on stdin."
)
@click.option("--to", "target", required=True, metavar="DIALECT", help="The protocol to translate to.")
@click.option(
    "--model", help="The provider's name of the model; its capabilities are looked up by this name."
)
@click.option("--vendor", help="A known provider, for its deviations from the protocol.")
@click.option("--stream", is_flag=True, help="Request a stream, if the body cannot express it (gemini).")
@click.option(
    "--strict", is_flag=True, help="Exit with 1 and print no body if the translation would lose meaning."
)
@click.pass_obj
def command(
    terminal: Terminal,
    source: str,
    target: str,
    model: str | None,
    vendor: str | None,
    *,
    stream: bool,
    strict: bool,
) -> None:
    """Show the request that a provider would receive: the body on stdout, losses and changes on stderr.

    Dialects: anthropic, bedrock, cohere, gemini, mistral, ollama, openai_chat, openai_completions,
    openai_responses.

    No request is sent.
    """
    from dragoman.dialects.table import DIALECTS
    from dragoman.dialects.translation import translated
    from dragoman.providers.catalog import CATALOG
    from dragoman.providers.models import facts_for
    from dragoman.wire.json import decode_object

    require_known("dialect", source, sorted(DIALECTS))
    require_known("dialect", target, sorted(DIALECTS))
    if vendor is not None:
        require_known("vendor", vendor, sorted(CATALOG))
        if (speaks := CATALOG[vendor].dialect) != target:
            raise Failure(MISUSE, f"{vendor} does not support the protocol {target}", hint=f"--to {speaks}")
    if sys.stdin.isatty():
        terminal.say("reading a request body from the terminal; Ctrl-D ends the input")
    try:
        body = decode_object(sys.stdin.buffer.read())
        name = model or str(body.get("model") or "")
        result = translated(
            body,
            DIALECTS[source],
            DIALECTS[target],
            model=name,
            facts=facts_for(vendor, name),
            quirks=CATALOG[vendor].quirks if vendor is not None else None,
            stream=stream,
        )
    except WireError as error:
        hint = f"stdin must contain one request body of {source}"
        raise Failure(ANSWER_IS_NO, str(error), hint=hint, fields={"param": error.path or None}) from None
    except RequestFailed as failed:
        raise Failure(ANSWER_IS_NO, failed.fault.message) from None
    refused = strict and any(loss.severity == "meaning" for loss in result.losses)
    if terminal.as_json:
        shown = msgspec.to_builtins(result)
        terminal.result({**shown, "body": None} if refused else shown)
    else:
        _report(terminal, result)
        if not refused:
            terminal.result(result.body)
    if refused:
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _report(terminal: Terminal, result: Translation) -> None:
    mark = terminal.err.mark
    wide = max((len(loss.path) for loss in result.losses), default=0)
    for loss in result.losses:
        where = f"{clean(loss.path):<{wide}}"
        terminal.say(
            f" {mark(_SEVERITY[loss.severity])} lost     {loss.severity:<8} {where}  {clean(loss.reason)}"
        )
    for change in result.changes:
        kind, where = (
            ("+ added  ", change.to) if change.path is None else ("~ changed", f"{change.path} → {change.to}")
        )
        terminal.say(f" {kind}           {clean(where)}  {clean(change.reason)}")
    added = sum(change.path is None for change in result.changes)
    terminal.say(f"POST {clean(result.path)}")
    terminal.say(f"{len(result.losses)} lost, {len(result.changes) - added} changed, {added} added")
