"""Requests that a model is known to be unable to answer, refused before anything is sent.

Only what somebody stated as False refuses; what is not known is the provider's to judge. A form of answer
that can be emulated is not impossible. Pure; places are named in IR terms, `Dialect.locate` makes them the
client's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dragoman import ir
from dragoman.dialects.facts import Facts

DEMANDED: Final = "demanded"
"""`Request.forms["reasoning"]` of a client whose protocol refuses thinking of a model that cannot, where the
others go without.
"""


def refuse(request: ir.Request, facts: Facts) -> ir.Fault | None:
    """The fault of the first thing in a request that the model cannot do, None = nothing is known against it.

    param: in IR terms (`messages[2].blocks[1]`, `tools`, `output`). Codes: `unsupported_modality` for media
    in or out, `unsupported_value` for anything else.
    """
    if facts.reasoning is False and (request.forms or {}).get("reasoning") == DEMANDED:
        return _fault("unsupported_value", f'"{request.model}" does not support thinking', "reasoning")
    if facts.tools is False:
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


def is_drawing(tool: ir.Tool, facts: Facts) -> bool:
    """Whether a tool asks for pictures of a model that needs none for them."""
    return facts.draws is True and isinstance(tool, ir.ProviderTool) and tool.kind == "image_generation"


_INPUTS: Final = {"image": "images", "audio": "audio", "video": "video", "document": "documents"}


def _able(facts: Facts) -> tuple[tuple[str, bool | None], ...]:
    return ("image", facts.images), ("audio", facts.audio), ("document", facts.documents)


def _fault(code: str, message: str, param: str) -> ir.Fault:
    return ir.Fault("unsupported", message, code=code, param=param)


def _media(request: ir.Request) -> Iterator[tuple[str, ir.Media]]:
    """Every medium of the request that is no text, with its place."""
    yield from _inside(request.system, "system")
    for index, message in enumerate(request.messages):
        yield from _inside(message.blocks, f"messages[{index}].blocks")


def _inside(blocks: Sequence[ir.Block], where: str) -> Iterator[tuple[str, ir.Media]]:
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Media):
            if block.text is None and block.blocks is None:  # a document given as text is text
                yield f"{where}[{index}]", block
        elif isinstance(block, ir.ToolResult) and block.by == "client":  # not what a provider's tool found
            yield from _inside(block.content, f"{where}[{index}].content")
