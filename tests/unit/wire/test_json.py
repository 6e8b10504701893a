"""JSON is read exactly or refused with a place; what is passed through stays byte for byte."""

from __future__ import annotations

import json
import timeit
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire import json as reader
from dragoman.wire.json import (
    MAX_DEPTH,
    MAX_VALUES,
    decode_counted,
    decode_head,
    decode_measured,
    decode_object,
    encode,
    encode_head,
    encode_shown,
    head_of,
    measured,
    refuse_case_variants,
    refuse_many_values,
)

QUOTED = (
    "the text begins with a single quote: Windows' cmd.exe hands '…' on as it stands;"
    ' write "…" around it and \\" inside'
)
EITHER = pytest.mark.parametrize("decode", [decode_object, decode_head], ids=["object", "head"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nope", "line 1, column 1: unexpected 'n'"),
        (b'{"a": trux', "line 1, column 7: unexpected 't'"),
        (b'{"a":\n fals1', "line 2, column 2: unexpected 'f'"),
        (b'{"a": t1"}', "line 1, column 7: unexpected 't'"),
        (b'{"a": nan, "b": 1}', "line 1, column 7: unexpected 'n'"),
        (b'{"a":none}', "line 1, column 6: unexpected 'n'"),
        (b'{"a":[1,fals1]}', "line 1, column 9: unexpected 'f'"),
        (b'{"a":[t]\t}', "line 1, column 7: unexpected 't'"),
        (b'{"a t": @}', "line 1, column 9: unexpected '@'"),
        (b'{"a,f":  @}', "line 1, column 10: unexpected '@'"),
        (b'{"a": "x: tab\x01"}', "line 1, column 14: unexpected '\\x01'"),
    ],
)
def test_a_wrong_word_is_refused_at_its_beginning(body: bytes, message: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_object(body)
    assert str(caught.value) == f"The body is not valid JSON: {message}"


@EITHER
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'{"a": ?}', "line 1, column 7: unexpected '?'"),
        (b'{"a": 1} {}', "line 1, column 10: more text after the object"),
        (b'{"a": 1,}', "line 1, column 9: trailing comma in object"),
        (b'{"a": 1 "b": 2}', "line 1, column 9: expected ',' or '}'"),
        (b'{\n  "a": 1,\n  "\xc3\xa9": ?\n}', "line 3, column 8: unexpected '?'"),
        (b'{"a": "x\ny"}', "line 1, column 9: unexpected '\\n'"),
        (b"{'a': 1}", "line 1, column 2: object keys must be strings"),
        (b'{"a": 01}', "line 1, column 8: invalid number"),
        (b'{"a": ', "line 1, column 7: the text ends in the middle of a value"),
        (b'{"a": "b', "line 1, column 9: the text ends in the middle of a value"),
        (b'{"a": NaN}', "line 1, column 7: unexpected 'N'"),
        (b'{"a": -Infinity}', "line 1, column 8: unexpected 'I'"),
        (b'{"a": "\xff"}', "line 1, column 8: not valid UTF-8"),
        (b'{"a": {"b": "\xed\xa0\x80"}}', "line 1, column 14: not valid UTF-8"),
        (b'{"\xff": 1}', "line 1, column 3: not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "the text is UTF-16 or UTF-32; send it as UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "the text is UTF-16 or UTF-32; send it as UTF-8"),
        ('{"a": 1}'.encode("utf-16-be"), "the text is UTF-16 or UTF-32; send it as UTF-8"),
        ('{"a": 1}'.encode("utf-32"), "the text is UTF-16 or UTF-32; send it as UTF-8"),
        (b"model=m&prompt=Hi", "the text is a form (NAME=VALUE), not JSON"),
        (b"%7B%22a%22%3A1%7D", "the text is URL-encoded, not JSON"),
        (b"'{a:", QUOTED),
        (b"\x1f\x8b\x08\x00", "the text is compressed with gzip, which no content-encoding header says"),
        (b"(\xb5/\xfd\x00", "the text is compressed with zstd, which no content-encoding header says"),
        (b"model", "line 1, column 1: unexpected 'm'"),
    ],
)
def test_what_is_no_json_is_refused(decode: Any, body: bytes, message: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(body)
    assert str(caught.value) == f"The body is not valid JSON: {message}"


@EITHER
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", "expected a JSON object, got an array"),
        (b' "x"', "expected a JSON object, got a string"),
        (b"17", "expected a JSON object, got a number"),
        (b"true", "expected a JSON object, got true"),
        (b"null", "expected a JSON object, got null"),
        (
            b'{"a": "\\ud800"}',
            "The body cannot be read: line 1, column 8: half of a surrogate pair, which is no character",
        ),
        (
            b'{"a": "\\\\\\ude00x"}',
            "The body cannot be read: line 1, column 10: half of a surrogate pair, which is no character",
        ),
        (
            b'{"a": "\\ud83d\\ude00 \\ud83d and much more text"}',
            "The body cannot be read: line 1, column 21: half of a surrogate pair, which is no character",
        ),
    ],
)
def test_json_that_is_no_object_of_characters_is_refused(decode: Any, body: bytes, message: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(body)
    assert str(caught.value) == message


@EITHER
def test_a_byte_order_mark_is_ignored(decode: Any) -> None:
    assert list(decode(b'\xef\xbb\xbf{"a":1}')) == ["a"]


def test_of_duplicate_keys_the_last_counts_and_the_others_are_gone() -> None:
    assert decode_object(b'{"a":1,"a":2}') == {"a": 2}
    assert encode_head(decode_head(b'{"a":1,"b":0,"a":2}')) == b'{"a":2,"b":0}'


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 5000, "1" * 400 + ".5"])
def test_a_number_beyond_python_is_refused_when_read_and_kept_when_passed_through(number: str) -> None:
    body = f'{{"n":"1e400","a":[\n{number}]}}'.encode()
    with pytest.raises(
        WireError, match=r"^The body cannot be read: line 2, column 1: a number too large to be read"
    ):
        decode_object(body)
    assert encode_head(decode_head(body)) == body


