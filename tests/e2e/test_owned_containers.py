"""OpenAI's containers and Mistral's batch jobs: each client has its own, by ids of the gateway."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit

ANN, BEN = "ann-key-0123456789", "ben-key-0123456789"
CANARY = "cAnArY0"


class Account:
    """A provider's account. It answers 404 for ids that it has not given."""

    def __init__(self, *, uuids: bool = False) -> None:
        self.uuids = uuids
        self.objects: dict[str, dict[str, Any]] = {}

    def made(self, beginning: str, **members: Any) -> dict[str, Any]:
        number = len(self.objects)
        id_ = f"00000000-0000-4000-8000-{number:012}" if self.uuids else f"{beginning}{CANARY}{number:09}"
        self.objects[id_] = {"id": id_, "object": beginning, **members}
        return self.objects[id_]

    def __call__(self, seen: Seen) -> Answer:
        try:
            return Whole(self.answer(seen))
        except KeyError as missing:
            text = f"No such object: {missing.args[0]}"
            return Whole({"error": {"message": text, "type": "invalid_request_error"}}, 404)

    def answer(self, seen: Seen) -> Any:
        match [seen.method, *seen.path.removeprefix("/v1/").split("/")]:
            case ["POST", "files"]:
                return self.made("file-", filename="a", purpose="batch")
            case ["POST", "containers"]:
                for id_ in json.loads(seen.raw).get("file_ids", []):
                    _ = self.objects[id_]
                return self.made("cntr_", name="c", status="running")
            case ["POST", "containers", id_, "files"]:
                _ = self.objects[id_]
                if "json" in seen.headers["content-type"]:
                    _ = self.objects[json.loads(seen.raw)["file_id"]]
                return self.made("cfile_", container_id=id_, path="/mnt/data/a", source="user", bytes=1)
            case ["GET", "containers", id_, "files"]:
                found = [one for one in self.objects.values() if one.get("container_id") == id_]
                return {"object": "list", "data": found, "has_more": False}
            case ["GET", "containers"]:
                found = [one for one in self.objects.values() if one["object"] == "cntr_"]
                return {"object": "list", "data": found, "has_more": False}
            case ["GET", "containers", id_, "files", item, "content"]:
                return b"content of " + self.objects[item]["container_id"][:5].encode() + id_[:5].encode()
            case ["DELETE", *_, id_]:
                return {"id": self.objects.pop(id_)["id"], "deleted": True}
            case ["POST", "batch", "jobs"]:
                files = json.loads(seen.raw)["input_files"]
                for id_ in files:
                    _ = self.objects[id_]
                error = {"message": f"{files[0]} has an odd line", "count": 1}
                job = self.made("batch", input_files=files, status="SUCCESS", errors=[error])
                job["output_file"] = self.made("file", filename="out")["id"]
                return job
            case ["GET", "batch", "jobs"]:
                found = [one for one in self.objects.values() if one["object"] == "batch"]
                return {"object": "list", "data": found if seen.query.get("page", "0") == "0" else [],
                        "total": len(found)}  # fmt: skip
            case [*_, id_, "cancel"] | ["GET", *_, id_]:
                return self.objects[id_]
        raise AssertionError(seen)


