"""The weights of all-MiniLM-L6-v2: whatever is wrong with their file, it is refused as a model's file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from dragoman.upstreams.local.engine import EngineRefused
from dragoman.upstreams.local.minilm import MiniLM
from dragoman.upstreams.local.protocol import Options

pytest.importorskip("numpy")


def packed(tokenizer: bytes, weights: bytes = b"\2\0\0\0\0\0\0\0{}") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tokenizer.json", tokenizer)
        archive.writestr("model.safetensors", weights)
    return made.getvalue()


WHOLE = packed(b'{"model": {"vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}}}')
START = 30 + len("tokenizer.json")
"""Where the compressed bytes of the first file begin."""


def test_a_whole_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "model.zip"
    file.write_bytes(WHOLE)
    MiniLM().load(Options(str(file))).close()


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:START] + b"\xff\xff" + WHOLE[START + 2 :],  # zlib.error
        WHOLE.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x60\x00"
        ),
        packed(b"[]"),
        packed(b"{"),
        packed(b'{"model": {"vocab": {}}}', b""),
        b"no archive",
        b"",
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    assert data != WHOLE
    file = tmp_path / "model.zip"
    file.write_bytes(data)
    with pytest.raises(EngineRefused, match=r"model\.zip cannot be loaded") as refused:
        MiniLM().load(Options(str(file)))
    assert refused.value.kind == "model"
