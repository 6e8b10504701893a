"""`dragoman test`: sends the requests of a client to a running server, and reports what is wrong with the
answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
import click

from dragoman.cli.banner import address
from dragoman.cli.checks import PATIENCE, Choose, KeyRefused, Outcome, Probe, outcomes
from dragoman.cli.choosing import Choice, choice
from dragoman.cli.client_key import FILE, kept
from dragoman.cli.command import Command
from dragoman.cli.options import config_option, loaded
from dragoman.cli.protocols import Spoken, spoken, stated
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, Failure, Terminal, clean
from dragoman.dialects.table import DEFAULT
from dragoman.providers.address import base_url
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.accounts import ClientKey
    from dragoman.config.load import Loaded

_STATES: Final = {True: ("ok", "passed"), False: ("bad", "failed"), None: ("off", "left out")}


@click.command(
    "test",
    cls=Command,
    examples=("dragoman test", "dragoman test https://gateway.example/v1 --model gpt-4o --stream"),
)
@click.argument("url", required=False)
@config_option
@click.option("--model", help="The model to ask; else the default one, then what the configuration names.")
@click.option("--stream", "shows_stream", is_flag=True, help="Show the streamed text as it comes.")
@click.option("--host", help="Where the gateway listens, instead of what the configuration says.")
@click.option("--port", type=click.IntRange(1, 65535), help="The same.")
@click.pass_obj
def command(
    terminal: Terminal,
    url: str | None,
    *,
    file: Path | None,
    model: str | None,
    host: str | None,
    port: int | None,
    shows_stream: bool,
) -> None:
    """Check a running gateway, or any base URL: exit code 1 if a check fails.

    URL is any spelling of a base URL, or a whole endpoint, whose protocol is then tested. Default:
    DRAGOMAN_URL, unless --config, --host or --port is given. Without any URL, address and key are those of
    the configuration that `dragoman serve` would read here. If DRAGOMAN_API_KEY is set, it is the key that is
    sent.
    """
    if url is not None and (file or host or port):
        raise Failure(MISUSE, "a URL says where to ask already", hint="leave out --config, --host and --port")
    if url is None and not (file or host or port):
        url = os.environ.get("DRAGOMAN_URL") or None
    try:
        target = _configured(terminal, file, host, port) if url is None else _stated(url)
    except ValueError as error:
        raise Failure(MISUSE, f"{url}: {error}", hint="dragoman test http://127.0.0.1:8080") from None
    there, results, asked = asyncio.run(_run(terminal, target, model, shows_stream=shows_stream))
    failed = sum(outcome.passed is False for outcome in results)
    if terminal.as_json:
        checks = [outcome._asdict() for outcome in results]
        told = {"url": there.base, "protocol": there.dialect, "model": asked}
        terminal.result({**told, "passed": not failed, "checks": checks})
    else:
        passed = sum(outcome.passed is True for outcome in results)
        left = len(results) - passed - failed
        terminal.say(f"{passed} passed, {failed} failed" + (f", {left} left out" if left else ""))
    if failed:
        raise click.exceptions.Exit(ANSWER_IS_NO)


class _Target(NamedTuple):
    """A server to test. base: its base URL. key: the client key, None = send none. whose: the name of the
    key's client, or the file in which `dragoman serve` keeps its key; None = the environment states the key,
    or a URL is given. spoken: the protocol that the endpoint in the URL belongs to, None = it has to be found
    out. found: the gateway's configuration, None = a URL is given.
    """

    base: str
    key: str | None
    whose: str | None = None
    spoken: Spoken | None = None
    found: Loaded | None = None


def _stated(url: str) -> _Target:
    """Return the server at a URL, which may lack `http://`, with the key in DRAGOMAN_API_KEY if it is set.
    Raises ValueError for an invalid URL.
    """
    spelled = url if "://" in url else f"http://{url}"  # `host:port` without a scheme means HTTP
    there = stated(spelled)
    base = base_url(spelled, endpoint="/chat/completions") if there is None else there.base
    return _Target(base, _environment_key(), spoken=there)


def _configured(terminal: Terminal, file: Path | None, host: str | None, port: int | None) -> _Target:
    """Return the gateway that the configuration describes. The key is that of the environment; else the
    configured key (not stated by its hash) that is best by `_drawbacks`; else the key that `dragoman serve`
    has created; else None. Raises Failure for port 0, for an invalid configuration, and if the file with the
    created key is needed but cannot be read or contains no key. host, port: None = as configured.
    """
    options = {"server.host": host, "server.port": port}
    found = loaded(terminal, file, {path: value for path, value in options.items() if value is not None})
    server = found.config.server
    if server.port == 0:
        hint = "dragoman test URL, as dragoman serve printed it"
        raise Failure(MISUSE, "the configuration lets the system choose the port", hint=hint)
    base = base_url(address(server.host, server.port, f"{server.base_path}/v1"))
    if (key := _environment_key()) is not None:
        return _Target(base, key, found=found)
    known = [one for one in found.config.auth.keys if one.key is not None]
    if known:
        client = min(known, key=_drawbacks)
        assert client.key is not None
        return _Target(base, client.key.reveal(), client.name or "no name", found=found)
    return _Target(base, kept(found.home), str(found.home / FILE), found=found)


def _drawbacks(client: ClientKey) -> tuple[bool, bool, bool]:
    """Return the reasons against a test with this key, the most important first: it has expired; it may not
    call models; it has a list `models` of its own. False sorts before True, so `min` finds the best key.
    """
    expired = client.expires is not None and client.expires <= SYSTEM.now()
    return expired, "inference" not in client.scopes, client.models is not None


def _environment_key() -> str | None:
    return os.environ.get("DRAGOMAN_API_KEY", "").partition(",")[0].strip() or None


async def _run(
    terminal: Terminal, target: _Target, model: str | None, *, shows_stream: bool
) -> tuple[Spoken, list[Outcome], str | None]:
    """Find out the protocol if `target` does not state it, and run the protocol's checks. Prints each
    outcome at once, unless `--json` is set. Returns the protocol, the outcomes, and the model: the
    given one (even if no check came to ask it), or the chosen one; None = no model was chosen. model:
    the model to ask, None = choose one. shows_stream: whether to print the text of streams. Raises
    Failure if the server refuses the key.
    """
    there = target.spoken or await spoken(target.base, target.key)
    _introduce(terminal, target, there)
    results: list[Outcome] = []
    if not terminal.as_json and not terminal.out.is_terminal:
        terminal.result("result\tcheck\tms\tsaid")

    def choose(listed: Sequence[Mapping[str, Any]]) -> Choice | None:
        if (one := choice(listed, target.found)) is not None:
            costs = "it costs nothing" if one.free else "that may cost: --model NAME asks another"
            terminal.say(f"asking {clean(one.model)}, {clean(one.why)}; {costs}")
        return one

    async with aiohttp.ClientSession(
        headers=there.headers(target.key), timeout=aiohttp.ClientTimeout(total=PATIENCE)
    ) as session:
        show = terminal.narrate if shows_stream else lambda _text: None
        probe = _probe(session, there, model, show, choose)
        async with aclosing(outcomes(probe)) as running:
            try:
                async for outcome in running:
                    results.append(outcome)
                    _tell(terminal, outcome)
            except KeyRefused as refused:
                raise _refused(target, there, refused) from None
    return there, results, probe.model


def _probe(
    session: aiohttp.ClientSession,
    there: Spoken,
    model: str | None,
    show: Callable[[str], None],
    choose: Choose,
) -> Probe:
    if there.dialect == DEFAULT.name:
        return Probe(session, there.base, model, show, choose)
    from dragoman.cli.native_checks import NativeProbe

    return NativeProbe(session, there, model, show, choose)


def _introduce(terminal: Terminal, target: _Target, there: Spoken) -> None:
    if target.found is not None:
        whose = f" with the key of {clean(target.whose)}" if target.whose and target.key else ""
        terminal.say(f"testing {there.base}{whose}")
    if there.dialect != DEFAULT.name:
        terminal.say(f"{there.base} is asked in {there.title}")


def _refused(target: _Target, there: Spoken, refused: KeyRefused) -> Failure:
    if target.key is None:
        hint = "DRAGOMAN_API_KEY=KEY dragoman test sends one"
        return Failure(NO_RIGHT, f"{there.base} asks for a key, and no key was sent", hint=hint)
    hint = "DRAGOMAN_API_KEY=KEY dragoman test sends another key"
    return Failure(NO_RIGHT, f"{there.base} refused the key: {refused}", hint=hint)


def _tell(terminal: Terminal, outcome: Outcome) -> None:
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
