"""`dragoman setup`: prints the settings that a client needs for a gateway, writes them into its files, and
tests them.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from dragoman.cli import discovery
from dragoman.cli.banner import address
from dragoman.cli.clients import CLIENTS, KEY_VARIABLE, OPEN_KEY, Client, Gateway, Places, Setting
from dragoman.cli.command import Command
from dragoman.cli.merging import Unmergeable
from dragoman.cli.options import config_option, loaded, require_known
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure, Terminal, clean
from dragoman.errors import ConfigError

_KEPT: Final = ".before-dragoman"
"""The suffix of a backup copy of a client's file. From the second copy on, a number follows it."""


class _Written(NamedTuple):
    """The result of writing one file. path: the file; the target, if it is a symbolic link. changed: False =
    the file has this text already. kept: the backup copy of the old text, None = none was needed.
    """

    path: Path
    changed: bool
    kept: Path | None


class _Plan(NamedTuple):
    """The setup of one client. name: its name in `CLIENTS`. variables: environment variables to set. files:
    for each of the client's files, what to write into it. written: the result for each file, None = `--write`
    was not given.
    """

    name: str
    client: Client
    gateway: Gateway
    variables: Mapping[str, str]
    files: Sequence[Setting]
    written: Sequence[_Written] | None = None

    def report(self, answer: str | None) -> dict[str, Any]:
        """Return the plan as a JSON object. If the files were not written, it has the text that a new file
        would get; if they were written, no text, because the files may contain other secrets. answer: the
        model's answer to the test question, None = the model was not asked.
        """
        files: list[dict[str, Any]]
        if self.written is None:
            files = [{"path": str(one.path), "text": one.merged("")} for one in self.files]
        else:
            files = [
                {"path": str(one.path), "changed": one.changed, "kept": str(one.kept) if one.kept else None}
                for one in self.written
            ]
        return {
            "name": self.name,
            "title": self.client.title,
            "dialect": self.client.dialect,
            "url": self.gateway.base,
            "model": self.gateway.model,
            "environment": dict(self.variables),
            "files": files,
            "written": self.written is not None,
            "answer": answer,
        }


@click.command(
    "setup",
    cls=Command,
    examples=("dragoman setup", "dragoman setup codex --model anthropic/claude-sonnet-5 --write --check"),
    epilog="docs/clients/README.md lists the pages.",
)
@click.argument("name", required=False)
@config_option
@click.option("--model", help="The model for the client. Default: the gateway's default model, or its first.")
@click.option("--key", envvar=KEY_VARIABLE, help=f"The gateway's client key. Default: {KEY_VARIABLE}.")
@click.option(
    "--url", envvar="DRAGOMAN_URL", help="The gateway's URL. Default: host and port of the configuration."
)
@click.option(
    "--write",
    is_flag=True,
    help="Write the settings into the client's files; a copy of each old file is kept.",
)
@click.option(
    "--check", "tries", is_flag=True, help="Send the gateway a test question in the client's protocol."
)
@click.pass_obj
def command(
    terminal: Terminal,
    name: str | None,
    *,
    file: Path | None,
    model: str | None,
    key: str | None,
    url: str | None,
    write: bool,
    tries: bool,
) -> None:
    """Print what a client needs: lines for a shell, and settings for its own files. Without NAME, list the
    clients.

    Nothing is changed without --write. A key is written only into files that the client reads it from.
    """
    if name is None:
        _list(terminal)
        _offer(terminal, file)
        return
    require_known("client", name, CLIENTS)
    client = CLIENTS[name]
    base, default = _where(terminal, url, file)
    gateway = Gateway(base, model or default, (key or "").partition(",")[0].strip() or OPEN_KEY)
    gateway = _known(terminal, client, gateway, needed=tries)
    plan = _Plan(
        name,
        client,
        gateway,
        client.variables(gateway),
        client.files(gateway, Places(Path.home(), os.environ)),
    )
    if write and not plan.files:
        raise Failure(
            MISUSE,
            f"{name} has no settings file to write to",
            hint=f'eval "$(dragoman setup {name})" sets it in this shell; add the same lines to '
            "the shell's profile",
        )
    if plan.files:
        _doubt(terminal, gateway.model or "")
    if write:
        plan = plan._replace(written=[_write(setting) for setting in plan.files])
    if not terminal.as_json:
        _show(terminal, plan)
    answer = asyncio.run(_answer(client, gateway)) if tries else None
    if terminal.as_json:
        terminal.result(plan.report(answer))
    elif answer is not None:
        terminal.note("ok", f"{gateway.model} answers: {clean(answer)[:60]}")


