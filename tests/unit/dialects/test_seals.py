"""Tagged seals: what goes out under a tag comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.seals import read_seal, tag_seal


@given(st.text(), st.text())
def test_a_tagged_seal_comes_back(origin: str, data: str) -> None:
    sealed = ir.Sealed(origin, data)
    assert read_seal(tag_seal(sealed), "another") == sealed


def test_the_tag_is_what_clients_have_kept_since_the_first_release() -> None:
    assert tag_seal(ir.Sealed("50%.x", "pay.load")) == "dgm1.50%25%2Ex.pay.load"


@pytest.mark.parametrize("text", ["", "gAAAA==", "dgm1.", "dgm1.nothing", "dgm2.anthropic.x"])
def test_a_text_without_a_tag_is_its_own_protocols(text: str) -> None:
    assert read_seal(text, "anthropic") == ir.Sealed("anthropic", text)