@pytest.mark.parametrize("longest", ["1" * 4300, "-" + "1" * 4299])
def test_the_longest_integers_that_can_be_read_are_not_named_as_too_large(longest: str) -> None:
    assert decode_object(f'{{"n":{longest}}}'.encode()) == {"n": int(longest)}
    with pytest.raises(WireError, match="line 2, column 5: a number too large to be read"):
        decode_object(f'{{"n":{longest},\n"m":{longest}0}}'.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("1" + "0" * 400, 10**400),
        ("18446744073709551616", 2**64),
        ("1e22", 1e22),
        ("-0.0", -0.0),
    ],
)
def test_a_number_that_python_can_hold_is_exact(text: str, value: float) -> None:
    read = decode_object(f'{{"a":{text}}}'.encode())["a"]
    assert (read, type(read)) == (value, type(value))
    assert encode({"a": read}) == f'{{"a":{text}}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1.50, "b": {"x" : [1E+2, 0.12345678901234567890123]}, "c": "\\u00e9\\/ \xc3\xa9"}',
        b'{"a":{"x":1,"x":2}}',
        b'{"":null}',
    ],
)
def test_nested_bytes_stay_as_they_were_written(body: bytes) -> None:
    head = decode_head(body)
    again = decode_head(encode_head(head))
    assert {key: bytes(value) for key, value in again.items()} == {
        key: bytes(value) for key, value in head.items()
    }
    for value in head.values():
        assert bytes(value) in body


def test_a_head_takes_new_values_beside_raw_ones() -> None:
    head: dict[str, Any] = dict(decode_head(b'{"model":"a","x":{"y" : 1.0}}'))
    head["model"] = "b"
    assert encode_head(head) == b'{"model":"b","x":{"y" : 1.0}}'


def nested(depth: int) -> bytes:
    pairs, odd = divmod(depth - 1, 2)
    return b'{"a":' + b'[{"b":' * pairs + b"[" * odd + b"0" * (1 - odd) + b"]" * odd + b"}]" * pairs + b"}"


