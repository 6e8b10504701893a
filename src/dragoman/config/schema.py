"""Makes the JSON Schema of the configuration (for editors) and the page `docs/settings.md` (for people).

`python -m dragoman.config.schema --write` writes the page; `--check` exits with 1 if the page is out of date;
without an option the command prints the schema.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_origin

import msgspec

from dragoman.config.declared import SCALARS, Setting, nullable, options, settings_of, words
from dragoman.config.deviations import Deviation, deviations, meanings
from dragoman.config.examples import EXAMPLES
from dragoman.config.presets import PRESETS
from dragoman.config.quotas import Budget, Quota
from dragoman.config.scalars import (
    Amount,
    Day,
    Duration,
    FilePath,
    ListedPath,
    Moment,
    PathPrefix,
    Share,
    Size,
)
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.providers.catalog import CATALOG
from dragoman.seams.secret import Secret

PAGE: Final = Path(__file__).parents[3] / "docs" / "settings.md"

_INTRODUCTION: Final = """\
<!-- Made by `make docs` from src/dragoman/config/settings.py and examples.py. Do not edit. -->

# Settings

A configuration is one YAML file: `--config FILE`, else `DRAGOMAN_CONFIG`, else `dragoman.yaml` in the working
directory, else `dragoman.yaml` in Dragoman's folder (`DRAGOMAN_HOME`). Without one, providers come from the
environment. The command line wins over environment variables, these over the file, and the file over presets.
All mistakes of a file are reported together, each with its line. `dragoman config show` lists what is stated,
and where; with `--all` it lists every setting with its effective value.

- `${VARIABLE}` inside a string is replaced by the environment variable, `${VARIABLE:-default}` by the default
  if the variable is not set. Write `$${` for the characters `${`.
