"""Forms come out as they were sent, however they are cut; what is hostile costs no more than its size."""

from __future__ import annotations

import email
import email.policy
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire.json import TOO_LARGE
from dragoman.wire.multipart import (
    MAX_TEXT,
    Field,
    Form,
    Head,
    MultipartParser,
    boundary_of,
    content_type,
    written,
)

B = b"XyZ"
HEAD = b'--XyZ\r\nContent-Disposition: form-data; name="a"'


def read(chunks: Iterable[bytes], boundary: bytes = B, **bounds: int) -> Form:
    """The form that these chunks are."""
    parser = MultipartParser(boundary, **bounds)
    fields: list[tuple[Head, bytearray]] = []
    for chunk in chunks:
        for piece in parser.feed(chunk):
            if isinstance(piece, Head):
                fields.append((piece, bytearray()))
            else:
                fields[-1][1].extend(piece)
    parser.close()
    return tuple(Field(head.name, bytes(value), head.filename, head.kind) for head, value in fields)


def three_ways(body: bytes, boundary: bytes = B) -> Form:
    """The form of a body, the same whole, byte by byte and cut at random."""
    whole = read([body], boundary)
    assert read((body[i : i + 1] for i in range(len(body))), boundary) == whole
    for seed in range(10):
        assert read(cut(body, random.Random(seed)), boundary) == whole, f"seed {seed}"
    return whole


def cut(body: bytes, dice: random.Random) -> list[bytes]:
    places = sorted(dice.randrange(len(body) + 1) for _ in range(dice.randrange(12)))
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]


def joined(form: Form, boundary: bytes = B) -> bytes:
    parts, size = written(form, boundary)
    body = b"".join(parts)
    assert len(body) == size
    return body


def fails(body: bytes | Sequence[bytes], **bounds: int) -> WireError:
    with pytest.raises(WireError) as caught:
        read([body] if isinstance(body, bytes) else body, B, **bounds)
    return caught.value


def one(head: bytes, value: bytes = b"1") -> Field:
    """The only field of a form whose head has these lines."""
    (field,) = three_ways(b"--XyZ\r\n" + head + b"\r\n\r\n" + value + b"\r\n--XyZ--\r\n")
    return field


# What a form may be ----------------------------------------------------------------------------------------

NASTY = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b"--",
        b"--XyZ",
        b"\r\n--Xy",
        b"\r\n--xyz",
        b"\r\r\n-",
        b"\n--XyZ--",
        b"\x00",
    ]
)
VALUES = st.lists(st.one_of(NASTY, st.binary(max_size=8)), max_size=12).map(b"".join)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda name: "%" not in name
)
FORMS: st.SearchStrategy[Form] = st.lists(
    st.builds(
        Field,
        NAMES,
        VALUES.filter(lambda value: b"\r\n--XyZ" not in b"\r\n" + value),
        st.none() | NAMES | st.just(""),
        st.sampled_from([None, "image/png", "text/plain; charset=utf-8"]),
    ),
    max_size=6,
).map(tuple)


