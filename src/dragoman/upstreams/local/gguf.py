"""Reads the header of a GGUF model file, in plain Python, so that the facts about a model are known without
an engine.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from dragoman.errors import WireError

T = TypeVar("T")
Buffer: TypeAlias = bytes | mmap.mmap

_SCALARS = dict(enumerate(("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?"))) | {10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MAX_DIMENSIONS = 4

# llama.h, `enum llama_ftype`: the storage type of the model as a whole.
_FILE_TYPES = (
    dict(enumerate(("F32", "F16", "Q4_0", "Q4_1")))
    | dict(
        enumerate(
            (
                *("Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S"),
                *("Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL"),
                *("IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M", "BF16"),
            ),
            start=7,
        )
    )
    | {36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE"}
)
# ggml.h, `enum ggml_type`: the storage type of one tensor.
_TENSOR_TYPES = (
    dict(enumerate(("F32", "F16", "Q4_0", "Q4_1")))
    | dict(
        enumerate(("Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K"), start=6)
    )
    | {30: "BF16", 39: "MXFP4"}
)


class Header(msgspec.Struct, frozen=True):
    """The facts about a model in the header of its GGUF file. None = the header does not state the fact, or
    its value has the wrong type.

    version: the version of the format. parameters: the number of weights in this file. context: the context
    window in tokens, as in training. embedding: the number of floats in a token's vector. quantisation: the
    storage type of the weights, by llama.cpp's name ("Q4_K_M"); if the header states no known type for the
    complete file, it is the type of most weights, None = this type is not known either. template: the chat
    template (Jinja). metadata: {GGUF key: value} for all values of the header except arrays.
    """

    version: int
    architecture: str | None
    name: str | None
    parameters: int
    context: int | None
    embedding: int | None
    layers: int | None
    quantisation: str | None
    licence: str | None
    template: str | None
    metadata: dict[str, Any]


def read(path: Path) -> Header:
    """Return the header of the file at `path`. Raises WireError if the file is not a valid GGUF file, OSError
    if it cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise WireError("the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return parse(data)


def parse(data: Buffer) -> Header:
    """Return the header at the beginning of `data`. Raises WireError if the header is malformed or has
    another version than 2 or 3.
    """
    reader = _Reader(data)
    if reader.take(4) != b"GGUF":
        raise WireError("not a GGUF file: it does not begin with 'GGUF'")
    version = reader.number("<I")
    if version not in {2, 3}:
        raise WireError(f"GGUF version {version} is not supported; versions 2 and 3 are", "version")
    tensors, keys = reader.number("<Q"), reader.number("<Q")
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = reader.text()
        value = reader.value(reader.number("<I"))
        if value is not None:
            metadata[key] = value
    parameters, kinds = _tensors(reader, tensors)
    return _header(version, metadata, parameters, kinds)


def _tensors(reader: _Reader, count: int) -> tuple[int, Counter[int]]:
    """Read the descriptions of `count` tensors. Return (number of weights in all tensors, {storage type:
    number of weights}). Raises WireError for a tensor with too many dimensions, and if the bytes end.
    """
    kinds: Counter[int] = Counter()
    for _ in range(count):
        reader.text()
        dimensions = reader.number("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise reader.wrong(f"a tensor with {dimensions} dimensions")
        size = prod(reader.number("<Q") for _ in range(dimensions))
        kinds[reader.number("<I")] += size
        reader.number("<Q")
    return kinds.total(), kinds


def _header(version: int, metadata: dict[str, Any], parameters: int, kinds: Counter[int]) -> Header:
    architecture = _as(str, metadata.get("general.architecture"))
    own = f"{architecture}."
    kind = _as(int, metadata.get("general.file_type"))
    quantisation = None if kind is None else _FILE_TYPES.get(kind)
    if quantisation is None and kinds:
        quantisation = _TENSOR_TYPES.get(kinds.most_common(1)[0][0])
    return Header(
        version=version,
        architecture=architecture,
        name=_as(str, metadata.get("general.name")),
        parameters=parameters,
        context=_as(int, metadata.get(own + "context_length")),
        embedding=_as(int, metadata.get(own + "embedding_length")),
        layers=_as(int, metadata.get(own + "block_count")),
        quantisation=quantisation,
        licence=_as(str, metadata.get("general.license")),
        template=_as(str, metadata.get("tokenizer.chat_template")),
        metadata=metadata,
    )


def _as(kind: type[T], value: object) -> T | None:
    return value if type(value) is kind else None  # a bool is no number here


class _Reader:
    """Reads one value after another from the bytes of a file. Reading too far raises WireError."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._size = len(data)
        self._at = 0

    def wrong(self, what: str) -> WireError:
        return WireError(f"malformed GGUF header at byte {self._at}: {what}")

    def skip(self, count: int) -> int:
        """Return the present position in the file, and advance by `count` bytes."""
        at = self._at
        if count > self._size - at:
            raise self.wrong("the file ends too early")
        self._at = at + count
        return at

    def take(self, count: int) -> bytes:
        at = self.skip(count)
        return self._data[at : at + count]

    def number(self, form: str) -> Any:
        return struct.unpack_from(form, self._data, self.skip(struct.calcsize(form)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """Read and return one metadata value; None for an array, whose elements are skipped. kind: the number
        of the value's type.
        """
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            self._array()
            return None
        form = _SCALARS.get(kind)
        if form is None:
            raise self.wrong(f"value type {kind} is unknown")
        return self.number(form)

    def _array(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind in _SCALARS:
            self.skip(count * struct.calcsize(_SCALARS[kind]))
        elif kind == _STRING:
            for _ in range(count):
                self.skip(self.number("<Q"))
        else:
            # The format allows arrays of arrays, but no model has them, and deep nesting could break a
            # reader.
            raise self.wrong(f"an array of type {kind}")
