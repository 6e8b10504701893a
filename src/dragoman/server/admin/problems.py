"""Errors of the administration that list all problems of a configuration, not only the first one."""

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
    """The error of a request that would change or reload the configuration, and is refused because of
    problems. problems: the reasons, each with its place.
    """

    def __init__(self, fault: ir.Fault, problems: Sequence[Problem]) -> None:
        super().__init__(fault)
        self.problems = tuple(problems)


def unusable(problems: Sequence[Problem], param: str | None) -> Unusable:
    """Return the error (400) which says that the configuration stays as it is, because of these problems.
    problems: at least one. param: the field of the request that is wrong, None = no single field.
    """
    text = told("The configuration stays as it is", problems)
    return Unusable(ir.Fault("invalid_request", text, "invalid_config", param), problems)


def told(said: str, problems: Sequence[Problem]) -> str:
    """Return a text with the first problem and, if there are others, their number. said: the beginning of the
    text, such as `"Nothing is added"`. problems: at least one.
    """
    first, *others = problems
    more = f" There {_are(len(others))}: see `problems`." if others else ""
    return f"{said}: {first}.{more}"


async def answer(failed: Unusable, exchange: Exchange, client: HttpClient) -> None:
    """Send the error to the client in OpenAI's form, with its status, and with all problems in the field
    `error.problems`. Also record it as the error of `exchange`.
    """
    exchange.fault = failed.fault
    status, extra, body = DEFAULT.errors.encode(failed.fault, exchange.request_id)
    told = json.loads(body)
    told["error"]["problems"] = [shown(problem) for problem in failed.problems]
    headers = [(name.encode(), value.encode()) for name, value in extra.items()]
    await client.answer(status, headers, encode(told))


def shown(problem: Problem) -> dict[str, Any]:
    """Return a problem as a JSON object for clients, without fields that are None."""
    return {name: value for name, value in problem._asdict().items() if value is not None}


def _are(count: int) -> str:
    return "is 1 further problem" if count == 1 else f"are {count} further problems"