@given(FORMS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_form_survives_any_cut(form: Form, dice: random.Random) -> None:
    body = joined(form)
    assert read([body]) == form
    assert read(cut(body, dice)) == form
    assert read(body[i : i + 1] for i in range(len(body))) == form


@given(st.lists(NASTY, max_size=30).map(b"".join), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_value_ends_where_the_first_boundary_is(value: bytes, dice: random.Random) -> None:
    body = HEAD + b"\r\n\r\n" + value + b"\r\n--XyZ--\r\n"
    end = (b"\r\n" + value + b"\r\n--XyZ--").index(b"\r\n--XyZ")
    try:
        form = read([body])
    except WireError:
        with pytest.raises(WireError):
            read(cut(body, dice))
        return
    assert form[0].value == value[: max(0, end - 2)]
    assert read(cut(body, dice)) == form


WORDS = st.sampled_from(
    [
        *(
            b"--XyZ",
            b"--XyZ--",
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"\r",
            HEAD,
            b"Content-Disposition: form-data",
            b";",
        ),
        *(
            b' name="a"',
            b"filename*=",
            b"utf-8''%c3%a4",
            b'"',
            b"\\",
            b"=",
            b" ",
            b":",
            b"%22",
            b"\xff",
            b"a",
            b"-",
        ),
    ]
)


@given(st.lists(WORDS, max_size=24).map(b"".join), st.randoms(use_true_random=False))
def test_whatever_comes_is_a_form_or_an_error_for_any_cut(body: bytes, dice: random.Random) -> None:
    def outcome(chunks: Iterable[bytes]) -> Form | str:
        try:
            return read(chunks)
        except WireError as error:
            return error.message

    whole = outcome([HEAD + body])
    assert outcome(cut(HEAD + body, dice)) == whole
    assert outcome([(HEAD + body)[i : i + 1] for i in range(len(HEAD + body))]) == whole


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b"\r\n\r\n1\r\n--XyZ--\r\n",
        HEAD + b"\r\n\r\n1\r\n--XyZ--",
        b"\r\n" + HEAD + b"\r\n\r\n1\r\n--XyZ--\r\n",
        b"Read me\r\n--Xy\r\nor not\r\n" + HEAD + b"\r\n\r\n1\r\n--XyZ--\r\nThe end\r\n--XyZ\r\n",
        HEAD.replace(b"--XyZ\r\n", b"--XyZ \t \r\n") + b"\r\n\r\n1\r\n--XyZ-- \r\n",
        HEAD.replace(b"form-data; ", b"form-data;\r\n\t ") + b"\r\n\r\n1\r\n--XyZ--",
        HEAD + b"\r\nContent-Transfer-Encoding: 8bit\r\nX-Other: 1\r\n\r\n1\r\n--XyZ--",
        HEAD.replace(b"Content-D", b"CONTENT-d") + b"\r\n\r\n1\r\n--XyZ--",
    ],
)
def test_what_the_standard_lets_stand_around_a_field(body: bytes) -> None:
    assert three_ways(body) == (Field("a", b"1"),)


def test_empty_forms_and_empty_values() -> None:
    assert three_ways(b"--XyZ--\r\n") == ()
    assert joined(()) == b"--XyZ--\r\n"
    assert three_ways(HEAD + b"\r\n\r\n\r\n--XyZ--") == (Field("a", b""),)
    assert three_ways(HEAD + b"\r\n\r\n--XyZ--") == (
        Field("a", b""),
    )  # the blank line's end is the boundary's
    assert three_ways(HEAD + b"\r\n\r\n\r\n\r\n--XyZ--") == (Field("a", b"\r\n"),)


@pytest.mark.parametrize(
    ("parameters", "name", "filename"),
    [
        (b'name="a"', "a", None),
        (b"name=a; filename=b.wav", "a", "b.wav"),
        (b'NAME="a" ; FileName="b.wav" ;', "a", "b.wav"),
        (b'name="a"; filename=""', "a", ""),
        (b'name="image[]"; filename="b;c=d.png"', "image[]", "b;c=d.png"),
        (b'name="a%22b%0D%0Ac%41"', 'a"b\r\nc%41', None),
        (rb'name="a\"b\\c"; filename="C:\temp\n.wav"', 'a"b\\c', "C:\\temp\\n.wav"),
        ('name="näme"; filename="日本.mp3"'.encode(), "näme", "日本.mp3"),
        (b'name="a"; filename="b"; filename*=UTF-8\'\'%e2%82%ac%20rates', "a", "€ rates"),
        (b"name*=utf-8'en'%C3%A4; filename*=iso-8859-1''%e4", "ä", "ä"),
    ],
)
def test_names_as_clients_write_them(parameters: bytes, name: str, filename: str | None) -> None:
    field = one(b"Content-Disposition: form-data; " + parameters)
    assert (field.name, field.filename) == (name, filename)


def test_a_field_has_the_media_type_that_is_stated() -> None:
    stated = b'Content-Disposition: form-data; name=a; filename=b\r\nContent-Type: audio/wav; rate="8000"'
    assert one(stated).kind == 'audio/wav; rate="8000"'


