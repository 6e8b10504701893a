"""Words to pieces of a small vocabulary; and of the real one, as the library of its authors has it."""

from __future__ import annotations

import json
import time
import zipfile

import pytest

from dragoman.upstreams.local import weights
from dragoman.upstreams.local.wordpiece import WordPiece

PIECES = ["[CLS]", "[SEP]", "[UNK]", "the", "cat", "##s", "un", "##able", "!", "cafe", "東", "京", "[", "]"]
SMALL = WordPiece({piece: index for index, piece in enumerate(PIECES)})


def pieces(text: str, most: int = 100) -> list[str]:
    return [PIECES[token] for token in SMALL.encode(text, most)[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The cats!", ["the", "cat", "##s", "!"]),
        ("unable", ["un", "##able"]),
        ("unfair", ["[UNK]"]),
        ("Café\u200b\tcafe\u0301", ["cafe", "cafe"]),
        ("東京", ["東", "京"]),
        ("[CLS]", ["[", "[UNK]", "]"]),
        ("cat\u00a0cat\u2003cat\x00s", ["cat", "cat", "cat", "##s"]),
        ("s" * 101, ["[UNK]"]),
    ],
)
def test_text_becomes_the_longest_pieces_that_are_known(text: str, expected: list[str]) -> None:
    assert pieces(text) == ["[CLS]", *expected, "[SEP]"]


def test_what_is_too_long_is_cut_and_that_is_told() -> None:
    assert SMALL.encode("the the", 4)[1] is True
    tokens, whole = SMALL.encode("the cat the cats", 4)
    assert ([PIECES[token] for token in tokens], whole) == (["[CLS]", "the", "cat", "[SEP]"], False)


def test_no_more_is_read_than_is_kept() -> None:
    tokens, whole = SMALL.encode("the " * 5_000_000, 256)
    assert (len(tokens), whole) == (256, False)


@pytest.mark.media_model
@pytest.mark.parametrize(
    "text",
    [
        "Don't panic! It's the naïve café's ÅNGSTRÖM straße, x² + y², e-mail: a@b.org…",
        "東京タワー・カタカナ 한국어 русский Ελληνικός \u1fd6 العربية עברית हिन्दी",
        "emoji 👩\u200d👩\u200d👧 \ufe0f ¡¿«» “quotes” – dashes — and\u2028lines\r\n\x07bell \ufffd",
        "supercalifragilisticexpialidocious " + "a" * 150,
    ],
)
def test_the_real_vocabulary_is_read_as_its_authors_library_reads_it(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the judge `tokenizers` is not installed")
    path = weights.find(weights.WEIGHTS[1])
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        source = archive.read("tokenizer.json").decode()
    reference = tokenizers.Tokenizer.from_str(source)
    reference.no_truncation()
    reference.no_padding()
    ours = WordPiece(json.loads(source)["model"]["vocab"])
    assert ours.encode(text, 10_000)[0] == reference.encode(text).ids


def test_a_text_without_a_space_is_not_read_to_its_end() -> None:
    began = time.process_time()
    tokens, whole = SMALL.encode("s" * 5_000_000, 256)
    assert ([PIECES[token] for token in tokens], whole) == (["[CLS]", "[UNK]", "[SEP]"], False)
    assert time.process_time() - began < 1
