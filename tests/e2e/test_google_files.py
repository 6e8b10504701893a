"""Google's files: uploads come through the gateway, and each client has its own, by ids of the gateway."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit

ANN, BEN, UP = "ann-key-0123456789", "ben-key-0123456789", "google-key-0123456789"
CANARY = "canary0"
SAID = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Seen."}]}, "finishReason": "STOP"}]}


class Google:
    """The file API as its clients know it. It answers 403 for files that it does not have."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, bytes] = {}
        self.elsewhere = False
        self.brief = False
        """Whether the answer to a DELETE has no JSON."""
        self.content, self.kind = b"\x00bytes", "application/pdf"
        """What a download gets."""

    def __call__(self, seen: Seen) -> Answer:
        assert seen.headers["x-goog-api-key"] == UP
        match [seen.method, *seen.path.strip("/").split("/")]:
            case ["POST", "upload", "v1" | "v1beta", "files"] if "upload_id" not in seen.query:
                return self.begun(seen)
            case ["POST", "upload", "v1" | "v1beta", "files"]:
                return self.uploaded(seen)
            case ["GET", "v1" | "v1beta", "files"]:
                return self.listed(seen)
            case ["GET", "v1" | "v1beta", "files", name] if name.endswith(":download"):
                return Whole(self.content, headers={"content-type": self.kind})
            case [method, "v1" | "v1beta", "files", name]:
                return self.one(method, name)
            case ["POST", "v1beta", "models", _]:
                part = json.loads(seen.raw)["contents"][0]["parts"][0]
                uri = next(iter(part.values())).get("fileUri") or next(iter(part.values()))["file_uri"]
                return Whole(SAID) if uri.rpartition("/")[2] in self.files else self.missing()
        raise AssertionError(seen)

    def missing(self) -> Whole:
        text = "You do not have permission to access the File, or it may not exist."
        return Whole({"error": {"code": 403, "message": text, "status": "PERMISSION_DENIED"}}, 403)

    def begun(self, seen: Seen) -> Whole:
        assert seen.headers["x-goog-upload-protocol"] == "resumable"
        assert seen.headers["x-goog-upload-command"] == "start"
        id_ = f"session-{CANARY}-{len(self.uploads)}"
        self.uploads[id_] = b""
        host = "evil.example" if self.elsewhere else seen.headers["host"]
        url = f"http://{host}/upload/v1beta/files?upload_id={id_}&upload_protocol=resumable"
        headers = {"x-goog-upload-url": url, "x-goog-upload-status": "active", "content-type": "text/plain"}
        return Whole(b"", headers=headers)

    def uploaded(self, seen: Seen) -> Whole:
        id_ = seen.query["upload_id"]
        assert int(seen.headers["x-goog-upload-offset"]) == len(self.uploads[id_])
        self.uploads[id_] += seen.raw
        if "finalize" not in seen.headers["x-goog-upload-command"]:
            return Whole(b"", headers={"x-goog-upload-status": "active", "content-type": "text/plain"})
        name = f"{CANARY}-{len(self.files)}"
        uri = f"https://generativelanguage.googleapis.com/v1beta/files/{name}"
        size = len(self.uploads[id_])
        self.files[name] = {"name": f"files/{name}", "uri": uri, "sizeBytes": str(size), "state": "ACTIVE",
                            "mimeType": "text/plain"}  # fmt: skip
        return Whole({"file": self.files[name]}, headers={"x-goog-upload-status": "final"})

    def listed(self, seen: Seen) -> Whole:
        size, start = int(seen.query.get("pageSize", "2")), int(seen.query.get("pageToken", "0"))
        found = list(self.files.values())
        page: dict[str, Any] = {"files": found[start : start + size]} if found[start:] else {}
        if start + size < len(found):
            page["nextPageToken"] = str(start + size)
        return Whole(page)

    def one(self, method: str, name: str) -> Whole:
        if name not in self.files:
            return self.missing()
        if method == "DELETE":
            del self.files[name]
            return Whole(b"", headers={"content-type": "text/plain"}) if self.brief else Whole({})
        return Whole(self.files[name])


def config_of(provider: FakeProvider, tmp_path: Path) -> dict[str, Any]:
    row = {"dialect": "gemini", "base_url": provider.url, "keys": [UP], "passthrough": ["google_files"]}
    keys = [{"name": "ann", "key": ANN}, {"name": "ben", "key": BEN}]
    return {
        "providers": {"up": row},
        "auth": {"keys": keys},
        "stores": {"sql": f"sqlite:///{tmp_path}/owned.db"},
        "retries": {"attempts": 1},
    }


async def ask(site: Site, method: str, path: str, key: str, body: Any = None, **headers: str) -> Answered:
    sent = {"x-goog-api-key": key, **headers}
    async with site.session.request(method, site.base + path, headers=sent, json=body) as response:
        return Answered(response.status, response.headers, await response.read())


