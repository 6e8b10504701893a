"""Identities in clouds that do not fit their provider or themselves."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load, Mistakes

AZURE = "providers: {azure: {base_url: 'https://mine.openai.azure.com', credential: "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "providers: {vertex: {project: p, keys: [k-0123456789], credential: google}}",
            "providers.vertex.credential: `keys` and `credential` are both set",
        ),
        (
            "providers: {openai: {credential: aws}}",
            "providers.openai.credential: only requests to `bedrock` are signed",
        ),
        (
            "providers: {bedrock: {region: eu-west-1, credential: entra}}",
            "providers.bedrock.credential: an identity of entra is nothing to AWS",
        ),
        (AZURE + "{kind: entra, role: r}}}", "providers.azure.credential.role: belongs to `kind: aws`"),
        (
            AZURE + "{kind: aws, scope: s}}}",
            "providers.azure.credential: only requests",
        ),
        (
            AZURE + "{kind: entra, client_secret: shh-0123, tenant: t}}}",
            "providers.azure.credential.client_id: is needed with `client_secret`",
        ),
        (
            "providers: {bedrock: {region: eu-west-1, credential: {kind: aws, external_id: e}}}",
            "providers.bedrock.credential.external_id: is of no use without `role`",
        ),
        ("providers: {azure: {credential: gcp}}", "providers.azure.credential"),
        ("providers: {vertex: {}}", "providers.vertex: set `project`"),
        ("providers: {vertex: {project: a/b}}", "providers.vertex: 'a/b' is no name of a project"),
        (
            "providers: {vertex: {project: p, credential: {kind: google, file: none.json}}}",
            "providers.vertex.credential.file",
        ),
    ],
)
def test_what_does_not_fit_is_refused(mistakes: Mistakes, text: str, problem: str) -> None:
    assert any(problem in found for found in mistakes(text)), mistakes(text)


def test_what_fits_has_neither_problems_nor_warnings(loaded: Load) -> None:
    for text in (
        AZURE + "{kind: entra, method: managed_identity, client_id: c}}}",
        "providers: {bedrock: {region: eu-west-1, credential: {kind: aws, role: r, external_id: e}}}",
        "providers: {vertex: {project: p}}",
        "providers: {vertex: {keys: [k-0123456789]}}",
    ):
        assert loaded(text).warnings == ()
