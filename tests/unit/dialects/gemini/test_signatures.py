"""Thought signatures: other origins' seals as what Google's clients read and write back."""

from __future__ import annotations

import base64
import json

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.gemini.signatures import FOREIGN, read_signature, write_signature


@given(st.text(min_size=1).filter(lambda origin: origin != "gemini"), st.text())
def test_a_foreign_seal_comes_back_through_the_official_types(origin: str, data: str) -> None:
    """They decode base64, and write it in the alphabet of URLs."""
    sealed = ir.Sealed(origin, data)
    part = types.Part.model_validate({"text": "", "thoughtSignature": write_signature(sealed)})
    body = part.model_dump_json(by_alias=True, exclude_none=True)
    assert FOREIGN in body.encode()
    assert read_signature(json.loads(body)["thoughtSignature"]) == sealed


@pytest.mark.parametrize(
    "signature", ["CrEBAVuKwJx+/w==", "skip_thought_signature_validator", "ZGdtMS", "ZGdtMS!", "ZGdtMS4=", ""]
)
def test_the_apis_own_signatures_stay(signature: str) -> None:
    sealed = read_signature(signature)
    assert sealed == ir.Sealed("gemini", signature)
    assert write_signature(sealed) == signature


def test_what_only_begins_like_a_tag_is_the_apis_own() -> None:
    signature = base64.b64encode(b"dgm1\xff\xfe").decode()
    assert read_signature(signature) == ir.Sealed("gemini", signature)
