"""The list of models in Google's form: what one says, and how pages follow each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller
from dragoman.accounts.grants import Grants
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.generate_content import GenerateContentApi, _bare, _counted, listing
from dragoman.wire.headers import HeaderMap

ENTRIES = [Entry(name, "up") for name in ("a", "b/c:d", "é", "last")]


class Listing:
    """A gateway that has models and nothing else."""

    def entries(self, caller: Caller = ANYONE) -> list[Entry]:
        return [entry for entry in ENTRIES if caller.may_use(entry.id)]


class Heard:
    """A client that remembers its answer."""

    body: Any = None

    async def answer(self, status: int, headers: Any, body: bytes) -> None:
        assert status == 200
        self.body = msgspec.json.decode(body)


async def page(query: Mapping[str, str], caller: Caller = ANYONE) -> dict[str, Any]:
    api = GenerateContentApi(cast(Any, Listing()), cast(Any, None))
    heard = Heard()
    await api.models(
        HttpRequest(b"", HeaderMap(()), {}, caller, query), cast(Exchange, None), cast(HttpClient, heard)
    )
    return cast(dict[str, Any], heard.body)


@pytest.mark.parametrize("size", ["1", "2", "3", "4", "1000", "99999999", "0"])
async def test_the_pages_together_are_the_list(size: str) -> None:
    names: list[str] = []
    query = {"pageSize": size}
    while True:
        told = await page(query)
        names += [model["name"] for model in told["models"]]
        if "nextPageToken" not in told:
            break
        query["pageToken"] = told["nextPageToken"]
    assert names == ["models/a", "models/b/c:d", "models/é", "models/last"]


async def test_other_models_are_not_listed_and_end_no_page() -> None:
    some = Caller("bob", Grants({"a", "last"}))
    first = await page({"page_size": "1"}, some)
    assert [model["name"] for model in first["models"]] == ["models/a"]
    second = await page({"page_size": "1", "page_token": first["nextPageToken"]}, some)
    assert [model["name"] for model in second["models"]] == ["models/last"]
    assert "nextPageToken" not in second


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"pageSize": "-1"}, "pageSize"),
        ({"pageSize": "²"}, "pageSize"),
        ({"pageToken": "bm9uZQ=="}, "pageToken"),
        ({"pageToken": "_w=="}, "pageToken"),
        ({"pageToken": "é"}, "pageToken"),
    ],
)
async def test_an_odd_page_is_the_clients_mistake(query: dict[str, str], param: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        await page(query)
    fault: ir.Fault = refused.value.fault
    assert (fault.kind, fault.param) == ("invalid_request", param)


def test_what_is_known_of_a_model() -> None:
    known = Entry("m", "up", capabilities=("reasoning",), context_window=9, max_output_tokens=5)
    methods = ("generateContent", "streamGenerateContent", "countTokens")
    assert listing(Entry("m", "up")) == {
        "name": "models/m",
        "displayName": "m",
        "supportedGenerationMethods": methods,
    }
    limits = {"inputTokenLimit": 9, "outputTokenLimit": 5, "thinking": True}
    assert listing(known) == {**listing(Entry("m", "up")), **limits}


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("models/openai/gpt-5", "openai/gpt-5"),
        ("projects/p/locations/l/publishers/google/models/flash", "flash"),
        ("projects/p/locations/l/publishers/openai/models/gpt-5", "openai/gpt-5"),
        ("publishers/google/models/vertex/gemini-2.5-flash", "vertex/gemini-2.5-flash"),
        ("projects/p/locations/l/models/mine", "mine"),
        ("projects/p", "projects/p"),
        ("tunedModels/mine", "tunedModels/mine"),
    ],
)
def test_the_name_of_a_model_in_a_path(stated: str, name: str) -> None:
    assert _bare(stated) == name


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ('{"contents":[]}', '{"contents":[]}'),
        ('{"generateContentRequest":{"contents":[1]},"contents":[]}', '{"contents":[1]}'),
        ('{"generate_content_request": {"contents":[1]}}', '{"contents":[1]}'),
        ('{"generateContentRequest":null,"contents":[]}', '{"contents":[]}'),
        ('{"generateContentRequest": null ,"generate_content_request":{"a":1}}', '{"a":1}'),
        ('{"generateContentRequest":1}', "1"),
        ("[]", "[]"),
    ],
)
def test_a_request_to_count_that_is_null_counts_as_missing(body: str, counted: str) -> None:
    assert _counted(body.encode()).decode() == counted