# What it may not be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b"", "", "cut off"),
        (b"--XyZ", "", "cut off"),
        (b"--XyZ-", "", "cut off"),
        (b"no form at all", "", "cut off"),
        (HEAD, "", "cut off"),
        (HEAD + b"\r\n\r\n1", "a", "cut off"),
        (HEAD + b"\r\n\r\n1\r\n--XyZ", "", "cut off"),
        (HEAD.replace(b"\r\n", b"\n") + b"\n\n1\n--XyZ--\n", "", "cut off"),
        (b"--XyZ\r\n\r\n1\r\n--XyZ--", "", "no name"),
        (b"--XyZ\r\nContent-Type: a/b\r\n\r\n1\r\n--XyZ--", "", "no name"),
        (HEAD.replace(b"form-data", b"attachment") + b"\r\n\r\n1\r\n--XyZ--", "", "no name"),
        (HEAD.replace(b"name", b"nam") + b"\r\n\r\n1\r\n--XyZ--", "", "no name"),
        (HEAD + b"\r\nno colon\r\n\r\n1\r\n--XyZ--", "", "malformed"),
        (HEAD + b"\r\nX: a\x00b\r\n\r\n1\r\n--XyZ--", "", "malformed"),
        (HEAD + b"\r\nX: a\nY: b\r\n\r\n1\r\n--XyZ--", "", "malformed"),
        (HEAD + HEAD[5:] + b"\r\n\r\n1\r\n--XyZ--", "", "malformed"),
        (HEAD + b'; name="b"\r\n\r\n1\r\n--XyZ--', "", "twice"),
        (HEAD + b'; filename="b\r\n\r\n1\r\n--XyZ--', "", "malformed"),
        (HEAD + b"; filename*=b\r\n\r\n1\r\n--XyZ--", "", "encoding"),
        (HEAD + b"; filename*=koi8-r''b\r\n\r\n1\r\n--XyZ--", "", "encoding"),
        (HEAD + b"; filename*0=b\r\n\r\n1\r\n--XyZ--", "", "encoding"),
        (HEAD + b'; filename="\xff"\r\n\r\n1\r\n--XyZ--', "", "UTF-8"),
        (HEAD + b"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--XyZ--", "a", "encoded"),
        (HEAD.replace(b"XyZ", b"XyZw") + b"\r\n\r\n1\r\n--XyZ--", "", "something else"),
    ],
)
def test_what_is_no_form_is_refused_with_the_field(body: bytes, path: str, message: str) -> None:
    for chunks in ([body], [body[i : i + 1] for i in range(len(body))]):
        error = fails(chunks)
        assert message in error.message
        assert error.path == path
        assert error.code is None


def test_bounds_hold_before_the_form_ends() -> None:
    error = fails(HEAD + b"\r\n\r\n" + b"1" * 11, max_text=10)
    assert (error.path, error.code) == ("a", TOO_LARGE)
    several = (HEAD + b"\r\n\r\n123456\r\n") * 2
    assert fails(several, max_text=10).code == TOO_LARGE
    assert fails((HEAD + b"\r\n\r\n1\r\n") * 4, max_fields=3).code == TOO_LARGE
    for long in (b"\r\nX: " + b"y" * 100, b"\r\nX: " + b"y" * 100 + b"\r\n\r\n"):
        assert fails(HEAD + long, max_head=99).code == TOO_LARGE
    assert fails(HEAD + b"\r\n\r\n" + b"1" * (MAX_TEXT + 1)).code == TOO_LARGE
    file = HEAD + b'; filename="f"\r\n\r\n' + b"1" * (MAX_TEXT + 1) + b"\r\n--XyZ--"
    assert len(read([file])[0].value) == MAX_TEXT + 1


def test_pieces_are_passed_on_at_once() -> None:
    parser = MultipartParser(B)
    head = HEAD + b'; filename="f"\r\n\r\n'
    assert parser.feed(head) == [Head("a", "f")]
    assert parser.field == "a"
    assert parser.feed(b"one\r") == [b"one"]
    assert parser.feed(b"\n--Xy") == []
    assert parser.feed(b"\r\nz") == [b"\r\n--Xy\r\nz"]
    largest = max(map(len, MultipartParser(B).feed(head + b"x" * 1_000_000)[1:]))  # type: ignore[arg-type]
    assert largest <= 65 * 1024


