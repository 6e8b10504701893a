"""Data URLs in every spelling that RFC 2397 allows, and what is broken about the others."""

from __future__ import annotations

import base64
import time

import pytest

from dragoman.wire.dataurl import base64_flaw, flaw, is_data_url, read


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("url", "mime", "data"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "image/png", "iVBORw0KGgo="),
        ("data:;base64,AAAA", None, "AAAA"),
        ("DATA:image/png;BASE64,AAAA", "image/png", "AAAA"),
        ("data:text/plain;charset=utf-8;base64,AAAA", "text/plain;charset=utf-8", "AAAA"),
        ('data:image/svg+xml;name="a;b";base64,AAAA', 'image/svg+xml;name="a;b"', "AAAA"),
        ("data:image/png;base64,%2Bw%3d%3D", "image/png", "+w=="),
        ("data:image/png;base64,AAA%2fA%0D%0AAA%20A", "image/png", "AAA/AAAA"),
        ("data:image/png;base64,AAAA%0d%0aAAAA", "image/png", "AAAAAAAA"),
        ("data:image/png;base64,AA-_", "image/png", "AA-_"),
        ("data:image/png;base64,AAA", "image/png", "AAA"),  # without its padding
        ("data:image/png;base64,AAAA\r\nAAAA", "image/png", "AAAA\r\nAAAA"),
        ("data:text/plain,a%20b", "text/plain", b64("a b")),
        ("data:,a,b", None, b64("a,b")),
        ("data:text/html;charset=utf-8,<p>é</p>", "text/html;charset=utf-8", b64("<p>é</p>")),
        ("data:image/svg+xml,%3Csvg/%3E", "image/svg+xml", b64("<svg/>")),
        ("data:text/plain,100%25%3c%C3%A9", "text/plain", b64("100%<é")),
        ("data:text/plain,100% %zz", "text/plain", b64("100% %zz")),  # no escapes, as browsers read them
    ],
)
def test_a_data_url_is_its_type_and_its_base64(url: str, mime: str | None, data: str) -> None:
    assert is_data_url(url)
    assert read(url) == (mime, data)
    assert flaw(url) is None


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:", "no comma"),
        ("data:image/png;base64,", "no data"),
        ("data:text/plain,", "no data"),
        ("data:image/png;base64,AAAA…", "no base64"),
        ("data:image/png;base64,é===", "no base64"),
        ("data:image/png;base64,AA*A", "no base64"),
        ("data:image/png;base64,AAAAA", "no base64"),
        ("data:image/png;base64,AA=A", "no base64"),
        ("data:image/png;base64,%ZZAA", "no base64"),
        ("data:image/png;base64,%41%41%41%41", "no base64"),  # nobody escapes letters
        ("data:text/plain," + "%41" * 100_001, "too many escapes"),
        ("data:image/png;base64,====", "no base64"),
    ],
)
def test_what_is_broken_is_said(url: str, what: str) -> None:
    assert flaw(url) == what


def test_the_largest_addresses_take_little_time() -> None:
    """As large as a request may be; each took a minute and gigabytes."""
    began = time.process_time()
    assert flaw("data:text/plain," + "%41" * 20_000_000) == "too many escapes"
    assert flaw("data:image/png;base64," + "%41" * 20_000_000) == "no base64"
    assert flaw("data:image/png;base64," + "AAAA" * 15_000_000 + "AA%3D%3D") is None
    assert flaw("data:text/plain," + "%41" * 100_000) is None
    assert time.process_time() - began < 10


def test_an_address_without_a_comma_cannot_be_read() -> None:
    assert read("data:image/png;base64") is None


@pytest.mark.parametrize("url", ["https://x.test/data:", "dat", "", "iVBORw0KGgo="])
def test_other_addresses_are_none(url: str) -> None:
    assert not is_data_url(url)


def test_base64_alone() -> None:
    assert base64_flaw("AAAA") is None
    assert base64_flaw(" AAAA ") is None
    assert base64_flaw("") == "no data"
    assert base64_flaw(" \n") == "no data"
    assert base64_flaw("data:AAAA") == "no base64"
