"""Converts the tree of a configuration to typed settings, and collects every problem. Reads secret files.

The types in `settings` decide which values are accepted, what an error message says, and which name is
suggested for an unknown name (after the hints in `foreign`). A text that was written where a secret is
expected is not shown in messages, except a path of a file and the name of a variable.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from dragoman.config import secret_file
from dragoman.config.declared import (
    SCALARS,
    ScalarType,
    Setting,
    expected,
    holds_secrets,
    nullable,
    options,
    settings_of,
    words,
)
from dragoman.config.foreign import HINTS
from dragoman.config.scalars import FilePath
from dragoman.config.section import Section, about
from dragoman.config.tree import Items, Node, Scalar, Source, Table
from dragoman.errors import Problem, setting_path
from dragoman.seams.secret import Secret

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}\Z")
_HEADER: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
_SHOWN: Final = 16  # a message shows only texts up to this length: an API key is longer
_LONG: Final = 64

S = TypeVar("S", bound=Section)


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint for an unknown name, as text: the most similar known name; if none is similar, all known
    names, if there are at most 12. None = no hint.
    """
    names = sorted(known)
    if near := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f"did you mean {near[0]}?"
    return f"valid names: {', '.join(names)}" if 0 < len(names) <= 12 else None


def flaw_of(secret: str) -> str | None:
    """Return why a text cannot be a secret, as the rest of a sentence ("is empty"); None = it can be one."""
    if not secret:
        return "is empty"
    return None if _HEADER.match(secret) else "contains characters that are not allowed in an HTTP header"


class _Invalid:
    """The type of `INVALID`, which stands for a value that could not be read. `Decoder.problems` say
    why; if a `${NAME}` could not be filled, the problems of the reader that made the tree (`yaml_reader`,
    `mapping_reader`) say it instead.
    """


INVALID: Final = _Invalid()


