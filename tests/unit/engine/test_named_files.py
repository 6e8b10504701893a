"""Files that a request to a model names by the gateway's ids."""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import Any

import pytest

from dragoman.capacity.heavy import LARGE, HeavySteps, Steps
from dragoman.dialects.table import DIALECTS
from dragoman.engine import named_files
from dragoman.engine.asked import Inbound
from dragoman.engine.named_files import with_files
from dragoman.errors import RequestFailed
from dragoman.state.owned import OwnedObject
from dragoman.stores.memory import MemoryStore

FILE, STORE, OTHER = "file-" + "a" * 25, "vs_" + "b" * 25, "file-" + "c" * 25


class Parts:
    """The parts of a runtime that are asked."""

    passing = frozenset({"up", "other"})

    def __init__(self) -> None:
        self.store = MemoryStore()


async def named(body: bytes, owner: str = "ann") -> Inbound:
    parts: Any = Parts()
    rows = [(FILE, "ann", "up", "file-up"), (STORE, "ann", "up", "vs_up"), (OTHER, "ann", "other", "file-o")]
    await parts.store.owned.keep([OwnedObject(i, o, p, "file", u, 0.0) for i, o, p, u in rows])
    heavy = HeavySteps()
    try:
        return await with_files(parts, Inbound(DIALECTS["openai_chat"], body, {}), owner, Steps(heavy, owner))
    finally:
        heavy.close()


async def test_ids_are_replaced_and_nothing_else_is() -> None:
    body = b'{ "file_id" :"%b", "n": 1.0, "vector_store_ids": ["%b" ,"vs_else"], "t": "\\"file_id\\": %b"}'
    ids = FILE.encode(), STORE.encode(), FILE.encode()
    found = await named(body % ids)
    assert found.body == body % (b"file-up", b"vs_up", FILE.encode())
    assert found.may.providers is not None
    assert "up" in found.may.providers
    assert "other" not in found.may.providers


@pytest.mark.parametrize(
    "body", [b"{}", b'{"file_id": "file-elsewhere"}', b'{"text": "file_id"}', b'{"file_id": 1}']
)
async def test_what_is_not_ours_stays(body: bytes) -> None:
    found = await named(body)
    assert (found.body, found.may.providers) == (body, None)


@pytest.mark.parametrize(
    ("body", "owner", "code", "param"),
    [
        (f'{{"file_id": "{FILE}"}}', "ben", "not_found", "file_id"),
        ('{"file_id": "file-up"}', "ben", "not_found", "file_id"),
        (f'{{"vector_store_ids": ["{STORE[:-1]}x"]}}', "ann", "not_found", "vector_store_ids"),
        (f'{{"file_ids": ["{FILE}", "{OTHER}"]}}', "ann", "objects_of_several_providers", "file_ids"),
    ],
)
async def test_what_cannot_be(body: str, owner: str, code: str, param: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        await named(body.encode(), owner)
    assert (caught.value.fault.code, caught.value.fault.param) == (code, param)


@pytest.mark.parametrize(
    "body",
    [
        '{"file\\u005Fid": "file-up"}',
        '{"\\u0066ile_id": "file\\u002dup"}',
        '{"file_id": "file-u\\u0070"}',
        '{"vector_store\\u005fids": ["vs\\u005fup"]}',
        '{"fileUri": "https:\\/\\/x\\/v1beta\\/files\\/file-up"}',
        '{"file_uri": "https://x/v1beta/files\\u002ffile-up"}',
        '{"file\\u0055ri": "https:\\u002F/x/v1beta\\u002Ffiles/file\\u002Dup"}',
        '{"fileUri": "https://x/v1beta/files/file-up?alt=media"}',
        '{"fileUri": "https://x/v1beta/files/file-up#x"}',
        '{"fileUri": "https://x\\u003fy\\u0040z\\u00e9/v1beta/files/file-up\\u003fx"}',
        '{"fileUri": "https://x/v1beta/files/file-up?x=/v1beta/files/else"}',
        '{"fileUri": "https://x/v1beta/files/else?x=/v1beta/files/file-up"}',
        '{"fileUri": "https://x/v1beta//files/file-up"}',
        '{"fileUri": "https://x/v1beta/%66iles%2ffile-u%70"}',
        '{"fileUri": "https://x/v1beta/files/file-u\\u002570"}',
        *(
            f'{{"{member}": "https://generativelanguage.googleapis.com\\/v1beta/%66iles/file-up"}}'
            for member in ("url", "image_url", "file_url", "document_url", "file_data", "file_id")
        ),
        '{"url": "https://GenerativeLanguage.GoogleAPIs.com/v1beta/files/file-up"}',
    ],
)
async def test_no_escape_hides_an_object_of_another_client(body: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        await named(body.encode(), "ben")
    assert caught.value.fault.code == "not_found"


async def test_escapes_mean_the_same_as_before() -> None:
    body = rb'{"file\u005fid": "%b", "t": "\\u0066 \u00e9 \" \\\u0066 \u0041\n\u000a"}' % FILE.encode()
    found = await named(body)
    assert found.body == rb'{"file_id": "file-up", "t": "\\u0066 \u00e9 \" \\f A\n\u000a"}'
    assert json.loads(found.body)["t"] == json.loads(body)["t"]


@pytest.mark.parametrize("slash", ["/", "\\/", "\\u002f"])
@pytest.mark.parametrize("more", ["", "?alt=media"])
async def test_an_owners_address_is_the_providers_however_it_is_written(slash: str, more: str) -> None:
    address = f"https://x/v1beta/files/{FILE}{more}".replace("/", slash)
    found = await named(f'{{"fileUri": "{address}", "t": "a{slash}b"}}'.encode())
    assert json.loads(found.body) == {"fileUri": f"https://x/v1beta/files/file-up{more}", "t": "a/b"}


async def test_an_owners_address_at_google_is_replaced_in_each_protocol() -> None:
    google = "https://generativelanguage.googleapis.com/v1beta/files/"
    address = google.replace("files", "%66iles") + FILE
    found = await named(json.dumps({"image_url": {"url": address}, "file_id": google + FILE}).encode())
    assert json.loads(found.body) == {"image_url": {"url": google + "file-up"}, "file_id": google + "file-up"}
    assert found.may.providers is not None


async def test_addresses_of_other_servers_stay() -> None:
    body = b'{"url": "https://x/v1/files/%b", "file_id": "file-elsewhere"}' % FILE.encode()
    assert (await named(body, "ben")).body == body


async def test_a_large_body_is_read_and_replaced_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set[int]()

    def traced(step: Any, *args: Any) -> Any:
        threads.add(threading.get_ident())
        return step(*args)

    for name in ("_plain", "_stated", "_replaced"):
        monkeypatch.setattr(named_files, name, partial(traced, getattr(named_files, name)))
    text = "a\\/b" * LARGE
    found = await named(f'{{"file_id": "{FILE}", "t": "{text}"}}'.encode())
    assert json.loads(found.body) == {"file_id": "file-up", "t": "a/b" * LARGE}
    assert threads
    assert threading.get_ident() not in threads
