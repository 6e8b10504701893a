"""What each dialect says of itself: addresses, ids, features, the names that tools may have."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS

SSE = "text/event-stream; charset=utf-8"
LONGEST = {"openai_chat": 64, "anthropic": 128, "mistral": 64}


@pytest.mark.parametrize(
    ("name", "chat", "models", "prefix", "ping"),
    [
        ("openai_chat", "/chat/completions", "/models", "chatcmpl-", b": ping\n\n"),
        ("anthropic", "/messages", "/models", "msg_", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("mistral", "/chat/completions", "/models", "", b": ping\n\n"),
    ],
)
def test_addresses_and_ids(name: str, chat: str, models: str, prefix: str, ping: bytes) -> None:
    dialect = DIALECTS[name]
    assert dialect.name == name
    assert (dialect.paths.chat, dialect.models.path) == (chat, models)
    assert (dialect.response.id_prefix, dialect.stream.content_type, dialect.stream.ping) == (
        prefix,
        SSE,
        ping,
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai_chat", ("/embeddings",)),
        ("mistral", ("/embeddings",)),
        ("gemini", ("/models/{model}:batchEmbedContents",)),
        ("anthropic", None),
    ],
)
def test_vectors_are_asked_for_where_there_is_a_codec(name: str, path: tuple[str, ...] | None) -> None:
    dialect = DIALECTS[name]
    codec = dialect.operations.get("embed")
    assert (codec.provider.paths if codec is not None else None) == path


@pytest.mark.parametrize(("name", "longest"), LONGEST.items())
@pytest.mark.parametrize("letter", ["a", "Z", "0", "_", "-"])
def test_a_tools_name_may_be_as_long_as_the_protocol_says(name: str, longest: int, letter: str) -> None:
    assert named(name, letter * longest) == letter * longest
    shortened = named(name, letter * (longest + 1))
    assert shortened != letter * (longest + 1)
    assert len(shortened) <= longest


@pytest.mark.parametrize("name", LONGEST)
@pytest.mark.parametrize("letter", [".", "~", "é", " ", "/"])
def test_a_tools_name_has_no_other_letters(name: str, letter: str) -> None:
    assert letter not in named(name, f"get{letter}weather")


def test_anthropic_has_schemas_but_no_json_mode_and_no_free_text_for_tools() -> None:
    assert DIALECTS["anthropic"].abilities.features == {"schema", "forced_tool", "single_call"}
    assert DIALECTS["openai_chat"].abilities.features >= {"schema", "json", "custom_tools"}
    assert DIALECTS["mistral"].abilities.features == {
        *("schema", "json", "forced_tool", "forced_thinking", "single_call"),
    }


def named(dialect: str, tool: str) -> str:
    """The name by which a tool of the client's is known upstream."""
    request = ir.Request("t", "m", (ir.Message("user", (ir.Text("Hello"),)),), tools=(ir.Function(tool),))
    emulated = emulate(request, DIALECTS[dialect].abilities, UNKNOWN, STANDARD, Report(dialect)).request
    (function,) = emulated.tools or ()
    assert isinstance(function, ir.Function)
    return function.name
