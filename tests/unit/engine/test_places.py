"""Places of a request in the client's own words."""

from __future__ import annotations

import msgspec

from dragoman import ir
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked, Said
from dragoman.engine.places import located, locator
from tests.unit.engine.test_asked import asked


def embeds() -> Asked:
    """A request for vectors."""
    codec = DIALECTS["openai_chat"].operations["embed"]
    said = Said(WireRequest("embed", {"model": "m", "input": ["a", "b"]}), {}, b"")
    return msgspec.structs.replace(asked(), codec=codec, prompts=False, said=said)


def test_a_chat_is_located_by_its_dialect() -> None:
    assert locator(asked())("messages[0].blocks[0]") == "$.messages[0].content"


def test_an_operation_is_located_by_its_codec() -> None:
    assert locator(embeds())("inputs[1]") == "$.input[1]"


def test_a_fault_tells_the_place_without_its_root() -> None:
    fault = ir.Fault("invalid_request", "No.", param="inputs[1]")
    assert located(embeds(), fault).param == "input[1]"
    assert located(embeds(), fault, lambda where: f"$.here.{where}").param == "here.inputs[1]"


def test_a_fault_without_a_place_stays_as_it_is() -> None:
    fault = ir.Fault("invalid_request", "No.")
    assert located(embeds(), fault) is fault
