"""Which requests are refused, and which field is named."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.capabilities import needs, refuse
from dragoman.dialects.facts import UNKNOWN, Facts

TEXT = ir.Text("Look.")
IMAGE = ir.Media("image", "image/png", data="AA==")
SOUND = ir.Media("audio", "audio/wav", data="AA==")
PDF = ir.Media("document", "application/pdf", file="file-1")
NOTE = ir.Media("document", text="plain")
USER = ir.Message("user", (TEXT,))
DRAW = ir.ProviderTool("responses", "image_generation", {"type": "image_generation"})
SCHEMA = ir.Output("schema", {"type": "object"})
NOTHING = Facts(
    tools=False, images=False, audio=False, documents=False, structured=False, reasoning=False, draws=False
)


def request(*blocks: ir.Block, **more: object) -> ir.Request:
    return ir.Request("chat", "m", (USER, ir.Message("user", (TEXT, *blocks))), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "facts", "code", "param"),
    [
        (request(tools=(ir.Function("f"),)), Facts(tools=False), "unsupported_value", "tools"),
        (request(output=SCHEMA), Facts(tools=False, structured=False), "unsupported_value", "output"),
        (request(tools=(DRAW,)), Facts(tools=False), "unsupported_value", "tools"),
        (
            request(tools=(DRAW, ir.Function("f"))),
            Facts(tools=False, draws=True),
            "unsupported_value",
            "tools",
        ),
        (request(IMAGE), Facts(images=False), "unsupported_modality", "messages[1].blocks[1]"),
        (request(NOTE, SOUND), Facts(audio=False), "unsupported_modality", "messages[1].blocks[2]"),
        (request(PDF), Facts(documents=False), "unsupported_modality", "messages[1].blocks[1]"),
        (
            request(ir.ToolResult("1", (TEXT, IMAGE))),
            Facts(images=False),
            "unsupported_modality",
            "messages[1].blocks[1].content[1]",
        ),
        (
            request(output=ir.Output(modalities=("image",))),
            Facts(draws=False),
            "unsupported_modality",
            "output.modalities",
        ),
        (request(system=(IMAGE,)), Facts(images=False), "unsupported_modality", "system[0]"),
        (
            request(output=ir.Output(modalities=("text", "audio"))),
            Facts(audio=False),
            "unsupported_modality",
            "output.modalities",
        ),
    ],
)
def test_the_impossible_is_refused(asked: ir.Request, facts: Facts, code: str, param: str) -> None:
    fault = refuse(asked, facts)
    assert fault is not None
    assert (fault.code, fault.param, fault.http_status, fault.blame) == (code, param, 400, "client")
    assert refuse(asked, NOTHING) is not None
    assert refuse(asked, UNKNOWN) is None
    assert refuse(asked, Facts(tools=True, images=True, audio=True, documents=True, structured=True)) is None


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        (request(), NOTHING),
        # Pages that a provider's search found are no documents of the client's.
        (request(ir.ToolResult("s", (ir.Media("document", url="https://x.test"),), by="provider")), NOTHING),
        (request(tools=()), NOTHING),
        (request(NOTE), NOTHING),
        (request(output=ir.Output("json", modalities=("text",))), NOTHING),
        (request(reasoning=ir.Reasoning(effort="high")), NOTHING),
        # a schema is emulated by a tool
        (request(output=SCHEMA), Facts(structured=False)),
        (request(output=SCHEMA), Facts(tools=False)),
        (request(IMAGE), Facts(audio=False, documents=False)),
        (request(output=ir.Output(modalities=("image",))), Facts(images=False)),
        (request(tools=(DRAW,)), Facts(tools=False, draws=True)),
    ],
)
def test_the_possible_is_not(asked: ir.Request, facts: Facts) -> None:
    assert refuse(asked, facts) is None


def test_a_model_that_does_not_chat_refuses_every_chat() -> None:
    fault = refuse(ir.Request("openai_chat", "deepgram/nova-3", ()), Facts(chat=False))
    assert fault is not None
    assert (fault.kind, fault.param) == ("unsupported", "model")
    assert fault.message == '"deepgram/nova-3" does not chat.'


def test_tools_are_named_before_media() -> None:
    fault = refuse(request(IMAGE, tools=(ir.Function("f"),)), NOTHING)
    assert fault is not None
    assert fault.param == "tools"


def said(*blocks: ir.Block, **members: Any) -> ir.Request:
    return ir.Request("openai_chat", "m", (ir.Message("user", blocks),), **members)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (said(ir.Text("Hi")), set()),
        (said(ir.Media("image", "image/png")), {"images"}),
        (
            said(ir.Media("audio", "audio/wav"), ir.Media("document", "application/pdf")),
            {"audio", "documents"},
        ),
        (said(ir.Media("video", "video/mp4")), set()),
        (said(ir.Media("document", "text/plain", text="Read.")), set()),
        (said(ir.ToolResult("c", (ir.Media("image", "image/png"),))), {"images"}),
        (said(tools=(ir.Function("f"),)), {"tools"}),
        (ir.Request("openai_chat", "m", (ir.Message("user", (), tools=(ir.Function("f"),)),)), {"tools"}),
        (said(tools=()), set()),
        (said(output=ir.Output("schema", {})), {"structured"}),
        (said(output=ir.Output("json")), set()),
        (said(output=ir.Output(modalities=("text", "audio", "image"))), {"audio", "images"}),
        (said(reasoning=ir.Reasoning(effort="low")), {"reasoning"}),
        (said(reasoning=ir.Reasoning(mode="on", budget=2000)), {"reasoning"}),
        (said(reasoning=ir.Reasoning(effort="none")), set()),
        (said(reasoning=ir.Reasoning(mode="off")), set()),
        (said(reasoning=ir.Reasoning(budget=0)), set()),
        (said(reasoning=ir.Reasoning(summary="auto")), set()),
    ],
)
def test_what_a_request_needs(asked: ir.Request, found: set[str]) -> None:
    assert needs(asked) == found


def test_tools_in_words_are_possible_without_tools() -> None:
    asked = request(tools=(ir.Function("a"),))
    assert refuse(asked, Facts(tools=False)) is not None
    assert refuse(asked, Facts(tools=False, tool_mode="xml")) is None


def test_tools_that_a_message_adds_are_refused_like_those_of_the_request() -> None:
    asked = ir.Request("openai_responses", "m", (USER, ir.Message("user", (), tools=(ir.Function("f"),))))
    fault = refuse(asked, Facts(tools=False))
    assert fault is not None
    assert (fault.code, fault.param) == ("unsupported_value", "messages[1].tools")
    assert refuse(asked, UNKNOWN) is None
    drawing = ir.Request("openai_responses", "m", (ir.Message("user", (), tools=(DRAW,)),))
    assert refuse(drawing, Facts(tools=False, draws=True)) is None
