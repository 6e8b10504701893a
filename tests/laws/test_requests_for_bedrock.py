"""Every recorded request of another protocol, written for Bedrock, is what Amazon's own service model says.

The model is that of botocore. It is read as it stands, because botocore's own validator ignores patterns,
enumerations, and bounds of strings in unions. What the model does not say is judged by the words of the API's
page for `Message`: user and assistant alternate, the user begins, and no text is blank.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import WireError
from dragoman.providers.catalog import CATALOG
from dragoman.providers.models import facts_for
from dragoman.testing import corpus
from dragoman.testing.case import APIS, Case

botocore = pytest.importorskip("botocore", reason="the library of Amazon is not installed")

MODELS: Final = (
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "us.meta.llama4-maverick-17b-instruct-v1:0",
)
SOURCES: Final = [(name, api) for name, apis in APIS.items() if name != "bedrock" for api in apis]


@cache
def shapes() -> dict[str, Any]:
    """The shapes of the service model, by name."""
    folder = Path(botocore.__file__).parent / "data" / "bedrock-runtime" / "2023-09-30"
    told = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))
    return dict(told["shapes"])


def mistakes(name: str, value: Any, path: str) -> list[str]:
    """What is wrong with a value of this shape."""
    shape = shapes()[name]
    if shape.get("document"):
        return []
    found = sized(shape, value, path)
    match shape["type"]:
        case "structure" if type(value) is dict:
            members = {key: one for key, one in shape["members"].items() if "location" not in one}
            found += [f"{path}.{key} is unknown" for key in value.keys() - members.keys()]
            found += [
                f"{path}.{key} is missing"
                for key in shape.get("required", ())
                if key in members.keys() - value.keys()
            ]
            if shape.get("union") and len(value) != 1:
                found.append(f"{path} has the members {[*value]}")
            for key in value.keys() & members.keys():
                found += mistakes(members[key]["shape"], value[key], f"{path}.{key}")
        case "list" if type(value) is list:
            for index, one in enumerate(value):
                found += mistakes(shape["member"]["shape"], one, f"{path}[{index}]")
        case "map" if type(value) is dict:
            for key, one in value.items():
                found += mistakes(shape["key"]["shape"], key, f"{path} (a key)")
                found += mistakes(shape["value"]["shape"], one, f"{path}.{key}")
        case "string" if type(value) is str:
            if value not in shape.get("enum", [value]):
                found.append(f"{path} is {value!r}")
            pattern = shape.get("pattern", ".*").replace(",-.]", ",.-]")  # in Java the hyphen is one
            if re.fullmatch(pattern, value, re.DOTALL) is None:
                found.append(f"{path} is {value[:40]!r}, which does not match {pattern}")
        case "blob" if type(value) is str:
            base64.b64decode(value, validate=True)
        case "integer" | "boolean" if type(value) in {int, bool}:
            pass
        case "float" if type(value) in {float, int}:
            pass
        case kind:
            found.append(f"{path} is no {kind}")
    return found


def sized(shape: dict[str, Any], value: Any, path: str) -> list[str]:
    """Whether a number, or the length of a value, is out of the shape's bounds."""
    size = value if type(value) in {int, float} else len(value) if hasattr(value, "__len__") else 0
    bounds = shape.get("min", size), shape.get("max", size)
    return [] if bounds[0] <= size <= bounds[1] else [f"{path} has the size {size}"]


def out_of_order(body: dict[str, Any]) -> list[str]:
    """What is wrong with the order of roles, calls and results."""
    messages = body["messages"]
    roles = [message["role"] for message in messages]
    found = [] if roles == (["user", "assistant"] * len(roles))[: len(roles)] else [f"the roles are {roles}"]
    calls: list[str] = []
    for index, message in enumerate(messages):
        content = message["content"]
        results = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
        if sorted(results) != sorted(calls):
            found.append(f"messages[{index}] has the results {results} of the calls {calls}")
        calls = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
        if not content or any(not block.get("text", "x").strip() for block in content):
            found.append(f"messages[{index}] is blank")
    if calls and "toolConfig" not in body:
        found.append("there are calls and no toolConfig")
    return found


@pytest.mark.wire
@pytest.mark.parametrize(("name", "api"), SOURCES, ids=[api for _, api in SOURCES])
def test_bedrock_takes_what_we_write(recorded: Path, name: str, api: str) -> None:
    source, target = DIALECTS[name], DIALECTS["bedrock"]
    found: list[str] = []
    for exchange in corpus.read(recorded, api):
        case = Case(exchange, source, ())
        if "request" not in case.subjects:
            continue
        for model in MODELS:
            try:
                written = translated(
                    case.wire_request.body,
                    source,
                    target,
                    model=model,
                    facts=facts_for("bedrock", model),
                    quirks=CATALOG["bedrock"].quirks,
                )
            except WireError:
                continue
            body = json.loads(json.dumps(written.body))
            wrong = mistakes("ConverseRequest", body, "") + out_of_order(body)
            found += [f"{exchange.id} for {model}: {one}" for one in wrong]
    assert found == []


def test_the_judge_finds_what_is_wrong() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"text": "a", "image": {}}]},
            {"role": "user", "content": [{"json": {}}, {"text": " "}]},
        ],
        "inferenceConfig": {"temperature": 2},
        "requestMetadata": {"a": "ü"},
    }
    found = mistakes("ConverseRequest", body, "") + out_of_order(body)
    for words in ("members ['text', 'image']", "json is unknown", "size 2", "'ü'", "roles are", "is blank"):
        assert any(words in one for one in found), words
