"""ETags and If-Match, by RFC 9110."""

from __future__ import annotations

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.admin.tags import NOTHING, etag, require, unchanged

NOW = etag({"enabled": True})


def test_equal_values_have_equal_tags() -> None:
    assert etag({"a": 1, "b": 2}) == etag({"b": 2, "a": 1}) != etag({"a": 1, "b": 3})
    assert NOW[0] == NOW[-1] == '"'


@pytest.mark.parametrize("stated", [None, "*", NOW, f'"other", {NOW}', f'W/"x",{NOW} , "y"'])
def test_a_change_is_made_if_it_is_what_was_read(stated: str | None) -> None:
    require({} if stated is None else {"if-match": stated}, NOW)


@pytest.mark.parametrize("stated", ['"other"', f"W/{NOW}", "", "nonsense", NOW.strip('"')])
def test_otherwise_it_is_refused(stated: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        require({"if-match": stated}, NOW)
    fault = failed.value.fault
    assert (fault.status, fault.code, fault.param) == (412, "precondition_failed", "If-Match")


def test_a_version_that_the_client_has() -> None:
    assert not unchanged({}, NOW)
    assert all(unchanged({"if-none-match": one}, NOW) for one in ("*", NOW, f"W/{NOW}", f'"x", {NOW}'))
    assert not unchanged({"if-none-match": '"x"'}, NOW)


def test_what_is_not_there_has_no_tag() -> None:
    assert (NOTHING.status, NOTHING.code, NOTHING.param) == (412, "precondition_failed", "If-Match")
