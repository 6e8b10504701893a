"""Sentence embeddings by all-MiniLM-L6-v2: a BERT model with six layers, computed with numpy.

The texts of a batch are joined to one sequence, so that one multiplication handles all of them and no text is
padded. Only attention is computed for each text separately.
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final, TypeAlias

from dragoman.upstreams.local.engine import EngineRefused, library
from dragoman.upstreams.local.protocol import Embed, Embedded, Options
from dragoman.upstreams.local.wordpiece import WordPiece

WIDTH: Final = 384
LONGEST: Final = 256
"""The most tokens of a text, including its two special tokens, as in the model's training."""

_LAYERS: Final = 6
_HEADS: Final = 12
_EPSILON: Final = 1e-12
_AT_ONCE: Final = 1024
"""The most tokens of one pass. A cancellation is noticed between two passes."""


class MiniLM:
    """The engine that runs all-MiniLM-L6-v2. The constructor raises EngineRefused("model") if numpy is not
    installed.
    """

    def __init__(self) -> None:
        # OpenBLAS threads wait in a busy loop. If the machine does anything else, two threads are five times
        # slower than one.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._numpy = library("numpy", "embeddings")

    def load(self, options: Options) -> MiniLMModel:
        """Load the weights from the file `options.path`, the ZIP archive in which they were published; the
        other options are not used. Raises EngineRefused("model") if the file cannot be opened, is no ZIP
        archive, is damaged, or lacks a part.
        """
        try:
            with zipfile.ZipFile(options.path) as archive:
                vocabulary = json.loads(archive.read("tokenizer.json"))["model"]["vocab"]
                weights = _tensors(self._numpy, archive.read("model.safetensors"))
        except Exception as error:  # a damaged archive raises errors of many modules, such as zlib.error
            raise EngineRefused("model", f"{options.path} cannot be loaded: {error}") from error
        return MiniLMModel(self._numpy, WordPiece(vocabulary), weights)


class MiniLMModel:
    """The loaded model all-MiniLM-L6-v2."""

    context = LONGEST

    def __init__(self, numpy: Any, vocabulary: WordPiece, weights: dict[str, Any]) -> None:
        self._np = numpy
        self._vocabulary = vocabulary
        self._weights = weights

    def answer(self, order: Embed, cancelled: Callable[[], bool]) -> Embedded | None:
        vectors, cut, count = list[bytes](), list[int](), 0
        texts = takewhile(lambda _: not cancelled(), order.texts)
        for batch in _batches(self._vocabulary.encode(text, LONGEST) for text in texts):
            if cancelled():
                return None
            cut += [len(vectors) + index for index, (_, whole) in enumerate(batch) if not whole]
            count += sum(len(ids) for ids, _ in batch)
            vectors += self._vectors([ids for ids, _ in batch], order.dimensions or WIDTH)
        if cancelled():
            return None
        return Embedded(order.id, tuple(vectors), count, tuple(cut))

    def cancel(self) -> None:
        """Do nothing: `answer` checks for a cancellation before each pass of the model."""

    def close(self) -> None:
        self._weights = {}

    def _vectors(self, batch: Sequence[Sequence[int]], width: int) -> list[bytes]:
        """Return the vectors of a batch of texts, as 32-bit floats. batch: the tokens of each text. Each
        vector is cut to its first `width` floats and then scaled to length 1.
        """
        np, spans, start = self._np, list[slice](), 0
        for ids in batch:
            spans.append(slice(start, start + len(ids)))
            start += len(ids)
        hidden = self._read(np.concatenate(batch), np.concatenate([np.arange(len(ids)) for ids in batch]))
        for layer in range(_LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, spans)
        vectors = np.stack([hidden[span].mean(axis=0) for span in spans])[:, :width]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [vector.astype("<f4").tobytes() for vector in vectors]

    def _read(self, ids: Any, places: Any) -> Any:
        get = self._weights.__getitem__
        summed = (
            get("embeddings.word_embeddings.weight")[ids]
            + get("embeddings.position_embeddings.weight")[places]
            + get("embeddings.token_type_embeddings.weight")[0]
        )
        return self._normal("embeddings.LayerNorm", summed)

    def _layer(self, name: str, hidden: Any, spans: Sequence[slice]) -> Any:
        attended = self._dense(f"{name}.attention.output.dense", self._attend(name, hidden, spans))
        hidden = self._normal(f"{name}.attention.output.LayerNorm", hidden + attended)
        inner = _gelu(self._np, self._dense(f"{name}.intermediate.dense", hidden))
        return self._normal(f"{name}.output.LayerNorm", hidden + self._dense(f"{name}.output.dense", inner))

    def _attend(self, name: str, hidden: Any, spans: Sequence[slice]) -> Any:
        np = self._np
        queries, keys, values = (
            self._dense(f"{name}.attention.self.{part}", hidden).reshape(-1, _HEADS, WIDTH // _HEADS)
            for part in ("query", "key", "value")
        )
        mixed = np.empty_like(hidden)
        for span in spans:
            query, key, value = (part[span].swapaxes(0, 1) for part in (queries, keys, values))
            scores = query @ key.swapaxes(1, 2) / np.float32((WIDTH // _HEADS) ** 0.5)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed[span] = (scores @ value).swapaxes(0, 1).reshape(-1, WIDTH)
        return mixed

    def _dense(self, name: str, hidden: Any) -> Any:
        return hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normal(self, name: str, hidden: Any) -> Any:
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        spread = self._np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


_Read: TypeAlias = tuple[list[int], bool]
"""The tokens of a text, and True if the text was not cut."""


def _batches(texts: Iterable[_Read]) -> Iterator[list[_Read]]:
    """Yield the texts in order, in batches of at most `_AT_ONCE` tokens. A longer text is a batch
    by itself.
    """
    batch: list[_Read] = []
    size = 0
    for text in texts:
        length = len(text[0])
        if batch and size + length > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def _tensors(numpy: Any, data: bytes) -> dict[str, Any]:
    """Return {name: tensor} for the tensors of 32-bit floats in a Safetensors file; other tensors are left
    out. The file has 8 bytes of length, a JSON header and raw numbers.
    """
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    floats = {name: entry for name, entry in header.items() if entry.get("dtype") == "F32"}
    return {
        name: numpy.frombuffer(
            data[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]], "<f4"
        ).reshape(entry["shape"])
        for name, entry in floats.items()
    }


def _gelu(numpy: Any, x: Any) -> Any:
    """Return GELU(x): x times the probability that a standard normal variable is at most x. The probability
    is computed by Abramowitz and Stegun's formula 7.1.26, because numpy has no error function.
    """
    z = numpy.abs(x) * numpy.float32(0.5**0.5)
    t = 1 / (1 + numpy.float32(0.3275911) * z)
    series = numpy.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + numpy.float32(coefficient)) * t
    erf = numpy.copysign(1 - series * numpy.exp(-z * z), x)
    return x * (1 + erf) / 2