def _list(terminal: Terminal) -> None:
    rows = [(name, client.dialect, client.title) for name, client in CLIENTS.items()]
    if terminal.as_json:
        terminal.result([{"name": name, "dialect": spoken, "title": title} for name, spoken, title in rows])
    else:
        terminal.table(("name", "dialect", "client"), rows)


def _offer(terminal: Terminal, file: Path | None) -> None:
    """Print the model servers on this machine that a gateway could use, except those that are configured. If
    `discover` is false, or the configuration has problems, print nothing.
    """
    from dragoman.config.load import load

    try:
        found = load(file, os.environ)
    except ConfigError:  # the list of clients does not depend on it
        return
    if found.config.discover is False:
        return
    for server in asyncio.run(discovery.find(but={found.config.server.port})):
        if discovery.settings((server,), found):
            uses = "is used" if found.config.discover else "set `discover: true` to use it"
            terminal.note("ok", f"{clean(server.words)}: {uses}")


def _where(terminal: Terminal, url: str | None, file: Path | None) -> tuple[str, str | None]:
    """Return (the gateway's URL without `/v1` at its end, the configuration's `default_model`; None = there
    is none, or `url` is given). url: the URL of the gateway, in any spelling; None = the address in the
    configuration `file` (None = find the file). Raises Failure for an invalid URL or configuration.
    """
    if url is None:
        config = loaded(terminal, file).config
        server = config.server
        return address(server.host, server.port, server.base_path), config.default_model
    from dragoman.providers.address import base_url

    try:
        spelled = url if "://" in url else f"http://{url}"
        return base_url(spelled, endpoint="/chat/completions").removesuffix("/v1"), None
    except ValueError as error:
        raise Failure(MISUSE, f"{url}: {error}", hint="--url http://127.0.0.1:8080") from None


def _known(terminal: Terminal, client: Client, gateway: Gateway, *, needed: bool) -> Gateway:
    """Return the gateway; if it has no model, with a model of its list: the first that may chat, else the
    first. Prints warnings about environment variables that disturb the client, about a gateway that does not
    answer, and about a stated model that the gateway does not list (names with a `/` are not checked).

    Raises Failure if the gateway refuses the key, if it lists no model to choose, or if it does not answer
    with a list of models, and a model has to be chosen or `needed` is True.
    """
    from dragoman.cli.asking import NotThere, models
    from dragoman.upstreams.local.weights import may_chat

    for variable in client.clashes:
        if os.environ.get(variable):
            clash = (
                f"{variable} is set in this shell and may send {client.title} to another "
                f"server: unset {variable}"
            )
            terminal.note("warn", clash)
    try:
        names = asyncio.run(models(gateway))
    except NotThere as error:
        if needed or gateway.model is None:
            hint = "start it with `dragoman serve`, or choose another with --url"
            raise Failure(
                UNREACHABLE, f"cannot connect to a gateway at {gateway.base}: {error}", hint=hint
            ) from None
        terminal.note("warn", f"no gateway is running at {gateway.base} yet")
        return gateway
    except PermissionError as error:
        hint = f"--key KEY, or {KEY_VARIABLE}=KEY"
        raise Failure(NO_RIGHT, f"{gateway.base} rejected the client key: {error}", hint=hint) from None
    if gateway.model is None:
        if not names:
            raise Failure(ANSWER_IS_NO, f"{gateway.base} lists no models", hint="--model NAME")
        return gateway._replace(model=next(filter(may_chat, names), names[0]))
    if gateway.model not in names and "/" not in gateway.model:
        near = difflib.get_close_matches(gateway.model, names, n=1)
        more = f"; did you mean {near[0]}?" if near else ""
        terminal.note("warn", f"{gateway.base} does not list {gateway.model}{more}")
    return gateway


