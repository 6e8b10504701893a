"""Objects that clients make at a provider: each client sees its own, by ids that the gateway has minted. The
provider knows only the ids that it has given, and all of them have a canary in them.
"""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from typing import Any

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit

ANN, BEN, FEW = "ann-key-0123456789", "ben-key-0123456789", "few-key-0123456789"
CANARY = "cAnArY0"
RESOURCES = ["files", "uploads", "batches", "fine_tuning", "vector_stores"]
MINTED = re.compile(
    r"\b(?:file|upload|part|batch|ftjob|ftevent|ftckpt|vs|vsfb|msgbatch)[-_][0-9a-z]{25}(?![0-9a-zA-Z])"
)


class Account:
    """A provider's account with objects in the order of their making. It answers 404 for any id that it has
    not given, wherever the id stands.
    """

    def __init__(self, vendor: str = "openai") -> None:
        self.vendor = vendor
        self.objects: dict[str, dict[str, Any]] = {}

    def made(self, beginning: str, **members: Any) -> dict[str, Any]:
        id_ = f"{beginning}{CANARY}{len(self.objects):09}"
        self.objects[id_] = {"id": id_, "object": beginning.strip("-_"), "created_at": 1, **members}
        return self.objects[id_]

    def __call__(self, seen: Seen) -> Answer:
        try:
            return Whole(self._answer(seen))
        except KeyError as missing:
            text = f"No such object: {missing.args[0]}"
            return Whole({"error": {"message": text, "type": "invalid_request_error"}}, 404)

    def _answer(self, seen: Seen) -> Any:
        steps = seen.path.removeprefix("/v1/").removeprefix("messages/").split("/")
        named = [step for step in steps if CANARY in step]
        for id_ in (*named, *(seen.query.get(name) for name in ("after", "after_id", "before_id"))):
            if id_:
                _ = self.objects[id_]
        if steps[-1] == "content":
            return b"\x00content of " + steps[-2].encode()
        if seen.method == "GET":
            return self._shown(seen) if not named or steps[-1] == named[-1] else self._part(steps)
        if seen.method == "DELETE":
            return {"id": named[-1], "deleted": bool(self.objects.pop(named[-1]))}
        return self._made(steps, seen)

    def _shown(self, seen: Seen) -> Any:
        last = seen.path.rpartition("/")[2]
        if CANARY in last:
            return self.objects[last]
        beginnings = {"files": "file", "batches": "batch", "jobs": "ftjob", "vector_stores": "vs_"}
        beginning = beginnings[last]
        if "messages" in seen.path:
            beginning = "msgbatch"
        found = [one for id_, one in self.objects.items() if id_.startswith(beginning)][::-1]
        limit = int(seen.query.get("limit", "20"))
        if "ids[]" in seen.query:
            return {"data": [self.objects[seen.query["ids[]"]]], "has_more": False, "next_page": None}
        ids = [one["id"] for one in found]
        start, end = 0, limit
        if after := seen.query.get("after") or seen.query.get("after_id"):
            start = ids.index(after) + 1
            end = start + limit
        if token := seen.query.get("page"):
            start = int(token.removeprefix("page_"))
            end = start + limit
        if before := seen.query.get("before_id"):
            end = ids.index(before)
            start = max(0, end - limit)
        page = found[start:end]
        more = start > 0 if before else end < len(found)
        listed = {"data": page, "has_more": more, "first_id": None, "last_id": None}
        if page:
            listed |= {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
        if self.vendor != "openai" and last == "files":
            listed["next_page"] = f"page_{end}" if more and not before else None
        return {"object": "list", **listed} if self.vendor == "openai" else listed

    def _part(self, steps: list[str]) -> Any:
        job = next(step for step in steps if CANARY in step)
        event = self.made("ftevent-", message=f"Created fine-tuning job: {job}")
        return {"object": "list", "data": [event], "has_more": False}

    def _made(self, steps: list[str], seen: Seen) -> Any:
        kind = "json" in seen.headers.get("content-type", "")
        body: dict[str, Any] = json.loads(seen.raw) if kind and seen.raw else {}
        for name in ("input_file_id", "training_file", "file_id"):
            if name in body:
                _ = self.objects[body[name]]
        for id_ in [*body.get("file_ids", []), *body.get("part_ids", [])]:
            _ = self.objects[id_]
        match steps:
            case ["files"]:
                beginning = "file-" if self.vendor == "openai" else "file_"
                return self.made(beginning, filename="a.txt", bytes=1, purpose="batch", metadata={"n": 1.5})
            case ["uploads"]:
                return self.made("upload_", status="pending")
            case ["uploads", id_, "parts"]:
                return self.made("part_", upload_id=id_)
            case ["uploads", id_, "complete"]:
                return {**self.objects[id_], "file": self.made("file-", filename="up.txt")}
            case ["batches"] if self.vendor == "openai":
                made = self.made("batch_", input_file_id=body["input_file_id"], status="completed")
                output = self.made("file-", filename=f"{made['id']}_output.jsonl")
                made |= {"output_file_id": output["id"], "error_file_id": None}
                made["errors"] = {"data": [{"message": f"{body['input_file_id']} has no line"}]}
                return made
            case ["batches"]:
                made = self.made("msgbatch_", processing_status="ended")
                made["results_url"] = f"https://up.example/v1/messages/batches/{made['id']}/results"
                return made
            case ["fine_tuning", "jobs"]:
                return self.made("ftjob-", training_file=body["training_file"], result_files=[])
            case ["vector_stores"]:
                return self.made("vs_", name="s")
            case ["vector_stores", id_, "files"]:
                return {**self.objects[body["file_id"]], "vector_store_id": id_}
            case ["vector_stores", id_, "file_batches"]:
                return self.made("vsfb_", vector_store_id=id_)
            case [*_, id_, "cancel"]:
                return self.objects[id_]
        raise AssertionError(steps)


def configuration(tmp: Any, **rows: Any) -> dict[str, Any]:
    keys: list[Any] = [{"name": "ann", "key": ANN}, {"name": "ben", "key": BEN}]
    keys.append({"name": "few", "key": FEW, "models": ["m"]})
    return {
        "providers": rows,
        "auth": {"keys": keys},
        "aliases": {"m": "simulate/echo"},
        "stores": {"sql": f"sqlite:///{tmp}/owned.db"},
    }


def row(provider: FakeProvider, dialect: str = "openai_chat", **more: Any) -> dict[str, Any]:
    resources = ["files", "message_batches"] if dialect == "anthropic" else RESOURCES
    return {
        "dialect": dialect, "base_url": provider.url, "keys": ["up-key"], "passthrough": resources, **more
    }  # fmt: skip


async def ask(site: Site, method: str, path: str, key: str = ANN, **more: Any) -> Answered:
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    async with site.session.request(method, site.base + path, headers=headers, **more) as response:
        return Answered(response.status, response.headers, await response.read())


def held(provider: FakeProvider, told: list[Any]) -> None:
    """No id of the provider reached a client, and none of the gateway reached the provider."""
    for one in told:
        assert CANARY not in repr(one)
    for seen in provider.seen:
        text = f"{seen.path} {dict(seen.query)} {seen.raw!r}"
        assert MINTED.search(text) is None, text


async def everything(client: AsyncOpenAI) -> list[Any]:
    """What OpenAI's client does with objects of its own; what it got."""
    endpoint: Any = "/v1/chat/completions"
    made = await client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    upload = await client.uploads.create(bytes=4, filename="f", mime_type="text/plain", purpose="batch")
    part = await client.uploads.parts.create(upload.id, data=b"part")
    assert part.upload_id == upload.id
    done = await client.uploads.complete(upload.id, part_ids=[part.id])
    assert done.file is not None
    batch = await client.batches.create(
        completion_window="24h", endpoint=endpoint, input_file_id=made.id, metadata={"a": "b"}
    )
    assert batch.input_file_id == made.id
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].message == f"{made.id} has no line"
    assert batch.output_file_id is not None
    output = await client.files.retrieve(batch.output_file_id)
    assert output.filename == f"{batch.id}_output.jsonl"
    job = await client.fine_tuning.jobs.create(model="gpt-4o", training_file=made.id)
    assert job.training_file == made.id
    events = await client.fine_tuning.jobs.list_events(job.id)
    assert events.data[0].message == f"Created fine-tuning job: {job.id}"
    store = await client.vector_stores.create(file_ids=[made.id])
    entry = await client.vector_stores.files.create(store.id, file_id=made.id)
    assert (entry.id, entry.vector_store_id) == (made.id, store.id)
    group = await client.vector_stores.file_batches.create(store.id, file_ids=[made.id])
    again = [
        await client.batches.retrieve(batch.id),
        await client.batches.cancel(batch.id),
        await client.fine_tuning.jobs.retrieve(job.id),
        await client.vector_stores.retrieve(store.id),
    ]
    return [made, upload, part, done, batch, output, job, events, store, entry, group, *again]


