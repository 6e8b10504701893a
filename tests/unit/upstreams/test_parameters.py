"""Parameters of a request in its URL."""

from __future__ import annotations

from yarl import URL

from dragoman.dialects.operation import Outgoing
from dragoman.upstreams.parameters import filled, parameter


def test_a_value_stays_one_segment_of_the_path() -> None:
    url = URL("https://x.example/v1/say/{voice}/now", encoded=True)
    assert str(filled(url, Outgoing("", b"", {"voice": "a/b?c"}))) == "https://x.example/v1/say/a%2Fb%3Fc/now"


def test_the_query_goes_after_the_one_that_is_there() -> None:
    outgoing = Outgoing("", b"", {}, {"model": "a b", "x": "1&2"})
    assert str(filled(URL("https://x.example/v1"), outgoing)) == "https://x.example/v1?model=a+b&x=1%262"
    stated = URL("https://x.example/v1?version=2", encoded=True)
    assert str(filled(stated, outgoing)) == "https://x.example/v1?version=2&model=a+b&x=1%262"


def test_a_configured_value_is_json_but_for_texts() -> None:
    assert [parameter(value) for value in ("a", True, 3)] == ["a", "true", "3"]
