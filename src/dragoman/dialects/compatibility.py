"""Finds out which request features a client of one protocol can use with a model, by encoding a request with
each of them.

Nothing here states a fact about a protocol or vendor. Each feature is put into an otherwise plain request.
This request goes through the steps of a real request: the capability check, emulation, encoding. If a step
raises an error or returns a fault, the feature is refused; if a step reports a loss, the feature is lost. A
feature that a relay can pass is never lost: either it is refused (`_is_refused`), or it loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.capabilities import refuse
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Loss, Report
from dragoman.dialects.prompted.request import has_tools
from dragoman.dialects.quirks import AUTHOR, Quirks
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
_LOOK: Final = ir.Function("look", "Looks.", _SCHEMA)


def _media(kind: Any, mime: str) -> dict[str, Any]:
    medium = ir.Media(kind, mime, data=_PIXEL)
    return {"messages": (ir.Message("user", (ir.Text("hi"), medium)),)}


WISHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "temperature": {"sampling": ir.Sampling(temperature=0.5)},
    "top_p": {"sampling": ir.Sampling(top_p=0.9)},
    "top_k": {"sampling": ir.Sampling(top_k=5)},
    "min_p": {"sampling": ir.Sampling(min_p=0.1)},
    "seed": {"sampling": ir.Sampling(seed=1)},
    "stop": {"sampling": ir.Sampling(stop=("END",))},
    "n": {"sampling": ir.Sampling(n=2)},
    "logprobs": {"sampling": ir.Sampling(logprobs=True)},
    "logit_bias": {"sampling": ir.Sampling(logit_bias={"1": 1.0})},
    "frequency_penalty": {"sampling": ir.Sampling(frequency_penalty=0.5)},
    "presence_penalty": {"sampling": ir.Sampling(presence_penalty=0.5)},
    "json": {"output": ir.Output("json")},
    "schema": {"output": ir.Output("schema", _SCHEMA)},
    "verbosity": {"output": ir.Output(verbosity="low")},
    "tools": {"tools": (_LOOK,)},
    "forced_tool": {"tools": (_LOOK,), "tool_choice": ir.ToolChoice("any")},
    "single_call": {"tools": (_LOOK,), "parallel": False},
    "reasoning": {"reasoning": ir.Reasoning(effort="low")},
    "images": _media("image", "image/png"),
    "audio": _media("audio", "audio/wav"),
    "documents": _media("document", "application/pdf"),
    "end_user": {"user": "somebody"},
    "metadata": {"metadata": {"a": "b"}},
    "cache_key": {"cache": ir.Caching("k")},
    "prediction": {"prediction": (ir.Text("this"),)},
    "moderation": {"moderation": {"model": "m"}},
}
"""Feature -> the fields of `ir.Request` that use the feature."""
_HELLO: Final = (ir.Message("user", (ir.Text("hi"),)),)


class Compatibility(msgspec.Struct, frozen=True):
    """The features (names in `WISHES`) that a client can request, in three groups; each feature is in one.

    features: a request with such a feature loses nothing. losses: (feature, the first loss of a request with
    this feature); such a feature may work in part. refused: a request with such a feature is refused.
    """

    features: tuple[str, ...]
    losses: tuple[tuple[str, Loss], ...] = ()
    refused: tuple[str, ...] = ()


def relayed(face: str, quirks: Quirks, facts: Facts) -> Compatibility:
    """Return the compatibility for clients of the protocol `face` (its name) if the upstream speaks the same
    protocol. quirks: of the vendor. facts: of the model.
    """
    return translated(face, face, quirks, facts)


@lru_cache(maxsize=2048)
def translated(face: str, dialect: str, quirks: Quirks, facts: Facts) -> Compatibility:
    """Return the compatibility for clients of the protocol `face` if the upstream speaks `dialect` (both are
    names of protocols, in `DIALECTS`). quirks: of the vendor. facts: of the model. Features that `face`
    cannot express (`wishes`) are in no group.

    If the two are the same protocol, a feature that a relay can pass is refused (`_is_refused`) or loses
    nothing. Only the other features are translated.
    """
    features: list[str] = []
    losses: list[tuple[str, Loss]] = []
    refused: list[str] = []
    for wish in wishes(face):
        request = _request(face, wish)
        if dialect != face or not _passes(request, DIALECTS[face], quirks, facts):
            found = _losses(request, DIALECTS[dialect], quirks, facts)
        elif _is_refused(wish, DIALECTS[face], quirks, facts):
            found = None
        else:
            found = ()
        if found is None:
            refused.append(wish)
        elif found:
            losses.append((wish, found[0]))
        else:
            features.append(wish)
    return Compatibility(tuple(features), tuple(losses), tuple(refused))


def _passes(request: ir.Request, face: Dialect, quirks: Quirks, facts: Facts) -> bool:
    body = face.request.encode(request, Target(Report(face.name), "m")).body
    formed = request.output is not None and facts.structured is False
    formed = formed or (facts.prompts_tools and has_tools(request))
    return not formed and quirks.relays(body) and facts.takes(body)


def _is_refused(wish: str, face: Dialect, quirks: Quirks, facts: Facts) -> bool:
    """Whether a relayed request of the protocol `face` with the feature `wish` counts as refused. It does if
    the model is known not to support the feature. Otherwise, a server that accepts the same values as the
    protocol's author (`quirks.widens`) is assumed to refuse what the encoder, for a client of another
    protocol, refuses or loses; any other server is assumed to refuse nothing.
    """
    request = _request(face.name, wish)
    if refuse(request, facts) is not None or (wish == "reasoning" and facts.reasoning is False):
        return True
    if quirks.widens != AUTHOR.widens:
        return False
    foreign = _losses(msgspec.structs.replace(request, dialect=""), face, quirks, facts)
    return foreign is None or bool(foreign)


@lru_cache(maxsize=64)
def wishes(face: str) -> tuple[str, ...]:
    """Return the features that clients of the protocol `face` (its name) can request, in the order of
    `WISHES`: those that the protocol's encoder writes without a loss, and that its decoder reads back from
    the written request.
    """
    return tuple(wish for wish in WISHES if _says(DIALECTS[face], _request(face, wish)))


def _says(face: Dialect, request: ir.Request) -> bool:
    report = Report(face.name)
    try:
        wire = face.request.encode(request, Target(report, "m"))
        return not report.losses and _held(request, face.request.decode(wire))
    except WireError:
        return False


def _stated(value: Any) -> bool:
    return value is not None and value != ()


def _held(wanted: Any, found: Any) -> bool:
    """Whether `found` has the same values as `wanted` in all fields that `wanted` states. wanted: a part of
    the request that was encoded. found: the same part of the decoded request.
    """
    if isinstance(wanted, tuple):
        same = isinstance(found, tuple) and len(wanted) == len(found)
        return same and all(_held(one, other) for one, other in zip(wanted, found, strict=True))
    if isinstance(wanted, msgspec.Struct):
        stated = (name for name in wanted.__struct_fields__ if _stated(getattr(wanted, name)))
        return all(_held(getattr(wanted, name), getattr(found, name, None)) for name in stated)
    return bool(wanted == found)


def _request(face: str, wish: str) -> ir.Request:
    plain: dict[str, Any] = {"messages": _HELLO, "max_output": 4096}
    return ir.Request(face, "m", **{**plain, **WISHES[wish]})


def _losses(request: ir.Request, dialect: Dialect, quirks: Quirks, facts: Facts) -> tuple[Loss, ...] | None:
    """Return the losses of emulating and encoding a request for a server of `dialect`, () = none; None = the
    capability check, the emulation or the encoder refuses the request. quirks: of the vendor. facts: of the
    model.
    """
    if refuse(request, facts) is not None:
        return None
    report = Report(dialect.name)
    try:
        request = emulate(request, dialect.abilities, facts, quirks, report).request
        dialect.request.encode(request, Target(report, "m", quirks, facts))
    except WireError:
        return None
    return tuple(report.losses)
