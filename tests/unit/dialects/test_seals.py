"""Tagged seals: what goes out under a tag comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.seals import is_withheld, read_seal, tag_seal


@given(st.text(), st.text(), st.booleans())
def test_a_tagged_seal_comes_back(origin: str, data: str, withheld: bool) -> None:
    sealed = ir.Sealed(origin, data)
    tagged = tag_seal(sealed, withheld=withheld)
    assert read_seal(tagged, "another") == sealed
    assert is_withheld(tagged) is withheld


def test_the_tag_is_what_clients_have_kept_since_the_first_release() -> None:
    assert tag_seal(ir.Sealed("50%.x", "pay.load")) == "dgm1.50%25%2Ex.pay.load"


@pytest.mark.parametrize("text", ["", "gAAAA==", "dgm1.", "dgm1.nothing", "dgm2.anthropic.x"])
def test_a_text_without_a_tag_is_its_own_protocols(text: str) -> None:
    assert read_seal(text, "anthropic") == ir.Sealed("anthropic", text)
