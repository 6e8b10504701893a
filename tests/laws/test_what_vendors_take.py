"""What a vendor took is not refused when it is relayed: no recorded request that was answered well."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import APIS, Case
from dragoman.testing.hosted import unwrapped

SPOKEN = [(name, api) for name, apis in APIS.items() for api in apis]
BEYOND = {"huggingface.chat": "tools", "openrouter.chat": "tools[0].function.parameters"}
"""Vendors of whom a request is recorded that OpenAI would refuse, and for which member."""


def taken(recorded: Path, name: str, api: str) -> list[Case]:
    """The requests that this API answered well."""
    exchanges = map(unwrapped, corpus.read(recorded, api))
    cases = [Case(exchange, DIALECTS[name], ()) for exchange in exchanges if exchange is not None]
    return [
        case
        for case in cases
        if "request" in case.subjects
        and (response := case.exchange.response) is not None
        and 200 <= response.status < 300
    ]


@pytest.mark.wire
@pytest.mark.parametrize(("name", "api"), SPOKEN, ids=[api for _, api in SPOKEN])
def test_no_request_is_refused_that_its_vendor_took(recorded: Path, name: str, api: str) -> None:
    refused: list[str] = []
    beyond: set[str] = set()
    for case in taken(recorded, name, api):
        wire = case.wire_request
        wire.body.setdefault("model", case.exchange.model or "model")  # Azure has it in the path
        try:
            case.dialect.request.check(wire)
            continue
        except WireError as error:
            beyond.add(error.path)
        try:
            case.dialect.check_widely(wire, case.widens)
        except WireError as error:
            refused.append(f"{case.exchange.id}: {error}")
    assert refused == []
    if api in BEYOND:
        assert BEYOND[api] in beyond, "the recordings show what the author of the protocol refuses"


@pytest.mark.wire
def test_there_is_something_to_refuse(recorded: Path) -> None:
    assert sum(len(taken(recorded, name, api)) for name, api in SPOKEN) > 2000