@EITHER
def test_depth_is_bounded_exactly(decode: Any) -> None:
    assert decode(nested(MAX_DEPTH))
    assert decode(nested(7), 7)
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(WireError, match=f"nested deeper than {MAX_DEPTH} levels"):
            decode(nested(depth))
    with pytest.raises(WireError, match="nested deeper than 6 levels"):
        decode(nested(7), 6)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


TRICKY = st.text(alphabet='[]{}"\\a', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TRICKY, VALUES, max_size=3), st.integers(0, 6))
def test_depth_is_that_of_the_value_whatever_its_strings_hold(value: dict[str, Any], limit: int) -> None:
    body = json.dumps(value).encode()
    if depth_of(value) <= limit:
        assert decode_object(body, limit) == value
    else:
        with pytest.raises(WireError):
            decode_object(body, limit)


def counted(value: Any) -> int:
    """Commas and opening brackets outside of strings, found by walking the value."""
    if not isinstance(value, dict | list):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(len(inner) - 1, 0) + sum(map(counted, inner))


@given(
    st.dictionaries(
        st.text(alphabet='[]{}",:\\a', max_size=6),
        st.recursive(
            st.none() | st.floats(allow_nan=False) | st.text(alphabet='[]{}",:\\a', max_size=6),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
            max_leaves=12,
        ),
        max_size=3,
    )
)
def test_values_are_counted_whatever_the_strings_hold(value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    refuse_many_values(body, counted(value))
    with pytest.raises(WireError, match=f"more than {counted(value) - 1} values") as refused:
        refuse_many_values(body, counted(value) - 1)
    assert refused.value.code == "request_too_large"


def test_bodies_of_few_values_pass_however_long_they_are() -> None:
    refuse_many_values(b'{"a":"' + b'\\",[{' * MAX_VALUES + b'"}')
    refuse_many_values(b'{"a":[' + b"1," * (MAX_VALUES - 3) + b"1]}")
    with pytest.raises(WireError, match="more than 320000 values"):
        refuse_many_values(b'{"a":[' + b"1," * MAX_VALUES + b"1]}")


def test_more_strings_than_values_may_be_are_refused_before_they_are_cut_out() -> None:
    body = b'{"a":[' + b'",",' * 40 + b"1]}"
    refuse_many_values(body, 42)
    with pytest.raises(WireError, match="more than 5 values"):
        refuse_many_values(body, 5)


def test_counting_the_values_of_a_small_body_costs_nothing() -> None:
    """Budget: 1 µs."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello, [you]"}] * 20}).encode()
    assert min(timeit.repeat(lambda: refuse_many_values(body), number=1000, repeat=5)) < 1e-3


def seconds(decode: Any, body: bytes) -> float:
    """The best of five."""
    return min(timeit.repeat(lambda: decode(body), number=1, repeat=5))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a":"' + b'\\"' * 3_000_000 + b'\\ud800"}', "the text ends in the middle of a value"),
        (b'{"a":"' + b'\\"' * 3_000_000 + b'","b":1e999}', "a number too large to be read"),
        (b"{" + b"\n" * 6_000_000 + b"?", "line 6000001, column 1: object keys must be strings"),
    ],
    ids=["half", "number", "lines"],
)
def test_a_mistake_in_a_large_body_is_found_in_no_time(body: bytes, message: str) -> None:
    def refused(body: bytes) -> None:
        with pytest.raises(WireError) as caught:
            decode_object(body)
        assert message in str(caught.value)

    fine = b'{"a":"' + b'\\"' * 3_000_000 + b'"}'
    assert seconds(refused, body) < 20 * seconds(decode_object, fine) + 0.1


def test_the_check_of_depth_takes_one_pass_however_deep_the_groups_are() -> None:
    shallow = b'{"a":[' + b"[[]]," * 100_000 + b"0]}"
    deep = b'{"a":[' + (b"[" * 100 + b"]" * 100 + b",") * 2_000 + b"0]}"  # as many brackets
    assert seconds(decode_head, deep) < 5 * seconds(decode_head, shallow)


def test_a_decoded_object_has_a_head() -> None:
    body = b'\xef\xbb\xbf{"a":{"b" : [1.0]},"c":1,"c":2}'
    head = head_of(body)
    assert head == decode_head(body)
    assert decode_object(body).keys() == head.keys()
    assert encode_head(head) == b'{"a":{"b" : [1.0]},"c":2}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'\xef\xbb\xbf\xef\xbb\xbf{"a":1}', r"unexpected '.ufeff'"),
        (b'{"a":[[]]}', "nested deeper than 2 levels"),
        (b'{"a":1e400}', "a number too large to be read"),
        (b"[]", "expected a JSON object, got an array"),
    ],
)
def test_what_cannot_be_read_is_no_object(body: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        decode_object(body, 2)


def test_what_json_cannot_say_is_not_written() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in ("\ud800", endless, {"a": object()}, {(1, 2): 3}):
        with pytest.raises(WireError):
            encode(value)


def test_a_known_key_in_other_case_is_refused() -> None:
    known = frozenset({"model", "messages", "max_tokens"})
    refuse_case_variants({"model": 1, "unknown": 2, "Unknown": 3}, known)
    for key, meant in (("Model", "model"), ("MESSAGES", "messages"), ("max_to\u212aens", "max_tokens")):
        with pytest.raises(WireError) as caught:
            refuse_case_variants({"model": msgspec.Raw(b"1"), key: 2}, known)
        assert (caught.value.path, caught.value.code) == (key, "unknown_parameter")
        assert f"did you mean '{meant}'?" in caught.value.message


@pytest.mark.parametrize("decode", [decode_object, decode_head])
def test_a_flood_of_values_is_not_decoded(decode: Callable[[bytes], object]) -> None:
    """Twelve megabytes, whose objects would take twenty times as much."""
    flood = b'{"a":[' + b"{}," * 4_000_001 + b"{}]}"
    tracemalloc.start()
    with pytest.raises(WireError, match="more than 8000000 values"):
        decode(flood)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(flood)


LONG = b"9" * 4000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": [' + b",".join([LONG] * 300) + b"]}", "more than 1000000 digits of numbers"),
        (b'{"a": 0.' + LONG * 300 + b"}", "more than 1000000 digits of numbers"),
        (b'{"a": [' + b",".join([LONG] * 300) + b'], "' + b'""' * 1000, "strings that begin and end"),
    ],
)
def test_numbers_that_take_seconds_to_read_are_refused_before(body: bytes, said: str) -> None:
    with pytest.raises(WireError, match=said):
        decode_object(body)


@pytest.mark.parametrize("text", [b"0" * 2_000_000, b'\\"' + b"9" * 2_000_000, b"A9z0" * 500_000])
def test_digits_in_a_text_are_no_numbers(text: bytes) -> None:
    assert decode_object(b'{"a": "' + text + b'", "b": ' + LONG[:300] + b"}")["b"] == int(LONG[:300])


def test_a_mistake_after_many_lines_takes_no_memory_for_them() -> None:
    body = b"{" + b"  \n" * 1_000_000 + b"x"
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=" line 1000001, column 1: "):
            decode_object(body)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body)  # as a list of lines: twenty times
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", [b"", b'"x}'])
def test_a_mistake_after_many_escapes_is_explained_in_a_bounded_time(
    end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(reader, "_half_of_pair", lambda body: looked.append(len(body)))
    with pytest.raises(WireError):
        decode_object(b'{"a": "' + rb"\n" * 400_000 + end)
    assert len(looked) == (not end)  # a mistake of another kind is not looked for there


def test_half_of_a_pair_is_looked_for_where_it_takes_no_seconds() -> None:
    with pytest.raises(WireError, match="or holds half of a surrogate pair"):
        decode_object(b'{"a": "' + rb"\n" * 500_000 + rb'\ud83d"}')


@pytest.mark.parametrize(
    ("body", "extra", "weight"),
    [
        (b"{}", 270 - 8, 2),
        (b'{"a":"' + b"word " * 20_000 + b'"}', 0, 10_000),
        (b'{"a":"' + b"one, two; " * 10_000 + b'"}', 0, 10_000),
        (b"[" + b"0," * 50_000 + b"0]", 50_001 * 270 - 4 * 100_003, 100_002),
        (b'{"a":"' + b",,,," * 25_000 + b'"}', 0, 10_000),
    ],
)
def test_long_texts_weigh_less_than_values(body: bytes, extra: int, weight: int) -> None:
    found = measured(body)
    assert (found.extra, abs(found.weight - weight) <= 1) == (extra, True)


FEW_VALUES = b'{"messages": [{"content": "' + b"one, two [three] {four}; " * 400 + b'"}], "n": [1, 2, {}]}'
MANY_VALUES = b'{"a": [' + b"0," * 5_000 + b"0]}"


@pytest.mark.parametrize("body", [FEW_VALUES, MANY_VALUES, b'{"a": {"b": [1, "2"]}}', b"{}"])
def test_a_decoded_body_is_measured_as_its_text_is(body: bytes) -> None:
    value, members, extra, weight = decode_measured(body, 128, 320_000)
    assert value == decode_object(body)
    if len(body) < 4_000:
        assert (members, extra, weight) == (0, 0, len(body))
    else:
        assert (members, extra, weight) == (len(value), *measured(body))


@pytest.mark.parametrize(("body", "count"), [(FEW_VALUES, 8), (MANY_VALUES, 5_002)])
def test_a_decoded_body_with_too_many_values_is_refused(body: bytes, count: int) -> None:
    decode_measured(body, 128, count)
    refuse_many_values(body, count)
    with pytest.raises(WireError, match=f"more than {count - 1} values") as refused:
        decode_measured(body, 128, count - 1)
    assert refused.value.code == "request_too_large"


@pytest.mark.parametrize("around", [b"x" * 5_000, b'", "'.join([b"y"] * 3_000)], ids=["texts", "values"])
@pytest.mark.parametrize("levels", [20, 21])
def test_a_decoded_body_that_is_deep_is_refused(around: bytes, levels: int) -> None:
    body = b'{"text": ["' + around + b'"], "deep": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    if levels == 20:
        assert decode_measured(body, 20, 320_000)[0] == decode_object(body, 20)
    else:
        with pytest.raises(WireError, match="nested deeper than 20 levels"):
            decode_measured(body, 20, 320_000)


def test_values_that_a_repeated_key_has_replaced_count() -> None:
    body = b'{"m": {' + b",".join([b'"a":1'] * 5_000) + b'}, "text": "' + b"x" * 200_000 + b'"}'
    assert decode_measured(body, 128, 320_000)[0]["m"] == {"a": 1}
    with pytest.raises(WireError, match="more than 4000 values"):
        decode_measured(body, 128, 4_000)


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (b"{}", 0),
        (b'{"a": 1, "b": null, "a": {"c": 2, "d": [3]}}', 3),
        (b'{"a": 1, "\\u0061": 2}', 2),
        (b"{" + b",".join(b'"%d": 0' % number for number in range(256)) + b"}", 256),
        (b"{" + b",".join(b'"%d": 0' % number for number in range(257)) + b"}", 0),
    ],
)
def test_members_of_an_object_are_counted(body: bytes, members: int) -> None:
    assert decode_counted(b"\xef\xbb\xbf" + body, 128) == (decode_object(body), members)


@pytest.mark.parametrize("body", [b"[1]", b'{"a": nope}', b'{"a": "\\ud800"}', b'{"a": 1e400}', b"", b"'{}'"])
def test_what_cannot_be_decoded_is_refused_alike_if_members_are_counted(body: bytes) -> None:
    with pytest.raises(WireError) as plain:
        decode_object(body)
    with pytest.raises(WireError) as counted:
        decode_counted(body, 128)
    assert str(counted.value) == str(plain.value)


def test_half_of_a_surrogate_pair_is_shown_as_a_question_mark() -> None:
    assert encode_shown({"a\ud800": ["b\udc00", "é", 1]}) == '{"a?":["b?","é",1]}'.encode()
    assert encode_shown({"é": 1.5}) == encode({"é": 1.5})
    with pytest.raises(WireError, match="not a JSON value"):
        encode_shown({"a": object()})
