"""The base URL and the version of an API whose versions have dates, as people spell them."""

from __future__ import annotations

import pytest

from dragoman.providers.catalog import CATALOG
from dragoman.providers.dated import Spelled, dated_api, is_dated, query, read
from dragoman.providers.vendor import Vendor

AZURE = CATALOG["azure"]
HOST = "https://mine.openai.azure.com"
V1, DATED = "/openai/v1", "/openai"


def spelled(url: str, version: str | None = None) -> Spelled:
    assert AZURE.dated is not None
    return read(url, AZURE, AZURE.dated, version)


@pytest.mark.parametrize(
    ("url", "version", "expected"),
    [
        (HOST, None, Spelled(HOST, None, V1)),
        (f"{HOST}/", None, Spelled(HOST, None, V1)),
        (f"{HOST}/openai/", None, Spelled(HOST, None, V1)),
        (f"{HOST}/openai/v1/", None, Spelled(HOST, None, V1)),
        (f"{HOST}/openai/v1/chat/completions", None, Spelled(HOST, None, V1)),
        (HOST, "preview", Spelled(HOST, "preview", V1)),
        (HOST, "2024-10-21", Spelled(HOST, "2024-10-21", DATED)),
        (f"{HOST}/openai/v1", "2024-10-01-preview", Spelled(HOST, "2024-10-01-preview", DATED)),
        (
            f"{HOST}/openai/deployments/a/chat/completions?api-version=2024-10-21",
            None,
            Spelled(HOST, "2024-10-21", DATED),
        ),
        (
            f"{HOST}/openai/responses?api-version=2025-04-01-preview",
            "2025-03-01-preview",
            Spelled(HOST, "2025-03-01-preview", DATED),
        ),
        ("https://gate.example/a", "2024-10-21", Spelled("https://gate.example/a", "2024-10-21", DATED)),
        ("https://gate.example/openai/a", None, Spelled("https://gate.example/openai/a", None, V1)),
        (
            "https://mine.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            None,
            Spelled("https://mine.services.ai.azure.com/models", "2024-05-01-preview", "/models"),
        ),
    ],
)
def test_every_spelling_of_an_address(url: str, version: str | None, expected: Spelled) -> None:
    assert spelled(url, version) == expected


def test_another_query_stays_for_the_error_about_it() -> None:
    url = f"{HOST}?key=1"
    assert spelled(url).url == url


def test_the_inference_api_needs_its_version() -> None:
    with pytest.raises(ValueError, match="needs a version"):
        spelled("https://mine.services.ai.azure.com/models")


def test_only_dates_are_dated() -> None:
    assert [is_dated(one) for one in ("2024-10-21", "2024-10-01-preview", "preview", "v1")] == [
        True,
        True,
        False,
        False,
    ]


def test_who_has_a_dated_api() -> None:
    assert dated_api(AZURE, "2024-10-21") is AZURE.dated
    others: list[tuple[Vendor | None, str | None]] = [
        (AZURE, None),
        (AZURE, "preview"),
        (None, "2024-10-21"),
        (CATALOG["openai"], "2024-10-21"),
    ]
    assert [dated_api(*one) for one in others] == [None] * 4


def test_the_query_states_the_version() -> None:
    assert (query(None), query("a b&c")) == ("", "?api-version=a%20b%26c")
