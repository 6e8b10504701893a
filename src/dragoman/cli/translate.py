"""`dragoman translate`: what a provider would get, and what would be lost. Nothing is sent."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Terminal, clean
from dragoman.errors import RequestFailed, WireError

_SEVERITY = {"meaning": "bad", "quality": "warn", "hint": "off"}


@click.command()
@click.option("--from", "source", required=True, help="The dialect of the body on stdin.")
@click.option("--to", "target", required=True, help="The dialect to write.")
@click.option("--model", help="The upstream's name of the model, by which its facts are known.")
@click.option("--vendor", help="The vendor's row of the catalogue, for its deviations.")
@click.option("--strict", is_flag=True, help="Exit 1 without a body when meaning would be lost.")
@click.pass_obj
def translate(
    terminal: Terminal, source: str, target: str, model: str | None, vendor: str | None, *, strict: bool
) -> None:
    """Show what a provider would get: the body on stdout, losses and changes on stderr.

    \b
    dragoman translate --from openai_chat --to anthropic < body.json
    dragoman translate --from openai_chat --to openai_chat --vendor groq < body.json
    """
    from dragoman.dialects.translation import translated
    from dragoman.providers.catalog import CATALOG
    from dragoman.providers.models import facts_for
    from dragoman.wire.json import decode_object

    if vendor is not None and vendor not in CATALOG:
        terminal.fail(
            MISUSE, f"the catalogue has no row {vendor}", hint=f"one of: {', '.join(sorted(CATALOG))}"
        )
    row = CATALOG.get(vendor) if vendor else None
    try:
        body = decode_object(sys.stdin.buffer.read())
        name = model or str(body.get("model") or "")
        result = translated(
            body,
            _dialect(terminal, source),
            _dialect(terminal, target),
            model=name,
            facts=facts_for(vendor, name),
            quirks=row.quirks if row else None,
        )
    except WireError as error:
        terminal.fail(ANSWER_IS_NO, str(error), hint="the body must be a request in the dialect after --from")
    except RequestFailed as failed:
        terminal.fail(ANSWER_IS_NO, failed.fault.message)
    losses, changes = result.losses, result.changes
    refused = strict and any(loss.severity == "meaning" for loss in losses)
    if terminal.as_json:
        report = {"body": None if refused else result.body, "losses": losses, "changes": changes}
        terminal.result(msgspec.to_builtins(report))
        raise SystemExit(ANSWER_IS_NO if refused else 0)
    width = max((len(loss.path) for loss in losses), default=0)
    for loss in losses:
        mark = terminal.mark(_SEVERITY[loss.severity])
        terminal.say(f" {mark} lost     {loss.severity:<8} {clean(loss.path):<{width}}  {clean(loss.reason)}")
    for change in changes:
        where = f"{change.path} → {change.to}" if change.path else change.to
        word = "~ changed" if change.path else "+ added  "
        terminal.say(f" {word}           {clean(where)}  {clean(change.reason)}")
    added = sum(change.path is None for change in changes)
    terminal.say(f"{len(losses)} lost, {len(changes) - added} changed, {added} added")
    if refused:
        raise SystemExit(ANSWER_IS_NO)
    terminal.result(result.body)


def _dialect(terminal: Terminal, name: str) -> Any:
    from dragoman.dialects.table import DIALECTS

    if name not in DIALECTS:
        terminal.fail(MISUSE, f"there is no dialect {name!r}", hint=f"one of: {', '.join(DIALECTS)}")
    return DIALECTS[name]
