"""The headers that HTTP requires with some errors."""

import json

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.exchange import Exchange
from dragoman.ir.fault import INTERNAL
from dragoman.net.codings import TAKEN, UNKNOWN
from dragoman.server.endpoint import Endpoint, Handler
from dragoman.server.faults import UPGRADE_MISSING, error_answer, standing


async def nothing(*_: object) -> None:
    """Answer nothing."""


ENDPOINT = Endpoint("/a", DIALECTS["openai_chat"], {"GET": Handler(nothing), "DELETE": Handler(nothing)})


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (INTERNAL, []),
        (ir.Fault("authentication", ""), [(b"www-authenticate", b'Bearer realm="dragoman"')]),
        (ir.Fault("method_not_allowed", ""), [(b"allow", b"GET, DELETE")]),
        (UPGRADE_MISSING, [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]),
        (ir.Fault("media_type", "", UNKNOWN), [(b"accept-encoding", ", ".join(TAKEN).encode())]),
    ],
)
def test_an_error_has_its_headers(fault: ir.Fault, headers: list[tuple[bytes, bytes]]) -> None:
    assert standing(fault, ENDPOINT) == headers


def test_without_an_endpoint_no_method_is_named() -> None:
    assert standing(ir.Fault("method_not_allowed", ""), None) == []


@pytest.mark.parametrize(
    ("face", "told"), [("openai_chat", {"code": "unknown_url"}), ("anthropic", {"type": "not_found_error"})]
)
def test_an_error_has_the_form_of_its_exchange(face: str, told: dict[str, str]) -> None:
    exchange = Exchange("ex_1", "req_1", face, "GET", "/a", 0.0, 0.0)
    status, _, body = error_answer(ir.Fault("not_found", "no", "unknown_url"), None, exchange)
    assert status == 404
    assert json.loads(body)["error"].items() >= told.items()


def test_a_status_of_http_itself_is_the_answers() -> None:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "GET", "/a", 0.0, 0.0)
    assert error_answer(UPGRADE_MISSING, ENDPOINT, exchange)[0] == 426
    assert (b"upgrade", b"websocket") in error_answer(UPGRADE_MISSING, ENDPOINT, exchange)[1]
