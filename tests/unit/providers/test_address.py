"""Base URLs: every spelling that people use leads to the one place."""

import re

import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG
from dragoman.providers.provider import base_url

H = "https://gateway.example"
CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/{model}:generateContent"

# Vendor (None: unknown to the catalogue), what the operator wrote, the chat endpoint that must come out.
ENDPOINTS = [
    # The four spellings, and what else people paste.
    (None, "http://localhost:8000", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/v1", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/v1/", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/v1//", f"http://localhost:8000{CHAT}"),
    (None, " http://localhost:8000/v1\n", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/v1/chat/completions", f"http://localhost:8000{CHAT}"),
    (None, "http://localhost:8000/v1/chat/completions/", f"http://localhost:8000{CHAT}"),
    (None, "HTTP://LocalHost:80/v1", f"http://localhost{CHAT}"),
    (None, "https://h.example:443", f"https://h.example{CHAT}"),
    (None, "https://h.example:80", f"https://h.example:80{CHAT}"),
    (None, "http://[::1]:8000", f"http://[::1]:8000{CHAT}"),
    # A path that somebody chose survives.
    (None, f"{H}/openai/v1", f"{H}/openai/v1/chat/completions"),
    (None, f"{H}/x/v1/", f"{H}/x/v1/chat/completions"),
    (None, f"{H}/api/paas/v4", f"{H}/api/paas/v4/chat/completions"),
    (None, f"{H}/v1beta/openai/", f"{H}/v1beta/openai/chat/completions"),
    (None, f"{H}/openai", f"{H}/openai/chat/completions"),
    (None, f"{H}/Team%20A/v1", f"{H}/Team%20A/v1/chat/completions"),
    # Vendors: their own base, and another one in front of it.
    ("openai", None, f"https://api.openai.com{CHAT}"),
    ("openai", "https://api.openai.com", f"https://api.openai.com{CHAT}"),
    ("openai", "https://eu.api.openai.com/v1/", f"https://eu.api.openai.com{CHAT}"),
    ("anthropic", None, "https://api.anthropic.com/v1/messages"),
    ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
    ("anthropic", "https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"),
    ("anthropic", f"{H}/anthropic", f"{H}/anthropic/v1/messages"),
    ("anthropic", f"{H}/anthropic/v1", f"{H}/anthropic/v1/messages"),
    ("gemini", None, f"https://generativelanguage.googleapis.com{GEMINI}"),
    (
        "gemini",
        "https://generativelanguage.googleapis.com/",
        f"https://generativelanguage.googleapis.com{GEMINI}",
    ),
    ("gemini", f"{H}/v1", f"{H}/v1/models/{{model}}:generateContent"),
    ("gemini", f"{H}/google", f"{H}/google{GEMINI}"),
    ("gemini", f"{H}/v1beta/models/gemini-2.5-flash:generateContent", f"{H}{GEMINI}"),
    ("gemini", f"{H}/v1beta/models", f"{H}{GEMINI}"),
    ("mistral", None, f"https://api.mistral.ai{CHAT}"),
    ("mistral", "https://api.eu.mistral.ai", f"https://api.eu.mistral.ai{CHAT}"),
    ("mistral", f"{H}/mistral", f"{H}/mistral{CHAT}"),
    ("groq", None, "https://api.groq.com/openai/v1/chat/completions"),
    ("groq", "https://api.groq.com", "https://api.groq.com/openai/v1/chat/completions"),
    ("groq", "https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1/chat/completions"),
    ("groq", f"{H}/groq", f"{H}/groq/openai/v1/chat/completions"),
    ("groq", f"{H}/v1", f"{H}/v1/chat/completions"),
    ("deepseek", None, "https://api.deepseek.com/chat/completions"),
    ("deepseek", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1/chat/completions"),
    ("deepseek", "https://api.deepseek.com/beta", "https://api.deepseek.com/beta/chat/completions"),
    ("perplexity", "https://api.perplexity.ai/", "https://api.perplexity.ai/chat/completions"),
    ("openrouter", "https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"),
    ("zai", "https://api.z.ai/", "https://api.z.ai/api/paas/v4/chat/completions"),
    ("writer", "https://api.writer.com", "https://api.writer.com/v1/chat"),
    ("writer", "https://api.writer.com/v1/chat", "https://api.writer.com/v1/chat"),
]


@pytest.mark.parametrize(("vendor", "spelled", "endpoint"), ENDPOINTS)
def test_every_spelling_leads_to_the_endpoint(vendor: str | None, spelled: str | None, endpoint: str) -> None:
    row = CATALOG[vendor] if vendor else None
    dialect = row.dialect if row else "openai_chat"
    path = (row and row.chat_path) or DIALECTS[dialect].paths.chat
    assert base_url(row, dialect, spelled, chat_path=path) + path == endpoint


@pytest.mark.parametrize(
    ("spelled", "endpoint"),
    [
        ("https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1/messages"),
        ("http://localhost:8000", "http://localhost:8000/v1/messages"),
        ("http://localhost:8000/v1/messages", "http://localhost:8000/v1/messages"),
        (f"{H}/proxy/v2", f"{H}/proxy/v2/messages"),
    ],
)
def test_an_unknown_anthropic_server_gets_v1_as_its_clients_do(spelled: str, endpoint: str) -> None:
    assert base_url(None, "anthropic", spelled) + DIALECTS["anthropic"].paths.chat == endpoint


@pytest.mark.parametrize(
    ("spelled", "base_path", "base"),
    [
        (f"{H}/proxy", "/v1", f"{H}/proxy/v1"),
        (f"{H}/proxy/v1", "/v1", f"{H}/proxy/v1"),
        (f"{H}/proxy/v1/", "/v1", f"{H}/proxy/v1"),
        (f"{H}", "/serving/openai", f"{H}/serving/openai"),
        (f"{H}", "", f"{H}"),
        (f"{H}/x", "", f"{H}/x"),
        (f"{H}/xv1", "/v1", f"{H}/xv1/v1"),
    ],
)
def test_a_stated_base_path_is_added_once_and_nothing_else_is(
    spelled: str, base_path: str, base: str
) -> None:
    for dialect in ("openai_chat", "anthropic"):
        assert base_url(None, dialect, spelled, base_path) == base


@pytest.mark.parametrize(("vendor", "spelled", "endpoint"), ENDPOINTS)
def test_the_normal_form_is_its_own_normal_form(
    vendor: str | None, spelled: str | None, endpoint: str
) -> None:
    row = CATALOG[vendor] if vendor else None
    dialect = row.dialect if row else "openai_chat"
    path = (row and row.chat_path) or DIALECTS[dialect].paths.chat
    once = base_url(row, dialect, spelled, chat_path=path)
    assert base_url(row, dialect, once, chat_path=path) == once
    assert once.startswith(address.origin(once))


@pytest.mark.parametrize(
    ("spelled", "sentence"),
    [
        ("", "must begin with http:// or https://"),
        ("localhost:8000", "must begin with http:// or https://"),
        ("api.openai.com/v1", "must begin with http:// or https://"),
        ("ftp://h.example", "must begin with http:// or https://"),
        ("https:/h.example/v1", "must begin with http:// or https://"),
        ("https:h.example/v1", "must begin with http:// or https://"),
        ("//h.example", "must begin with http:// or https://"),
        ("https://", "has no host"),
        ("https:///v1", "has no host"),
        ("https://:8000/v1", "has no host"),
        ("https://h.example:port", "has an invalid host or port"),
        ("https://h.example:70000", "has an invalid host or port"),
        ("https://h.example:0", "port 0"),
        ("https://[::1", "has an invalid host or port"),
        ("https://user:hunter2@h.example", "user name or a password"),
        ("https://user@h.example", "user name or a password"),
        ("https://h.example/v1?key=hunter2", "must not have a query"),
        ("https://h.example/v1?", "must not have a query"),
        ("https://h.example/v1#x", "or a fragment"),
        ("https://h.example/a b", "blank"),
        ("https://h.exam\tple/v1", "unprintable"),
        ("https://h.example\\@evil.example", "backslash"),
    ],
)
def test_what_is_no_base_url_says_why_and_shows_no_password(spelled: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        base_url(None, "openai_chat", spelled)
    assert "hunter2" not in str(refused.value)


def test_a_password_with_an_at_sign_is_not_shown() -> None:
    assert address.without_keys("https://me:hun@ter2@h.example/v1") == "https://…@h.example/v1"


def test_a_provider_that_nobody_knows_needs_an_address() -> None:
    with pytest.raises(ValueError, match="set base_url"):
        base_url(None, "openai_chat", None)


# What OLLAMA_HOST may hold, as Ollama's own clients read it.
HOSTS = [
    ("", "http://127.0.0.1:11434/v1"),
    ("example.com", "http://example.com:11434/v1"),
    ("example.com/", "http://example.com:11434/v1"),
    (":56789", "http://127.0.0.1:56789/v1"),
    (" 1.2.3.4:56789 ", "http://1.2.3.4:56789/v1"),
    ('"1.2.3.4"', "http://1.2.3.4:11434/v1"),
    ("0.0.0.0", "http://127.0.0.1:11434/v1"),
    ("0.0.0.0:80", "http://127.0.0.1/v1"),
    ("http://0.0.0.0:11434", "http://127.0.0.1:11434/v1"),
    ("[::]:11434", "http://[::1]:11434/v1"),
    ("::1", "http://[::1]:11434/v1"),
    ("http://example.com", "http://example.com/v1"),
    ("https://example.com", "https://example.com/v1"),
    ("https://example.com:56789/path/", "https://example.com:56789/path/v1"),
    ("example.com:56789/path", "http://example.com:56789/path/v1"),
]


@pytest.mark.parametrize(("stated", "expected"), HOSTS)
def test_a_host_as_a_servers_own_clients_spell_it(stated: str, expected: str) -> None:
    url = address.host_url(stated, port=11434, path="/v1")
    assert address.base_url(url, path="/v1") == expected


@pytest.mark.parametrize("stated", ["http://h:99999", "ftp://h", "h h", "http://u:p@h", "u:p@h"])
def test_a_host_that_is_none_is_refused(stated: str) -> None:
    with pytest.raises(ValueError, match="the URL"):
        address.base_url(address.host_url(stated, port=11434, path="/v1"))


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://A.example:1/v1", "a.example"), ("http://[::1", None), ("${BASE}", None), ("", None)],
)
def test_the_host_of_an_url_is_found_in_any_text(url: str, host: str | None) -> None:
    assert address.host_of(url) == host
