"""Content codings: unpacked in pieces for any split of the bytes, in bounds, refused when broken."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.net.codings import BROKEN, FREE, MAX_RATIO, TAKEN, TOO_LARGE, UNKNOWN, Unpacker, codings
from tests.packing import packed, zstd_window

CHAINS = [(name,) for name in TAKEN] + [("gzip", "br"), ("zstd", "gzip"), ("br", "deflate", "zstd")]
TEXT = b'{"messages": [{"role": "user", "content": "%s"}]}' % b"Where is the library? " * 90
NOISE = random.Random(7).randbytes(300_000)


def unpacked(data: bytes, *applied: str, cut: int = 65536, most: int = 65536, limit: int = 10**9) -> bytes:
    unpacker = Unpacker(applied, limit)
    pieces: list[bytes] = []
    for place in range(0, len(data), cut):
        unpacker.feed(data[place : place + cut])
        while (piece := unpacker.next(most)) is not None:
            pieces.append(piece)
    unpacker.close()
    return b"".join(pieces)


def refused(data: bytes, *applied: str, **bounds: int) -> tuple[str | None, str]:
    with pytest.raises(WireError) as caught:
        unpacked(data, *applied, **bounds)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
@pytest.mark.parametrize("cut", [1, 2, 7, 1000, 10**6])
@pytest.mark.parametrize("most", [10, 65536])
def test_any_split_gives_the_same_bytes(chain: tuple[str, ...], cut: int, most: int) -> None:
    assert unpacked(packed(TEXT, *chain), *chain, cut=cut, most=most) == TEXT


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
def test_what_hardly_packs_comes_out_whole(chain: tuple[str, ...]) -> None:
    assert unpacked(packed(NOISE, *chain), *chain) == NOISE


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), chain=st.sampled_from(CHAINS), cut=st.integers(1, 50))
def test_any_bytes_return(data: bytes, chain: tuple[str, ...], cut: int) -> None:
    assert unpacked(packed(data, *chain), *chain, cut=cut) == data


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
def test_a_piece_is_small_however_much_there_is(chain: tuple[str, ...]) -> None:
    unpacker = Unpacker(chain, 10**9)
    unpacker.feed(packed(bytes(900_000), *chain))
    pieces = []
    while (piece := unpacker.next(10_000)) is not None:
        pieces.append(len(piece))
    assert sum(pieces) == 900_000
    assert max(pieces) < 120_000


@pytest.mark.parametrize("name", TAKEN)
def test_truncated_at_any_place_is_broken(name: str) -> None:
    data = packed(TEXT, name)
    for end in range(len(data)):
        code, message = refused(data[:end], name)
        assert code == BROKEN
        assert f"is not valid {name}, as its header content-encoding says" in message


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("data", [b"{}", b'{"model": "m", "messages": []}', b"\xff" * 40, b"\0"])
def test_other_bytes_are_broken(name: str, data: bytes) -> None:
    assert refused(data, name)[0] == BROKEN


@pytest.mark.parametrize("name", TAKEN)
def test_what_follows_the_end_is_broken(name: str) -> None:
    assert refused(packed(TEXT, name) + b"and more", name)[0] == BROKEN


def test_an_inner_coding_may_be_the_broken_one() -> None:
    code, message = refused(packed(b"no gzip at all", "br"), "gzip", "br")
    assert (code, "not valid gzip" in message) == (BROKEN, True)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 10**6])
def test_parts_one_after_another_are_one_body(name: str, cut: int) -> None:
    data = packed(TEXT, name) + packed(b"", name) + packed(b"the end", name)
    assert unpacked(data, name, cut=cut) == TEXT + b"the end"


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_so_many_parts_are_refused(name: str) -> None:
    code, message = refused(packed(b"", name) * 5000, name)
    assert (code, "4096 parts" in message) == (BROKEN, True)


def test_deflate_comes_without_zlibs_head_too() -> None:
    assert unpacked(packed(TEXT, "raw"), "deflate", cut=1) == TEXT


def test_zstd_looks_back_no_further_than_receivers_must_allow() -> None:
    assert unpacked(zstd_window(NOISE * 40, 23), "zstd") == NOISE * 40
    assert refused(zstd_window(NOISE * 40, 24), "zstd")[0] == BROKEN


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
def test_more_than_the_limit_is_too_large(chain: tuple[str, ...]) -> None:
    data = packed(NOISE, *chain)
    assert unpacked(data, *chain, limit=len(NOISE) + 500 * (len(chain) - 1)) == NOISE
    assert refused(data, *chain, limit=len(NOISE) - 1)[0] == TOO_LARGE


@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
def test_a_bomb_ends_long_before_it_is_unpacked(chain: tuple[str, ...]) -> None:
    data = packed(bytes(60_000_000), *chain)
    unpacker = Unpacker(chain, 10**9)
    unpacker.feed(data)
    made = 0
    with pytest.raises(WireError) as caught:  # noqa: PT012 - it takes as many pieces as it takes
        while (piece := unpacker.next(65536)) is not None:
            made += len(piece)
    assert caught.value.code == TOO_LARGE
    assert made <= max(FREE, MAX_RATIO * len(data))


def test_the_outer_coding_hides_no_bomb_within() -> None:
    inner = packed(bytes(60_000_000), "gzip")
    data = packed(inner, "gzip")
    assert len(data) * MAX_RATIO < len(inner)
    assert refused(data, "gzip", "gzip")[0] == TOO_LARGE


def test_what_the_codings_look_back_at_is_told() -> None:
    unpacker = Unpacker(("br", "gzip"), 10**9)
    assert unpacker.held == 0
    unpacker.feed(packed(NOISE, "br", "gzip"))
    while unpacker.next(65536) is not None:
        pass
    assert len(NOISE) + 32 * 1024 <= unpacker.held < 2 * len(NOISE)


@pytest.mark.parametrize(
    ("stated", "applied"),
    [
        ("gzip", ("gzip",)),
        (" GZip ,identity,, br", ("gzip", "br")),
        ("x-gzip", ("gzip",)),
        ("identity", ()),
        ("", ()),
        ("zstd,zstd,zstd", ("zstd", "zstd", "zstd")),
    ],
)
def test_the_header_lists_codings_in_their_order(stated: str, applied: tuple[str, ...]) -> None:
    assert codings(stated) == applied


@pytest.mark.parametrize(
    "stated", ["compress", "gzip, aes128gcm", "utf-8", "gzip;q=1", ",".join(["gzip"] * 4)]
)
def test_other_codings_and_too_many_are_unknown(stated: str) -> None:
    with pytest.raises(WireError) as caught:
        codings(stated)
    assert caught.value.code == UNKNOWN
