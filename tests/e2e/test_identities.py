"""Identities of AWS and Entra, end to end: the clouds' own libraries against stubs of their endpoints, strict
stubs of the providers, and how often each was asked.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, InternalServerError

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict.bedrock import NOVA, REGION, SECRET, TEMPORARY, TOKEN, bedrock

HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
ROLE = "/latest/meta-data/iam/security-credentials/"
ENTRA = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhIn0.sig"


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_NUM_ATTEMPTS", "1")


async def test_the_role_of_an_instance_signs_for_bedrock(
    serve: Serve, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore", reason="needs the extra `aws`")

    def instance(seen: Seen) -> Answer:
        if seen.path == "/latest/api/token":
            return Whole("of-the-instance")
        key = {"AccessKeyId": TEMPORARY, "SecretAccessKey": SECRET, "Token": TOKEN}
        ends = {"Code": "Success", "Expiration": "2100-01-01T00:00:00Z"}
        return Whole("the-role" if seen.path == ROLE else {**key, **ends})

    metadata, provider = await provide(instance), await provide(bedrock)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{metadata.url}/")
    row = {"base_url": provider.url, "region": REGION, "credential": "aws"}
    base = await serve(json.dumps({"providers": {"bedrock": row}, "retries": {"attempts": 1}}))
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:
        ask = client.chat.completions.create
        asked = (ask(model=f"bedrock/{NOVA}", messages=HELLO) for _ in range(20))
        answers = await asyncio.gather(*asked)
    assert {answer.choices[0].message.content for answer in answers} == {"Hello from Bedrock."}
    assert [seen.path for seen in metadata.seen].count(f"{ROLE}the-role") == 1
    assert len(provider.seen) == 20
    assert not any(SECRET in str(seen.headers) for seen in provider.seen)


@pytest.mark.parametrize("gone", [False, True])
async def test_a_managed_identity_calls_azure(
    serve: Serve, provide: Provide, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    pytest.importorskip("azure.identity", reason="needs the extra `azure`")

    def tokens(_: Seen) -> Answer:
        if gone:
            return Whole({"statusCode": 400, "message": "No managed identity was found"}, 400)
        return Whole({"access_token": ENTRA, "expires_on": "4102444800", "resource": "r"})

    def azure(seen: Seen) -> Answer:
        if "api-key" in seen.headers or seen.headers.get("authorization") != f"Bearer {ENTRA}":
            return Whole({"error": {"code": "401", "message": "Access denied"}}, 401)
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        about = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5"}
        return Whole({**about, "choices": [choice]})

    endpoint, provider = await provide(tokens), await provide(azure)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "the-header")
    credential = {"kind": "entra", "method": "managed_identity", "client_id": "mine"}
    row = {"base_url": provider.url, "credential": credential}
    base = await serve(json.dumps({"providers": {"azure": row}, "retries": {"attempts": 1}}))
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:
        ask = client.chat.completions.create
        if gone:
            with pytest.raises(InternalServerError) as raised:
                await ask(model="azure/gpt-5", messages=HELLO)
            assert raised.value.status_code == 502
            assert "cannot sign in to the provider 'azure'" in raised.value.message
            assert provider.seen == []
            return
        answers = await asyncio.gather(*(ask(model="azure/gpt-5", messages=HELLO) for _ in range(20)))
    assert {answer.choices[0].message.content for answer in answers} == {"Hello."}
    assert len(endpoint.seen) == 1
    assert endpoint.seen[0].query["client_id"] == "mine"
    assert len(provider.seen) == 20
