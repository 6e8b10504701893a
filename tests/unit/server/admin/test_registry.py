"""Names and mistakes of what is kept of keys and their owners."""

from __future__ import annotations

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.admin.registry import LONGEST, declared, missing, refused, require_name, taken


@pytest.mark.parametrize("name", ["a", "...", "ci agent", "é", "x" * LONGEST])
def test_a_name_that_can_be_one(name: str) -> None:
    require_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", " a", "a ", "a/b", "a\nb", "x" * (LONGEST + 1)])
def test_a_name_that_cannot(name: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        require_name(name)
    assert caught.value.fault.param == "name"


def test_errors_name_what_is_wrong() -> None:
    assert refused("is wrong", "models[0]").fault.message == "models[0]: is wrong."
    assert missing("teams", "x").fault.code == "name_not_found"
    assert "(`auth.keys`)" in declared("keys", "x").fault.message
    assert taken("keys", "x", " (gone)").fault.http_status == 409