def _doubt(terminal: Terminal, model: str) -> None:
    from dragoman.upstreams.local.weights import known

    if known(model.removeprefix("local/")) is not None:
        weak = f"{model} is a small embedded model, too weak for an agent: choose another with --model"
        terminal.note("warn", weak)


def _write(setting: Setting) -> _Written:
    """Merge a setting into its file, and write the file atomically if its text changes, after a backup copy
    of the old text (if there is any). A new file can be read by its owner only. Raises Failure if the file
    cannot be read, copied, merged or written; it is then unchanged, but a copy may be there.
    """
    path = setting.path.resolve()  # a symbolic link stays a link: its target is changed
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        text = setting.merged(old)
        if text == old:
            return _Written(path, changed=False, kept=None)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = _copy(path, old) if old else None
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600  # the file may contain a key
        fresh = path.with_name(f"{path.name}.new")
        _put(fresh, text, mode)
        fresh.replace(path)
    except Unmergeable as error:
        hint = "without --write, the command prints the settings to put there"
        raise Failure(ANSWER_IS_NO, f"{path} was not changed: {error}", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failure(ANSWER_IS_NO, f"{path} cannot be written: {reason}") from None
    return _Written(path, changed=True, kept=kept)


def _copy(path: Path, text: str) -> Path:
    """Write a backup copy of `text` beside the file `path` under a free name, and return the copy's path.
    Raises Failure if there are 999 copies already, and OSError.
    """
    for number in range(1, 1000):
        kept = path.with_name(f"{path.name}{_KEPT}{'' if number == 1 else number}")
        try:
            _put(kept, text, 0o600)
        except FileExistsError:
            continue
        return kept
    raise Failure(ANSWER_IS_NO, f"{path} already has a thousand copies", hint=f"rm {path}{_KEPT}*")


def _put(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def _show(terminal: Terminal, plan: _Plan) -> None:
    """Print `export` lines that a shell can evaluate, and the text of the files unless they were written.
    Messages say what was written, and how the client is started. If the shell has the key in KEY_VARIABLE,
    the `export` lines refer to this variable instead of containing the key. The line for the variable itself
    is left out, unless the variable has several keys, of which clients can use only one.
    """
    stated = os.environ.get(KEY_VARIABLE, "")
    inherited = stated.partition(",")[0].strip()
    # How a shell names the key. Without the blanks of " k-1 , k-2" it cannot, so then the key is printed.
    names = {stated.partition(",")[0]: f"${{{KEY_VARIABLE}%%,*}}", stated: f"${KEY_VARIABLE}"}
    first = names.get(inherited)
    for variable, value in plan.variables.items():
        if first is None or not inherited or inherited not in value:
            terminal.result(f"export {variable}={shlex.quote(value)}")
        elif variable != KEY_VARIABLE or inherited != stated:
            # The shell has the key in a variable, so the key is not printed.
            terminal.result(f'export {variable}="{value.replace(inherited, first)}"')
    if plan.written is None:
        for setting in plan.files:
            terminal.result(f"# {clean(str(setting.path))}\n{setting.merged('').rstrip()}")
        if plan.files:
            terminal.say("nothing was written: add --write to write it; a copy of the old file is kept")
    for done in plan.written or ():
        state = "is written" if done.changed else "is already up to date"
        kept = f"; the old file is kept as {clean(done.kept.name)}" if done.kept is not None else ""
        terminal.note("ok", f"{clean(str(done.path))} {state}{kept}")
    if plan.client.run is not None:
        terminal.say(f"start it with: {plan.client.run} · its settings: {plan.client.docs}")


async def _answer(client: Client, gateway: Gateway) -> str:
    """Return the model's answer to a test question in the client's protocol. Raises Failure if the gateway
    cannot be reached, or answers with an error or an answer that cannot be parsed.
    """
    from dragoman.cli.asking import NotThere, Refused, ask

    try:
        return await ask(client.dialect, gateway)
    except NotThere as error:
        raise Failure(UNREACHABLE, f"{gateway.base} did not answer: {error}") from None
    except Refused as error:
        code = NO_RIGHT if error.status in {401, 403} else ANSWER_IS_NO
        hint = f"for details: dragoman test {gateway.base} --model {gateway.model}"
        raise Failure(code, f"{client.title} would get this error: {error}", hint=hint) from None
