"""Where a JSON value ends, however its text is cut."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.json_extent import JsonExtent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\{}[],: é', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\}', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(VALUES, max_size=3) | st.dictionaries(st.text('k"\\}', max_size=3), VALUES, max_size=3)


@given(OBJECTS, st.integers(1, 7), st.sampled_from(["", " }", "]", '"', "tail"]), st.booleans())
def test_the_value_ends_where_json_says(value: Any, size: int, behind: str, spaced: bool) -> None:
    written = json.dumps(value, ensure_ascii=False, indent=1 if spaced else None)
    text, extent, taken = written + behind, JsonExtent(), 0
    for start in range(0, len(text), size):
        piece = text[start : start + size]
        ends = extent.feed(piece)
        taken += ends
        if ends < len(piece):
            break
    assert (taken, extent.ended()) == (len(written), True)


def test_nothing_is_taken_after_the_end() -> None:
    extent = JsonExtent()
    assert extent.feed('{"a": "\\') == 8
    assert not extent.ended()
    assert extent.feed('"}') == 2
    assert not extent.ended()
    assert extent.feed('"}{') == 2
    assert extent.ended()
    assert extent.feed("{}") == 0
