"""Puts settings into the text of a client's file (JSON, TOML, YAML, .env). Pure: text in, text out.

TOML and YAML are edited line by line, so that comments outside the replaced parts stay, and the new text is
parsed. If it does not have the expected content, `Unmergeable` is raised, so that the file is not damaged. In
all functions for such files, `text` is the old text; "" = there is no file yet.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import yaml

_TABLE: Final = re.compile(r"\s*\[")
_DASH: Final = re.compile(r"( *)- ")


class Unmergeable(Exception):
    """The file cannot be changed safely. The text says why, and calls the file "it"."""


def json_with(text: str, settings: Mapping[str, Any]) -> str:
    """Return the text of a JSON object with `settings` merged into it: objects member by member; any other
    value replaces the old one. The result is indented anew. A blank text counts as {}. Raises Unmergeable if
    the text is anything else than a JSON object, also if it has comments.
    """
    try:
        there = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Unmergeable(f"it is not plain JSON: {error}") from None
    if not isinstance(there, dict):
        raise Unmergeable("it does not contain a JSON object")
    return json.dumps(_merged(there, settings), indent=2, ensure_ascii=False) + "\n"


def toml_with(text: str, first: Mapping[str, str], table: str, settings: Mapping[str, str | bool]) -> str:
    """Return the text of a TOML file with settings put into it. Raises Unmergeable if the text is not valid
    TOML, or if it cannot be edited line by line: for example if the old table has tables inside it, or is
    written as an inline table.

    first: settings that are put before all others; old ones of the same names on the top level are removed.
    table: the name of a table inside another one, with exactly one dot (`outer.inner`); any other name raises
    Unmergeable. settings: the content of the table, which is put at the end of the text. An old table of this
    name is removed with its comments.
    """
    there = _toml(text)
    lines = text.splitlines()
    head = next((n for n, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    kept = [line for line in lines[:head] if not _assigns(line, first)]
    rest = _without_table(lines[head:], table)
    opening = [f"{key} = {_toml_value(value)}" for key, value in first.items()]
    added = [f"[{table}]", *(f"{key} = {_toml_value(value)}" for key, value in settings.items())]
    outcome = "\n".join([*opening, *kept, *rest]).rstrip("\n") + "\n\n" + "\n".join(added) + "\n"
    outer, _, inner = table.partition(".")
    meant = {**copy.deepcopy(there), **first}
    beside = meant.setdefault(outer, {})
    if not isinstance(beside, dict):
        raise Unmergeable(f"{outer} is not a table in it")
    beside[inner] = dict(settings)
    if _toml(outcome) != meant:
        raise Unmergeable(
            f"it sets {', '.join(first)} or {table} in a form that cannot be edited automatically"
        )
    return outcome


def yaml_with(text: str, settings: Mapping[str, str]) -> str:
    """Return the text of a YAML file with settings put on its top level. The first line of an old setting of
    the same name, with or without quotes, is replaced, with its comment; other settings are put at the end.
    Raises Unmergeable if the text is not a YAML mapping, or if it cannot be edited line by line, for example
    because an old value has several lines.
    """
    there = _yaml(text)
    lines = text.splitlines()
    for key, value in settings.items():
        line = f"{key}: {_yaml_value(value)}"
        place = _yaml_place(lines, key)
        if place is None:
            lines.append(line)
        else:
            lines[place] = line
    return _proved("\n".join(lines) + "\n", {**there, **settings})


def yaml_with_item(
    text: str, key: str, item: Mapping[str, Any], *, name: str, opening: Mapping[str, str]
) -> str:
    """Return the text of a YAML file with `item` put first into the list `key` of its top level. If there is
    no such key, the list is put at the end. Raises Unmergeable if the text is not a YAML mapping, if the
    value of `key` is neither a list nor empty, or if it cannot be edited line by line (for example a list of
    items in brackets).

    name: the field that identifies items; an old item with the same value in it is removed. opening: settings
    that are put before the list if the file had no settings.
    """
    there = _yaml(text)
    items = there.get(key) or []
    if not isinstance(items, list):
        raise Unmergeable(f"{key} is not a list in it")
    kept = [old for old in items if not (isinstance(old, dict) and old.get(name) == item[name])]
    meant = {**there, key: [dict(item), *kept]}
    if not there:
        meant = {**opening, **meant}
        return _proved(text + yaml.safe_dump(meant, sort_keys=False, allow_unicode=True), meant)
    lines = text.splitlines()
    place = _yaml_place(lines, key)
    if place is None:
        return _proved("\n".join([*lines, f"{key}:", *_item_lines(item, "  ")]) + "\n", meant)
    body = lines[place + 1 :]
    found = next((match for line in body if (match := _DASH.match(line))), None)
    indent = found[1] if found is not None else "  "
    body = _without_item(body, indent, f"{name}: {item[name]}")
    return _proved("\n".join([*lines[:place], f"{key}:", *_item_lines(item, indent), *body]) + "\n", meant)


def dotenv_with(text: str, settings: Mapping[str, str]) -> str:
    """Return the text of a file of `NAME=value` lines with `settings` put at its end, without quotes around
    the values. Older lines with the same names are removed, also those that begin with `export`.
    """
    lines = [line for line in text.splitlines() if not _assigns(line.removeprefix("export "), settings)]
    return "\n".join([*lines, *(f"{key}={value}" for key, value in settings.items())]) + "\n"


def _merged(there: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(there)
    for key, value in settings.items():
        old = merged.get(key)
        merged[key] = (
            _merged(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
        )
    return merged


def _assigns(line: str, keys: Mapping[str, Any]) -> bool:
    key, equals, _ = line.partition("=")
    return bool(equals) and key.strip().strip("\"'") in keys


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unmergeable(f"it is not valid TOML: {error}") from None


def _toml_value(value: str | bool) -> str:  # noqa: FBT001 - a value of either kind
    # TOML writes strings and booleans as JSON does, except for this character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _without_table(lines: list[str], table: str) -> list[str]:
    kept = []
    inside = False
    for line in lines:
        if _TABLE.match(line):
            inside = line.partition("#")[0].strip() == f"[{table}]"
        if not inside:
            kept.append(line)
    return kept


def _yaml(text: str) -> dict[str, Any]:
    try:
        there = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unmergeable(f"it is not valid YAML: {error}") from None
    if there is None:
        return {}
    if not isinstance(there, dict):
        raise Unmergeable("it does not contain a YAML mapping")
    return there


def _yaml_place(lines: list[str], key: str) -> int | None:
    """Return the index of the first line that sets `key` on the top level of a YAML file, with or without
    quotes around the key; None = no line does.
    """
    pattern = re.compile(rf"(['\"]?){re.escape(key)}\1\s*:")
    return next((place for place, line in enumerate(lines) if pattern.match(line)), None)


def _yaml_value(value: str) -> str:
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()


def _item_lines(item: Mapping[str, Any], indent: str) -> list[str]:
    dumped = yaml.safe_dump([dict(item)], sort_keys=False, allow_unicode=True, width=10_000)
    return [indent + line for line in dumped.splitlines()]


def _without_item(lines: list[str], indent: str, first: str) -> list[str]:
    """Return the lines of a YAML list without the items whose first line is `first`. indent: the blanks
    before the items of the list. first: the first line of the item to remove, behind `- `. An item ends
    before the next line that is not blank and has the same or a smaller indentation.
    """
    kept = []
    inside = False
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= len(indent):
            inside = line.rstrip() == f"{indent}- {first}"
        if not inside:
            kept.append(line)
    return kept


def _proved(outcome: str, meant: dict[str, Any]) -> str:
    if _yaml(outcome) != meant:
        raise Unmergeable("its format cannot be edited automatically")
    # This parser takes the last of several equal keys; others refuse them.
    top: Any = yaml.compose(outcome, yaml.SafeLoader)
    keys = [key.value for key, _ in top.value]
    if len(keys) != len(set(keys)):
        raise Unmergeable("it sets a key in a form that cannot be edited automatically")
    return outcome
