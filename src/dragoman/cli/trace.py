"""`dragoman trace`: shows the trace of a request, by its id; or lists the latest requests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from dragoman.cli.command import Command
from dragoman.cli.options import config_option
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal

if TYPE_CHECKING:
    from dragoman.cli.admin_target import Target

_PATH: Final = "/admin/exchanges"
_TITLES: Final = ("time", "id", "status", "ms", "model", "answered by", "how it ended", "tries", "client")
_SHORT: Final = 11
"""How many characters of an id a table on a terminal shows: `ex_` and eight digits."""


@click.command(
    "trace",
    cls=Command,
    examples=("dragoman trace", "dragoman trace --failed", "dragoman trace req_44f962aaaae21616"),
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="Only requests that failed.")
@click.option("--error", help="Only those with this error: its code, as `rate_limit_exceeded`.")
@click.option("--client", help="Only those of this client: the name of its key.")
@click.option("--tenant", help="Only those of this tenant's keys.")
@click.option("--model", help="Only those for this model name.")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option("--url", envvar="DRAGOMAN_URL", help="The gateway's URL, if the configuration is elsewhere.")
@click.option(
    "--key",
    help="A key with the scope read or admin, if the gateway's socket is not used. Else"
    " DRAGOMAN_ADMIN_KEY, DRAGOMAN_API_KEY or the configuration's.",
)
@config_option
@click.pass_obj
def command(
    terminal: Terminal,
    id_: str | None,
    *,
    failed: bool,
    error: str | None,
    client: str | None,
    tenant: str | None,
    model: str | None,
    last: int,
    url: str | None,
    key: str | None,
    file: Path | None,
) -> None:
    """Show which deployments could answer a request, which were called, why others were not, and how it
    ended.

    ID is the error_id of an error, the header x-request-id of an answer, `id` or `request_id` of the log, or
    the beginning of one of them. Without an ID: a table of the latest requests.
    """
    from dragoman.cli.admin_target import target

    filters = {"error": error, "client": client, "tenant": tenant, "model": model}
    if id_ is not None and (failed or any(filters.values())):
        hint = "leave out the ID, or the other options"
        raise Failure(MISUSE, "an ID names one request already", hint=hint)
    there = target(terminal, file, url, key)
    if id_ is None:
        wanted = {"has": "error" if failed else None, **filters, "limit": str(last)}
        rows = asyncio.run(_listed(there, {name: value for name, value in wanted.items() if value}))
        _show_all(terminal, rows)
        return
    found = asyncio.run(_one(there, id_))
    if terminal.as_json:
        terminal.result(found)
        return
    from dragoman.cli.traced import lines

    for line in lines(found, terminal.out):
        terminal.result(line)


async def _listed(there: Target, query: dict[str, str]) -> list[dict[str, Any]]:
    from dragoman.cli.admin_target import ask

    answer = await ask(there, _PATH, query)
    if answer is None:
        hint = "--url names another one; server.admin_port is the port of /admin, if it is set"
        raise Failure(ANSWER_IS_NO, f"{there[-1].named} has no {_PATH}", hint=hint)
    rows: list[dict[str, Any]] = answer["data"]
    return rows


async def _one(there: Target, id_: str) -> dict[str, Any]:
    """Return the trace of the exchange with the id or the request id `id_`; else of the only exchange whose
    id begins with `id_`, or whose request id contains it. Raises Failure if the gateway stores no such
    exchange (any more) or several of them, or if it cannot be asked.
    """
    from dragoman.cli.admin_target import ask

    found = await ask(there, f"{_PATH}/{quote(id_, safe='')}", {})
    if found is None:
        near = await _listed(there, {"q": id_, "limit": "3"})
        if len(near) > 1:
            hint = f"one of: {', '.join(row['id'] for row in near)}"
            raise Failure(ANSWER_IS_NO, f"several requests have {id_} in their ids", hint=hint)
        if near:
            found = await ask(there, f"{_PATH}/{near[0]['id']}", {})
    if found is None:
        hint = "dragoman trace lists the latest; the log has older ones"
        raise Failure(ANSWER_IS_NO, f"no request {id_} is kept (any more)", hint=hint)
    told: dict[str, Any] = found
    return told


def _show_all(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    if terminal.as_json:
        terminal.result(rows)
        return
    people = terminal.out.is_terminal
    if people and not rows:
        terminal.say("no such request is kept")
        return
    terminal.table(_TITLES, [_row(row, people=people) for row in rows], names=2)


def _row(row: dict[str, Any], *, people: bool) -> tuple[str | int | None, ...]:
    at, total = str(row["time"]), row["total_ms"]
    return (
        at[11:19] if people else at,
        row["id"][:_SHORT] if people else row["id"],
        row["status"],
        None if total is None else round(total),
        row["model"] or row["path"],
        row["deployment"],
        row["end"],
        row["attempts"],
        row["client"],
    )
