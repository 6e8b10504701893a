"""Lists of models as providers send them: every recorded one, and the forms that documentation states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.facts import Facts
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.providers.catalog import CATALOG
from dragoman.providers.listing import MOST, facts_of, read
from tests.conftest import RECORDED as WIRE

CHAT = DIALECTS["openai_chat"].models
ANTHROPIC = DIALECTS["anthropic"].models
GEMINI = DIALECTS["gemini"].models
RECORDED = {
    "anthropic": 8,
    "bedrock_mantle": 48,
    "cerebras": 7,
    "deepseek": 2,
    "gemini": 50,
    "gpustack": 1,
    "mistral": 64,
}


def lists(api: str) -> list[Any]:
    """The recorded lists of one vendor, as they were sent."""
    file = Path(WIRE) / f"{api}.models.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row["response"]["body"] for row in rows if row["request"]["url"].endswith("/models")]


@pytest.mark.parametrize("api", RECORDED)
def test_every_recorded_list_is_read(api: str) -> None:
    form = {"anthropic": ANTHROPIC, "gemini": GEMINI}.get(api, CHAT)
    pages = [read(json.dumps(body).encode(), form) for body in lists(api)]
    assert sum(len(page.models) for page in pages) == RECORDED[api]
    assert not any(name.startswith("models/") for page in pages for name in page.models)
    assert [bool(page.following) for page in pages] == [api == "gemini"] * len(pages)


def test_recorded_lists_state_facts() -> None:
    (google,) = (read(json.dumps(body).encode(), GEMINI) for body in lists("gemini"))
    flash = google.models["gemini-2.5-flash"]
    assert (flash.context, flash.max_output, flash.reasoning) == (1_048_576, 65_536, True)
    (mistral,) = (read(json.dumps(body).encode(), CHAT) for body in lists("mistral"))
    medium = mistral.models["mistral-medium-2505"]
    assert (medium.context, medium.tools, medium.images, medium.audio) == (131_072, True, True, False)
    (gpustack,) = (read(json.dumps(body).encode(), CHAT) for body in lists("gpustack"))
    assert gpustack.models["qwen3"].context == 8192


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        ({"context_window": 131_072, "max_completion_tokens": 8192}, Facts(context=131_072, max_output=8192)),
        ({"max_model_len": 32_768}, Facts(context=32_768)),
        ({"context_length": 4096.0}, Facts(context=4096)),
        ({"max_input_tokens": 200_000, "max_tokens": 64_000}, Facts(context=200_000, max_output=64_000)),
        ({"max_tokens": 64_000}, Facts()),
        ({"max_context_length": 4096, "type": "vlm"}, Facts(context=4096, images=True)),
        ({"context_length": 0}, Facts()),
        ({"context_length": -5, "max_model_len": True, "context_window": "9"}, Facts()),
        ({"context_length": 10**30}, Facts()),
        ({"capabilities": {"image_input": {"supported": False}}}, Facts(images=False)),
        ({"capabilities": {"thinking": {"supported": True}, "pdf_input": {}}}, Facts(reasoning=True)),
        ({"capabilities": {"vision": True, "function_calling": False}}, Facts(images=True, tools=False)),
        ({"capabilities": {"vision": "yes"}}, Facts()),
        ({"capabilities": ["completion", "tools"]}, Facts(tools=True, images=False, reasoning=False)),
        ({"capabilities": ["embedding"]}, Facts()),
        ({"capabilities": ["vision"]}, Facts(images=True)),
        (
            {
                "context_length": 128_000,
                "architecture": {"input_modalities": ["text", "image", "file"]},
                "top_provider": {"max_completion_tokens": 16_384},
                "supported_parameters": ["tools", "structured_outputs"],
            },
            Facts(
                context=128_000,
                max_output=16_384,
                tools=True,
                images=True,
                audio=False,
                documents=True,
                structured=True,
                reasoning=False,
            ),
        ),
        ({"architecture": {"input_modalities": []}, "supported_parameters": None}, Facts()),
        ({"architecture": "transformer", "top_provider": [], "meta": 5}, Facts()),
    ],
)
def test_stated_facts(entry: dict[str, Any], facts: Facts) -> None:
    assert facts_of(entry) == facts


def test_names_that_no_request_could_use_are_left_out() -> None:
    names: list[Any] = ["good", "a b", "good", "ü", "a\nb", "a\x00b", " a", "a*", "", None, 5, "x" * 257]
    page = read(json.dumps({"data": [*({"id": one} for one in names), "x", None, {}]}).encode(), CHAT)
    assert list(page.models) == ["good", "a b", "ü"]
    assert page.left_out == 11


def test_the_number_of_names_is_bounded() -> None:
    page = read(json.dumps([{"id": f"m{number}"} for number in range(MOST + 5)]).encode(), CHAT)
    assert (len(page.models), page.left_out) == (MOST, 5)


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"5", b"{}", b'{"data": {}}', b'{"models": []}', b"[" * 100_000, b'"\xff"']
)
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match="the list of models"):
        read(raw, CHAT)


def test_a_page_says_whether_another_one_follows() -> None:
    page = {"data": [], "has_more": True, "last_id": "m9"}
    assert read(json.dumps(page).encode(), ANTHROPIC).following == "m9"
    assert read(json.dumps({**page, "has_more": False}).encode(), ANTHROPIC).following is None
    assert read(json.dumps({**page, "has_more": "yes"}).encode(), ANTHROPIC).following is None
    assert read(json.dumps({**page, "last_id": None}).encode(), ANTHROPIC).following is None
    assert read(json.dumps({"models": [], "nextPageToken": ""}).encode(), GEMINI).following is None
    assert read(json.dumps({"models": [], "nextPageToken": "x"}).encode(), GEMINI).following == "x"
    assert read(json.dumps({"data": [], "last_id": "x", "has_more": True}).encode(), CHAT).following is None


VOICE = {"name": "zeus", "canonical_name": "aura-2-zeus-en", "architecture": "aura-2", "languages": ["en"]}
HEARS = {"name": "general", "canonical_name": "nova-3-general", "architecture": "nova-3", "batch": True}
GARDEN = {"name": "publishers/google/models/gemini-2.5-pro", "versionId": "default", "launchStage": "GA"}


@pytest.mark.parametrize(
    ("vendor", "sent", "names"),
    [
        ("deepgram", {"stt": [HEARS, HEARS], "tts": [VOICE]}, ["nova-3-general", "aura-2-zeus-en"]),
        ("deepgram", {"stt": [HEARS]}, ["nova-3-general"]),
        ("deepgram", {"stt": [{"name": "general"}], "tts": "none"}, []),
        ("elevenlabs", [{"model_id": "eleven_v3", "name": "Eleven v3"}], ["eleven_v3"]),
        ("elevenlabs", [{"name": "Eleven v3"}], []),
        ("vertex", {"publisherModels": [GARDEN]}, ["gemini-2.5-pro"]),
    ],
)
def test_a_vendor_may_have_a_list_of_its_own_form(vendor: str, sent: Any, names: list[str]) -> None:
    form = CATALOG[vendor].listing
    assert form is not None
    assert list(read(json.dumps(sent).encode(), form).models) == names


def test_the_list_of_vertex_has_pages() -> None:
    form = CATALOG["vertex"].listing
    assert form is not None
    page = {"publisherModels": [GARDEN], "nextPageToken": "more"}
    assert read(json.dumps(page).encode(), form).following == "more"
