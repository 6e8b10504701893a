"""An operation is a row: its endpoint reads what the row says and answers with what the method gives."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.seams.clock import SYSTEM
from dragoman.seams.peers import Peers
from dragoman.server.admin.audit import Audit
from dragoman.server.admin.operation import Asked, Operation, Told, endpoints


class Size(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


class Owner:
    async def read(self, asked: Asked) -> Told:
        return Told(asked.query, '"tag"')

    async def write(self, asked: Asked) -> Told:
        return Told({"body": asked.body, "name": asked.params.get("name")})


AUDIT = Audit(Peers(), SYSTEM, 1)
ROWS = (
    Operation("GET", "/admin/things/{name}", "read", "Read.", query=Size),
    Operation("POST", "/admin/things/{name}", "write", "Write.", body=Size),
)


def test_methods_of_one_path_share_its_endpoint() -> None:
    (one,) = endpoints(Owner(), ROWS, AUDIT)
    assert (one.template, one.scope, one.public) == ("/admin/things/{name}", "admin", False)
    assert [(name, handler.takes_body) for name, handler in one.methods.items()] == [
        ("GET", ""),
        ("POST", "json"),
    ]


def test_a_row_without_its_method_is_found_when_endpoints_are_made() -> None:
    rows = (Operation("GET", "/admin/x", "missing", "Missing."),)
    with pytest.raises(AttributeError, match="missing"):
        list(endpoints(Owner(), rows, AUDIT))
