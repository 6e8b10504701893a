"""Leaves out of converted settings what Dragoman's own check refuses.

LiteLLM accepts nearly every value in its file, and fails when the value is used. So each setting that the
check refuses (an address that is no URL, a header that cannot be sent, a limit of 0) is left out, and named.
What needs a setting goes with it: a provider with its address, a model with its last deployment, an alias
with its model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from dragoman.config.load import load
from dragoman.errors import ConfigError, Problem, setting_path

_PART: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(\d+)\]|([^.\[]+)')
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-|(?=\}))")
"""The beginning of a variable, up to its default or its closing brace."""
_GONE: Final = object()
_OWNERS: Final = {
    "use": ("models", 2),
    "route": ("aliases", 2),
    "base_url": ("providers", 2),
    "catalog": ("providers", 2),
}
"""The settings without which their section means nothing, or something else: {setting: (the main section, the
number of the path's parts that lead to the entry that is left out)}. A deployment (`deployments[0].use`) is
left out alone.
"""
_FILE: Final = __file__
"""A file that exists. It replaces the file of a credential while the settings are checked."""
_HOST: Final = "value.example.com"


class LeftOut(NamedTuple):
    """A setting that was left out. path: its path in Dragoman's configuration, with `.` and without quotes.
    why: the message of the check, which contains no secret.
    """

    path: str
    why: str


def usable(settings: dict[str, Any]) -> tuple[dict[str, Any], list[LeftOut]]:
    """Return (the settings without those that the check refuses, one `LeftOut` for each of these). Names that
    fit no model count as refused, too. The given settings may be changed. Variables count as set and the
    files of credentials as there, because the configuration may be for another machine. A problem that is at
    none of the settings stays.
    """
    left: list[LeftOut] = []
    names = _names(settings)
    while problems := [*_problems(settings), *_orphans(settings, names - _names(settings))]:
        marked = [(_mark(settings, parts_of(problem.path)), problem.message) for problem in problems]
        found = [LeftOut(path, message) for path, message in marked if path is not None]
        if not found:
            break  # no problem that is left is at one of these settings
        left += found
        settings = _swept(settings)
    first = {one.path: one for one in reversed(left)}
    return settings, [one for one in left if first[one.path] is one]


def _names(settings: Mapping[str, Any]) -> set[str]:
    return {*settings.get("models", ()), *settings.get("aliases", ())}


def _orphans(settings: Mapping[str, Any], gone: set[str]) -> Iterator[Problem]:
    """Yield a problem for each alias whose route is in `gone`, the names of models and aliases that were left
    out. The check alone would accept the alias if its route could be a model of a provider (`anthropic/*`).
    """
    for name, alias in settings.get("aliases", {}).items():
        route = alias if isinstance(alias, str) else alias.get("route")
        if route in gone:
            yield Problem(f"{setting_path('aliases', name)}.route", f"{route} was left out")


def _problems(settings: Mapping[str, Any]) -> list[Problem]:
    try:
        found = load(_with_files(settings), _environ(settings))
    except ConfigError as error:
        return list(error.problems)
    return [doubt.problem for doubt in found.doubts]


def _with_files(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with `_FILE` in place of each `credential.file`, because the check refuses a file
    that does not exist.
    """
    providers = dict(settings.get("providers", {}))
    for name, provider in providers.items():
        credential = provider.get("credential")
        if isinstance(credential, dict) and "file" in credential:
            providers[name] = {**provider, "credential": {**credential, "file": _FILE}}
    return {**settings, "providers": providers}


def parts_of(path: str) -> list[str | int]:
    """Return the parts of a setting's path: `models."a.b".deployments[0]` has the parts `models`, `a.b`,
    `deployments` and 0.
    """
    return [
        int(index) if index else plain or quoted.replace('\\"', '"')
        for quoted, index, plain in _PART.findall(path)
    ]


def _mark(settings: dict[str, Any], parts: list[str | int]) -> str | None:
    """Replace what must be left out for a setting's path (`_wanted`) by `_GONE`, which `_swept` removes; if
    nothing is there, the nearest entry or section around it. Returns the path of what was replaced; None =
    not even the first part of the path is there.
    """
    node: Any = settings
    around: Any = None
    at: list[str | int] = []
    for part in _wanted(parts):
        if isinstance(node, list) and isinstance(part, str):
            continue  # the short form: `fallbacks: [a]` for `fallbacks.any: [a]`
        known = part in node if isinstance(node, dict) else isinstance(node, list) and _has(node, part)
        if not known:
            break
        around, node = node, node[part]
        at.append(part)
    if not at:
        return None
    around[at[-1]] = _GONE
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in at).lstrip(".")


def _has(node: list[Any], part: str | int) -> bool:
    return isinstance(part, int) and part < len(node)


def _wanted(parts: list[str | int]) -> list[str | int]:
    """Return the path, as parts, of the setting or entry to leave out if the setting at `parts` is refused:
    `["models", "gpt", "use"]` → `["models", "gpt"]`, because a model without `use` means nothing. A price is
    left out as a whole, and so is a key in `auth.keys`.
    """
    if "price" in parts[2:]:  # from there on, because a model may have this name
        return parts[: parts.index("price", 2) + 1]  # without one of its settings it would be another price
    if parts[:2] == ["auth", "keys"]:
        return parts[:3]
    owner = _OWNERS.get(str(parts[-1])) if parts else None
    if owner is not None and parts[0] == owner[0]:
        return parts[:-1] if "deployments" in parts else parts[: owner[1]]
    return parts


def _swept(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _swept(inner) for name, inner in node.items() if inner is not _GONE}
    if isinstance(node, list):
        return [_swept(inner) for inner in node if inner is not _GONE]
    return node


def _environ(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return {variable: value} for the variables in the settings, with values that usually pass the check. If
    a variable stands in several places that accept only certain values, the value fits the last of them.
    """
    found: dict[str, str] = {}
    for place, text in _texts(settings, ""):
        for name, before, after in _variables(text):
            fits = _fitting(place, before, after)
            if fits is not None:
                found[name] = fits
            else:
                found.setdefault(name, f"value-of-{name.lower()}-1234567890")
    return found


def _variables(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name, the text before it, the text after it) for each variable in a text."""
    end = 0
    for match in _VARIABLE.finditer(text):
        if match.start() < end:
            continue  # in the default of another variable
        end = text.find("}", match.end()) + 1
        if not end:
            return
        yield match[1], text[: match.start()], text[end:]


def _fitting(place: str, before: str, after: str) -> str | None:
    """Return a value for a variable in the setting `place` that the check usually accepts; None = the place
    is not one of those that accept only certain values. before, after: the setting's text around the
    variable.
    """
    if place == "region":
        return "us-east-1"
    if place == "project":
        return "value"
    if place == "api_version":
        return "2024-10-21"
    if place != "base_url":
        return None
    if not before:
        return "https" if after.startswith("://") else f"https://{_HOST}"
    return _HOST if before.endswith("//") else "8000" if before.endswith(":") else "value"


def _texts(node: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield (the name of the setting, its text) for each text in `node`. name: the setting whose value `node`
    is.
    """
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from _texts(inner, str(key))
    elif isinstance(node, list):
        for inner in node:
            yield from _texts(inner, name)
    elif isinstance(node, str):
        yield name, node
