"""The table of all paths: which endpoint a path has, and in whose words its errors are told."""

from __future__ import annotations

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.faces import PathTable
from tests.unit.turns.asking import Asker


@pytest.fixture
async def table(house: Asker) -> PathTable:
    await house.gateway.start()
    return PathTable(house.gateway)


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/v1/models", "/v1/models", {}),
        ("/v1/models/a/b", "/v1/models/{model}", {"model": "a/b"}),
        ("/v1/responses/resp_1", "/v1/responses/{id}", {"id": "resp_1"}),
        ("/v1beta/models/a/b:countTokens", "/v1beta/models/{model}:countTokens", {"model": "a/b"}),
    ],
)
def test_a_path_has_an_endpoint_with_its_names(
    table: PathTable, path: str, template: str, params: dict[str, str]
) -> None:
    endpoint, found = table.find(path, "")
    assert endpoint is not None
    assert (endpoint.template, found) == (template, params)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/chat/completions", 405), ("POST", "/health", 405)],
)
def test_what_has_no_handler_is_refused(table: PathTable, method: str, path: str, code: int) -> None:
    with pytest.raises(RequestFailed) as refused:
        table.handler(table.find(path, "")[0], method, path)
    assert refused.value.fault.http_status == code


@pytest.mark.parametrize(
    ("path", "headers", "face"),
    [
        ("/v1/messages", {}, "anthropic"),
        ("/v1/models", {"anthropic-version": "1"}, "anthropic"),
        ("/v1/models", {}, "openai_chat"),
        ("/nothing", {"anthropic-version": "1"}, "anthropic"),
        ("/nothing", {}, "openai_chat"),
    ],
)
def test_an_error_is_in_the_words_of_the_path_or_of_the_client(
    table: PathTable, path: str, headers: dict[str, str], face: str
) -> None:
    assert table.face(table.find(path, "")[0], headers).name == face


def test_a_path_under_which_the_application_is_mounted_is_no_part_of_it(table: PathTable) -> None:
    assert table.find("/ai/v1/models", "/ai") == table.find("/v1/models", "")
