"""The commands that add entries to a running gateway or remove them: `add` and `remove` of providers, models
and aliases, `remove` of limits and prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from dragoman.cli.asked import asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.entries import warn
from dragoman.cli.options import refused
from dragoman.cli.terminal import MISUSE, Failure, Terminal, clean
from dragoman.errors import ConfigError
from dragoman.wire.json import UNDECODABLE

if TYPE_CHECKING:
    from dragoman.state.added import AddedKind

_JSON = ("[", "{", '"')
"""A value that begins with one of these is read as JSON. Every other value is a text, which the gateway reads
like the value of a variable.
"""


class Stated(NamedTuple):
    """The entry to add, as the command line states it. settings: texts `NAME=VALUE`, or a single value
    without a name (`openai/gpt-5`). file: a YAML file with the entry, `-` = stdin, None = no file.
    """

    settings: Sequence[str]
    file: Path | None


def changing(group: Group, kind: AddedKind, noun: str, examples: Sequence[str]) -> None:
    """Add the commands `add` and `remove` to a group. kind: the kind of entries ("models"), which is also
    the group's name. noun: one such entry, for people ("a model"). examples: command lines for the help of
    `add`.
    """

    @group.command("add", help=f"Add {noun} to a running gateway. {_ADD}", examples=examples)
    @click.argument("name")
    @click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
    @click.option(
        "--from", "source", type=click.Path(path_type=Path, allow_dash=True), help="A YAML file with them."
    )
    @click.option("--replace", is_flag=True, help="Replace the one of this name that was added before.")
    @gateway_options
    @click.pass_obj
    def add(
        terminal: Terminal,
        name: str,
        settings: tuple[str, ...],
        *,
        source: Path | None,
        replace: bool,
        file: Path | None,
        url: str | None,
        key: str | None,
    ) -> None:
        entry = entry_of(Stated(settings, source))
        asked = asked_of(terminal, file, url, key)
        method = "PUT" if replace else "POST"
        found = from_gateway(asked, f"/admin/{kind}", name, method=method, body=entry)
        if found is None:
            raise nobody()
        if terminal.as_json:
            terminal.result(found)
            return
        done = "replaced" if replace else "added"
        terminal.note("ok", f"{clean(name)} is {done}, version {found['version']}")
        warn(terminal, found)

    removing(group, kind, f"Remove {noun} that was added; what a file declares stays.")


def removing(group: Group, kind: AddedKind, does: str, example: str = "NAME") -> None:
    """Add the command `remove` to a group. kind: the kind of entries ("models"), which is also the group's
    name. does: the help text of the command. example: the name of an entry, for the command line that the
    help shows.
    """

    @group.command("remove", help=does, examples=(f"dragoman {kind} remove {example}",))
    @click.argument("name")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
    @gateway_options
    @click.pass_obj
    def remove(
        terminal: Terminal, name: str, *, yes: bool, file: Path | None, url: str | None, key: str | None
    ) -> None:
        asked = asked_of(terminal, file, url, key)
        question = f"{clean(name)} will end at once for all requests. Remove it?"
        confirm(terminal, f"removing {clean(name)}", question, yes=yes)
        found = from_gateway(asked, f"/admin/{kind}", name, method="DELETE")
        if found is None:
            raise nobody()
        if terminal.as_json:
            terminal.result(found)
        else:
            terminal.note("ok", f"{clean(name)} is removed")


_ADD = (
    "All its workers use it at once, and it stays after a restart. SETTING: as in the configuration file, "
    "`timeouts.total=30s` for one inside another."
)


def entry_of(stated: Stated) -> Any:
    """Return the entry to add, as a JSON value: the content of the file; or the single text without `=`; or
    an object made of the texts `NAME=VALUE` ({} = there are none). A dot in a name puts the value into an
    inner object. A value that begins like JSON (`_JSON`) is decoded. Raises Failure if there are a file and
    settings, or if they cannot be read or contradict each other.
    """
    if stated.file is not None:
        if stated.settings:
            raise Failure(MISUSE, "--from and settings cannot be combined", hint="put all into the file")
        return _from_file(stated.file)
    if len(stated.settings) == 1 and "=" not in stated.settings[0]:
        return stated.settings[0]
    entry: dict[str, Any] = {}
    for one in stated.settings:
        name, sign, text = one.partition("=")
        if not sign:
            raise Failure(MISUSE, f"expected SETTING=VALUE, found {clean(one)!r}", hint="use=openai/gpt-5")
        _put(entry, name.split("."), _value(name, text))
    return entry


def _put(entry: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set `value` at `path`, the names of nested settings (`["timeouts", "connect"]`), in `entry`. Raises
    Failure if one of the outer settings already has a value that is not an object.
    """
    *outer, last = path
    for name in outer:
        entry = entry.setdefault(name, {})
        if not isinstance(entry, dict):
            raise Failure(MISUSE, f"{clean('.'.join(path))}: {clean(name)} has a value already")
    entry[last] = value


def _value(name: str, text: str) -> Any:
    if not text.startswith(_JSON):
        return text
    try:
        return msgspec.json.decode(text)
    except UNDECODABLE as error:
        raise Failure(MISUSE, f"{clean(name)}: is not JSON: {clean(str(error))}") from None


def _from_file(file: Path) -> Any:
    from dragoman.config.load import as_written

    try:
        return as_written(Path("/dev/stdin") if str(file) == "-" else file)
    except ConfigError as error:
        raise refused(error, file) from None
