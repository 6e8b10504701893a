"""Bodies and queries of the administration: each mistake names its field."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from dragoman.errors import RequestFailed
from dragoman.server.admin import reading


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 0


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    inner: list[Inner] = []


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ('{"name": 1}', "name"),
        ('{"name": "a", "limit": 0}', "limit"),
        ('{"name": "a", "nmae": "b"}', "nmae"),
        ("{}", "name"),
        ('{"name": "a", "inner": [{"size": "b"}]}', "inner[0].size"),
        ('{"name": "a", "inner": [{"sise": 1}]}', "inner[0].sise"),
        ("[]", None),
    ],
)
def test_a_mistake_names_its_field(sent: str, param: str | None) -> None:
    with pytest.raises(RequestFailed) as failed:
        reading.body(sent.encode(), Wanted)
    fault = failed.value.fault
    assert (fault.kind, fault.code, fault.param) == ("invalid_request", "invalid_value", param)
    assert fault.message.startswith(param or "the body")


@pytest.mark.parametrize("sent", [b"{", b"name=a", b'{"name": "\xff"}'])
def test_what_is_no_json_is_refused(sent: bytes) -> None:
    with pytest.raises(RequestFailed) as failed:
        reading.body(sent, Wanted)
    fault = failed.value.fault
    assert (fault.kind, fault.message) == ("invalid_request", "The body is not JSON.")


def test_an_empty_body_has_the_defaults_and_none_is_wanted_by_some() -> None:
    assert reading.body(b"", Inner) == Inner(0)
    assert reading.body(b"{}", None) is None
    with pytest.raises(RequestFailed) as failed:
        reading.body(b'{"size": 1}', None)
    assert failed.value.fault.param == "size"


def test_the_fields_of_a_query_are_texts() -> None:
    assert reading.query({"name": "a", "limit": "5"}, Wanted) == Wanted("a", 5)
    for stated, param in (({"name": "a", "limit": "x"}, "limit"), ({"name": "a", "x": ""}, "x")):
        with pytest.raises(RequestFailed) as failed:
            reading.query(stated, Wanted)
        assert failed.value.fault.param == param
    with pytest.raises(RequestFailed):
        reading.query({"x": "1"}, None)
