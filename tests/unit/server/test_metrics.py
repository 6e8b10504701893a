"""The path of Prometheus."""

from __future__ import annotations

from tests.scraping import Scraped
from tests.unit.turns.asking import Asker


async def test_the_page_has_the_type_of_its_format_and_leaves_out_who_asks(house: Asker) -> None:
    await house.respond("a")
    answer = await house.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    page = Scraped(answer.data)
    assert page("dragoman_http_requests_total", method="POST", path="/v1/responses", status="200") == 1
    assert page("dragoman_http_requests_total") == 1
    assert page("dragoman_requests_running") == 0
    again = Scraped((await house.ask("GET", "/metrics")).data)
    assert again("dragoman_http_requests_total", path="/metrics") == 1
