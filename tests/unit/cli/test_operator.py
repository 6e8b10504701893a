"""The way to a running gateway, and what its answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dragoman.cli.operator import NotRunning, Told, Way, call, named, told, unreachable, way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure

Serve = Callable[..., Any]
OTHER = {"of": "another server"}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    started: list[TestServer] = []

    async def start(status: int, body: Any) -> tuple[Way, list[web.Request]]:
        seen: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            seen.append(request)
            headers = {"x-request-id": "req_1", "etag": '"1"'}
            if body is None:
                return web.Response(status=status)
            return web.json_response(body, status=status, headers=headers if body != OTHER else None)

        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", answer)
        server = TestServer(app)
        await server.start_server()
        started.append(server)
        return Way(None, str(server.make_url("")).rstrip("/"), "the-key"), seen

    yield start
    for server in started:
        await server.close()


async def test_a_request_has_the_key(serve: Serve) -> None:
    there, seen = await serve(200, {"a": 1})
    assert await call(there, "POST", "/admin/x", {"b": 2}) == {"a": 1}
    assert (seen[0].method, seen[0].path) == ("POST", "/admin/x")
    assert seen[0].headers["authorization"] == "Bearer the-key"


@pytest.mark.parametrize(
    ("status", "code"), [(401, NO_RIGHT), (403, NO_RIGHT), (404, ANSWER_IS_NO), (412, ANSWER_IS_NO)]
)
async def test_an_error_is_told_in_its_words(serve: Serve, status: int, code: int) -> None:
    there, _ = await serve(status, {"error": {"message": "No."}})
    with pytest.raises(Failure) as failed:
        await call(there, "GET", "/admin")
    assert (failed.value.message, failed.value.code) == ("No.", code)


async def test_a_change_names_the_etag_that_it_wants(serve: Serve) -> None:
    there, seen = await serve(200, {"a": 1})
    assert await told(there, "PUT", "/admin/x", {}, '"0"') == Told({"a": 1}, '"1"')
    assert seen[0].headers["if-match"] == '"0"'
    there, seen = await serve(412, {"error": {"message": "It has been changed."}})
    with pytest.raises(Failure) as failed:
        await told(there, "PUT", "/admin/x", {}, '"0"')
    assert "try again" in (failed.value.hint or "")


async def test_an_error_lists_all_problems_if_there_are_several(serve: Serve) -> None:
    problems = [{"path": "a", "message": "no number"}, {"path": "b", "message": "unknown\x1b[1m"}]
    for listed, lines in ((problems, ["a: no number", "b: unknown"]), (problems[:1], []), ("odd", [])):
        there, _ = await serve(400, {"error": {"message": "No.", "problems": listed}})
        with pytest.raises(Failure) as failed:
            await call(there, "PUT", "/admin/prices/x", {})
        assert [line.removesuffix("[1m") for line in failed.value.lines] == lines


async def test_what_is_no_gateway_is_told(serve: Serve) -> None:
    for body in (None, OTHER, ["a"]):
        there, _ = await serve(200, body)
        with pytest.raises(Failure) as failed:
            await call(there, "GET", "/admin")
        assert failed.value.code == ANSWER_IS_NO
    with pytest.raises(NotRunning):
        await call(Way(None, "http://127.0.0.1:9"), "GET", "/admin")


def test_a_url_may_be_any_spelling_of_a_base() -> None:
    for url in ("http://a:1", "a:1", "http://a:1/v1", "http://a:1/"):
        there = way(None, url, "k")
        assert there is not None
        assert (there.base, there.key, there.named) == ("http://a:1", "k", "http://a:1")
    with pytest.raises(Failure) as failed:
        way(None, "http://", None)
    assert failed.value.code == MISUSE
    assert way(None, None, None) is None


def test_names_in_a_path_are_quoted() -> None:
    assert named("/admin/providers", "a/b c", "test") == "/admin/providers/a%2Fb%20c/test"


def test_who_does_not_answer_is_named() -> None:
    assert unreachable(None, "").code == UNREACHABLE
    assert "http://a:1 does not answer: why" in unreachable(Way(None, "http://a:1"), "why").message
