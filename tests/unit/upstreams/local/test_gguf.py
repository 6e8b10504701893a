from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.upstreams.local import gguf, weights


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, payload: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + payload


def array(kind: int, *elements: bytes) -> bytes:
    return struct.pack("<IQ", kind, len(elements)) + b"".join(elements)


def tensor(name: str, kind: int, *shape: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0)


def file(entries: list[bytes], tensors: list[bytes], version: int = 3) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(entries))
    return head + b"".join(entries) + b"".join(tensors)


ENTRIES = [
    entry("general.architecture", 8, text("llama")),
    entry("general.name", 8, text("Tiny")),
    entry("general.file_type", 4, struct.pack("<I", 15)),
    entry("llama.context_length", 4, struct.pack("<I", 512)),
    entry("llama.embedding_length", 10, struct.pack("<Q", 8)),
    entry("llama.rope.freq_base", 6, struct.pack("<f", 0.5)),
    entry("tokenizer.ggml.tokens", 9, array(8, text("a"), text("é"))),
    entry("tokenizer.ggml.scores", 9, array(6, struct.pack("<f", 1.0))),
    entry("tokenizer.ggml.add_bos_token", 7, b"\x01"),
    entry("tokenizer.chat_template", 8, text("{{ messages }}")),
]
TENSORS = [tensor("a", 0, 8), tensor("b", 12, 8, 32)]
WHOLE = file(ENTRIES, TENSORS)


def test_a_header_says_what_the_model_is() -> None:
    header = gguf.parse(WHOLE)
    assert (header.version, header.architecture, header.name) == (3, "llama", "Tiny")
    assert (header.parameters, header.context, header.embedding) == (8 + 8 * 32, 512, 8)
    assert (header.quantisation, header.template) == ("Q4_K_M", "{{ messages }}")
    assert header.metadata["llama.rope.freq_base"] == 0.5
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_what_a_file_does_not_say_is_none() -> None:
    header = gguf.parse(file([], []))
    assert (header.architecture, header.context, header.quantisation, header.parameters) == (
        None,
        None,
        None,
        0,
    )


def test_a_value_of_another_type_is_none() -> None:
    """A boolean is a number in Python: the context was True."""
    entries = [
        entry("general.architecture", 8, text("llama")),
        *(entry(name, 7, b"\1") for name in ("general.file_type", "llama.context_length")),
        entry("llama.embedding_length", 6, struct.pack("<f", 64.0)),
    ]
    header = gguf.parse(file(entries, []))
    assert (header.context, header.embedding, header.quantisation) == (None, None, None)


def test_without_a_file_type_the_commonest_tensor_type_counts() -> None:
    assert gguf.parse(file([], [*TENSORS, tensor("c", 0, 16)])).quantisation == "Q4_K"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends too early"),
        (b"PK\x03\x04" + WHOLE[4:], "does not begin with 'GGUF'"),
        (file([], [], version=1), "version 1 is not supported"),
        (file([entry("a", 99, b"")], []), "value type 99 is unknown"),
        (file([entry("a", 9, array(9))], []), "an array of type 9"),
        (file([], [tensor("a", 0, *[1] * 5)]), "5 dimensions"),
        (file([text("x" * 4)[:-1]], []), "ends too early"),
        (file([entry("a", 9, struct.pack("<IQ", 12, 2**63))], []), "ends too early"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        gguf.parse(data)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_header_cut_short_is_refused(length: int) -> None:
    with pytest.raises(WireError, match="ends too early"):
        gguf.parse(WHOLE[:length])


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_header_is_read_or_refused_and_nothing_else(place: int, byte: int) -> None:
    damaged: Any = bytearray(WHOLE)
    damaged[place] = byte
    with contextlib.suppress(WireError):
        assert isinstance(gguf.parse(bytes(damaged)), gguf.Header)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    with pytest.raises(WireError, match="empty"):
        gguf.read(path)


@pytest.mark.local_model
def test_the_embedded_model_is_what_its_row_says() -> None:
    row = weights.WEIGHTS[0]
    path = weights.find(row)
    assert path is not None
    header = gguf.read(path)
    assert (header.parameters, header.context, header.quantisation) == (row.parameters, row.context, "Q4_1")
    assert header.licence == row.licence.lower()
    assert header.template is not None
    assert "<|im_start|>" in header.template
