"""The model that a path names, in the request's body."""

import pytest

from dragoman.accounts.caller import ANYONE
from dragoman.server.endpoint import HttpRequest, with_model
from dragoman.wire.headers import HeaderMap


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b'{"input": "a"}', b'{"input":"a","model":"m"}'),
        (b'{"model": "other", "input": [ 1 ]}', b'{"model":"m","input":[ 1 ]}'),
        (b"no json", b"no json"),
    ],
)
def test_the_paths_model_replaces_the_bodys_and_nothing_else(body: bytes, written: bytes) -> None:
    request = HttpRequest(body, HeaderMap(()), {"model": "m"}, ANYONE)
    assert with_model(request).body == written