- A secret is a string, or `{file: path}` with the path of a file that contains only the secret.
- A running `dragoman serve` uses a changed file by itself (`reload`), except for the settings that need a
  restart: [operations](operations.md#change-the-configuration-without-a-restart).
- A duration is `250ms`, `30s`, `5m`, `2h`, `1d` or a number of seconds. A size is `512kB`, `64MB`, `1GiB` or
  a number of bytes. A share is `80%` or 0.8.
- A quota is an amount for each window of time: `60/min`, `200k/5min`, `2M/day`. Money is `50 USD/month`, or
  `100 USD` for all time. Windows are `s`, `min`, `h`, `day`, `week`, `month` and `lifetime`.
- A `dragoman.yaml` that is found in the working directory may come from somebody else's repository. It can
  send keys of the environment, and files outside of its folder, only to the provider that they belong to and
  to servers of this machine. To send them anywhere else, name the file with `--config`, or run `dragoman
  config trust`.
- A list of one may be written without brackets. Relative paths begin at the file's folder.
- `NAME` is a name of your choice; `[]` stands for each member of a list.
"""
_ALL: Final = """\
## All settings
"""
_QUIRKS: Final = """
## Quirks

How a provider deviates from its protocol: `providers.NAME.quirks`, and `quirks` of one of its `apis`, for
example `quirks: {max_tokens_field: max_tokens, refuses: [logit_bias]}`. For known providers they are already
set. The default of a quirk is what the protocol's specification says, unless its meaning says otherwise.
"""
_PROVIDERS: Final = """
## Known providers

An API key in the environment enables its provider; further keys have the variable's name with `_2` to `_10`.
A provider in the configuration file with one of these names, or with it as `catalog`, needs only the settings
that differ.
"""
_ANY_NAME: Final = "NAME"
_VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}
_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    str: {"type": "string"},
    Any: {},
    Secret: {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "properties": {"file": {"type": "string"}},
                "required": ["file"],
                "additionalProperties": False,
            },
        ],
        "writeOnly": True,
    },
}
_WORDS: Final[dict[Any, str]] = {
    bool: "true, false",
    int: "number",
    str: "text",
    Any: "any JSON",
    Secret: "secret",
    Duration: "duration",
    Amount: "number",
    Size: "size",
    Share: "share",
    Moment: "date",
    Day: "date",
    PathPrefix: "path",
    FilePath: "file",
    ListedPath: "method and path",
    Quota: "quota",
    Budget: "money",
}


class Row(NamedTuple):
    """One setting on the page; its texts are Markdown. path: `NAME` stands for a name that the operator
    chooses, `[]` for each element of a list. type: the possible values in words; "settings" = a group of
    settings. default: "" = the default is a group. unit: the unit of a plain number, "" = none is stated.
    text: the meaning and the bounds. variable: the environment variable that sets it, "" = there is none.
    """

    path: str
    type: str
    default: str
    unit: str
    text: str
    variable: str


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of a configuration file."""
    definitions: dict[str, Any] = {}
    root = _reference(Config, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Dragoman's configuration",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def rows(section: type[Section] = Config, path: str = "") -> Iterator[Row]:
    """Yield a row for every setting of a section, and of the sections inside it. A section comes before the
    settings in it. path: the path of the section, "" = `Config`.
    """
    for one in settings_of(section).values():
        rest = one.name == section.rest
        place = path if rest else f"{path}.{one.name}" if path else one.name
        inner, below = _inside(one.type, place)
        if not rest:
            yield _row(one, place, meanings(section)[one.name])
        if rest and inner is None:
            yield _row(one, f"{place}.{_ANY_NAME}", meanings(section)[one.name])
        if inner is not None:
            if rest:
                yield Row(below, "settings", "none", "", meanings(section)[one.name], "")
            yield from rows(inner, below)


def page() -> str:
    """Return the page of settings in Markdown."""
    lines = [
        _INTRODUCTION,
        "## Examples\n",
        *(f"### {one.title}\n\n{one.text}\n\n```yaml\n{one.yaml}```\n" for one in EXAMPLES),
        _ALL,
        *_table(
            ("setting", "type", "default", "meaning", "variable"),
            (
                (
                    f"`{row.path}`",
                    row.type,
                    row.default,
                    row.text + (f" Unit: {row.unit}." if row.unit else ""),
                    row.variable,
                )
                for row in rows()
            ),
        ),
        _QUIRKS,
        *_table(
            ("quirk", "type", "default", "meaning", "read by"),
            (
                (f"`{quirk.name}`", _word(quirk.kind), _stated(quirk.default), quirk.text, quirk.group)
                for quirk in deviations()
            ),
        ),
        _PROVIDERS,
        *_table(
            (
                "name",
                "vendor",
                "dialects",
                "base URL",
                "keys",
                ("environment variable for the base URL"),
                ("model names of its own"),
            ),
            (
                (
                    f"`{vendor.name}`",
                    f"[{vendor.title}]({vendor.page})",
                    " ".join(f"`{name}`" for name in (vendor.dialect, *vendor.also)),
                    vendor.base_url,
                    " or ".join(f"`{name}`" for name in vendor.keys),
                    f"`{vendor.base_var}`" if vendor.base_var else "",
                    " ".join(f"`{pattern}`" for pattern in vendor.models),
                )
                for vendor in CATALOG.values()
            ),
        ),
        "\n## Presets\n",
        *_table(
            ("name", "what it sets"),
            ((f"`{name}`", f"`{msgspec.json.encode(preset).decode()}`") for name, preset in PRESETS.items()),
        ),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page (arguments: `["--write"]`), check it (`["--check"]`), or print the schema (`[]`).
    Returns the exit code: 0; 1 if the page that was checked is missing or out of date; 2 for other arguments.
    """
    if arguments == ["--write"]:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), "utf-8")
        return 0
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text("utf-8") == page():
            return 0
        sys.stderr.write(f"error: docs/{PAGE.name} is not up to date with the settings\n hint: make docs\n")
        return 1
    if arguments:
        sys.stderr.write("error: expected --write, --check or nothing\n")
        return 2
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n")
    return 0


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    members = [_member(member, definitions) for member in options(kind)]
    if nullable(kind) and kind is not Any:
        members.append({"type": "null"})
    return members[0] if len(members) == 1 else {"anyOf": members}


def _member(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind in SCALARS:
        return {"anyOf": [dict(kind.schema), _VARIABLE]}
    if listed := words(kind):
        return {"enum": list(listed)}
    if get_origin(kind) is tuple:
        item = _schema(get_args(kind)[0], definitions)
        return {"anyOf": [{"type": "array", "items": item}, item]}
    if get_origin(kind) is dict:
        return {"type": ["object", "null"], "additionalProperties": _schema(get_args(kind)[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, Section):
        return _reference(kind, definitions)
    plain = _PLAIN[kind]
    return {"anyOf": [plain, _VARIABLE]} if kind in {bool, int} else plain


def _reference(kind: type[Section], definitions: dict[str, Any]) -> dict[str, Any]:
    definitions[kind.__name__] = _section(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _section(kind: type[Section], definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    others: Any = False
    for one in settings_of(kind).values():
        schema = _schema(one.type, definitions)
        if one.name == kind.rest:
            others = schema["additionalProperties"]
        else:
            properties[one.name] = _described(one, schema, meanings(kind)[one.name])
    whole: dict[str, Any] = {
        "type": ["object", "null"],
        "description": " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].split()),
        "properties": properties,
        "additionalProperties": others,
    }
    if required := [one.name for one in settings_of(kind).values() if one.default is msgspec.NODEFAULT]:
        whole |= {"required": required, "type": "object"}
    if kind.shorthand is None:
        return whole
    return {"anyOf": [_schema(settings_of(kind)[kind.shorthand].type, definitions), whole]}


def _described(one: Setting, schema: dict[str, Any], text: str) -> dict[str, Any]:
    bounds = {"minimum": one.about.ge, "maximum": one.about.le}
    stated = {name: value for name, value in bounds.items() if value is not None}
    described = {**schema, "description": text, **stated}
    if one.name == "quirks":
        described["properties"] = {quirk.name: _deviation(quirk) for quirk in deviations()}
        described["additionalProperties"] = False
    if isinstance(one.default, bool | int | float | str):
        described["default"] = str(one.default) if isinstance(one.default, SCALARS) else one.default
    return described


def _deviation(quirk: Deviation) -> dict[str, Any]:
    words = get_origin(quirk.kind) is frozenset
    schema = {"type": "array", "items": {"type": "string"}} if words else _member(quirk.kind, {})
    return {**schema, "description": quirk.text, "default": sorted(quirk.default) if words else quirk.default}


def _inside(kind: Any, path: str) -> tuple[type[Section] | None, str]:
    (kind, *_) = options(kind)
    if get_origin(kind) is tuple:
        return _inside(get_args(kind)[0], f"{path}[]")
    if get_origin(kind) is dict:
        return _inside(get_args(kind)[1], f"{path}.{_ANY_NAME}")
    return (kind, path) if isinstance(kind, type) and issubclass(kind, Section) else (None, path)


def _row(one: Setting, path: str, text: str) -> Row:
    about = one.about
    bounds = [f"at least {about.ge}"] * (about.ge is not None) + [f"at most {about.le}"] * (
        about.le is not None
    )
    text += f" {' and '.join(bounds).capitalize()}." if bounds else ""
    return Row(
        path, _word(one.type), _default(one), about.unit or "", text, f"`{about.env}`" if about.env else ""
    )


def _word(kind: Any) -> str:
    members = options(kind)
    if len(members) > 1:
        return ", ".join(_word(member) for member in members)
    (kind,) = members
    if listed := words(kind):
        return ", ".join(f"`{value}`" for value in listed)
    if get_origin(kind) in {tuple, frozenset}:
        return f"list of {_word(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        return "mapping" if inner is Any else f"mapping of {_word(inner)}"
    return "settings" if isinstance(kind, type) and issubclass(kind, Section) else _WORDS[kind]


def _default(one: Setting) -> str:
    value = one.default
    if value is msgspec.NODEFAULT:
        return "must be given"
    if one.about.default is not None:
        return one.about.default
    return "" if isinstance(value, Section) else _stated(value)


def _stated(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | dict | frozenset):
        members = sorted(value) if isinstance(value, frozenset) else value
        return " ".join(f"`{member}`" for member in members) or "none"
    return f"`{value}`" if str(value) else '`""`'


def _table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for cells in lines:
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
