"""Encodes the assistant's message, in responses and in the history of requests. The module `answer` explains
the values of the blocks' field `form`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import Saying as Collected
from dragoman.dialects.chat.saying import lose_unsaid, separated
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.leftovers import placed_at, shown, stated_oddly
from dragoman.dialects.naming import VENDORS
from dragoman.dialects.openai.terms import NAME, restore
from dragoman.dialects.openai_chat import sound
from dragoman.dialects.openai_chat.answer import MIRRORS, seal_members, spoken_text
from dragoman.dialects.openai_chat.parts import encode_media, encode_part
from dragoman.dialects.openai_chat.sound import Voice
from dragoman.dialects.openai_chat.terms import SEALS
from dragoman.dialects.openai_chat.thought_parts import FORMS

TAGS: Final = "tags"
"""The value of the quirk `reasoning_field` that means: reasoning stands inside the content."""
DETAILS: Final = "reasoning_details"
"""The value of the quirk `reasoning_field` that means: reasoning stands in entries of this list."""


NATIVE_LISTS: Final = frozenset({"images", "tool_calls"})
"""Kinds of Native blocks that are entries of the list of the same name."""


class Saying(Collected):
    """Collects blocks and writes one assistant message of OpenAI's chat.

    history: True = the message is part of a request, False = of a response. legacy: True = the client knows
    only `function_call`, not `tool_calls`. parts: True = the content is written as a list. mint: returns the
    id for a call without one, from the call's position; if it returns None, the call is written without an
    id. voice: makes the `Voice` for audio of another dialect; None in requests.
    """

    __slots__ = (
        *("calls", "history", "legacy", "length", "mint", "notes", "own"),
        *("parts", "sounds", "sources", "texts", "thoughts", "voice", "wire"),
    )

    def __init__(
        self,
        draft: Draft,
        mint: Callable[[int], str | None],
        *,
        history: bool = False,
        legacy: bool = False,
        parts: bool = False,
        voice: Callable[[], Voice] | None = None,
    ) -> None:
        super().__init__(draft)
        self.own = draft.own
        self.history = history
        self.voice = voice
        self.legacy = legacy
        self.mint = mint
        self.wire: dict[str, Any] = {"role": "assistant"}
        self.parts: list[dict[str, Any]] | None = [] if parts else None
        self.texts: list[str] = []
        self.length = 0
        self.notes: list[dict[str, Any]] = []
        self.sources: set[str] = set()
        self.thoughts: list[tuple[ir.Thinking | ir.Native, str]] = []
        self.calls: list[dict[str, Any]] = []
        self.sounds: list[tuple[ir.Media, str]] = []

    def write(self, blocks: Sequence[ir.Block], where: str) -> dict[str, Any]:
        """Return the finished message with these blocks. The content becomes a list if the message is of this
        dialect and a block needs this (`is_part`). where: the IR path of the message or candidate that holds
        the blocks.
        """
        if self.own and any(map(is_part, blocks)):
            self.parts = []
        self.add(blocks, where)
        return self.done()

    def done(self) -> dict[str, Any]:
        """Return the message as a wire object. To be called once, after all blocks were added."""
        wire = self.wire
        if self.sounds and self.voice is not None:
            wire["audio"] = sound.whole(self.sounds, self.voice(), self.draft)
        if self.parts is not None:
            wire["content"] = self.parts
        elif self.texts:
            wire["content"] = "".join(self.texts) if len(self.texts) > 1 else self.texts[0]
        elif "content" not in wire and not (self.calls or len(wire) > 1 or (self.history and self.own)):
            wire["content"] = ""
        elif not self.history or self.draft.quirks.null_members:
            wire.setdefault("content", None)
        if self.notes:
            wire["annotations"] = self.notes
        if self.thoughts:
            self._think()
        if (thought := wire.pop(TAGS, None)) is not None:
            self._begin_with(thought)
        if self.calls:
            wire["tool_calls"] = self.calls
        return wire

    def _begin_with(self, thought: str) -> None:
        """Put the reasoning `thought`, between `<think>` and `</think>`, at the beginning of the content."""
        tagged = f"<think>\n{thought}\n</think>\n\n"
        content = self.wire.get("content")
        if isinstance(content, list):
            content.insert(0, {"type": "text", "text": tagged})
        else:
            self.wire["content"] = tagged + (content or "")

    def _text(self, block: ir.Text, where: str) -> None:
        if self.parts is not None:
            self._cite(block, self.length, where)
            self.length += len(block.text)
            if block.form != "null":
                self._part(block, where)
            return
        if self.own and block.form == "object":
            self._cite(block, self.length, where)
            self.wire["content"] = msgspec.json.decode(block.text)
            return
        if self.own and block.form == "null":  # there are only annotations
            self._cite(block, self.length, where)
            if not self.history or self.draft.quirks.null_members:
                self.wire["content"] = None
            return
        text = block.text
        if self.spaced and self.texts and not self.own:
            text = separated(self.texts[-1], text)
        start = self.length + len(text) - len(block.text)
        if text or not self.texts:
            self.texts.append(text)
        if text:
            self.length += len(text)
            self.spaced = False
        self._cite(block, start, where)
        if block.cache is not None:
            self.draft.report.lose(where + ".cache", "the provider has no cache breakpoints", "hint")
        if block.sealed is not None:
            self.draft.leave_seal(where)
        restore(self.wire, block.extra, self.draft.report, where)

    def _cite(self, block: ir.Text, start: int, where: str) -> None:
        """Add the citations of a text to the annotations. start: where the text begins in the content."""
        if block.citations:
            end = start + len(block.text)
            self.notes.extend(encode_annotations(block.citations, start, end, self.draft, where))

    def _refusal(self, block: ir.Refusal, where: str) -> None:
        if self.parts is not None:
            self._part(block, where)
            return
        self.wire["refusal"] = self.wire.get("refusal", "") + block.text
        restore({}, block.extra, self.draft.report, where)

    def _json(self, block: ir.Json, where: str) -> None:
        self._text(ir.Text(text_of(block.value), extra=block.extra), where)

    def _thinking(self, block: ir.Thinking, where: str) -> None:
        self.spaced = True
        if self.parts is not None and self.own and block.form in FORMS:
            self._part(block, where)
            return
        if self.history and block.form and self._refused(block.form):
            self.draft.report.lose(where, "the provider rejects reasoning that is sent back", "hint")
            return
        if not (self.own and block.form) and not self._returns(block):
            if block.sealed is not None:
                self.draft.leave_seal(where)
            if self.history and not self._replays():
                self.draft.report.lose(where, "reasoning of another provider is not sent back", "quality")
                return
            restore({}, block.extra, self.draft.report, where)
        self.thoughts.append((block, where))

    def _returns(self, block: ir.Thinking) -> bool:
        """Whether a thinking block is written into a request as an entry of `reasoning_details`: the vendor
        has this member for reasoning, and the block has a seal of this dialect or was decoded from such an
        entry.
        """
        if not self.history or self.draft.quirks.reasoning_field != DETAILS:
            return False
        sealed = block.sealed is not None and block.sealed.origin == NAME
        return sealed or (block.form or "").startswith("details")

    def _refused(self, form: str) -> bool:
        members = ["reasoning_details"] if form.startswith("details") else form.split("+")
        return self.own and not self.draft.quirks.refuses.isdisjoint(members)

    def _replays(self) -> bool:
        quirks = self.draft.quirks
        return quirks.reasoning_field != "none" and quirks.reasoning_replay != "never"

    def _think(self) -> None:
        """Write the collected thinking blocks into the message. Blocks from `reasoning_details`, and blocks
        for which `_returns` is true, become entries of `reasoning_details`; mostly another member repeats
        their text. Other thinking of this dialect goes into the members that it came from, and thinking of
        another dialect into `reasoning_content`, if the vendor has no other name for them (`_member`).
        """
        wire = self.wire
        details: list[dict[str, Any]] = []
        mirrored: dict[str, str] = {}
        foreign: list[str] = []
        for block, where in self.thoughts:
            if isinstance(block, ir.Native):
                details.append(block.value)
                continue
            form = block.form if self.own else None
            if (form or "").startswith("details") or self._returns(block):
                details.append(encode_detail(block, self.draft, where))
                if form != "details_only" and (spoken := spoken_text(block)):
                    member = MIRRORS.get(form or "", "reasoning")
                    mirrored[member] = mirrored.get(member, "") + spoken
            elif form:
                for member in {self._member(one): None for one in form.split("+")}:
                    wire[member] = wire.get(member, "") + block.text  # a text may stand between
                restore(wire, block.extra, self.draft.report, where)
            elif spoken := spoken_text(block):
                foreign.append(spoken)
        if details:
            wire["reasoning_details"] = details
        for member, spoken in mirrored.items():
            wire.setdefault(member, spoken)
        if foreign:
            wire[self._member("reasoning_content")] = "\n\n".join(foreign)

    def _member(self, member: str) -> str:
        """Return the name under which reasoning text is written. In a request to a vendor with a
        `reasoning_field` it is this field; for the field "reasoning_details" it is "reasoning", and for
        "tags" it is "tags", which `done` turns into content. In all other cases it is `member`.
        """
        field = self.draft.quirks.reasoning_field
        if field == DETAILS:
            field = "reasoning"
        return field if self.history and field != "none" else member

    def _call(self, block: ir.ToolCall, where: str) -> None:
        self.spaced = True
        if block.by != "client":
            lose_unsaid(block, self.draft, where)
        elif self.legacy or (self.own and block.kind == "legacy"):
            if "function_call" in self.wire:
                lose_second_call(self.draft, where)
                return
            self.wire["function_call"] = encode_legacy(block, self.draft, where)
        else:
            call_id = block.id if block.id is not None else self.mint(len(self.calls))
            self.calls.append(encode_call(block, call_id, self.draft, where))

    def _result(self, block: ir.ToolResult, where: str) -> None:
        self.spaced = True
        if self.history:
            lose_unsaid(block, self.draft, where)
        else:
            self.notes.extend(source_notes(block, self.length, self.sources, self.draft, where))

    def _media(self, block: ir.Media, where: str) -> None:
        self.spaced = True
        shown = self.own and block.form in {"images", "images+index"}
        if block.kind == "audio" and not (self.own or self.history):
            if sound.has_sound(block, self.draft, where):
                self.sounds.append((block, where))
        elif block.kind == "audio" and (block.id is not None or not self.history):
            self._audio(block, where)
        elif self.own and not shown and self.parts is not None:
            self._part(block, where)
        elif block.kind == "image":
            image = encode_image(block, self.draft, where)
            if image is not None:
                images = self.wire.setdefault("images", [])
                if shown and block.form == "images+index":
                    image["index"] = len(images)
                images.append(image)
        else:
            lose_unsaid(block, self.draft, where)

    def _audio(self, block: ir.Media, where: str) -> None:
        audio = sound.stated(block.data, block.transcript, block.expires, block.id)
        restore(audio, block.extra, self.draft.report, where)
        self.wire["audio"] = audio

    def _native(self, block: ir.Native, where: str) -> None:
        self.spaced = True
        if block.sealed is not None:
            self.draft.leave_seal(where)
        if block.dialect != NAME:
            lose_unsaid(block, self.draft, where)
        elif is_part(block):
            self._part(block, where)
        elif block.kind == "tool_calls":
            self.calls.append(block.value)
        elif block.kind != "images":
            self.thoughts.append((block, where))
        else:
            self.wire.setdefault("images", []).append(block.value)

    def _part(self, block: ir.Block, where: str) -> None:
        part = encode_part(block, self.draft, where)
        if part is not None and self.parts is not None:
            self.parts.append(part)

    _say: ClassVar = {
        ir.Text: _text,
        ir.Refusal: _refusal,
        ir.Thinking: _thinking,
        ir.ToolCall: _call,
        ir.ToolResult: _result,
        ir.Media: _media,
        ir.Json: _json,
        ir.Native: _native,
    }


def encode_call(block: ir.ToolCall, call_id: str | None, draft: Draft, where: str) -> dict[str, Any]:
    """Return the call as an entry of `tool_calls`. call_id: None = the entry has no id. where: the call's IR
    path.

    A call of a free-text tool has the type "custom". If the client receives such calls as functions
    (`Draft.enveloped`), it has the type "function", and its arguments are the text. A call of a vendor's own
    type keeps this type if it came in this dialect. The only seal that can be written is a signature of
    Google's servers: in a response, and in a request of this dialect if the vendor accepts it
    (`Quirks.call_signatures`).
    """
    out: dict[str, Any] = {}
    if call_id is not None:
        out["id"] = call_id
    if block.kind != "custom":
        own_type = draft.own and (block.form or "").startswith(VENDORS)
        out["type"] = (block.form or "").removeprefix(VENDORS) if own_type else "function"
        out["function"] = {"name": block.name, "arguments": arguments_of(block, draft)}
    elif draft.enveloped:
        out["type"] = "function"
        out["function"] = {"name": block.name, "arguments": block.arguments}
    else:
        out["type"] = "custom"
        out["custom"] = {"name": block.name, "input": block.arguments}
    _lose_mark(block, draft, where)
    if block.sealed is not None:
        if block.sealed.origin == SEALS and (draft.answer or (draft.own and draft.quirks.call_signatures)):
            out["extra_content"] = seal_members(block.sealed)
        else:
            draft.leave_seal(where)
    restore(out, block.extra, draft.report, where)
    return out


def encode_legacy(block: ir.ToolCall, draft: Draft, where: str) -> dict[str, Any]:
    """Return a call as the value of `function_call`. The call's id and seal are not written; the seal is
    reported. where: the call's IR path.
    """
    _lose_mark(block, draft, where)
    if block.sealed is not None:
        draft.leave_seal(where)
    out = {"name": block.name, "arguments": arguments_of(block, draft)}
    restore({"function_call": out}, block.extra, draft.report, where)
    return out


def _lose_mark(block: ir.ToolCall, draft: Draft, where: str) -> None:
    if block.cache is not None:
        draft.report.lose(where + ".cache", "a tool call cannot be a cache breakpoint here", "hint")


def arguments_of(block: ir.ToolCall, draft: Draft) -> str:
    """Return the arguments of a call as text. Empty arguments of another dialect become "{}", because clients
    parse them.
    """
    return block.arguments if draft.own or block.arguments else "{}"


def is_part(block: ir.Block) -> bool:
    """Whether a block can stand only in a list of content parts: it was decoded from a part for which the IR
    has no block, such as a part of a vendor's own type, or from a part with thinking (`thought_parts`).
    """
    if isinstance(block, ir.Thinking):
        return block.form in FORMS
    if not isinstance(block, ir.Native) or block.dialect != NAME:
        return False
    return block.kind not in NATIVE_LISTS and not block.kind.startswith("reasoning.")


def lose_second_call(draft: Draft, where: str) -> None:
    """Report a second call as lost: `function_call` can hold only one. where: the call's IR path."""
    draft.report.lose(where, "`function_call` can contain only one call")


