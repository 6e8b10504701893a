"""Values of parameters that were written as XML, as JSON by their schema."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.prompted.values import NotWellFormed, Values, parameter_names
from dragoman.dialects.prompted.work import Work

DAY = {"type": "object", "properties": {"day": {"type": "integer"}, "tags": {"type": "array"}}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "deep": {"type": "boolean"},
        "kind": {"enum": ["a", 2, None]},
        "files": {"type": "array", "items": {"type": "string"}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "when": {"$ref": "#/$defs/Day"},
        "days": {"type": "array", "items": {"$ref": "#/$defs/Day"}},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Day"}, {"type": "null"}]},
        "either": {"type": ["string", "integer"]},
        "some": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        "free": {"type": "object", "additionalProperties": {"type": "number"}},
        "any": {},
        "tree": {"$ref": "#/$defs/Tree"},
    },
    "$defs": {
        "Day": DAY,
        "Tree": {"properties": {"name": {"type": "string"}, "tree": {"$ref": "#/$defs/Tree"}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    },
}


def read(text: str, schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    return Values(schema).members(text, Work())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<path>a.py</path>", {"path": "a.py"}),
        ("<path>a &amp; <b>c</b> \\n</path>", {"path": "a &amp; <b>c</b> \\n"}),
        ("<path>\n  two\n lines\n</path>", {"path": "  two\n lines"}),
        ("<path>\r\nx\r\n  </path>", {"path": "x"}),
        ("<path> kept </path>", {"path": " kept "}),
        ("<path>5</path>", {"path": "5"}),
        ("<path>null</path>", {"path": "null"}),
        ("<path></path>", {"path": ""}),
        ("<path/>", {"path": ""}),
        ("<path>in </path> it</path>", {"path": "in </path> it"}),
        ("<path>an <path> in it</path>", {"path": "an <path> in it"}),
        ("<path><![CDATA[</path><count>]]></path>\n<count>5</count>", {"path": "</path><count>", "count": 5}),
        ("<path>\n<![CDATA[a]]]]><![CDATA[>b\n]]>\n</path>", {"path": "a]]>b\n"}),
        ("<path>a <![CDATA[b]]></path>", {"path": "a <![CDATA[b]]>"}),
        ("<count> -5 </count><share>2.5</share><deep>True</deep>", {"count": -5, "share": 2.5, "deep": True}),
        ("<count>many</count>", {"count": "many"}),
        ("<count><![CDATA[7]]></count>", {"count": 7}),
        ("<kind>2</kind>", {"kind": 2}),
        ("<kind>null</kind>", {"kind": None}),
        ("<kind>a</kind>", {"kind": "a"}),
        ("<files><item>a</item>\n<file>b</file><x/></files>", {"files": ["a", "b", ""]}),
        ("<files>a</files><files>b</files>", {"files": ["a", "b"]}),
        ("<files>a</files>", {"files": ["a"]}),
        ("<files></files>", {"files": []}),
        ("<files/>", {"files": []}),
        ('<files>["a", "b"]</files>', {"files": ["a", "b"]}),
        (
            "<grid><item><item>1</item><item>2</item></item><item><item>3</item></item></grid>",
            {"grid": [[1, 2], [3]]},
        ),
        ("<when><day>5</day><tags><t>x</t></tags></when>", {"when": {"day": 5, "tags": ["x"]}}),
        ('<when>{"day": 5}</when>', {"when": {"day": 5}}),
        ("<when></when>", {"when": {}}),
        ("<days><d><day>1</day></d><d><day>2</day></d></days>", {"days": [{"day": 1}, {"day": 2}]}),
        ("<maybe><day>5</day></maybe>", {"maybe": {"day": 5}}),
        ("<maybe>null</maybe>", {"maybe": None}),
        ("<either>5</either>", {"either": "5"}),
        ("<some>null</some>", {"some": None}),
        ("<some><i>1</i></some>", {"some": [1]}),
        ("<free><a>1</a><b>x</b></free>", {"free": {"a": 1, "b": "x"}}),
        ("<any>5</any>", {"any": 5}),
        ("<any>words</any>", {"any": "words"}),
        (
            "<tree><name>a</name><tree><name>b</name><tree><name>c</name></tree></tree></tree>",
            {"tree": {"name": "a", "tree": {"name": "b", "tree": {"name": "c"}}}},
        ),
        (" \n ", {}),
    ],
)
def test_values_are_json_by_their_schema(text: str, value: dict[str, Any]) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "words",
        "<path>a",
        "<path>a</count>",
        "<other>a</other>",
        "<path>a</path> words",
        "<path>a</path><path>b</path>",
        "<path><![CDATA[a</path>",
        "<when><hour>5</hour></when>",
    ],
)
def test_what_is_not_well_formed_is_refused(text: str) -> None:
    with pytest.raises(NotWellFormed):
        read(text)


def test_depth_is_bounded() -> None:
    deep = "<tree>" * 60 + "</tree>" * 60
    with pytest.raises(NotWellFormed):
        read(deep)


def test_references_in_a_circle_mean_any_value() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/Loop"}}, "$defs": SCHEMA["$defs"]}
    assert read("<a>5</a>", schema) == {"a": 5}


def test_a_reference_may_name_an_anchor() -> None:
    schema = {"properties": {"a": {"$ref": "#n"}}, "$defs": {"N": {"$anchor": "n", "type": "integer"}}}
    assert read("<a>5</a>", schema) == {"a": 5}


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (DAY, ("day", "tags")),
        ({}, None),
        ({"properties": {}}, None),
        ({"properties": {}, "additionalProperties": False}, ()),
        ({**DAY, "additionalProperties": False}, ("day", "tags")),
        ({**DAY, "additionalProperties": True}, None),
        ({**DAY, "additionalProperties": {"type": "string"}}, None),
    ],
)
def test_which_members_an_object_may_have(schema: dict[str, Any], names: tuple[str, ...] | None) -> None:
    assert parameter_names(schema) == names


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": "a"},
        {"anyOf": [{"type": "object", "properties": [1]}]},
        {"properties": {"a": {"$ref": "#/anyOf/²"}}, "anyOf": [{"type": "string"}]},
        {"properties": {"a": {"$ref": "#/anyOf/" + "1" * 5000}}, "anyOf": [{"type": "string"}]},
    ],
)
def test_a_schema_of_wrong_types_says_nothing(schema: dict[str, Any]) -> None:
    assert read("<a>x</a>", schema) == {"a": "x"}
