"""A conversation of two turns with a thought and a tool call, for every face over every family of providers.

The official client sends the whole history back. The second request must bring what the family demands: the
call and its result under one id, the words before it, and the thought, with its signature unchanged where the
family signs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.testing import corpus
from dragoman.testing.provider import Seen, Whole
from tests.e2e.conftest import Provide, Serve
from tests.e2e.families.client import CLIENTS
from tests.e2e.families.family import ARGUMENTS, FAMILIES, LAST, NAME, RESULT, TEXT, THOUGHT, Family
from tests.e2e.families.returned import Told, merged, returned
from tests.e2e.strict import bedrock, vertex

pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"  # of google-genai
)
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def configuration(family: Family, url: str, folder: Path) -> dict[str, Any]:
    row = {"base_url": url, **family.row}
    if family.name == "vertex":
        pytest.importorskip("google.auth", reason="needs the extra `google`")
        file = vertex.account(url, folder / "account.json")
        place = {"project": vertex.PROJECT, "region": vertex.LOCATION}
        row |= {**place, "credential": {"kind": "google", "file": file}}
    return {"providers": {family.name: row}, "retries": {"attempts": 1}}


@STREAMS
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("face", CLIENTS)
async def test_two_turns(
    serve: Serve, provide: Provide, tmp_path: Path, face: str, name: str, stream: bool
) -> None:
    family = FAMILIES[name]
    provider = await provide(family.answer)
    exchanges: list[Exchange] = []
    config = configuration(family, provider.url, tmp_path)
    base = await serve(json.dumps(config), observers=[exchanges.append])
    heard = await CLIENTS[face](base, f"{family.name}/{family.model}", NAME, RESULT, stream)
    first, second = (seen for seen in provider.seen if seen.path != "/token")
    assert (heard.text, heard.call, heard.last) == (TEXT, (NAME, ARGUMENTS), LAST)
    assert heard.thought == shown(family, first)
    got = merged(family.returned(second))
    assert got == expected(family, second, got)
    lost = [loss for loss in exchanges[-1].losses if loss.direction == "request"]
    assert [loss for loss in lost if loss.severity != "hint" and "[1]" in loss.path] == []


def shown(family: Family, asked: Seen) -> str:
    """The thought that the client must hear: the chat API of OpenAI and Azure shows none."""
    return "" if family.protocol(asked) == "openai_chat" else THOUGHT


def expected(family: Family, asked: Seen, got: list[Told]) -> list[Told]:
    """What the second request must bring.

    Gemini makes no ids: the call and its result must have one id, or none, as its own client sends them; and
    only the call is signed, so that the thought's words need not return.
    """
    protocol = family.protocol(asked)
    gemini = protocol == "gemini"
    id_ = next(told[1] for told in got if told[0] == "call") if gemini else family.id
    call = ("call", id_, NAME, ARGUMENTS, family.seal if gemini else "")
    said: list[Told] = [("text", TEXT), call, ("result", id_, RESULT)]
    if gemini:
        return [*(told for told in got if told == ("thought", THOUGHT, "")), *said]
    if protocol == "openai_chat":
        return said
    return [("thought", THOUGHT, family.seal), *said]


# --- Recorded first answers -------------------------------------------------------------------------

RECORDED = {
    "openai.responses": "openai_responses",
    "xai.responses": "openai_responses",
    "anthropic.messages": "anthropic",
    "gemini.generateContent": "gemini",
    "vertex.generateContent": "vertex_gemini",
    "cohere.chat": "cohere",
    "ollama.chat": "ollama",
    "bedrock.converse": "bedrock_converse",
}
"""The recorded API of a family."""
FORMS = {name: name.removeprefix("vertex_").removesuffix("_converse") for name in RECORDED.values()}
"""The protocol of each of these families."""
MOST = 3
"""Conversations of one recorded API."""


@pytest.mark.wire
@pytest.mark.parametrize("api", RECORDED)
@pytest.mark.parametrize("face", CLIENTS)
async def test_recorded_first_answers(
    serve: Serve,
    provide: Provide,
    recorded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    face: str,
    api: str,
) -> None:
    """A recorded answer with a thought and one call: all of it that the family demands comes back."""
    family = FAMILIES[RECORDED[api]]
    tried = 0
    signed = family.name == "bedrock"
    for answer, said in thinking_calls(recorded, api):
        [call] = [told for told in said if told[0] == "call"]
        for told in said:
            if told[0] == "thought" and told[2]:
                monkeypatch.setattr(bedrock, "SIGNATURE", told[2])
        provider = await provide(partial(family.answer, first=Whole(answer)))
        base = await serve(json.dumps(configuration(family, provider.url, tmp_path)))
        heard = await CLIENTS[face](base, f"{family.name}/{family.model}", call[2], RESULT, False)
        assert (heard.call, heard.last) == ((call[2], call[3]), LAST)
        got = demanded(family.returned(provider.last), signed=signed)
        [sent] = [told for told in got if told[0] == "call"]
        id_ = sent[1] if "gemini" in family.model else call[1]
        want = [("call", id_, *told[2:]) if told is call else told for told in said]
        assert got == [*demanded(want, signed=signed), ("result", id_, RESULT)]
        tried += 1
    assert tried


def thinking_calls(folder: Path, api: str) -> Iterator[tuple[Any, list[Told]]]:
    """The first recorded answers of an API with a thought or a signature, and exactly one call; and what each
    says.
    """
    found = 0
    for exchange in corpus.read(folder, api):
        answer = exchange.response.body if exchange.response is not None else None
        if exchange.request is None or not isinstance(answer, dict) or (history := continued(answer)) is None:
            continue
        said = list(returned(FORMS[RECORDED[api]], history))
        seals = [told for told in said if told[0] == "thought" or (told[0] == "call" and told[4])]
        if found < MOST and seals and [told[0] for told in said].count("call") == 1:
            found += 1
            yield answer, said


def continued(answer: Any) -> Any:
    """The body of a request whose history is this answer; None = it is no answer of a model."""
    if answer.get("object") == "response":
        return {"input": answer["output"]}
    if answer.get("type") == "message":
        return {"messages": [answer]}
    if "candidates" in answer:
        content = answer["candidates"][0].get("content", {})
        return {"contents": [content]} if "parts" in content else None
    message = answer.get("message") or answer.get("output", {}).get("message")
    return {"messages": [{"role": "assistant", **message}]} if isinstance(message, dict) else None


def demanded(said: list[Told], *, signed: bool = False) -> list[Told]:
    """What of an answer must come back. A thought without a signature need not where another part is signed,
    or where the provider takes signed thoughts alone (`signed`).
    """
    sealed = signed or any(told[-1] for told in said if told[0] in {"thought", "call"})
    return merged([told for told in said if not (sealed and told[0] == "thought" and not told[2])])
