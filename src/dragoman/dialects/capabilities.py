"""Refuses, before anything is sent, requests that the model is known to be unable to answer. Also finds the
capabilities that a request needs (`needs`).

A request is refused only if a fact about the model is False; if a fact is unknown (None), the provider
decides. A structured output that can be emulated (through a tool) is not refused. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dragoman import ir
from dragoman.dialects.facts import Capability, Facts

DEMANDED: Final = "demanded"
"""The value of `Request.forms["reasoning"]` if a request to think must be refused for a model that cannot
think. Without this value, such a request is not refused here."""


def refuse(request: ir.Request, facts: Facts) -> ir.Fault | None:
    """Return the fault for the first feature in a request that the model is known not to support; None = the
    request is not refused. Looked at are chat itself, thinking (only if it is `DEMANDED`), tools, structured
    output (only if the model has no tools either), images and audio in the answer, and images, audio and
    documents in the prompt.

    The fault's `param` is an IR path (`messages[2].blocks[1]`, `tools`, `output`). Its `code` is
    `unsupported_modality` for media, and `unsupported_value` for all other features.
    """
    if facts.chat is False:
        return _fault("unsupported_value", f'"{request.model}" does not chat.', "model")
    if facts.reasoning is False and (request.forms or {}).get("reasoning") == DEMANDED:
        return _fault("unsupported_value", f'"{request.model}" does not support thinking', "reasoning")
    if facts.calls is False:
        for where, tools in _tools(request):
            if any(not is_drawing(tool, facts) for tool in tools):
                return _fault("unsupported_value", "This model does not support tools.", where)
        if facts.structured is False and request.output is not None and request.output.kind == "schema":
            return _fault("unsupported_value", "This model does not support structured outputs.", "output")
    for kind in (request.output and request.output.modalities) or ():
        if (kind == "image" and facts.draws is False) or (kind == "audio" and facts.audio is False):
            return _fault(
                "unsupported_modality", f"This model does not generate {kind}.", "output.modalities"
            )
    lacking = {kind for kind, able in _able(facts) if able is False}
    if not lacking:
        return None
    for where, media in _media(request):
        if media.kind in lacking:
            return _fault("unsupported_modality", f"This model does not accept {_INPUTS[media.kind]}.", where)
    return None


def needs(request: ir.Request) -> frozenset[Capability]:
    """Return the capabilities that the model needs for this request. A capability is needed for
    images, audio and documents in the prompt (those that `_media` yields), for images and audio in
    the answer, for an answer that must obey a JSON schema, for tools and for thinking. No
    capability is needed for videos, nor for JSON without a schema.
    """
    output = request.output
    found: set[Capability] = {_OF_KIND[media.kind] for _, media in _media(request) if media.kind in _OF_KIND}
    if output is not None:
        found.update(_OF_KIND[kind] for kind in output.modalities or () if kind in _OF_KIND)
        if output.kind == "schema":
            found.add("structured")
    if any(tools for _, tools in _tools(request)):
        found.add("tools")
    if _is_to_think(request.reasoning):
        found.add("reasoning")
    return frozenset(found)


def _tools(request: ir.Request) -> Iterator[tuple[str, Sequence[ir.Tool]]]:
    """Yield (IR path, tools) for the tools of the request, then for those that each of its messages adds,
    also if there are none.
    """
    yield "tools", request.tools or ()
    for index, message in enumerate(request.messages):
        yield f"messages[{index}].tools", message.tools


def _is_to_think(reasoning: ir.Reasoning | None) -> bool:
    if reasoning is None or reasoning.mode == "off" or reasoning.effort == "none" or reasoning.budget == 0:
        return False
    return bool(reasoning.mode or reasoning.effort or reasoning.budget)


def is_drawing(tool: ir.Tool, facts: Facts) -> bool:
    """Whether a tool is the provider's own tool for image generation, and the model is known to generate
    images also without a tool.
    """
    return facts.draws is True and isinstance(tool, ir.ProviderTool) and tool.kind == "image_generation"


def is_allowed(tool: ir.ProviderTool, choice: ir.ToolChoice | None) -> bool:
    """Whether the client's tool choice lets the model call this tool of the provider. False only for the mode
    "none", and for "auto" and "any" with a list of allowed tools that lacks this tool's name. choice: None =
    the client stated no choice.
    """
    if choice is None or choice.mode not in {"none", "auto", "any"}:
        return True
    return choice.mode != "none" and (not choice.names or tool.name in choice.names)


_OF_KIND: Final[Mapping[str, Capability]] = {"image": "images", "audio": "audio", "document": "documents"}
"""Kind of a medium -> the capability that the medium needs."""
_INPUTS: Final = {"image": "images", "audio": "audio", "video": "video", "document": "documents"}


def _able(facts: Facts) -> tuple[tuple[str, bool | None], ...]:
    return ("image", facts.images), ("audio", facts.audio), ("document", facts.documents)


def _fault(code: str, message: str, param: str) -> ir.Fault:
    return ir.Fault("unsupported", message, code=code, param=param)


def _media(request: ir.Request) -> Iterator[tuple[str, ir.Media]]:
    """Yield (IR path, medium) for the media in the system text and the messages, and in the results of tools
    that the client ran. Left out: media in the results of tools that the provider ran, and media whose
    content is given as text or as blocks (documents).
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
