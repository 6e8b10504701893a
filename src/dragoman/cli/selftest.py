"""`dragoman test`: asks a running server what a client would, and says what does not hold."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from typing import Final

import aiohttp
import click

from dragoman.cli.banner import address
from dragoman.cli.checks import PATIENCE, KeyRefused, Outcome, Probe, outcomes
from dragoman.cli.command import Command
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, Failure, Terminal, clean
from dragoman.providers.address import base_url

_STATES: Final = {True: ("ok", "passed"), False: ("bad", "failed"), None: ("off", "left out")}


@click.command(
    "test",
    cls=Command,
    examples=("dragoman test", "dragoman test https://gateway.example/v1 --model gpt-4o --stream"),
)
@click.argument("url", required=False, envvar="DRAGOMAN_URL")
@click.option("--stream", "shows_stream", is_flag=True, help="Show the streamed text as it comes.")
@click.option("--model", help="The model to ask; else the first of the list.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, envvar="DRAGOMAN_HOST", help="Instead of URL."
)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65535),
    envvar="DRAGOMAN_PORT",
    help="Instead of URL.",
)
@click.pass_obj
def command(
    terminal: Terminal, url: str | None, model: str | None, host: str, port: int, *, shows_stream: bool
) -> None:
    """Check a running gateway, or any base URL: exit code 1 when something does not hold.

    URL is any spelling of a base address; else DRAGOMAN_URL, else --host and --port. A key is taken from
    DRAGOMAN_API_KEY.
    """
    try:
        base = base_url(_with_scheme(url) if url else address(host, port), endpoint="/chat/completions")
    except ValueError as error:
        raise Failure(MISUSE, f"{url}: {error}", hint="dragoman test http://127.0.0.1:8080") from None
    results = asyncio.run(_run(terminal, base, model, shows_stream=shows_stream))
    failed = sum(outcome.passed is False for outcome in results)
    if terminal.as_json:
        checks = [outcome._asdict() for outcome in results]
        terminal.result({"url": base, "passed": not failed, "checks": checks})
    else:
        passed = sum(outcome.passed is True for outcome in results)
        left = len(results) - passed - failed
        terminal.say(f"{passed} passed, {failed} failed" + (f", {left} left out" if left else ""))
    if failed:
        raise click.exceptions.Exit(ANSWER_IS_NO)


async def _run(terminal: Terminal, base: str, model: str | None, *, shows_stream: bool) -> list[Outcome]:
    """Run every check and tell each as it ends. Raises Failure where a key is refused."""
    key = os.environ.get("DRAGOMAN_API_KEY", "").partition(",")[0].strip() or "any"
    results: list[Outcome] = []
    if not terminal.as_json and not terminal.out.is_terminal:
        terminal.result("result\tcheck\tms\tsaid")
    async with aiohttp.ClientSession(
        headers={"authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=PATIENCE)
    ) as session:
        probe = Probe(session, base, model, terminal.narrate if shows_stream else lambda _text: None)
        async with aclosing(outcomes(probe)) as running:
            try:
                async for outcome in running:
                    results.append(outcome)
                    _tell(terminal, outcome)
            except KeyRefused as refused:
                hint = "DRAGOMAN_API_KEY=KEY dragoman test sends another key"
                raise Failure(NO_RIGHT, f"{base} refused the key: {refused}", hint=hint) from None
    return results


def _tell(terminal: Terminal, outcome: Outcome) -> None:
    """One outcome: aligned on a terminal, between tabs elsewhere."""
    if terminal.as_json:
        return
    state, word = _STATES[outcome.passed]
    said = clean(outcome.said)
    if terminal.out.is_terminal:
        line = f"{outcome.name:<18} {outcome.ms:>7,.0f} ms  "
        room = max(20, terminal.out.width - len(line) - 4)
        cut = said if len(said) <= room or outcome.passed is False else f"{said[: room - 1]}…"
        terminal.result(f" {terminal.out.mark(state)} {line}{cut}")
    else:
        terminal.result(f"{word}\t{outcome.name}\t{outcome.ms}\t{said}")


def _with_scheme(url: str) -> str:
    """A bare `host:port` as people type it is plain HTTP."""
    return url if "://" in url else f"http://{url}"
