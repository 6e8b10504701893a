"""Requests: members of other protocols at the API's own places, and what models refuse left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.request import brief, encode_request
from dragoman.dialects.bedrock.terms import STREAM_PATH
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.bedrock.speaking import CLAUDE, LLAMA, NOVA, again, asked, read, reasons, sent, user

HELLO = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}}


@pytest.mark.parametrize(
    "more",
    [
        {"inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}},
        {"inferenceConfig": {"maxTokens": 5, "newMember": 1}},
        {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}},
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        {"additionalModelResponseFieldPaths": ["/stop_sequence"], "promptVariables": {"a": {"text": "b"}}},
        {"requestMetadata": {"team": "a"}, "performanceConfig": {"latency": "optimized"}},
        {"serviceTier": {"type": "flex"}},
        {"serviceTier": {"type": "a-new-one"}},
        {"outputConfig": {"effort": "high"}},
        {
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": "{}"}, "further": 1},
                }
            }
        },
        {"system": []},
        {"system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}], "toolChoice": {"auto": {}}}},
    ],
)
def test_what_the_api_has_stays_as_it_is(more: dict[str, Any]) -> None:
    assert again({**HELLO, **more}) == {**HELLO, **more}


def test_a_schema_is_text() -> None:
    schema = {"schema": json.dumps(SCHEMA), "name": "answer"}
    wanted = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    output = read({**HELLO, "outputConfig": {"textFormat": wanted}}).output
    assert output == ir.Output("schema", SCHEMA, "answer", strict=True)
    body, report = sent(asked(output=ir.Output("schema", SCHEMA, "answer")))
    told = json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert told["additionalProperties"] is False
    assert told["properties"]["a"] == {"type": "string", "description": "{minLength: 2}"}
    assert ("output.schema.properties.a.minLength", "quality") in reasons(report)


def test_the_path_says_whether_the_response_streams() -> None:
    wire = WireRequest("chat", {}, path=STREAM_PATH, params={"model": "a/b"})
    assert brief(wire) == ir.Request("bedrock", "a/b", stream=True, stream_usage=True)


def test_sampling_of_other_protocols() -> None:
    sampling = ir.Sampling(temperature=1.5, top_p=0.9, stop=("x", "  "), seed=7, n=1)
    body, report = sent(asked(sampling=sampling, max_output=50))
    assert body["inferenceConfig"] == {
        "maxTokens": 50,
        "temperature": 1.0,
        "topP": 0.9,
        "stopSequences": ["x"],
    }
    assert reasons(report) == [
        ("sampling.temperature", "quality"),
        ("sampling.stop", "meaning"),
        ("sampling.seed", "hint"),
    ]


@pytest.mark.parametrize(
    ("model", "fields"),
    [(CLAUDE, {"top_k": 20}), (NOVA, {"inferenceConfig": {"topK": 20}}), (LLAMA, None)],
)
def test_top_k_is_where_each_family_has_it(model: str, fields: Any) -> None:
    body, report = sent(asked(sampling=ir.Sampling(top_k=20)), model)
    assert body.get("additionalModelRequestFields") == fields
    assert reasons(report) == ([] if fields else [("sampling.top_k", "quality")])


def test_a_model_without_sampling() -> None:
    body, report = sent(asked(sampling=ir.Sampling(temperature=0.5)), facts=Facts(sampling=False))
    assert "inferenceConfig" not in body
    assert reasons(report) == [("sampling.temperature", "quality")]


def test_a_model_that_takes_one_of_temperature_and_top_p() -> None:
    both = ir.Sampling(temperature=0.5, top_p=0.9)
    body, report = sent(asked(sampling=both), facts=Facts(sampling_pair=False))
    assert body["inferenceConfig"] == {"temperature": 0.5}
    assert reasons(report) == [("sampling.top_p", "quality")]
    assert "either temperature or top_p" in report.losses[0].reason
    body, report = sent(asked(sampling=both))
    assert body["inferenceConfig"] == {"temperature": 0.5, "topP": 0.9}


def test_what_a_client_states_for_bedrock_is_added_to_what_the_encoder_writes() -> None:
    extra = {"bedrock": {"additionalModelRequestFields": {"top_k": 9, "x": 1}, "guardrailConfig": {"a": 1}}}
    body, _ = sent(asked(sampling=ir.Sampling(top_k=5), extra=extra))
    assert body["additionalModelRequestFields"] == {"top_k": 9, "x": 1}
    assert body["guardrailConfig"] == {"a": 1}


def test_metadata_and_tiers() -> None:
    body, report = sent(asked(metadata={"a": "b"}, tier="fast"))
    assert body["requestMetadata"] == {"a": "b"}
    assert body["serviceTier"] == {"type": "priority"}
    assert [change.path for change in report.changes] == ["tier"]
    _, report = sent(asked(metadata={"a": 1}, tier="scale"))
    assert reasons(report) == [("metadata.a", "hint"), ("tier", "hint")]
    assert "serviceTier" not in sent(asked(tier="auto"))[0]


def test_the_family_is_that_of_the_model_behind_a_name() -> None:
    arn = "arn:aws:bedrock:eu-central-1:000000000000:application-inference-profile/abc"
    request = asked(user(ir.Text("Hi", cache=ir.CacheMark())), sampling=ir.Sampling(top_k=5))
    known = encode_request(request, Target(Report("bedrock"), arn, base=CLAUDE))
    assert known.params == {"model": arn}
    assert known.body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert known.body["additionalModelRequestFields"] == {"top_k": 5}
    unknown = encode_request(request, Target(Report("bedrock"), arn))
    assert unknown.body["messages"][0]["content"] == [{"text": "Hi"}]


@pytest.mark.parametrize(
    ("key", "value"), [("", "b"), ("käse", "b"), ("a", "🎉"), ("a", "x" * 257), ("x" * 257, "b")]
)
def test_metadata_that_the_api_refuses_is_left_out_alone(key: str, value: str) -> None:
    body, report = sent(asked(metadata={"good": "x: y_@$#=/+,.-", key: value}))
    assert body["requestMetadata"] == {"good": "x: y_@$#=/+,.-"}
    assert reasons(report) == [(f"metadata.{key}", "hint")]


def test_more_metadata_than_the_api_accepts() -> None:
    body, report = sent(asked(metadata={str(number): "x" for number in range(17)}))
    assert "requestMetadata" not in body
    assert reasons(report) == [("metadata", "hint")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"sampling": ir.Sampling(n=2)}, "sampling.n"),
        ({"output": ir.Output(modalities=("text", "audio"))}, "output.modalities"),
        ({"tools": (ir.Function("f", kind="custom"),)}, "tools[0]"),
    ],
)
def test_what_the_api_cannot_do_is_refused(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as caught:
        sent(asked(**fields))
    assert caught.value.path == path


def test_the_model_is_not_in_the_body() -> None:
    assert sent(asked())[0] == HELLO
