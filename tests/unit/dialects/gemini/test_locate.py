"""Places in IR terms as JSON paths of a Gemini client's request."""

from __future__ import annotations

import pytest

from dragoman.dialects.gemini.locate import locate, place
from tests.unit.dialects.gemini.asking import wire


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("messages[0].blocks[1]", "$.contents[0].parts[1]"),
        ("messages[0].blocks[1].arguments", "$.contents[0].parts[1]"),
        ("messages[0].blocks[1].content[0].citations[1]", "$.contents[0].parts[1]"),
        ("messages[0].blocks[1].videoMetadata", "$.contents[0].parts[1].videoMetadata"),
        ("messages[2].later", "$.contents[2].later"),
        ("system[1]", "$.systemInstruction.parts[1]"),
        ("max_output", "$.generationConfig.maxOutputTokens"),
        ("messages", "$.contents"),
        ("sampling.top_p", "$.generationConfig.topP"),
        ("sampling.n", "$.generationConfig.candidateCount"),
        ("sampling.presence_penalty", "$.generationConfig.presencePenalty"),
        ("reasoning.budget", "$.generationConfig.thinkingConfig.thinkingBudget"),
        ("reasoning", "$.generationConfig.thinkingConfig"),
        ("output.strict", "$.generationConfig.responseJsonSchema"),
        ("output.schema.properties.a", "$.generationConfig.responseJsonSchema.properties.a"),
        ("output.modalities", "$.generationConfig.responseModalities"),
        ("output.audio", "$.generationConfig.speechConfig"),
        ("tool_choice", "$.toolConfig.functionCallingConfig"),
        ("tools[0].parameters.properties.x", "$.tools[0].parametersJsonSchema.properties.x"),
        ("safetySettings", "$.safetySettings"),
        ("generationConfig.imageConfig", "$.generationConfig.imageConfig"),
    ],
)
def test_places(where: str, path: str) -> None:
    assert locate(where) == path


REQUEST = wire(
    contents=[{"role": "user", "parts": [{"inline_data": {"mime_type": "a/b"}}]}],
    generation_config={"top_p": 1, "response_schema": {"properties": {"a": {}}}},
    tools=[
        {"function_declarations": [{"name": "f"}, {"name": "g", "parameters": {"properties": {"x": {}}}}]},
        {"googleSearch": {"a": 1}, "urlContext": {}},
    ],
)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("sampling.top_p", "$.generation_config.top_p"),
        ("output.strict", "$.generation_config.response_schema"),
        ("output.schema.properties.a", "$.generation_config.response_schema.properties.a"),
        ("tools[1].parameters.properties.x", "$.tools[0].function_declarations[1].parameters.properties.x"),
        ("tools[0].description", "$.tools[0].function_declarations[0]"),
        ("tools[2]", "$.tools[1].googleSearch"),
        ("tools[3]", "$.tools[1].urlContext"),
        ("tools[9]", "$.tools"),
        ("messages[0].blocks[0].detail", "$.contents[0].parts[0]"),
        ("sampling.temperature", "$.generation_config"),
    ],
)
def test_places_in_the_spelling_of_one_request(where: str, path: str) -> None:
    assert place(REQUEST, where) == path


def test_one_object_stands_for_a_list_of_one() -> None:
    request = wire(contents={"parts": {"text": "Hi"}})
    assert place(request, "messages[0].blocks[0]") == "$.contents.parts"
    assert place(request, "messages[1].blocks[0]") == "$.contents"
