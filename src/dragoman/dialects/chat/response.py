"""Reads the choices of a response, and writes the first members of a response or chunk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError


def choices_of(
    body: dict[str, Any],
    fault_of: Callable[[dict[str, Any]], ir.Fault],
    usage_of: Callable[[dict[str, Any]], ir.Usage],
) -> list[Any]:
    """Return the list `choices` of the body of a whole response. fault_of: decodes an error body. usage_of:
    decodes the object `usage`. Raises RequestFailed, with the usage, for an error inside the response
    (`failure`), WireError if there is no such list, or if its first entry is not an object.
    """
    if (failed := failure(body)) is not None:
        usage = body.get("usage")
        raise RequestFailed(fault_of(failed), usage_of(usage) if usage and type(usage) is dict else None)
    choices = body.get("choices")
    if type(choices) is not list:
        raise WireError("expected an array", "choices")
    return choices


def opening(answer: ir.Response | ir.Start, reply: Reply, kind: str, *, own: bool) -> dict[str, Any]:
    """Return the members `id`, `object`, `created` and `model`, which stand in a response or in every chunk
    of a stream. answer: the response, or the Start event of the stream. kind: the value of `object`. own:
    True = the answer came in this dialect, so that its date stays as it is (`created_of`).
    """
    return {
        "id": answer.id if answer.id is not None else reply.id,
        "object": kind,
        "created": created_of(answer.created, reply, own=own),
        "model": shown_model(answer.model, reply),
    }


def created_of(created: float | str | None, reply: Reply, *, own: bool) -> Any:
    """Return the date of an answer for the client, in Unix seconds: the vendor's date (`created`) as an
    integer, or `reply.created` if the vendor stated none that can be read. A text is read as a date of ISO
    8601, in UTC if it has no time zone. own: True = the vendor speaks the client's dialect, so the date that
    it stated is returned unchanged, even a text.
    """
    if created is None:
        return reply.created
    if own or isinstance(created, int):
        return created
    if isinstance(created, str):
        try:
            date = datetime.fromisoformat(created)
        except ValueError:
            return reply.created
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    return int(created)


def shown_model(model: str | None, reply: Reply) -> str | None:
    """Return the model name that the client receives: `reply.model`; if that is None, the provider's name
    (`model`); if that is missing, too, the name in the request. None = none of these is known.
    """
    return reply.model or model or reply.request.model