def encode_annotations(
    citations: Sequence[ir.Citation], start: int, end: int, draft: Draft, where: str
) -> list[dict[str, Any]]:
    """Return a text's citations as annotations, whose offsets count in the message's content. In a message of
    this dialect, citations of the form "citations" are left out, because they stand in a list of the response
    body. In a message of another dialect, citations without a URL are reported as lost.

    start, end: where the text begins and ends in the message's content, in characters. where: the text's IR
    path.
    """
    notes: list[dict[str, Any]] = []
    for index, citation in enumerate(citations):
        if draft.own and citation.form == "citations":
            continue
        if (note := _annotation(citation, start, end, own=draft.own)) is not msgspec.UNSET:
            notes.append(note)
            if citation.source is not None:
                place, why = (
                    f"{where}.citations[{index}].source",
                    "annotations state no place inside of a source",
                )
                draft.report.lose(place, why, "hint")
            if citation.extra is not None:
                foreign = {dialect: kept for dialect, kept in citation.extra.items() if dialect != NAME}
                restore({}, foreign, draft.report, f"{where}.citations[{index}]")
        else:
            lost = f"the citation of a {citation.kind} has no URL"
            draft.report.lose(f"{where}.citations[{index}]", lost, "quality")
    return notes


def _annotation(citation: ir.Citation, start: int, end: int, *, own: bool) -> Any:
    """Return one annotation; UNSET = a citation of another dialect has no URL."""
    if own and citation.form is not None and (odd := stated_oddly(citation, NAME)) is not msgspec.UNSET:
        return odd
    if citation.kind != "url" and own:
        note: dict[str, Any] = {"type": citation.kind}
        note.update({shown(key): value for key, value in (citation.extra or {}).get(NAME, {}).items()})
        return note
    if citation.url is None and not own:
        return msgspec.UNSET
    cited: dict[str, Any] = {}
    if citation.start is not None or not own:
        cited["start_index"] = start + (citation.start or 0)
    if citation.end is not None or not own:
        cited["end_index"] = start + citation.end if citation.end is not None else end
    if citation.url is not None:
        cited["url"] = citation.url
    if citation.title is not None or not own:
        cited["title"] = citation.title or ""
    if citation.quote is not None:
        cited["content"] = citation.quote
    note = {"type": "url_citation", "url_citation": cited}
    for key, value in (citation.extra or {}).get(NAME, {}).items():
        holder, member = placed_at(key)
        (cited if holder == "url_citation" else note)[member] = value
    return note


