"""Answers of the administration that name every problem of a configuration, not the first one alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dragoman import ir
from dragoman.dialects.table import DEFAULT
from dragoman.errors import Problem, RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.wire.json import encode


class Unusable(RequestFailed):
    """A configuration that cannot be used. problems: why, with their places."""

    def __init__(self, fault: ir.Fault, problems: Sequence[Problem]) -> None:
        super().__init__(fault)
        self.problems = tuple(problems)


def unusable(
    said: str, problems: Sequence[Problem], *, param: str | None, kind: ir.Kind = "invalid_request"
) -> Unusable:
    """The error for these problems, of which its message tells the first. said: what follows from them.
    param: the field at fault, None = none.
    """
    first, *others = problems
    more = f" There {_are(len(others))}: see `problems`." if others else ""
    return Unusable(ir.Fault(kind, f"{said}: {first}.{more}", "invalid_config", param), problems)


async def answer(failed: Unusable, exchange: Exchange, client: HttpClient) -> None:
    """Send the error, with all problems in its member `problems`."""
    exchange.fault = failed.fault
    status, extra, body = DEFAULT.errors.encode(failed.fault, exchange.request_id)
    told = json.loads(body)
    told["error"]["problems"] = [shown(problem) for problem in failed.problems]
    headers = [(name.encode(), value.encode()) for name, value in extra.items()]
    await client.answer(status, headers, encode(told))


def shown(problem: Problem) -> dict[str, Any]:
    """A problem as clients read it: what is not known is left out."""
    return {name: value for name, value in problem._asdict().items() if value is not None}


def _are(count: int) -> str:
    return "is 1 further problem" if count == 1 else f"are {count} further problems"
