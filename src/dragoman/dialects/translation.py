"""Translates a chat request between dialects by those steps of the gateway that need no IO and no
configuration. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Change, Loss, Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.shorten import shortened
from dragoman.dialects.table import READINGS
from dragoman.dialects.unknown import in_words
from dragoman.errors import WireError


class Translation(msgspec.Struct, frozen=True):
    """A translated request. path: the path and, if there is one, the query below the target's base URL. body:
    the body for the target. losses: values of the source's body that the target's body lacks, or has with
    another meaning. changes: values that the target's body has in another form, that were left out on
    purpose, or that were added. In both, `path` is a JSON path in the source's body ("$" for a loss without a
    place, None for an added value).
    """

    path: str
    body: dict[str, Any]
    losses: tuple[Loss, ...]
    changes: tuple[Change, ...]


def translated(
    body: dict[str, Any],
    source: Dialect,
    target: Dialect,
    *,
    model: str | None = None,
    facts: Facts = UNKNOWN,
    quirks: Quirks | None = None,
    stream: bool = False,
) -> Translation:
    """Return a body of the source dialect as a request in the target dialect. The body is checked first. If
    the source dialect refuses it, and it has the form of another dialect that clients send by mistake
    (`READINGS`), it is read as that dialect. Raises WireError for an invalid body, or for a body that the
    target cannot express.

    model: the upstream's name for the model; None = the name in the body, which is "" for a dialect that
    states the model in the path (gemini, bedrock). facts: of the model. quirks: the vendor's deviations from
    the target's protocol; None = `quirks.STANDARD`. stream: whether the request asks for a stream; this
    counts only if the source dialect states it in the path, not in the body.
    """
    path = source.paths.chat
    params = {"model": model or ""} if "{model}" in path else {}
    wire = WireRequest("chat", body, path=(source.paths.stream or path) if stream else path, params=params)
    applied = quirks or STANDARD
    try:
        source.request.check(wire)
    except WireError:
        reading = READINGS.get(source.name)
        other = None if reading is None else reading(body)
        if other is not None:
            source = other
            source.request.check(wire)
        elif target is source:
            source.check_widely(wire, applied.widens)
        else:
            raise
    if source.request.check_portable is not None and target is not source:
        source.request.check_portable(wire)
    report = Report(target.name)
    asked = source.request.decode(wire)
    if target.name != asked.dialect:
        asked = in_words(asked)
    request = shortened(asked, facts.context, model or "", report)
    emulation = emulate(request, target.abilities, facts, applied, report)
    written = target.request.encode(emulation.request, Target(report, model or request.model, applied, facts))
    losses, changes = report.located(source.locator(wire))
    return Translation(written.path.format_map(written.params), written.body, losses, changes)