async def test_the_official_client(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    google = Google()
    provider = await provide(google)
    site = await visit(config_of(provider, tmp_path))

    def client(key: str) -> genai.Client:
        return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=site.base))

    def run(call: Callable[[], Any]) -> Any:
        return asyncio.to_thread(call)

    ann, ben = client(ANN), client(BEN)
    data = b"text " * 2_000_000  # more than one request
    config = types.UploadFileConfig(mime_type="text/plain", display_name="a")
    file = await run(lambda: ann.files.upload(file=io.BytesIO(data), config=config))
    assert re.fullmatch("files/[0-9a-z]{25}", file.name)
    assert file.uri.endswith(f"/v1beta/{file.name}")
    assert list(google.uploads.values()) == [data]
    assert (await run(lambda: ann.files.get(name=file.name))).name == file.name
    for _ in range(3):  # others' files fill the first pages
        await run(lambda: ben.files.upload(file=io.BytesIO(b"b"), config=config))
    last = await run(lambda: ann.files.upload(file=io.BytesIO(b"c"), config=config))
    assert [one.name for one in await run(lambda: list(ann.files.list()))] == [file.name, last.name]
    assert len(await run(lambda: list(ben.files.list()))) == 3
    part = types.Part.from_uri(file_uri=file.uri, mime_type="text/plain")
    said = await run(lambda: ann.models.generate_content(model="up/gemini-2.5-flash", contents=[part]))
    assert said.text == "Seen."
    count = len(provider.seen)
    for call in (
        lambda: ben.files.get(name=file.name),
        lambda: ben.files.delete(name=file.name),
        lambda: ben.models.generate_content(model="up/gemini-2.5-flash", contents=[part]),
    ):
        with pytest.raises(genai.errors.ClientError) as refused:
            await run(call)
        assert refused.value.code == 404
    assert len(provider.seen) == count
    await run(lambda: ann.files.delete(name=file.name))
    assert (await ask(site, "GET", f"/v1beta/{file.name}", ANN)).status == 404
    assert CANARY not in repr([file, last])
    for seen in provider.seen:
        assert ANN not in seen.target + str(seen.headers)


async def test_the_owner_of_a_deleted_file_is_forgotten_whatever_the_answer(
    visit: Visit, provide: Provide, tmp_path: Path
) -> None:
    google = Google()
    google.brief = True
    provider = await provide(google)
    site = await visit(config_of(provider, tmp_path))
    options = types.HttpOptions(base_url=site.base)
    ann = genai.Client(api_key=ANN, http_options=options)
    config = types.UploadFileConfig(mime_type="text/plain")
    file = await asyncio.to_thread(lambda: ann.files.upload(file=io.BytesIO(b"a"), config=config))
    assert (await ask(site, "DELETE", f"/v1beta/{file.name}", ANN)).status == 200
    count = len(provider.seen)
    assert (await ask(site, "GET", f"/v1beta/{file.name}", ANN)).status == 404
    assert len(provider.seen) == count


async def test_an_upload_belongs_to_its_client_and_stays_at_its_server(
    visit: Visit, provide: Provide, tmp_path: Path
) -> None:
    google = Google()
    provider = await provide(google)
    site = await visit(config_of(provider, tmp_path))
    start = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    begun = await ask(site, "POST", "/upload/v1beta/files", ANN, {"file": {}}, **start)
    url = begun.headers["x-goog-upload-url"]
    assert url.startswith(f"{site.base}/key/{ANN}/upload/v1beta/files?upload_id=")
    assert CANARY not in url
    path = url.removeprefix(site.base).removeprefix(f"/key/{ANN}")
    count = len(provider.seen)
    more = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    assert (await ask(site, "POST", path, BEN, {}, **more)).status == 404
    for forged in (f"session-{CANARY}-0", "../x", "a&upload_id=b"):
        told = await ask(site, "POST", f"/upload/v1beta/files?upload_id={forged}", ANN, {}, **more)
        assert told.status == 404
    assert len(provider.seen) == count
    assert (await ask(site, "POST", path, ANN, {}, **more)).status == 200
    assert (await ask(site, "POST", path, ANN, {}, **more)).status == 404  # the upload is over
    google.elsewhere = True
    told = await ask(site, "POST", "/upload/v1beta/files", ANN, {"file": {}}, **start)
    assert (told.status, "x-goog-upload-url" in told.headers) == (502, False)


async def test_downloads_and_other_names(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    google = Google()
    google.files["strange"] = {"name": "files/strange", "uri": "x"}
    provider = await provide(google)
    site = await visit(config_of(provider, tmp_path))
    start = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    url = (await ask(site, "POST", "/upload/v1beta/files", ANN, {}, **start)).headers["x-goog-upload-url"]
    more = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    name = (await ask(site, "POST", url.removeprefix(site.base), ANN, {}, **more)).body["file"]["name"]
    told = await ask(site, "GET", f"/v1beta/{name}:download?alt=media", ANN)
    assert (told.status, told.raw) == (200, b"\x00bytes")
    google.kind = "application/json; charset=UTF-8"
    for content in (
        b"[1, 2]",
        b'{"files": [{}], "k":1}',
        b'{"file": {"name": "a"}}',
        b'{ "\\u0061" : 1.0 }',
        b"{",
    ):
        google.content = content
        told = await ask(site, "GET", f"/v1beta/{name}:download?alt=media", ANN)
        assert (told.status, told.raw) == (200, content)
        assert told.headers["content-length"] == str(len(content))
    count = len(provider.seen)
    for path in ("/v1beta/files/strange", f"/v1beta/{name}:other", "/v1beta/files/..", f"/v1beta/{name}%2Fx"):
        assert (await ask(site, "GET", path, ANN)).status == 404
    assert (await ask(site, "GET", f"/v1beta/{name}:download?alt=media", BEN)).status == 404
    assert len(provider.seen) == count