@pytest.mark.parametrize("pattern", [b"\r", b"\r\n-", b"\r\n--XyX", b"\r\n--Xy\r\n--XyY"])
@pytest.mark.parametrize("place", ["before", "head", "value", "quoted"])
def test_time_grows_with_the_size_alone(pattern: bytes, place: str) -> None:
    """Sixteen times the bytes take sixteen times the work, not 256 times."""
    start = {
        "before": b"",
        "head": HEAD + b"\r\nX: ",
        "value": HEAD + b'; filename="f"\r\n\r\n',
        "quoted": HEAD + b'; filename="',
    }[place]
    size = 4_000 if place in ("head", "quoted") else 20_000

    def spent(times: int, step: int) -> float:
        body = start + pattern * (size * times // len(pattern))
        best = 1e9
        for _ in range(2):
            parser = MultipartParser(b"XyZ", max_head=1_000_000)
            began = time.thread_time()
            with suppress(WireError):
                for at in range(0, len(body), step):
                    parser.feed(body[at : at + step])
            best = min(best, time.thread_time() - began)
        return best

    for step in (size // 1000, 1_000_000):
        assert spent(16, step) < 80 * spent(1, step) + 0.005


# What others write and read --------------------------------------------------------------------------------

PICTURE = bytes(range(256)) * 40
SENT: dict[str, Any] = {"model": "whisper-1", "prompt": "Grüße\r\n--and\r\n\r\nmore", "n": "2"}


def test_httpx_is_understood() -> None:
    files = [("image[]", ('a "1"\\.png', PICTURE, "image/png")), ("image[]", ("ö.png", b"", "image/png"))]
    request = httpx.Request("POST", "http://x", data=SENT, files=files)
    form = three_ways(request.read(), boundary_of(request.headers["content-type"]))
    assert form == (
        *(Field(name, value.encode()) for name, value in SENT.items()),
        Field("image[]", PICTURE, 'a "1"\\.png', "image/png"),
        Field("image[]", b"", "ö.png", "image/png"),
    )


async def test_aiohttp_is_understood() -> None:
    sent = aiohttp.FormData(quote_fields=False)
    for name, value in SENT.items():
        sent.add_field(name, value)
    sent.add_field("file", PICTURE, filename='ö "2".wav', content_type="audio/wav")
    payload = sent()
    body = await payload.as_bytes()
    form = three_ways(body, boundary_of(payload.headers["content-type"]))
    assert [(field.name, field.value) for field in form[:3]] == [(k, v.encode()) for k, v in SENT.items()]
    assert form[3] == Field("file", PICTURE, 'ö "2".wav', "audio/wav")


async def test_aiohttp_reads_what_is_written() -> None:
    form = (Field("prompt", "Grüße".encode()), Field("file", PICTURE, "ö.wav", "audio/wav"))
    body = aiohttp.StreamReader(_Protocol(), 2**20)  # type: ignore[arg-type]
    body.feed_data(joined(form))
    body.feed_eof()
    reader = aiohttp.MultipartReader({"Content-Type": content_type(B)}, body)
    got = []
    while (part := await reader.next()) is not None:
        assert isinstance(part, aiohttp.BodyPartReader)
        kind = part.headers.get("content-type")
        got.append(Field(part.name or "", bytes(await part.read()), part.filename, kind))
    assert tuple(got) == form


class _Protocol:
    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, *, resume_parser: bool = True) -> None: ...


def test_the_standard_library_reads_what_is_written() -> None:
    form = (Field("a b", b"1\r\n2"), Field("f", PICTURE, "x\\y.bin", "application/octet-stream"))
    head = f"content-type: {content_type(B)}\r\n\r\n".encode()
    message = email.message_from_bytes(head + joined(form), policy=email.policy.HTTP)
    parts = list(message.iter_parts())
    assert [part.get_param("name", header="content-disposition") for part in parts] == ["a b", "f"]
    assert [part.get_filename() for part in parts] == [None, "x\\y.bin"]
    assert parts[1].get_content() == PICTURE


def test_what_is_written_is_escaped_and_large_values_are_not_copied() -> None:
    large = memoryview(bytes(10_000))
    parts, size = written((Field('a"\r\nb\x00', b"1"), Field("f", large, "c\\", "x/y"), Field("g", b"")), B)
    assert parts[1] is large
    assert size == sum(map(len, parts))
    assert parts[0] == (
        b'--XyZ\r\ncontent-disposition: form-data; name="a%22%0D%0Ab%00"\r\n\r\n1\r\n--XyZ\r\n'
        b'content-disposition: form-data; name="f"; filename="c\\\\"\r\ncontent-type: x/y\r\n\r\n'
    )
    with pytest.raises(WireError, match="control"):
        written((Field("a", b"", "b", "x/y\r\nz: 1"),), B)


@pytest.mark.parametrize(
    ("stated", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Form-Data;charset=utf-8;BOUNDARY=----WebKit7Ma", b"----WebKit7Ma"),
        ('multipart/form-data; boundary="a b:c?"', b"a b:c?"),
        ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
    ],
)
def test_boundaries(stated: str, boundary: bytes) -> None:
    assert boundary_of(stated) == boundary
    assert boundary_of(content_type(b"0a9")) == b"0a9"


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a',
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=a\x00b",
        "multipart/form-data; boundary=ä",
        "multipart/form-data; boundary=日",
    ],
)
def test_boundaries_that_are_none(stated: str) -> None:
    with pytest.raises(WireError):
        boundary_of(stated)