async def test_each_client_sees_its_own(
    visit: Visit, provide: Provide, stack: AsyncExitStack, tmp_path: Any
) -> None:
    account = Account()
    provider = await provide(account)
    site = await visit(configuration(tmp_path, up=row(provider)))
    ann, ben = (AsyncOpenAI(base_url=f"{site.base}/v1", api_key=key, max_retries=0) for key in (ANN, BEN))
    for client in (ann, ben):
        await stack.enter_async_context(client)
    of_ann, of_ben = await everything(ann), await everything(ben)
    listed = [[one.id async for one in client.files.list(limit=1)] for client in (ann, ben)]
    assert [len(one) for one in listed] == [3, 3]
    assert not set(listed[0]) & set(listed[1])
    assert set(listed[0]) == {of_ann[0].id, of_ann[3].file.id, of_ann[4].output_file_id}
    assert [one.id async for one in ben.batches.list()] == [of_ben[4].id]
    assert [one.id async for one in ann.vector_stores.list(limit=1)] == [of_ann[8].id]
    assert [one.id async for one in ann.fine_tuning.jobs.list(limit=1)] == [of_ann[6].id]
    content = await (await ann.files.content(of_ann[0].id)).aread()
    assert content.startswith(b"\x00content of file-")
    held(provider, [*of_ann, *of_ben, listed])
    before = len(provider.seen)
    foreign = {one.id for one in of_ann if one is not of_ann[7]}
    assert len(foreign) == 8
    for id_ in (*foreign, *account.objects, "file-nobody"):
        for method, path in (
            *(("GET", f"/v1/files/{id_}"), ("DELETE", f"/v1/files/{id_}")),
            *(("GET", f"/v1/files/{id_}/content"), ("GET", f"/v1/batches/{id_}")),
            *(("POST", f"/v1/batches/{id_}/cancel"), ("POST", f"/v1/uploads/{id_}/parts")),
            *(("GET", f"/v1/fine_tuning/jobs/{id_}"), ("GET", f"/v1/vector_stores/{id_}")),
            *(("GET", f"/v1/vector_stores/{of_ben[8].id}/files/{id_}"), ("GET", f"/v1/files?after={id_}")),
        ):
            told = await ask(site, method, path, BEN)
            assert told.status == 404, (method, path)
        told = await ask(site, "POST", "/v1/batches", BEN, json={"input_file_id": id_})
        assert (told.status, told.error["param"]) == (404, "input_file_id")
        told = await ask(site, "POST", "/v1/vector_stores", BEN, json={"file_ids": [of_ben[0].id, id_]})
        assert (told.status, told.error["param"]) == (404, "file_ids[1]")
    assert len(provider.seen) == before
    with pytest.raises(openai.NotFoundError):
        await ann.files.retrieve(of_ben[0].id)
    assert (await ann.files.delete(of_ann[0].id)).id == of_ann[0].id
    with pytest.raises(openai.NotFoundError, match="There is no file"):
        await ann.files.retrieve(of_ann[0].id)