def encode_image(block: ir.Media, draft: Draft, where: str) -> dict[str, Any] | None:
    """Return the image as an entry of `images`, which has the form of a content part; None, with a reported
    loss, if it has neither data nor URL. where: the block's IR path.
    """
    if block.data is None and block.url is None:
        lose_unsaid(block, draft, where)
        return None
    return encode_media(msgspec.structs.replace(block, form=None), draft, where)


def source_notes(
    block: ir.ToolResult, at: int, known: set[str], draft: Draft, where: str
) -> list[dict[str, Any]]:
    """Return the URLs in the result of a tool that the provider itself ran (such as a web search), as
    annotations. If there are any, this is reported as a change.

    at: the offset that each annotation states, in characters of the message's content. known: the URLs that
    have an annotation already; they get no second one, and this function adds the new ones. A loss is
    reported if the result is empty, or if it has a part without a URL or with the URL of another part. where:
    the block's IR path.
    """
    found = {media.url: media.name for media in block.content if isinstance(media, ir.Media) and media.url}
    notes: list[dict[str, Any]] = []
    for url, title in found.items():
        if url not in known:
            known.add(url)
            cited = {"start_index": at, "end_index": at, "url": url, "title": title or ""}
            notes.append({"type": "url_citation", "url_citation": cited})
    if notes:
        draft.report.change(
            where, "annotations", "search results of the provider are returned as annotations"
        )
    if not found or len(found) < len(block.content):
        lose_unsaid(block, draft, where)
    return notes


def encode_detail(block: ir.Thinking, draft: Draft, where: str) -> dict[str, Any]:
    """Return a thinking block as an entry of `reasoning_details`. Its type is "reasoning.encrypted" for a
    redacted block with a seal, "reasoning.summary" for a block with a summary, and "reasoning.text" for any
    other, where the seal becomes the `signature`. where: the block's IR path.
    """
    out: dict[str, Any]
    if block.redacted and block.sealed is not None:
        out = {"type": "reasoning.encrypted", "data": block.sealed.data}
    elif block.summary:
        out = {"type": "reasoning.summary", "summary": "\n\n".join(block.summary)}
    else:
        out = {"type": "reasoning.text"}
        if block.text or block.sealed is None:
            out["text"] = block.text
        if block.sealed is not None:
            out["signature"] = block.sealed.data
    restore(out, block.extra, draft.report, where)
    return out
