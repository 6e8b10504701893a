"""docs/errors.md lists every code that the gateway makes, with its status, and no other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Final, cast

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from tests.documents import errors_page
from tests.documents.error_codes import codes

_ROW: Final = re.compile(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
_LISTED: Final = _ROW.findall(errors_page.PAGE.read_text("utf-8").partition("\n## Codes\n")[2])
_EXAMPLE: Final = re.compile(r"^\| [\w:, …]+ \| `(\{[^`…]*(?:req_…)?[^`…]*\})` \|$", re.MULTILINE)
_OWN_STATUS: Final = {
    "headers_too_large": "431",
    "precondition_failed": "412",
    "request_timeout": "408",
    "unsupported_http_version": "505",
    "upgrade_missing": "426",
    "upgrade_required": "426",
    "url_too_long": "414",
    "websocket_disabled": "426",
}
"""Codes with a status of HTTP itself, in place of that of their kind."""


def test_every_code_can_be_read_from_the_source() -> None:
    assert [code.place for code in codes() if code.code is None] == []


def test_the_page_lists_every_code_once_and_no_other() -> None:
    listed = Counter(code for code, _ in _LISTED)
    assert sorted(listed) == sorted({code.code for code in codes() if code.code})
    assert max(listed.values()) == 1


def test_the_page_states_the_status_of_each_code() -> None:
    stated = dict(_LISTED)
    kinds: dict[str, set[ir.Kind]] = defaultdict(set)
    for made in codes():
        if made.code is not None and made.kind is not None:
            kinds[made.code].add(cast("ir.Kind", made.kind))
    assert len(kinds) > 50
    for code, found in kinds.items():
        if code in _OWN_STATUS:
            assert stated[code] == _OWN_STATUS[code]
            continue
        for kind in found:
            assert str(ir.STATUS[kind]) in stated[code], (code, kind)


def test_the_table_of_kinds_is_current() -> None:
    assert errors_page.main(["--check"]) == 0
    assert errors_page.main([]) == 2


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        errors_page.written("nothing")


MISSING_MODEL = "you must provide a model parameter, or the operator sets default_model"


def test_the_examples_are_what_clients_get() -> None:
    fault = ir.Fault("invalid_request", MISSING_MODEL, param="model")
    shown = [msgspec.json.decode(text) for text in _EXAMPLE.findall(errors_page.PAGE.read_text("utf-8"))]
    for face in ("openai_chat", "anthropic"):
        _, _, body = DIALECTS[face].errors.encode(fault, "req_…")
        assert msgspec.json.decode(body) in shown
