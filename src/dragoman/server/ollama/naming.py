"""Finds models by the names that Ollama's clients write, and checks new names. Clients write a name with or
without a tag (`model:tag`) and in upper or lower case; the tag `latest` counts as no tag.

https://docs.ollama.com/api#model-names
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed
from dragoman.routing.route import Route
from dragoman.routing.table import reaches

_LATEST: Final = ":latest"
_NAME: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?::[\w.-]+)?", re.ASCII)
_LONGEST: Final = 128


def tagged(name: str) -> str:
    """Return a model's name as Ollama's lists show it: with the tag `latest` if the name has no tag."""
    return name if ":" in name.rpartition("/")[2] else name + _LATEST


def untagged(name: str) -> str:
    """Return a model's name without the tag `latest` (in upper or lower case); a name with another tag, or
    without a tag, is returned unchanged.
    """
    return name[: -len(_LATEST)] if name.lower().endswith(_LATEST) else name


def find(gateway: Core, caller: Caller, stated: str) -> Route:
    """Return the route of the model that a client names. stated: the name; "" = the default model. A name
    that is reserved for other clients is not found. Whether the client's key allows the model is not checked
    here (`find_granted` does). Raises RequestFailed: 400 if there is neither a name nor a default model, 404
    for an unknown name.
    """
    table = gateway.engine.table
    if not stated:
        if gateway.config.default_model is None:
            raise RequestFailed(_REQUIRED)
        return table.resolve(None, caller=caller)
    if table.states(stated) and (route := table.find(stated, caller)) is not None:
        return route
    bare = untagged(stated)
    # A provider that accepts any name would take the tag and the capitals as parts of the name.
    if bare != bare.lower() and (known := _in_any_case(gateway, caller, bare)) is not None:
        return known
    for name in (bare, stated):
        if (route := table.find(name, caller)) is not None:
            return route
    if (known := _in_any_case(gateway, caller, bare)) is not None:
        return known
    try:
        return table.find(bare.lower(), caller) or table.resolve(bare, caller=caller)
    except RequestFailed:
        raise RequestFailed(missing(stated)) from None


def _in_any_case(gateway: Core, caller: Caller, bare: str) -> Route | None:
    table = gateway.engine.table
    listed = [*gateway.running.names.alike(bare), *gateway.running.names.alike(bare + _LATEST)]
    listed.sort(key=lambda name: name != bare)
    return next((route for name in listed if (route := table.find(name, caller)) is not None), None)


def find_granted(gateway: Core, caller: Caller, stated: str) -> Route:
    """Return the route of the model that a client names, if the client may use it. stated: the name; "" = the
    default model. Raises RequestFailed: 400 if there is neither a name nor a default model; 404 for an
    unknown name, if the client's key does not allow the model, none of the model's providers or none of its
    operations, and if the gateway has not started.
    """
    route, assembly = find(gateway, caller, stated), gateway.assembly
    allowed = caller.may_use(route.asked) and reaches(route, caller)
    if not allowed or assembly is None or not assembly.serves(route, caller):
        raise RequestFailed(missing(stated))
    return route


def among(names: Iterable[str], stated: str) -> str | None:
    """Return the first of these names that equals `stated`, a client's name for a model. Upper and lower
    case, and a tag `latest` in `stated`, make no difference. None = there is no such name.
    """
    wanted = untagged(stated).lower()
    return next((name for name in names if name.lower() == wanted), None)


def new(stated: str) -> str:
    """Return a client's name for a new model in the form in which it is stored: without the tag `latest`.
    Raises RequestFailed (400) for a name with more than 128 characters, or with others than ASCII letters,
    digits, `_`, `.`, `-`, single `/` between parts, and one `:` before a tag.
    """
    if len(stated) > _LONGEST or _NAME.fullmatch(stated) is None:
        raise RequestFailed(ir.Fault("invalid_request", "invalid model name", "invalid_value", "model"))
    return untagged(stated)


def missing(stated: str) -> ir.Fault:
    """Return the error (404) for an unknown model, with the text that Ollama's clients know."""
    text = f"model '{stated[:_LONGEST]}' not found"
    return ir.Fault("model_not_found", text, "model_not_found", "model")


_REQUIRED: Final = ir.Fault(
    "invalid_request",
    "model is required, or the operator sets default_model",
    "missing_required_parameter",
    "model",
)
