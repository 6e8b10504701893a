"""Refuses requests that the model is known to be unable to answer, before anything is sent. Also says which
capabilities a request needs (`needs`).

Only a fact that is stated as False refuses a request; if a fact is unknown, the provider decides. A form of
answer that can be emulated does not count as impossible. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dragoman import ir
from dragoman.dialects.facts import Capability, Facts

DEMANDED: Final = "demanded"
"""The value of `Request.forms["reasoning"]` for a wish to think that is refused if the model cannot think.
Without it, the wish is ignored for such a model.
"""


def refuse(request: ir.Request, facts: Facts) -> ir.Fault | None:
    """The fault for the first thing in a request that the model cannot do; None = no fact is against it.

    Its `param` is an IR path (`messages[2].blocks[1]`, `tools`, `output`). Its `code` is
    `unsupported_modality` for media in or out, `unsupported_value` for anything else.
    """
    if facts.chat is False:
        return _fault("unsupported_value", f'"{request.model}" does not chat.', "model")
    if facts.reasoning is False and (request.forms or {}).get("reasoning") == DEMANDED:
        return _fault("unsupported_value", f'"{request.model}" does not support thinking', "reasoning")
    if facts.calls is False:
        if any(not is_drawing(tool, facts) for tool in request.tools or ()):
            return _fault("unsupported_value", "This model does not support tools.", "tools")
        if facts.structured is False and request.output is not None and request.output.kind == "schema":
            return _fault("unsupported_value", "This model does not support structured outputs.", "output")
    lacking = {kind for kind, able in _able(facts) if able is False}
    if not lacking:
        return None
    for kind in (request.output and request.output.modalities) or ():
        if kind in lacking:
            return _fault(
                "unsupported_modality", f"This model does not generate {kind}.", "output.modalities"
            )
    for where, media in _media(request):
        if media.kind in lacking:
            return _fault("unsupported_modality", f"This model does not accept {_INPUTS[media.kind]}.", where)
    return None


def needs(request: ir.Request) -> frozenset[Capability]:
    """The capabilities that a request needs for its prompt, and for the answer that it wants."""
    output = request.output
    found: set[Capability] = {_OF_KIND[media.kind] for _, media in _media(request) if media.kind in _OF_KIND}
    if output is not None:
        found.update(_OF_KIND[kind] for kind in output.modalities or () if kind in _OF_KIND)
        if output.kind == "schema":
            found.add("structured")
    if request.tools or any(message.tools for message in request.messages):
        found.add("tools")
    if _is_to_think(request.reasoning):
        found.add("reasoning")
    return frozenset(found)


def _is_to_think(reasoning: ir.Reasoning | None) -> bool:
    if reasoning is None or reasoning.mode == "off" or reasoning.effort == "none" or reasoning.budget == 0:
        return False
    return bool(reasoning.mode or reasoning.effort or reasoning.budget)


def is_drawing(tool: ir.Tool, facts: Facts) -> bool:
    """Whether a tool is the provider's image generation, and the model generates images without it."""
    return facts.draws is True and isinstance(tool, ir.ProviderTool) and tool.kind == "image_generation"


_OF_KIND: Final[Mapping[str, Capability]] = {"image": "images", "audio": "audio", "document": "documents"}
"""By kind of a medium, the capability that it needs."""
_INPUTS: Final = {"image": "images", "audio": "audio", "video": "video", "document": "documents"}


def _able(facts: Facts) -> tuple[tuple[str, bool | None], ...]:
    return ("image", facts.images), ("audio", facts.audio), ("document", facts.documents)


def _fault(code: str, message: str, param: str) -> ir.Fault:
    return ir.Fault("unsupported", message, code=code, param=param)


def _media(request: ir.Request) -> Iterator[tuple[str, ir.Media]]:
    """(IR path, medium) of each medium in the request. Documents that are stated as text are left out, and so
    are media in the results of tools that the provider ran.
    """
    yield from _inside(request.system, "system")
    for index, message in enumerate(request.messages):
        yield from _inside(message.blocks, f"messages[{index}].blocks")


def _inside(blocks: Sequence[ir.Block], where: str) -> Iterator[tuple[str, ir.Media]]:
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Media):
            if block.text is None and block.blocks is None:  # a document in the form of text counts as text
                yield f"{where}[{index}]", block
        elif isinstance(block, ir.ToolResult) and block.by == "client":  # not results of a provider's tool
            yield from _inside(block.content, f"{where}[{index}].content")
