"""Places in the IR as places in a Converse request."""

from __future__ import annotations

import pytest

from dragoman.dialects.bedrock.locate import locate


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("max_output", "$.inferenceConfig.maxTokens"),
        ("sampling.top_p", "$.inferenceConfig.topP"),
        ("tool_choice.names", "$.toolConfig.toolChoice.names"),
        ("tools[2].parameters.x", "$.toolConfig.tools[2]"),
        ("messages[1].blocks[0].cache", "$.messages[1].content[0]"),
        ("messages[1].blocks[0].content[3].name", "$.messages[1].content[0]"),
        ("messages[1].blocks", "$.messages[1].blocks"),
        ("system[0].cache", "$.system[0]"),
        ("output.schema.properties.a", "$.outputConfig.textFormat.structure.jsonSchema.schema"),
        ("metadata", "$.requestMetadata"),
        ("metadata.team", "$.requestMetadata.team"),
        ("guardrailConfig", "$.guardrailConfig"),
    ],
)
def test_places(where: str, path: str) -> None:
    assert locate(where) == path
