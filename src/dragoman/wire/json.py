"""JSON of bodies and of stream events: measured; decoded completely, or only at the top level, with every
value kept byte for byte; and written.

A value that is passed on as bytes never differs from what was written. An error about malformed JSON names
line and column if they are known. These rules are added to what msgspec checks, for requests and answers
alike:

- A byte order mark before the text is ignored.
- Nesting and the number of values are limited, and where values are decoded, the digits of numbers.
- Bytes that are not UTF-8 are refused, also inside values that are not decoded.
- Numbers that are too large (`1e400`, integers of more than 4,300 characters) are refused where a value is
  decoded, and kept where it is passed on as bytes. Fractions with more digits than a double has are rounded.
- Half of a surrogate pair is refused, also inside values that are not decoded: it is not Unicode text and
  cannot be written as UTF-8 again.
- Duplicate keys: the last one counts and the others are dropped, so that two readers of one body cannot read
  two different requests. Inside a value that is passed on as bytes, all of them stay. The nesting of a
  dropped value is not always limited, because no code walks through it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from gc import get_referents, is_tracked
from itertools import accumulate
from math import isinf
from typing import Any, Final, NamedTuple

import msgspec

from dragoman.errors import WireError

MAX_DEPTH = 128
"""The most levels of nesting. Python's own limit of 1,000 nested calls suffices to walk through so many
levels.
"""
MAX_VALUES = 320_000
"""The most values in a request's body, unless the caller states another limit. An embedding request may hold
300,000 tokens, each a number.
"""
_MOST_VALUES = 8_000_000
"""The most commas and opening brackets in any decoded text, including those inside of strings. 2,048 vectors
of 3,072 numbers have 6.3 million.
"""
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What a decoder of msgspec raises for a text that it cannot read: for invalid JSON or another type than the
expected one (MsgspecError), for bytes that are not UTF-8 or text with half of a surrogate pair
(UnicodeError), and for too deep nesting (RecursionError), which is no MsgspecError. Code that calls such a
decoder itself catches all of them; `scripts/check_tree.py` holds this.
"""
TOO_LARGE = "request_too_large"
"""The code that OpenAI's API uses for a body that is too large."""

_MALFORMED = "The body is not valid JSON"
_UNREADABLE = "The body cannot be read"
_BOM = b"\xef\xbb\xbf"
_FORM = re.compile(rb"[A-Za-z_][\w.\[\]-]*=")
_URL_ENCODED = re.compile(rb"(?:%EF%BB%BF)?%7B", re.IGNORECASE)
_QUOTED = (
    "the text begins with a single quote: Windows' cmd.exe hands '…' on as it stands;"
    ' write "…" around it and \\" inside'
)
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""Names of compressions by the first bytes of compressed data: RFC 1952, RFC 8878."""
_BY_BYTE = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*+"|(-?\d[\d.eE+-]*+)')
_FLOAT = re.compile(rb"[.eE]")
_WORD = re.compile(rb'(?:^|[\s:,\[])([tn][^"]{3}|f[^"]{4})\Z')
_INT_LENGTH = 4300
"""The most characters, the sign included, of an integer that msgspec reads."""
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F])|.)")
_AFTER_HALF = ("surrogate", "escape", "truncated")
"""Words in msgspec's errors about half of a surrogate pair: the other half is missing, is not an escape, or
the text ends.
"""
_MOST_EXPLAINED = 1_000_000
"""Bytes. In longer malformed JSON the place of the mistake is not searched: in 60 MB that takes eight
seconds.
"""
_CONTINUING = bytes(range(0x80, 0xC0))
_VALUE = 270
"""Bytes of memory for each value while a request is translated: 210,000 values in short messages take 56
MB.
"""
_USUAL = 4
"""Bytes of memory for each byte of a body of long texts: the body as received, decoded and encoded again."""
SHARE_OF_TEXT: Final = 10
"""So many bytes of a long text take as much time as one byte of a body that is dense in values."""
FIRST_MEASURED: Final = 1_000_000
"""Bytes. A body of at least this size is measured before it is decoded. A smaller one is decoded within 0.03
s, and its values take less than 50 MB.
"""
_NOT_MEASURED = 4_000
"""Bytes. The weight of a smaller body is its size."""
_FEW: Final = 16
"""Bytes. In a body with at least this many bytes for each value, the values are counted faster after decoding
than in the text.
"""
_MOST_MEMBERS: Final = 256
"""Members of an object. More are not counted one by one, which would take longer than to decode them."""
_DENSE = 2
"""Bytes for each value in the densest body: a digit and a comma."""
_PIECE = 256 * 1024
"""Bytes that are searched at once, so that they stay in the processor's cache."""
_LONG = 256
"""An integer with at least so many digits is long. Reading n digits takes n² steps."""
_STRIDE = 17
"""The first search for a long number reads only every 17th byte. A long row of digits is a row of digits
there, too.
"""
_MOST_DIGITS = 1_000_000
"""The most digits of all numbers in a body with a long number: in numbers of 4,299 digits they take 0.04 s;
64 MB of them would take 2 s.
"""
_FLAT = bytes.maketrans(b"123456789", b"000000000")
_NOT_DIGITS_OR_QUOTES = bytes(set(range(256)) - set(b'"0123456789'))
_NOT_BRACKETS = bytes(set(range(256)) - set(b'"[]{}'))
_NOT_COUNTED = bytes(set(range(256)) - set(b"[{,"))
_NOT_COUNTED_OR_QUOTES = bytes(set(range(256)) - set(b'"[{,'))
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
"""Brackets as signed bytes: +1 for an opening bracket, -1 for a closing one."""

