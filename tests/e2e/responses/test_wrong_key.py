"""4.6: whoever asks the Responses API without a key, or with a wrong one, is told so in its own words."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Visit


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer other"}])
async def test_the_type_of_the_error(visit: Visit, headers: dict[str, str]) -> None:
    site = await visit({"auth": {"keys": ["the-key"]}})
    body = {"model": "simulate/echo", "input": "Hi"}
    async with site.session.post(site.base + "/v1/responses", json=body, headers=headers) as answer:
        error = (await answer.json())["error"]
    assert answer.status == 401
    assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