class Decoder:
    """Decodes the tree of one configuration. folder: the folder to which relative file names refer.

    problems: errors. warnings: things that are unusual but allowed. sources: the place of each written
    setting, by the setting's path. names: by the path of each mapping whose names the operator chooses
    (`models`), the names of all its entries, also of those that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.sources: dict[str, Source] = {}
        self.names: dict[str, frozenset[str]] = {}

    def section(self, kind: type[S], node: Node, path: str = "") -> S:
        """Return a section with the settings of `node`. A setting that cannot be read keeps its default, and
        an entry of a mapping that cannot be read is left out; both are added to `problems`, unless a variable
        is not set, which the reader of the tree has reported. A number outside of its bounds is added to
        `problems`, too, but the setting has this number. kind: a section without required settings.
        """
        value = self.read(kind, node, path)
        return kind() if value is INVALID else value

    def preview(self, kind: Any, node: Node) -> Any:
        """Return the list (as a tuple) or mapping of a node, without adding anything to this decoder: no
        problem is reported. kind: `tuple[X, ...]` or `dict[X, Y]`; if `node` cannot be read as this type, the
        result is empty.
        """
        value = Decoder(self.folder).read(kind, node, "")
        return get_origin(kind)() if value is INVALID else value

    def read(self, kind: Any, node: Node, path: str) -> Any:
        """Return the value of a node as a declared type, and add its sources, names, problems and warnings to
        the attributes. INVALID = no value could be read. For a union of several types (None not counted) the
        first type that fits is taken; then only the node's own source is added, and at most one problem if
        none fits.
        """
        self.sources[path] = node.source
        if _is_nothing(node) and nullable(kind):
            return None
        members = options(kind)
        if len(members) > 1:
            return self._union(kind, members, node, path)
        (kind,) = members
        origin = get_origin(kind)
        if kind is Any:
            return plain(node)
        if origin is tuple:
            return self._sequence(get_args(kind)[0], node, path)
        if origin is dict:
            return self._mapping(get_args(kind)[1], node, path)
        if isinstance(kind, type) and issubclass(kind, Section):
            return self._fields(kind, node, path)
        if kind is Secret:
            return self._secret(node, path)
        if not isinstance(node, Scalar):
            return self._wrong(kind, node, path)
        return self._scalar(kind, node, path)

    def _union(self, kind: Any, members: tuple[Any, ...], node: Node, path: str) -> Any:
        for member in members:
            trial = Decoder(self.folder)
            if (value := trial.read(member, node, path)) is not INVALID:
                return value
        return self._wrong(kind, node, path)

    def _scalar(self, kind: Any, node: Scalar, path: str) -> Any:
        text = node.text.strip()
        if node.unfilled:
            return INVALID
        if kind in SCALARS:
            return self._unit(kind, node, path)
        if kind is str and node.value is not None:
            return node.text
        if kind is bool and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if kind is int and _INT.match(text):
            return int(text)
        if node.text in words(kind):
            return node.text
        return self._wrong(kind, node, path)

    def _unit(self, kind: ScalarType, node: Scalar, path: str) -> Any:
        try:
            value = kind.parse(node.text)
            if isinstance(value, FilePath):
                return FilePath(self.folder / Path(value).expanduser())
        except (ValueError, RuntimeError):  # RuntimeError: `~` of an unknown user
            return self._wrong(kind, node, path)
        return value

    def _sequence(self, kind: Any, node: Node, path: str) -> Any:
        if not isinstance(node, Items):  # a list with one member may be written without brackets
            value = self.read(kind, node, path)
            self.sources[f"{path}[0]"] = node.source
            return INVALID if value is INVALID else (value,)
        values = [self.read(kind, item, f"{path}[{index}]") for index, item in enumerate(node.items)]
        return INVALID if INVALID in values else tuple(values)

    def _mapping(self, kind: Any, node: Node, path: str) -> Any:
        if not isinstance(node, Table):
            return self._wrong(dict[str, kind], node, path)
        self.names[path] = frozenset(node.entries)
        values = {
            name: self.read(kind, inner, setting_path(path, name)) for name, inner in node.entries.items()
        }
        return {name: value for name, value in values.items() if value is not INVALID}

    def _fields(self, kind: type[Section], node: Node, path: str) -> Any:
        declared = dict(settings_of(kind))
        short = declared[kind.shorthand] if kind.shorthand else None
        if short is not None and (
            not isinstance(node, Table) or (Secret in options(short.type) and set(node.entries) == {"file"})
        ):
            value = self.read(short.type, node, path)
            self.sources[setting_path(path, short.name)] = node.source
            if value is INVALID:
                return INVALID
            self._bounds(short.about, value, node, path)
            return kind(**{short.name: value})
        if _is_nothing(node):
            node = Table({}, node.source)
        if not isinstance(node, Table):
            return self._wrong(kind, node, path)
        rest = declared.pop(kind.rest) if kind.rest else None
        values: dict[str, Any] = {}
        others: dict[str, Node] = {}
        for name, inner in node.entries.items():
            if name not in declared:
                others[name] = inner
            elif not _is_nothing(inner) or nullable(declared[name].type):
                values[name] = self.read(declared[name].type, inner, setting_path(path, name))
        if rest is not None:
            values[rest.name] = self._mapping(
                get_args(rest.type)[1], Table(others, node.source, node.names), path
            )
        else:
            for name in others:
                hint = HINTS.get(name) or suggest(name, declared)
                shown = name
                secret = short is not None and Secret in options(short.type)
                if (secret or any(one.type is Secret for one in declared.values())) and not _meant(
                    name, hint
                ):
                    shown = "…"  # the name may be a secret: `{sk-…}`, written instead of `[sk-…]`
                self.problem(setting_path(path, shown), "unknown setting", node.named(name), hint)
        return self._build(kind, declared, values, node, path)

    def _build(
        self,
        kind: type[Section],
        declared: Mapping[str, Setting],
        values: dict[str, Any],
        node: Table,
        path: str,
    ) -> Any:
        required = {name for name, one in declared.items() if one.default is msgspec.NODEFAULT}
        for name in declared:
            if name in required and name not in values:
                self.problem(path, f"`{name}` is required", node.source)
        for name, value in values.items():
            if name in declared and value is not INVALID:
                self._bounds(declared[name].about, value, node.entries[name], setting_path(path, name))
        good = {name: value for name, value in values.items() if value is not INVALID}
        return kind(**good) if good.keys() >= required else INVALID

    def _bounds(self, meta: about, value: Any, node: Node, path: str) -> None:
        if meta.ge is not None and isinstance(value, int) and value < meta.ge:
            self.problem(path, f"must be at least {meta.ge}", node.source)
        if meta.le is not None and isinstance(value, int) and value > meta.le:
            self.problem(path, f"must be at most {meta.le}", node.source)

    def _secret(self, node: Node, path: str) -> Any:
        if isinstance(node, Table) and set(node.entries) == {"file"}:
            return self._secret_file(node.entries["file"], path)
        if isinstance(node, Scalar) and node.unfilled:
            # A placeholder that differs from every other key, so that the later checks can still run.
            return Secret(f"unset-{path.encode().hex()}".ljust(_LONG, "."))
        if not isinstance(node, Scalar) or node.value is None:
            self.problem(path, "expected an API key: a string, ${VARIABLE} or {file: path}", node.source)
            return INVALID
        return self._key(node.text, node.source, path, variable=", ".join(node.variables) or None)

    def _secret_file(self, node: Node, path: str) -> Any:
        trial = Decoder(self.folder)
        name = trial.read(FilePath, node, setting_path(path, "file"))
        if name is INVALID:
            # The message does not show the value that was found: it may be the key itself.
            empty = isinstance(node, Scalar) and node.value is None
            found = f"expected {FilePath.expected}, found {'nothing' if empty else 'something else'}"
            self.problem(setting_path(path, "file"), found, node.source)
            return INVALID
        self.sources[setting_path(path, "file")] = node.source
        try:
            text = secret_file.read(Path(name))
        except secret_file.Unreadable as unreadable:
            named = (
                name if isinstance(node, Scalar) and _is_path(node.text, Path(name)) else "the secret file"
            )
            self.problem(path, f"{named} {unreadable}", node.source, secret_file.HINT)
            return INVALID
        if secret_file.is_open(Path(name)):
            open_to = "every user of this machine can read the secret file"
            self.warnings.append(
                Problem(path, open_to, node.source.origin, node.source.line, f"chmod o-r {name}")
            )
        return self._key(text, node.source, path, Path(name).absolute())

    def _key(
        self,
        text: str,
        source: Source,
        path: str,
        file: Path | None = None,
        *,
        variable: str | None = None,
    ) -> Any:
        if text.startswith("os.environ/"):
            name = text.partition("/")[2]
            message = "uses LiteLLM's syntax for an environment variable"
            self.problem(path, message, source, f"write ${{{name[:_LONG]}}}")
            return INVALID
        if (flaw := flaw_of(text)) is None:
            return Secret(text, file, variable)
        hint = "remove line breaks and quotation marks that were pasted with it" if text else None
        self.problem(path, f"the value {flaw}", source, hint)
        return INVALID

    def _wrong(self, kind: Any, node: Node, path: str) -> _Invalid:
        if isinstance(node, Scalar) and node.unfilled:
            return INVALID
        found = _found(node)
        if found.startswith("`") and (holds_secrets(kind) or kind == dict[str, Any]) and not _is_number(node):
            found = "another text"  # it may be a key that was written in the wrong place
        self.problem(path, f"expected {expected(kind)}, found {found}", node.source)
        return INVALID

    def problem(self, path: str, message: str, source: Source, hint: str | None = None) -> None:
        self.problems.append(Problem(path, message, source.origin, source.line, hint))


def _meant(name: str, hint: str | None) -> bool:
    """Whether an unknown name looks like a misspelt or foreign setting. False = it may be a value (even a
    secret) in the wrong place, and must not be shown.
    """
    return name in HINTS or (hint is not None and hint.startswith("did you mean"))


def plain(node: Node) -> Any:
    """Return the JSON value of a tree."""
    if isinstance(node, Table):
        return {name: plain(inner) for name, inner in node.entries.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return node.value


def _is_path(text: str, file: Path) -> bool:
    """Whether the text of `{file: text}` is taken for a path: absolute, beginning with `~/`, `../` or `./`,
    or with several parts and in an existing folder. Any other text may be the secret itself. file: the path
    that the text means.
    """
    written = Path(text.strip())
    stated = written.is_absolute() or written.parts[:1] in {("~",), ("..",)} or text.startswith("./")
    return stated or (len(written.parts) > 1 and file.parent.is_dir())


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None and not node.unfilled


def _is_number(node: Node) -> bool:
    return isinstance(node, Scalar) and not isinstance(node.value, str)


def _found(node: Node) -> str:
    """Return words for the value of a node. The text of a scalar is shown only if it is short, on one line,
    and without variables.
    """
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if node.value is None:
        return "nothing"
    return "another text" if node.filled or len(node.text) > _SHOWN or "\n" in node.text else f"`{node.text}`"