def config_of(provider: FakeProvider, tmp_path: Path, dialect: str, passthrough: list[str]) -> dict[str, Any]:
    row = {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"], "passthrough": passthrough}
    keys = [{"name": "ann", "key": ANN}, {"name": "ben", "key": BEN}]
    stores = {"sql": f"sqlite:///{tmp_path}/owned.db"}
    return {"providers": {"up": row}, "auth": {"keys": keys}, "stores": stores}


async def ask(site: Site, method: str, path: str, key: str = ANN, **more: Any) -> Answered:
    headers = {"authorization": f"Bearer {key}"}
    async with site.session.request(method, site.base + path, headers=headers, **more) as response:
        return Answered(response.status, response.headers, await response.read())


async def test_containers(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    account = Account()
    provider = await provide(account)
    site = await visit(config_of(provider, tmp_path, "openai_chat", ["files", "containers"]))
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key=ANN, max_retries=0) as ann:
        file = await ann.files.create(file=("a", b"x"), purpose="assistants")
        container = await ann.containers.create(name="c", file_ids=[file.id])
        assert re.fullmatch("cntr_[0-9a-z]{25}", container.id)
        uploaded = await ann.containers.files.create(container.id, file=("b", b"text"))
        assert re.fullmatch("cfile_[0-9a-z]{25}", uploaded.id)
        assert uploaded.container_id == container.id
        assert b"text" in provider.last.raw
        copied = await ann.containers.files.create(container.id, file_id=file.id)
        listed = [one.id async for one in ann.containers.files.list(container.id)]
        assert listed == [uploaded.id, copied.id]
        assert [one.id async for one in ann.containers.list()] == [container.id]
        content = await ann.containers.files.content.retrieve(uploaded.id, container_id=container.id)
        assert await content.aread() == b"content of cntr_cntr_"
        # Nothing of it exists for another client, nor by the provider's own ids.
        for path in (f"/v1/containers/{container.id}", f"/v1/containers/{container.id}/files/{uploaded.id}"):
            count = len(provider.seen)
            assert (await ask(site, "GET", path, BEN)).status == 404
            assert (await ask(site, "DELETE", path, BEN)).status == 404
            assert len(provider.seen) == count
        assert (await ask(site, "GET", "/v1/containers", BEN)).body["data"] == []
        upstream = next(id_ for id_ in account.objects if id_.startswith("cntr_"))
        assert (await ask(site, "GET", f"/v1/containers/{upstream}")).status == 404
        assert (
            await ask(site, "POST", "/v1/containers", BEN, json={"name": "b", "file_ids": [file.id]})
        ).status == 404
        await ann.containers.files.delete(uploaded.id, container_id=container.id)
        assert (await ask(site, "GET", f"/v1/containers/{container.id}/files/{uploaded.id}")).status == 404
        await ann.containers.delete(container.id)
    assert (await ask(site, "GET", f"/v1/containers/{container.id}")).status == 404
    assert all(CANARY not in one for one in (file.id, container.id, uploaded.id, copied.id))


async def test_no_form_names_a_file(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    """Ids in forms are not translated, so the provider's id of another client's file must not pass there."""
    account = Account()
    provider = await provide(account)
    site = await visit(config_of(provider, tmp_path, "openai_chat", ["files", "containers"]))
    made = (await ask(site, "POST", "/v1/containers", json={"name": "c"})).body
    count = len(account.objects)
    for head in ('form-data; name="file_id"', "FORM-DATA; x=1; NAME=file_id"):
        form = f"--b\r\nContent-Disposition: {head}\r\n\r\nfile-{CANARY}\r\n--b--\r\n".encode()
        headers = {"authorization": f"Bearer {ANN}", "content-type": "multipart/form-data; boundary=b"}
        url = f"{site.base}/v1/containers/{made['id']}/files"
        async with site.session.post(url, data=form, headers=headers) as response:
            told = await response.json()
        assert (response.status, told["error"]["param"]) == (400, "file_id")
    assert len(account.objects) == count


async def test_a_model_gets_the_providers_container(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    account = Account()

    def answer(seen: Seen) -> Answer:
        if not seen.path.endswith("/responses"):
            return account(seen)
        container = json.loads(seen.raw)["tools"][0]["container"]
        return Whole(
            {"error": {"message": f"seen {container[:5]}"}}, 200 if container in account.objects else 404
        )

    provider = await provide(answer)
    config = config_of(provider, tmp_path, "openai_responses", ["containers"])
    site = await visit(config)
    made = (await ask(site, "POST", "/v1/containers", json={"name": "c"})).body
    body = {"model": "up/m", "input": "Hi", "tools": [{"type": "code_interpreter", "container": made["id"]}]}
    await ask(site, "POST", "/v1/responses", json=body)
    assert json.loads(provider.last.raw)["tools"][0]["container"] in account.objects
    count = len(provider.seen)
    refused = await ask(site, "POST", "/v1/responses", BEN, json=body)
    assert (refused.status, refused.error["param"]) == (404, "container")
    assert len(provider.seen) == count


async def test_mistrals_batch_jobs(visit: Visit, provide: Provide, tmp_path: Path) -> None:
    account = Account(uuids=True)
    provider = await provide(account)
    site = await visit(config_of(provider, tmp_path, "mistral", ["files", "batch_jobs"]))
    file = (await ask(site, "POST", "/v1/files", data=b"form")).body["id"]
    asked = {"input_files": [file], "model": "mistral-small-latest", "endpoint": "/v1/chat/completions"}
    job = (await ask(site, "POST", "/v1/batch/jobs", json=asked)).body
    assert job["input_files"] == [file]
    assert job["errors"] == [{"message": f"{file} has an odd line", "count": 1}]
    assert not {job["id"], job["output_file"], file} & account.objects.keys()
    assert (await ask(site, "GET", f"/v1/batch/jobs/{job['id']}")).body == job
    assert (await ask(site, "POST", f"/v1/batch/jobs/{job['id']}/cancel")).body["id"] == job["id"]
    assert (await ask(site, "GET", f"/v1/files/{job['output_file']}")).body["filename"] == "out"
    assert [one["id"] for one in (await ask(site, "GET", "/v1/batch/jobs")).body["data"]] == [job["id"]]
    count = len(provider.seen)
    assert (await ask(site, "GET", f"/v1/batch/jobs/{job['id']}", BEN)).status == 404
    assert (await ask(site, "POST", f"/v1/batch/jobs/{job['id']}/cancel", BEN)).status == 404
    assert (await ask(site, "POST", "/v1/batch/jobs", BEN, json=asked)).status == 404
    assert (await ask(site, "GET", f"/v1/batch/jobs/{next(iter(account.objects))}")).status == 404
    assert len(provider.seen) == count
    assert (await ask(site, "GET", "/v1/batch/jobs", BEN)).body == {
        "object": "list",
        "data": [],
        "total": 0,
        "has_more": False,
    }
