"""The table of paths: which endpoint a path is, and whose errors it tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.errors import RequestFailed
from dragoman.gateway import Gateway
from dragoman.server.endpoint import Door
from dragoman.server.faces import PathTable


@pytest.fixture
def table(tmp_path: Path) -> PathTable:
    file = tmp_path / "dragoman.yaml"
    file.write_text("{}")
    return PathTable(Gateway(load(file, {})))


@pytest.mark.parametrize(
    ("path", "template", "face"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("/chat", "/chat", "openai_chat"),
        ("/v1/v1/completions", "/v1/completions", "openai_completions"),
        ("/v1/responses/resp_1", "/v1/responses/{id}", "openai_responses"),
        ("/anthropic/v1/messages", "/anthropic/v1/messages", "anthropic"),
        ("/v1beta/models/a/b:generateContent", "/v1beta/models/{model}:generateContent", "gemini"),
        ("/v1beta/nothing", "/v1beta/nothing", "gemini"),
        ("/api/chat", "/api/chat", "ollama"),
        ("/api/nothing", "/api/nothing", "ollama"),
        ("/v1/messages/batches", "/v1/messages/batches", "anthropic"),
        ("/openai/v1/responses", "/v1/responses", "openai_responses"),
        ("/openai/responses/resp_1", "/v1/responses/{id}", "openai_responses"),
        ("/v1/openai/completions", "/v1/completions", "openai_completions"),
        (
            "/openai/deployments/a/chat/completions",
            "/openai/deployments/{model}/chat/completions",
            "openai_chat",
        ),
        (
            "/openai/deployments/a/b/completions",
            "/openai/deployments/{model}/completions",
            "openai_completions",
        ),
    ],
)
def test_a_path_has_an_endpoint(table: PathTable, path: str, template: str, face: str) -> None:
    endpoint, _ = table.find(path, "")
    assert endpoint is not None
    assert (endpoint.template, endpoint.face.name) == (template, face)
    assert table.face(endpoint, {}).name == face


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/a/b", "/v1/files", "/nothing"])
def test_headers_tell_the_protocol_of_a_path_that_several_have(table: PathTable, path: str) -> None:
    endpoint, _ = table.find(path, "")
    told = [{}, {"anthropic-version": "1"}, {"x-goog-api-client": "genai"}]
    assert [table.face(endpoint, one).name for one in told] == ["openai_chat", "anthropic", "gemini"]


def test_handlers_for_one_path_share_it(table: PathTable) -> None:
    endpoint, _ = table.find("/v1/chat/completions", "")
    assert endpoint is not None
    assert set(endpoint.methods) == {"GET", "POST"}


def test_names_in_a_path_may_hold_slashes(table: PathTable) -> None:
    assert table.find("/v1/models/a/b", "")[1] == {"model": "a/b"}
    assert table.find("/v1beta/models/a/b:countTokens", "")[1] == {"model": "a/b"}
    for root in ("", "/", "/v1", "/openai", "/api/openai"):
        path = f"{root}/openai/deployments/a/b:c/images/edits"
        assert table.find(path, "")[1] == {"model": "a/b:c"}


def test_a_placeholder_stands_for_one_segment_that_is_not_empty(table: PathTable) -> None:
    endpoint, values = table.find("/v1/vector_stores/vs_1/files/{file}", "")
    assert endpoint is not None
    assert endpoint.template == "/v1/vector_stores/{id}/files/{file}"
    assert values == {"id": "vs_1", "file": "{file}"}
    assert table.find("/v1/vector_stores/vs_1/files/a/b", "")[0] is None
    # An empty id is none: two slashes count as one.
    assert table.find("/v1/batches//cancel", "")[1] == {"id": "cancel"}


def test_where_the_application_is_mounted_is_no_part_of_a_path(table: PathTable) -> None:
    assert table.find("/ai/v1/models", "/ai") == table.find("/v1/models", "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/messages", 405), ("POST", "/health", 405)],
)
def test_what_has_no_handler_is_refused(table: PathTable, method: str, path: str, status: int) -> None:
    with pytest.raises(RequestFailed) as refused:
        table.handler(table.find(path, "")[0], method, path)
    assert refused.value.fault.http_status == status


def test_a_prefix_is_for_clients_alone(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("server: {base_path: /ai}")
    gateway = Gateway(load(file, {}))
    assert PathTable(gateway).find("/admin", "")[0] is None
    assert PathTable(gateway).find("/ai/admin", "")[0] is not None
    assert PathTable(gateway, "socket").find("/admin", "")[0] is not None


@pytest.mark.parametrize(
    ("settings", "door", "found"),
    [
        ("{}", "public", ("/v1/models", "/admin", "/health")),
        ("server: {admin_port: 1}", "public", ("/v1/models", "/health")),
        ("server: {admin_port: 1}", "admin", ("/admin", "/health")),
        ("{}", "socket", ("/admin", "/health")),
    ],
)
def test_each_door_has_its_paths(tmp_path: Path, settings: str, door: Door, found: tuple[str, ...]) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text(settings)
    table = PathTable(Gateway(load(file, {})), door)
    paths = ("/v1/models", "/admin", "/health")
    assert tuple(path for path in paths if table.find(path, "")[0] is not None) == found