async def test_anthropics_clients_too_and_after_a_restart(
    visit: Visit, provide: Provide, stack: AsyncExitStack, tmp_path: Any
) -> None:
    account = Account("anthropic")
    provider = await provide(account)
    config = configuration(tmp_path, claude=row(provider, "anthropic"))
    site = await visit(config)
    again = await visit(config)
    ann, ben, later = [
        await stack.enter_async_context(AsyncAnthropic(base_url=one.base, api_key=key, max_retries=0))
        for one, key in ((site, ANN), (site, BEN), (again, ANN))
    ]
    files = [await ann.beta.files.upload(file=("a.txt", b"text", "text/plain")) for _ in range(3)]
    for _ in range(4):
        await ben.beta.files.upload(file=("b.txt", b"text", "text/plain"))
    files += [await ann.beta.files.upload(file=("a.txt", b"text", "text/plain"))]
    source = {"type": "document", "source": {"type": "file", "file_id": files[0].id}}
    asked: Any = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": [source]}]}
    plain: Any = {**asked, "messages": [{"role": "user", "content": "Hi"}]}
    made = await ann.messages.batches.create(requests=[{"custom_id": "a", "params": asked}])
    assert made.results_url == f"/v1/messages/batches/{made.id}/results"
    sent = provider.last.body["requests"][0]["params"]["messages"][0]["content"][0]["source"]["file_id"]
    assert account.objects[sent]["object"] == "file"
    ids = [one.id for one in reversed(files)]
    assert [one.id async for one in later.beta.files.list(limit=2)] == ids
    with pytest.raises(anthropic.NotFoundError):
        await ben.beta.files.list(ids=[ids[0]])
    assert [one.id for one in (await ann.beta.files.list(ids=[ids[0]])).data] == [ids[0]]
    for _ in range(2):
        await ben.messages.batches.create(requests=[{"custom_id": "b", "params": plain}])
    assert [one.id async for one in later.messages.batches.list(limit=1)] == [made.id]
    assert len([one.id async for one in ben.messages.batches.list(limit=1)]) == 2
    further = await ann.messages.batches.create(requests=[{"custom_id": "c", "params": plain}])
    back = await later.messages.batches.list(limit=1, before_id=made.id)
    assert [one.id for one in back.data] == [further.id]
    with pytest.raises(anthropic.NotFoundError):
        await ben.messages.batches.retrieve(made.id)
    with pytest.raises(anthropic.NotFoundError):
        await ben.messages.batches.create(requests=[{"custom_id": "a", "params": asked}])
    held(provider, [files, made, back])


