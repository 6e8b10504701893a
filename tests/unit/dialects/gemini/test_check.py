"""What a client's mistakes are called, and where they are."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.gemini.check import check
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.gemini.asking import wire

MISSING, TYPE, VALUE = "missing_required_parameter", "invalid_type", "invalid_value"
SCHEMA = "invalid_function_parameters"
BLOB = {"mimeType": "image/png", "data": "aGk="}


def said(*parts: Any, role: Any = "user") -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": role, "parts": list(parts)}]}


def offered(**declared: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **declared}]}]}


def configured(**config: Any) -> dict[str, Any]:
    return {"generationConfig": config}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"contents": {"parts": {"text": "Hi"}}},
        {"model": "models/x", "later": {"a": 1}, "generationConfig": {}, "tools": None},
        said({"text": ""}, {"inlineData": BLOB, "thoughtSignature": "x"}, {"laterKind": {}}),
        said({"inline_data": {"mime_type": "image/png", "data": "aGk="}}),
        said({"text": "Hi", "inline_data": None, "functionCall": None, "thoughtSignature": None}),
        said(
            {"functionCall": {"name": "an odd name"}},
            {"thought": True, "thoughtSignature": "x"},
            role="model",
        ),
        said({"functionResponse": {"name": "f", "response": {}}}, role="function"),
        {"systemInstruction": {"parts": [{"text": "S"}]}},
        configured(temperature=2, topP=0, topK=40.0, candidateCount=1, seed=-1, later=1),
        configured(thinkingConfig={"thinkingLevel": "A_NEW_ONE"}, responseModalities=["VIDEO"]),
        configured(response_mime_type="text/plain", stop_sequences=[]),
        offered(parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}),
        offered(parametersJsonSchema={"type": "object"}, description=None),
        offered(parameters={"type": "OBJECT", "properties": None, "required": None}),
        configured(responseSchema={"type": "OBJECT", "properties": None}),
        {"tools": {"googleSearch": {}}},
        {
            **offered(),
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        },
        {"safetySettings": [{"category": "C", "threshold": "T"}], "labels": {"a": "b"}},
    ],
)
def test_what_may_be_sent(members: dict[str, Any]) -> None:
    check(wire(**members))


@pytest.mark.parametrize(
    ("members", "path", "code"),
    [
        ({"contents": None}, "contents", MISSING),
        ({"contents": []}, "contents", VALUE),
        ({"contents": "Hi"}, "contents", TYPE),
        ({"contents": ["Hi"]}, "contents[0]", TYPE),
        (said({"text": "a"}, role="assistant"), "contents[1].role", VALUE),
        (said({"text": "a"}, role=5), "contents[1].role", TYPE),
        ({"contents": [{"role": "user"}]}, "contents[0].parts", MISSING),
        ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts", VALUE),
        ({"contents": [{"role": "user", "parts": "Hi"}]}, "contents[0].parts", TYPE),
        (said("Hi"), "contents[1].parts[0]", TYPE),
        (said({}), "contents[1].parts[0]", MISSING),
        (said({"text": 5}), "contents[1].parts[0].text", TYPE),
        (said({"text": "a", "inlineData": BLOB}), "contents[1].parts[0]", VALUE),
        (said({"text": "a", "thoughtSignature": 5}), "contents[1].parts[0].thoughtSignature", TYPE),
        (said({"text": "a"}, {"inlineData": "x"}), "contents[1].parts[1].inlineData", TYPE),
        (said({"inlineData": {"mimeType": "a/b"}}), "contents[1].parts[0].inlineData.data", MISSING),
        (said({"inlineData": {"data": "aGk="}}), "contents[1].parts[0].inlineData.mimeType", MISSING),
        (said({"inline_data": {**BLOB, "data": 5}}), "contents[1].parts[0].inlineData.data", TYPE),
        (said({"fileData": {}}), "contents[1].parts[0].fileData.fileUri", MISSING),
        (said({"functionCall": {}}), "contents[1].parts[0].functionCall.name", MISSING),
        (said({"functionCall": {"name": "f", "args": "{}"}}), "contents[1].parts[0].functionCall.args", TYPE),
        (
            said({"functionResponse": {"name": "f"}}),
            "contents[1].parts[0].functionResponse.response",
            MISSING,
        ),
        (
            said({"functionResponse": {"name": "f", "response": "x"}}),
            "contents[1].parts[0].functionResponse.response",
            TYPE,
        ),
        ({"systemInstruction": "S"}, "systemInstruction", TYPE),
        ({"systemInstruction": {"parts": []}}, "systemInstruction.parts", VALUE),
        ({"cachedContent": 5}, "cachedContent", TYPE),
        ({"generationConfig": []}, "generationConfig", TYPE),
        (configured(temperature=2.1), "generationConfig.temperature", VALUE),
        (configured(temperature="hot"), "generationConfig.temperature", TYPE),
        (configured(topP=1.1), "generationConfig.topP", VALUE),
        (configured(top_p=-1), "generationConfig.topP", VALUE),
        (configured(candidateCount=0), "generationConfig.candidateCount", VALUE),
        (configured(maxOutputTokens=0), "generationConfig.maxOutputTokens", VALUE),
        (configured(maxOutputTokens=1.5), "generationConfig.maxOutputTokens", TYPE),
        (configured(stopSequences=["a", 5]), "generationConfig.stopSequences[1]", TYPE),
        (configured(logprobs=21), "generationConfig.logprobs", VALUE),
        (configured(responseSchema="x"), "generationConfig.responseSchema", TYPE),
        (configured(responseSchema={"type": "X"}), "generationConfig.responseSchema.type", VALUE),
        (configured(responseJsonSchema={"type": 5}), "generationConfig.responseJsonSchema.type", VALUE),
        (configured(responseSchema={}, responseJsonSchema={}), "generationConfig.responseSchema", VALUE),
        (
            configured(thinkingConfig={"thinkingBudget": -2}),
            "generationConfig.thinkingConfig.thinkingBudget",
            VALUE,
        ),
        (
            configured(thinking_config={"thinking_budget": 5, "thinking_level": "LOW"}),
            "generationConfig.thinkingConfig.thinkingBudget",
            VALUE,
        ),
        ({"tools": "x"}, "tools", TYPE),
        ({"tools": ["x"]}, "tools[0]", TYPE),
        ({"tools": [{"functionDeclarations": "x"}]}, "tools[0].functionDeclarations", TYPE),
        (offered(name=None), "tools[0].functionDeclarations[0].name", MISSING),
        (offered(name="1f"), "tools[0].functionDeclarations[0].name", VALUE),
        (offered(name="f" * 129), "tools[0].functionDeclarations[0].name", VALUE),
        (offered(description=5), "tools[0].functionDeclarations[0].description", TYPE),
        (offered(parameters={"type": "X"}), "tools[0].functionDeclarations[0].parameters.type", SCHEMA),
        (
            offered(parametersJsonSchema={"properties": {"a": {"type": "x"}}}),
            "tools[0].functionDeclarations[0].parametersJsonSchema.properties.a.type",
            SCHEMA,
        ),
        (
            offered(parameters={}, parametersJsonSchema={}),
            "tools[0].functionDeclarations[0].parameters",
            VALUE,
        ),
        (
            {"tools": [*offered()["tools"], *offered()["tools"]]},
            "tools[1].functionDeclarations[0].name",
            VALUE,
        ),
        (
            {
                **offered(),
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}},
            },
            "toolConfig.functionCallingConfig.allowedFunctionNames[0]",
            VALUE,
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": 5}}},
            "toolConfig.functionCallingConfig.mode",
            TYPE,
        ),
        ({"safetySettings": [{"category": "C"}]}, "safetySettings[0].threshold", MISSING),
    ],
)
def test_mistakes_are_told_with_their_place(members: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(WireError) as raised:
        check(wire(**members))
    assert (raised.value.path, raised.value.code) == (path, code)


def test_a_body_without_contents() -> None:
    with pytest.raises(WireError) as raised:
        check(WireRequest("chat", {}))
    assert raised.value.path == "contents"
