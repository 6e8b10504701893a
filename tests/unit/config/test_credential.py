"""The settings of identities in clouds, and that they are the fields of an identity."""

from __future__ import annotations

import msgspec

from dragoman.config.credential import Credential
from dragoman.providers.identity import Identity
from tests.unit.config.conftest import Load

AZURE = "https://mine.openai.azure.com"


def test_the_settings_are_the_fields_of_an_identity() -> None:
    told = {field.name: field.default for field in msgspec.structs.fields(Credential)}
    assert told == {field.name: field.default for field in msgspec.structs.fields(Identity)}


def test_one_word_and_a_mapping(loaded: Load) -> None:
    vertex = loaded("providers: {vertex: {project: p, credential: google}}").providers["vertex"]
    assert vertex.identity == Identity(kind="google")
    assert (vertex.auth, vertex.credentials) == ("bearer", ())
    text = f"providers: {{azure: {{base_url: '{AZURE}', credential: {{kind: entra, tenant: t, client_id: c, "
    azure = loaded(text + "client_secret: '${SHH}'}}}", {"SHH": "the-secret-0123"}).providers["azure"]
    assert azure.auth == "bearer"
    assert azure.identity is not None
    assert (azure.identity.tenant, azure.identity.client_id) == ("t", "c")
    assert azure.identity.client_secret is not None
    assert azure.identity.client_secret.reveal() == "the-secret-0123"
    assert "the-secret-0123" not in repr(azure)


def test_an_identity_takes_no_key_of_the_environment(loaded: Load) -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
        "AWS_REGION": "eu-west-1",
    }
    bedrock = loaded("providers: {bedrock: {credential: aws}}", environ).providers["bedrock"]
    assert (bedrock.credentials, bedrock.identity) == ((), Identity(kind="aws"))
    assert bedrock.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"


def test_vertex_finds_its_project_and_place_in_the_environment(loaded: Load) -> None:
    environ = {"GOOGLE_CLOUD_PROJECT": "of-the-environment", "GOOGLE_CLOUD_LOCATION": "eu"}
    assert "vertex" not in loaded(None, environ).providers, "other services need these variables, too"
    vertex = loaded("providers: {vertex: {}}", environ).providers["vertex"]
    place = "projects/of-the-environment/locations/eu/publishers/google"
    assert vertex.base_url == f"https://aiplatform.eu.rep.googleapis.com/v1beta1/{place}"
    assert vertex.identity == Identity(kind="google")
    claude, _ = vertex.further
    assert claude.stream_url.endswith(
        "/v1/projects/of-the-environment/locations/eu/publishers/anthropic/models/{model}:streamRawPredict"
    )