async def test_an_id_leads_to_its_provider(visit: Visit, provide: Provide, tmp_path: Any) -> None:
    one, two = [await provide(Account()) for _ in range(2)]
    site = await visit(configuration(tmp_path, one=row(one), two=row(two)))
    ids = {}
    for name in ("one", "two"):
        header = {"x-dragoman-provider": name}
        told = await ask(site, "POST", "/v1/files", data={"purpose": "batch"}, headers=header)
        ids[name] = told.body["id"]
    for name, id_ in ids.items():
        assert (await ask(site, "GET", f"/v1/files/{id_}")).headers["x-dragoman-deployment"] == name
        told = await ask(site, "POST", "/v1/batches", json={"input_file_id": id_, "temperature": 1.0})
        assert told.headers["x-dragoman-deployment"] == name
    told = await ask(site, "POST", "/v1/vector_stores", json={"file_ids": list(ids.values())})
    assert (told.status, told.error["param"]) == (404, "file_ids[1]")


async def test_a_provider_that_misses_it_is_told_in_the_clients_ids(
    visit: Visit, provide: Provide, tmp_path: Any
) -> None:
    account = Account()
    provider = await provide(account)
    site = await visit(configuration(tmp_path, up=row(provider)))
    id_ = (await ask(site, "POST", "/v1/files", data={"purpose": "batch"})).body["id"]
    account.objects.clear()
    told = await ask(site, "GET", f"/v1/files/{id_}")
    assert (told.status, told.error["message"]) == (404, f"No such object: {id_}")


async def test_a_key_limited_to_models_has_files_alone(visit: Visit, provide: Provide, tmp_path: Any) -> None:
    provider = await provide(Account())
    site = await visit(configuration(tmp_path, up=row(provider)))
    told = await ask(site, "POST", "/v1/files", FEW, data={"purpose": "batch"})
    assert told.status == 200
    refused = await ask(site, "POST", "/v1/batches", FEW, json={"input_file_id": told.body["id"]})
    assert (refused.status, refused.error["code"]) == (403, "key_limited_to_models")


async def test_a_key_limited_to_operations_has_files_alone(
    visit: Visit, provide: Provide, tmp_path: Any
) -> None:
    """A batch may ask for any operation, so the key of an embedding service must not start one for chat."""
    provider = await provide(Account())
    settings = configuration(tmp_path, up=row(provider))
    keys = settings["auth"]["keys"]
    keys += [{"name": "few", "key": FEW, "operations": ["embed"]}]
    keys += [{"name": "all", "key": "all-key-0123456789", "operations": ["embed", "pass_through"]}]
    del keys[2]
    site = await visit(settings)
    for key, status in ((FEW, 403), ("all-key-0123456789", 200)):
        told = await ask(site, "POST", "/v1/files", key, data={"purpose": "batch"})
        assert told.status == 200
        body = {"input_file_id": told.body["id"], "endpoint": "/v1/chat/completions"}
        batch = await ask(site, "POST", "/v1/batches", key, json=body)
        assert batch.status == status
        assert (await ask(site, "GET", "/v1/batches", key)).status == status
        if status == 403:
            assert batch.error["code"] == "operation_not_granted"


