"""Where ids of providers' objects stand, and the ids that the gateway mints."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman.dialects.object_ids import IDS, Kind, minted, places, reworded, tokens
from dragoman.dialects.resources import PATHS

RANDOM = "0123456789abcdef" * 2
MINTED = "file-33psmzk1q2w3e4r5t6y7u8i9o"
XAI_BATCH = "batch_6cf19793-7856-44ab-86ec-c112af1b4054"


def test_every_path_that_passes_has_its_ids() -> None:
    paths = {path for methods in PATHS.values() for path in methods}
    assert paths == IDS.keys() - {"/models/{model}"}
    for path, ids in IDS.items():
        assert set(ids.params) == set(re.findall(r"{(\w+)}", path)), path


@pytest.mark.parametrize(
    ("kind", "dialect", "form"),
    [
        ("file", "openai_chat", r"file-[0-9a-z]{25}"),
        ("file", "anthropic", r"file_[0-9a-z]{25}"),
        ("message_batch", "anthropic", r"msgbatch_[0-9a-z]{25}"),
        ("job", "openai_responses", r"ftjob-[0-9a-z]{25}"),
        ("file", "mistral", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ],
)
def test_ids_have_the_form_that_clients_expect(kind: Kind, dialect: str, form: str) -> None:
    assert re.fullmatch(form, minted(kind, dialect, RANDOM))
    assert minted(kind, dialect, RANDOM) != minted(kind, dialect, RANDOM[::-1])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", ["id"]),
        ("file.id", ["file.id"]),
        ("files[].file_id", ["files[0].file_id", "files[2].file_id"]),
        ("file_ids[]", ["file_ids[0]"]),
        ("nothing", []),
        ("id.more", []),
        ("file[]", []),
    ],
)
def test_places(path: str, found: list[str]) -> None:
    value: Any = {
        "id": "a",
        "file": {"id": "b"},
        "files": [{"file_id": "c"}, 1, {"file_id": "d"}, {"file_id": None}],
        "file_ids": ["e", 2],
    }
    assert [place.path for place in places(value, path)] == found
    for place in places(value, path):
        place.write("new")
    assert all(place.text == "new" for place in places(value, path))


@pytest.mark.parametrize(
    ("text", "hide", "told"),
    [
        ("No file-abc here", True, "No file-new here"),
        ("file-abc and vs_0123456789ab1", True, "file-new and vs_…"),
        ("file-abc and vs_0123456789ab1", False, "file-new and vs_0123456789ab1"),
        ("the tool file_search, part_of it", True, "the tool file_search, part_of it"),
        ("odd.id.123 and xfile-abc", True, "[odd] and xfile-abc"),
        ("12345678-9abc-4def-8123-456789abcdef is not found", True, "… is not found"),
        ("abcdefab-cdef-4abc-8def-abcdefabcdef is not found", True, "… is not found"),
        ("file_164c18dc-3524-437e-b804-3409b919b13d is not found", True, "file_… is not found"),
        ("batch_6cf19793-7856-44ab-86ec-c112af1b4054 of yours", True, "batch-new of yours"),
        ("batch_6cf19793-7856-44ab-86ec-c112af1b4054-b", True, "batch-new-b"),
        ("File odd:id:12345678 not found", True, f"File {MINTED} not found"),
    ],
)
def test_texts(text: str, hide: bool, told: str) -> None:
    known = {"file-abc": "file-new", "odd.id.123": "[odd]", XAI_BATCH: "batch-new", "odd:id:12345678": MINTED}
    assert reworded(text, known, hide=hide) == told


def test_ids_in_texts_are_found_whole() -> None:
    mistral = "abcdefab-cdef-4abc-8def-abcdefabcdef"
    text = f"No file-abc of {XAI_BATCH} and {mistral}, x{mistral}"
    assert tokens(text) == ["file-abc", XAI_BATCH, mistral]
