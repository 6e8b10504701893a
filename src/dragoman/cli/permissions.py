"""The options that state what a key, a tenant, a team or a user may use, and the settings that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from dragoman.cli.terminal import MISUSE, Failure, clean

F = TypeVar("F", bound=Callable[..., Any])
_ALL: Final = "all"
_WHOLE: Final = re.compile(r"[0-9]{1,18}")
"""Matches a whole number of at most 18 digits, which fits into 64 bits."""
_LISTS: Final = (
    ("model", "models", "May use this model, pattern ('openai/*') or group:NAME."),
    ("face", "faces", "May speak this protocol."),
    ("operation", "operations", "May ask for this: chat, embed, image, …"),
    ("provider", "providers", "Only this provider is called for it."),
    ("region", "regions", "Only providers of this region are called for it."),
    ("tag", "tags", "A tag of all its requests."),
)
"""The name of an option, its setting, and its help."""


def permission_options(function: F) -> F:
    """Add the options for models, protocols, operations, providers, regions, tags, limits and metadata to a
    command, and return the command. The command takes them as keyword arguments, and gives these to `stated`.
    """
    for option, setting, text in reversed(_LISTS):
        told = f"{text} Repeat it for several; `{_ALL}` removes the restriction."
        function = click.option(f"--{option}", setting, multiple=True, metavar="NAME", help=told)(function)
    function = click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="WHAT=HOW_MUCH",
        help="requests=60/min, tokens=2M/day, 'money=50 USD/month', … Repeat it; `none` removes all.",
    )(function)
    return click.option(
        "--metadata", multiple=True, metavar="NAME=VALUE", help="A note of your own. Repeat it for several."
    )(function)


def stated(options: dict[str, Sequence[str]]) -> dict[str, Any]:
    """Return the settings that the command line states, as the administration API expects them. A list whose
    only value is `all` becomes None, which means no restriction (for tags: []); limits of which the only one
    is `none` become None. options: the values of the options that `permission_options` adds; others are
    ignored. Raises Failure for a limit or metadata without `=` or without a name before it.
    """
    found: dict[str, Any] = {}
    for _, setting, _ in _LISTS:
        if values := options[setting]:
            nothing: list[str] | None = [] if setting == "tags" else None
            found[setting] = nothing if list(values) == [_ALL] else list(values)
    if limits := options["limits"]:
        found["limits"] = None if list(limits) == ["none"] else _limits(limits)
    if notes := options["metadata"]:
        found["metadata"] = dict(_pair("--metadata", one) for one in notes)
    return found


def _limits(stated: Sequence[str]) -> dict[str, Any]:
    """Return the limits as one section: {"money": ["50 USD/month", …], "concurrency": 4}. stated: texts
    `resource=amount`; amounts of the same resource are collected, but of several amounts for `concurrency`
    the last counts. Raises Failure for a text without `=` or without a resource, and for an amount of
    `concurrency` that is no whole number.
    """
    found: dict[str, Any] = {}
    for one in stated:
        resource, most = _pair("--limit", one)
        if resource == "concurrency":
            if not _WHOLE.fullmatch(most):
                raise Failure(MISUSE, f"--limit: expected concurrency=NUMBER, found {clean(one)!r}")
            found[resource] = int(most)
        else:
            found.setdefault(resource, []).append(most)
    return found


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise Failure(MISUSE, f"{option}: expected NAME=VALUE, found {clean(text)!r}")
    return name, value