async def test_what_was_made_elsewhere(visit: Visit, provide: Provide, tmp_path: Any) -> None:
    """Nobody uses it by default. With `passthrough_ids: upstream` all do, by the provider's id."""
    account = Account()
    provider = await provide(account)
    old = account.made("file-", filename="old.txt")["id"]
    site = await visit(configuration(tmp_path, up=row(provider)))
    mine = (await ask(site, "POST", "/v1/files", data={"purpose": "batch"})).body["id"]
    assert (await ask(site, "GET", f"/v1/files/{old}")).status == 404
    assert [one["id"] for one in (await ask(site, "GET", "/v1/files")).body["data"]] == [mine]
    site = await visit(configuration(tmp_path, up=row(provider, passthrough_ids="upstream")))
    assert (await ask(site, "GET", f"/v1/files/{old}", BEN)).body["id"] == old
    assert [one["id"] for one in (await ask(site, "GET", "/v1/files", BEN)).body["data"]] == [old]
    assert [one["id"] for one in (await ask(site, "GET", "/v1/files")).body["data"]] == [mine, old]
    of_ann = [id_ for id_ in account.objects if id_ != old]
    assert (await ask(site, "GET", f"/v1/files/{of_ann[0]}", BEN)).status == 404
    assert (await ask(site, "GET", f"/v1/files/{old}", FEW)).status == 403


async def test_no_form_of_a_body_hides_an_id(visit: Visit, provide: Provide, tmp_path: Any) -> None:
    """A member that is stated twice, or escaped, another encoding of JSON, a form: with `upstream` too."""
    account = Account()
    provider = await provide(account)
    site = await visit(configuration(tmp_path, up=row(provider, passthrough_ids="upstream")))
    await ask(site, "POST", "/v1/files", data={"purpose": "batch"})
    (of_ann,) = account.objects
    json_ = {"content-type": "application/json"}
    twice = f'{{"file_ids": ["{of_ann}"], "file_ids": []}}'
    told = await ask(site, "POST", "/v1/vector_stores", BEN, data=twice, headers=json_)
    assert (told.status, provider.last.body) == (200, {"file_ids": []})
    before = len(provider.seen)
    stated = f'{{"file_ids": ["{of_ann}"]}}'
    escaped = stated.replace("_ids", "\\u005fids").replace("file-", "file\\u002d")
    assert (await ask(site, "POST", "/v1/vector_stores", BEN, data=escaped, headers=json_)).status == 404
    wide = stated.encode("utf-16-le")
    assert (await ask(site, "POST", "/v1/vector_stores", BEN, data=wide, headers=json_)).status == 400
    form = await ask(site, "POST", "/v1/vector_stores", BEN, data={"file_ids": of_ann})
    assert (form.status, form.error["param"]) == (400, "content-type")
    assert len(provider.seen) == before


async def test_a_model_reads_what_its_client_has_made(visit: Visit, provide: Provide, tmp_path: Any) -> None:
    """By the client's id, at the provider that has it; nobody else's, and before a provider is called."""
    account = Account()
    provider = await provide(lambda seen: CHATTED if "chat" in seen.path else account(seen))
    other = await provide(CHATTED)
    rows = {"up": row(provider), "other": row(other, passthrough=[])}
    site = await visit(configuration(tmp_path, **rows))
    id_ = (await ask(site, "POST", "/v1/files", data={"purpose": "user_data"})).body["id"]
    (upstream,) = account.objects
    text = f'{{"file_id": "{id_}"}}'
    content = [{"type": "file", "file": {"file_id": id_}}, {"type": "text", "text": text}]
    body = {"model": "up/gpt-4o", "temperature": 1.0, "messages": [{"role": "user", "content": content}]}
    told = await ask(site, "POST", "/v1/chat/completions", json=body)
    assert told.status == 200, told.raw
    sent = provider.last.body["messages"][0]["content"]
    assert sent == [{"type": "file", "file": {"file_id": upstream}}, {"type": "text", "text": text}]
    before = len(provider.seen)
    refused = await ask(site, "POST", "/v1/chat/completions", BEN, json=body)
    assert (refused.status, refused.error["param"]) == (404, "file_id")
    guessed = json.loads(json.dumps(body).replace(f'"{id_}"', f'"{upstream}"', 1))
    assert (await ask(site, "POST", "/v1/chat/completions", BEN, json=guessed)).status == 404
    elsewhere = {**body, "model": "other/gpt-4o"}
    refused = await ask(site, "POST", "/v1/chat/completions", json=elsewhere)
    assert (refused.status, refused.error["code"]) == (400, "object_of_another_provider")
    assert (len(provider.seen), len(other.seen)) == (before, 0)


CHATTED = Whole(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
)
