"""Answers of operations beside chat that are nested too deeply, or are not Unicode text, are malformed; no
other error than WireError or RequestFailed leaves a codec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.operation import AnyProviderSide, OperationRelay, Payload
from dragoman.dialects.request import Operation, WireRequest
from dragoman.dialects.table import DIALECTS, SERVICES
from dragoman.errors import RequestFailed, WireError

_DEEP = b"[" * 200_000 + b"]" * 200_000
_MEMBERS = (b"data", b"embedding", b"embeddings", b"error", b"meta", b"results", b"text", b"usage")
_ANSWERS = [_DEEP, *(b'{"%b":%b}' % (name, _DEEP) for name in _MEMBERS), b'{"error":"\xff"}', b'"\\ud800"']
_REQUESTS: dict[Operation, Any] = {
    "embed": ir.EmbedRequest("openai_chat", "m", ("x",)),
    "moderation": ir.ModerationRequest("openai_chat", "m", ((ir.Text("x"),),)),
    "rerank": ir.RerankRequest("openai_chat", "m", "x", ("y",)),
    "image": ir.ImageRequest("openai_chat", "m", "x"),
    "transcription": ir.TranscriptionRequest("openai_chat", "m", ir.File(data=b"x")),
}


def _sides() -> Iterator[tuple[str, Operation, AnyProviderSide]]:
    for name, sides in (
        *((name, dialect.asked()) for name, dialect in DIALECTS.items()),
        *((name, service.sides) for name, service in SERVICES.items()),
    ):
        for operation, side in sides.items():
            if operation in _REQUESTS:
                yield name, operation, side


def _relays() -> Iterator[tuple[str, Operation, OperationRelay]]:
    for name, dialect in DIALECTS.items():
        for operation, codec in dialect.operations.items():
            if operation in _REQUESTS and codec.relay is not None:
                yield name, operation, codec.relay


@pytest.mark.parametrize("answer", _ANSWERS, ids=lambda answer: str(answer[:16]))
def test_an_odd_answer_is_refused_or_read(answer: bytes) -> None:
    sides = list(_sides())
    assert {operation for _, operation, _ in sides} == _REQUESTS.keys()
    for name, operation, side in sides:
        try:
            side.decode(Payload(answer), _REQUESTS[operation])
        except (WireError, RequestFailed):
            continue
        except Exception as error:  # noqa: BLE001 - the test names the codec
            pytest.fail(f"{name} {operation}: {error!r}")


@pytest.mark.parametrize("answer", _ANSWERS, ids=lambda answer: str(answer[:16]))
def test_an_odd_answer_is_not_relayed_or_passes(answer: bytes) -> None:
    for name, operation, relay in _relays():
        try:
            relay.response(WireRequest(operation, {}), Payload(answer), "m")
        except (WireError, RequestFailed):
            continue
        except Exception as error:  # noqa: BLE001 - the test names the codec
            pytest.fail(f"{name} {operation}: {error!r}")