_decode_any = msgspec.json.Decoder().decode
_decode_head = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def decode_object(body: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Decode a JSON object completely. Raises WireError for anything else than one JSON object, for more than
    `max_depth` levels of nesting or `_MOST_VALUES` values, and for numbers that are too large or have too
    many digits.
    """
    body = body.removeprefix(_BOM)
    value = _object(body, max_depth)
    if _may_be_deep(body, max_depth) and _has_levels(value, max_depth):
        _check_depth(body, max_depth)
    return value


def decode_counted(body: bytes, max_depth: int) -> tuple[dict[str, Any], int]:
    """Return (the decoded object, `Decoded.members` of it). Raises WireError as `decode_object` does."""
    body = body.removeprefix(_BOM)
    value, members = _counted_object(body, max_depth)
    if _may_be_deep(body, max_depth) and _has_levels(value, max_depth):
        _check_depth(body, max_depth)
    return value, members


class Decoded(NamedTuple):
    """A decoded JSON object. members: how many members it has, where a repeated member counts each time; 0 =
    none, not counted, or more than `_MOST_MEMBERS`. extra: the bytes of memory that its values take beyond
    the usual. weight: the work to read it, in bytes (`Measured` defines both).
    """

    value: dict[str, Any]
    members: int
    extra: int
    weight: int


def decode_measured(body: bytes, max_depth: int, max_values: int) -> Decoded:
    """Decode a JSON object of less than `FIRST_MEASURED` bytes. If it has less than `_NOT_MEASURED` bytes,
    its members are not counted, its weight is its size, and its `extra` is 0.

    Raises WireError for anything else than one JSON object, for more than `max_depth` levels of nesting, for
    numbers that are too large, and with the code `request_too_large` for more than `max_values` values.
    """
    body = body.removeprefix(_BOM)
    size = len(body)
    if size < _NOT_MEASURED:
        value = _object(body, max_depth)
        if size > max_values:
            refuse_many_values(body, max_values)
        if _may_be_deep(body, max_depth) and _has_levels(value, max_depth):
            _check_depth(body, max_depth)
        return Decoded(value, 0, 0, size)
    value, members = _counted_object(body, max_depth)
    if (held := _held(value, size // _FEW)) is None:
        if _may_be_deep(body, max_depth) and _has_levels(value, max_depth):
            _check_depth(body, max_depth)
        count = count_values(body, max_values)
        if count > max_values:
            raise _too_many(max_values)
    else:
        count, levels = held
        if levels >= max_depth:
            _check_depth(body, max_depth)
        refuse_many_values(body, max_values)  # also counts values that a repeated key has replaced
    return Decoded(value, members, *_measured(size, count))


class _AllValues(type):
    def __instancecheck__(cls, value: object) -> bool:
        return True


class _Value(metaclass=_AllValues):
    """The type of a member's value, for msgspec, which does not know this type and calls the hook with each
    value.
    """


_MEMBERS = dict[str, _Value]


class _ManyMembers(Exception):
    pass


def _counted_object(body: bytes, max_depth: int) -> tuple[dict[str, Any], int]:
    """Return (what `_object` returns, `Decoded.members` of it). Raises as `_object` does."""
    members = 0

    def hook(_: type, value: Any) -> Any:
        nonlocal members
        members += 1
        if members > _MOST_MEMBERS:
            raise _ManyMembers
        return value

    try:
        value = _object(body, max_depth, partial(msgspec.json.decode, type=_MEMBERS, dec_hook=hook))
    except _ManyMembers:
        return _object(body, max_depth), 0
    return value, members


def _object(body: bytes, max_depth: int, decode: Callable[[bytes], Any] = _decode_any) -> dict[str, Any]:
    """Decode an object without checking its depth. max_depth: the limit that an error names if msgspec finds
    the nesting too deep. Raises WireError for anything else than one JSON object, and for too many values
    (`_MOST_VALUES`) or digits.
    """
    if len(body) > _MOST_DIGITS:
        refuse_flood(body)
        _refuse_many_digits(body)
    try:
        value = decode(body)
    except UNDECODABLE as error:
        raise _explained(body, error, max_depth) from None
    if type(value) is not dict:
        raise _not_an_object(body)
    return value


def _held(value: dict[str, Any], most: int) -> tuple[int, int] | None:
    """Return (values, levels) of a decoded object: how many values it contains, and its levels of nesting.
    There may be one level more, if the innermost objects and arrays are empty. Returns None if there are more
    than `most` values. `get_referents` lists the values in all given objects and arrays.
    """
    if max(map(len, filter(is_tracked, value.values())), default=0) > most:
        return None  # as of a long row of tokens, which would be listed below
    count = levels = 0
    members = get_referents(value)
    while members:
        count += len(members)
        if count > most:
            return None
        levels += 1
        members = get_referents(*members)
    return count, levels


def decode_head(body: bytes, max_depth: int = MAX_DEPTH) -> dict[str, msgspec.Raw]:
    """Decode only the top level of a JSON object: {member: its value as the bytes that were written}.

    Raises WireError for anything else than one JSON object, and for more than `max_depth` levels of nesting
    or `_MOST_VALUES` values. Numbers may be too large, because they are not decoded.
    """
    body = body.removeprefix(_BOM)
    if len(body) > _MOST_VALUES:
        refuse_flood(body)
    try:
        head = _decode_head(body)
        if not body.isascii():
            body.decode()  # msgspec does not check the strings that it skips
    except UNDECODABLE as error:
        raise _explained(body, error, max_depth) from None
    if _may_be_deep(body, max_depth):
        _check_depth(body, max_depth)
    return head


def head_of(body: bytes) -> dict[str, msgspec.Raw]:
    """Decode only the top level of a body that `decode_object` has accepted: {member: its value as the bytes
    that were written}.
    """
    return _decode_head(body.removeprefix(_BOM))


def refuse_many_values(body: bytes, max_values: int = MAX_VALUES) -> None:
    """Raise WireError (code `request_too_large`) if JSON has more than max_values values.

    Values are counted as the commas and opening brackets outside of strings, so an empty object or array
    inside of another one counts twice. Malformed JSON may be counted wrongly, and is not refused as such.
    """
    if len(body) > max_values and count_values(body, max_values) > max_values:
        raise _too_many(max_values)


def count_values(body: bytes, most: int) -> int:
    """Return the number of values in JSON, exact enough only for a comparison with `most`: the result is
    above `most` if, and only if, valid JSON has more than `most` commas and opening brackets outside of
    strings.
    """
    if (count := _commas_and_openings(body)) <= most:
        return count  # the exact number is smaller still
    plain = _without_escapes(body)
    # Each value has at most one key, hence at most two strings; this check bounds the work of the next step.
    if plain.count(b'"') > 4 * most:
        return most + 1
    return len(_outside_of_strings(plain, _NOT_COUNTED_OR_QUOTES))


class Measured(NamedTuple):
    """The memory and the work that a body of JSON takes. extra: the bytes of memory that its values take when
    decoded and translated, beyond `_USUAL` times the body's size; 0 for long texts, over a hundred times the
    size for small numbers. weight: the work, as the size in bytes of a body of short values that takes the
    same time; for long texts a tenth of the body's size.
    """

    extra: int
    weight: int


def measured(body: bytes, max_values: int = MAX_VALUES) -> Measured:
    """Measure a body of JSON, which may be invalid.

    max_values: the most values that are allowed. If the body has more than twice as many strings, the results
    may be too high, because such a body is refused anyway.
    """
    size = len(body)
    if _has_at_most(body, _USUAL * size // _VALUE):
        return Measured(0, size // SHARE_OF_TEXT)
    plain = _without_escapes(body)
    if plain.count(b'"') <= 4 * max_values:  # a body with more quotes is refused anyway
        count = len(_outside_of_strings(plain, _NOT_COUNTED_OR_QUOTES))
    else:
        count = _commas_and_openings(body)
    return _measured(size, count)


def _measured(size: int, count: int) -> Measured:
    return Measured(max(0, count * _VALUE - _USUAL * size), max(size // SHARE_OF_TEXT, _DENSE * count))


def _has_at_most(body: bytes, most: int) -> bool:
    """Whether a body has at most `most` commas and opening brackets, including those inside of strings."""
    for mark in (b",", b"{", b"["):
        # `replace` goes from one to the next: where they are rare, it looks at the bytes between them in C.
        most -= len(body) - len(body.replace(mark, b"", most + 1))
        if most < 0:
            return False
    return True


def refuse_flood(body: bytes) -> None:
    """Raise WireError for more than `_MOST_VALUES` commas and opening brackets, including those inside of
    strings: decoding so many values would take gigabytes.
    """
    if len(body) > _MOST_VALUES and _commas_and_openings(body) > _MOST_VALUES:
        raise WireError(f"more than {_MOST_VALUES} values")


def _refuse_many_digits(body: bytes) -> None:
    if len(body) <= _MOST_DIGITS or not _has_long_number(body):
        return
    plain = _without_escapes(body)
    quotes = plain.count(b'"')
    if quotes > 4 * (_commas_and_openings(plain) + 1):  # a value has at most two strings
        raise WireError("strings that begin and end without commas between them")
    if quotes > 4 * MAX_VALUES:
        return  # an answer, which has its own limits; splitting it takes longer than decoding its numbers
    if len(_outside_of_strings(plain, _NOT_DIGITS_OR_QUOTES)) > _MOST_DIGITS:
        raise WireError(f"more than {_MOST_DIGITS} digits of numbers", code=TOO_LARGE)


def _has_long_number(body: bytes) -> bool:
    """Whether the body has at least `_LONG` digits in a row, inside or outside of strings."""
    if b"0" * (_LONG // _STRIDE) not in body[::_STRIDE].translate(_FLAT):
        return False  # true of nearly all bodies, also of those with images
    row = b"0" * _LONG
    return any(
        row in body[start : start + _PIECE + _LONG].translate(_FLAT) for start in range(0, len(body), _PIECE)
    )


def encode(value: Any) -> bytes:
    """Write a value as JSON without white space. A `msgspec.Raw` in the value is written as it is; a float
    that is not finite (NaN, infinity) becomes null. Types that JSON does not have are written as msgspec
    writes them: bytes in base64, structs as objects, sets as arrays.

    Raises WireError for half of a surrogate pair, too deep nesting, and types that msgspec cannot write;
    ValueError for an integer of more than 4,300 digits.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError as error:
        raise WireError(f"text that is not Unicode: {error.reason}") from None
    except RecursionError:
        raise WireError("nested too deeply to be written") from None
    except TypeError as error:
        raise WireError(f"not a JSON value: {error}") from None


def encode_shown(value: Any) -> bytes:
    """Write a value as JSON for people, also one that `encode` refuses: then "?" replaces each half of a
    surrogate pair, and null replaces the lists and objects that are nested deeper than `MAX_DEPTH` levels.
    Raises WireError for types that msgspec cannot write.
    """
    try:
        return encode(value)
    except WireError:
        return encode(reworded(value, lambda text: text.encode("utf-8", "replace").decode()))


def encode_head(head: Mapping[str, Any]) -> bytes:
    """Write an object as JSON, with the rules and errors of `encode`. head: {member: value}; each value is
    decoded, or a `msgspec.Raw`.
    """
    return encode(head)


def reworded(value: Any, change: Callable[[str], str], depth: int = MAX_DEPTH) -> Any:
    """Return a copy of a decoded JSON value in which `change` has been applied to each string and to each
    member's name. Lists and objects that are nested deeper than `depth` levels become None; the outermost
    list or object is the first level.
    """
    if isinstance(value, str):
        return change(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return None
    if isinstance(value, list):
        return [reworded(one, change, depth - 1) for one in value]
    return {change(name): reworded(one, change, depth - 1) for name, one in value.items()}


def refuse_case_variants(keys: Iterable[str], known: frozenset[str]) -> None:
    """Raise WireError for a key that is not in `known`, but differs from a known key only in upper and lower
    case.

    Parsers treat `Model` differently (Go's parsers read it as `model`, others ignore it), so an upstream
    could read another request than the one that was checked here.
    """
    for key in keys:
        if key not in known and (meant := _folded(known).get(key.casefold())) is not None:
            raise WireError(
                f"unknown parameter '{key}': did you mean '{meant}'?", path=key, code="unknown_parameter"
            )


@lru_cache(maxsize=64)
def _folded(known: frozenset[str]) -> dict[str, str]:
    return {key.casefold(): key for key in known}


_KINDS = {"[": "an array", '"': "a string", "t": "true", "f": "false", "n": "null"}


def _may_be_deep(body: bytes, max_depth: int) -> bool:
    """False if the body is too short, or has too few brackets, for more than max_depth levels. Otherwise
    True.
    """
    return len(body) > 2 * max_depth and _openings(body) > max_depth


def _openings(text: bytes) -> int:
    """Return the number of opening brackets, including those inside of strings."""
    if len(text) > _PIECE:
        return sum(_openings(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))
    # Where brackets are rare, `replace` finds them several times faster than `count` does.
    return len(text) - len(text.replace(b"{", b"").replace(b"[", b""))


def _has_levels(value: Any, levels: int) -> bool:
    """Whether a decoded value may have more than `levels` levels of arrays and objects. False is certain.
    True may be wrong: the value may have exactly `levels` levels.
    """
    level = [value]
    for _ in range(levels):
        level = get_referents(*level)
        if not level:
            return False
    return True


def _check_depth(body: bytes, max_depth: int) -> None:
    steps = _outside_of_strings(_without_escapes(body), _NOT_BRACKETS).translate(_STEPS)
    if max(accumulate(memoryview(steps).cast("b"))) > max_depth:
        raise _too_deep(max_depth)


def _commas_and_openings(text: bytes) -> int:
    # The pieces are translated one by one, because allocating a copy of the whole takes longer than counting.
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return sum(len(piece.translate(None, _NOT_COUNTED)) for piece in pieces)


def _without_escapes(body: bytes) -> bytes:
    """Return the body without escaped backslashes and escaped quotes. Every quote in the result begins or
    ends a string.
    """
    return body.replace(rb"\\", b"").replace(rb"\"", b"")


def _outside_of_strings(plain: bytes, without: bytes) -> bytes:
    """Return the text outside of strings, without the quotes and without the bytes in `without` (which must
    not contain the quote). plain: JSON, as `_without_escapes` returns it.
    """
    bare = plain.translate(None, without)
    # `""` is an empty string, or the end of one string and the start of the next; both may be removed.
    return b"".join(bare.replace(b'""', b"").split(b'"')[::2])


def _too_many(max_values: int) -> WireError:
    return WireError(f"more than {max_values} values", code=TOO_LARGE)


def _too_deep(max_depth: int) -> WireError:
    return WireError(f"nested deeper than {max_depth} levels")


def _explained(body: bytes, error: Exception, max_depth: int) -> WireError:
    """Return the WireError for an error that msgspec raised about `body`: in plain words, and with line and
    column if they are known. max_depth: the limit that is named if the nesting is too deep.
    """
    if isinstance(error, RecursionError):
        return _too_deep(max_depth)
    if (other := _other_form(body)) is not None:
        return WireError(f"{_MALFORMED}: {other}")
    try:
        body.decode()
    except UnicodeDecodeError as invalid:
        return _at(body, invalid.start, "not valid UTF-8")
    text = str(error)
    if text.startswith("Expected `object`"):
        return _not_an_object(body)
    short = len(body) <= _MOST_EXPLAINED
    if "out of range" in text:
        large = "a number too large to be read"
        if not short:
            return WireError(f"{_UNREADABLE}: {large}")
        return _at(body, _unreadable_number(body), large, _UNREADABLE)
    halved = short and any(word in text for word in _AFTER_HALF)
    if halved and (half := _half_of_pair(body)) is not None:
        return _at(body, half, "half of a surrogate pair, which is no character", _UNREADABLE)
    if (found := _BY_BYTE.fullmatch(text)) is None:
        ended = "the text ends in the middle of a value"
        if not short:
            ended += ", or holds half of a surrogate pair"
        return _at(body, len(body), ended) if body.strip() else WireError(f"{_MALFORMED}: it is empty")
    what, position = found[1], int(found[2])
    if what == "trailing characters":  # here msgspec names a place one byte too late
        return _at(body, position - 1, "more text after the object")
    if what == "invalid character":
        return _unexpected(body, position)
    return _at(body, position, what)


def _unexpected(body: bytes, position: int) -> WireError:
    """Return the WireError for a character that cannot stand in JSON. position: the place that msgspec names;
    if it is after the beginning of a wrong word (`trux` for `true`), the error names that beginning.
    """
    if position == len(body):
        position -= 4 if body[-4:-3] in (b"t", b"n") else 5
    elif body[position] >= 0x20:  # else a control character in a string
        begun = _WORD.search(body, max(0, position - 6), position)
        position = position if begun is None else begun.start(1)
    return _at(body, position, f"unexpected {body[position : position + 4].decode(errors='replace')[0]!r}")


def _other_form(body: bytes) -> str | None:
    """Return in words what a text is (compressed, UTF-16, URL-encoded, …), if its first bytes show that it is
    not JSON; None if it is not recognised.

    Shells and command line tools turn correct JSON into these forms, where a line and a column would not
    help.
    """
    for start, coding in _PACKED.items():
        if body.startswith(start):
            return f"the text is compressed with {coding}, which no content-encoding header says"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        return "the text is UTF-16 or UTF-32; send it as UTF-8"
    if body.startswith(b"'"):
        return _QUOTED
    if _URL_ENCODED.match(body):
        return "the text is URL-encoded, not JSON"
    return "the text is a form (NAME=VALUE), not JSON" if _FORM.match(body) else None


def _at(body: bytes, position: int, what: str, beginning: str = _MALFORMED) -> WireError:
    line = body.count(b"\n", 0, position) + 1
    start = body.rfind(b"\n", 0, position) + 1
    column = len(body[start:position].translate(None, _CONTINUING)) + 1
    return WireError(f"{beginning}: line {line}, column {column}: {what}")


def _not_an_object(body: bytes) -> WireError:
    first = body.lstrip()[:1].decode()
    return WireError(f"expected a JSON object, got {_KINDS.get(first, 'a number')}")


def _unreadable_number(body: bytes) -> int:
    """Return the position of the first number that probably cannot be decoded: a float larger than a double
    can hold, or an integer of more than `_INT_LENGTH` characters. Without such a number, the length of the
    text.
    """
    for found in _NUMBER.finditer(body):
        number = found[1]
        if number and (isinf(float(number)) if _FLOAT.search(number) else len(number) > _INT_LENGTH):
            return found.start()
    return len(body)


def _half_of_pair(body: bytes) -> int | None:
    return next((found.start() for found in _ESCAPE.finditer(body) if found[1] is not None), None)
