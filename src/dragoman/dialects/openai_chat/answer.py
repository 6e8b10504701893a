"""Decodes the assistant's message, in responses and in the history of requests.

Thinking.form names the members from which a block was decoded: "reasoning", "reasoning_content", or both
joined by "+" if both have the same text. For an entry of `reasoning_details` it is "details" if `reasoning`
repeats the text of the entries or if they have no text, "details_content" if `reasoning_content` repeats it
(MiniMax), and "details_only" if neither does. In a stream, "details" stands in place of "details_only",
because only a whole message shows that neither member repeats the text.

Text.form "object": the content was a JSON object; "null": there was no text, only annotations. Citation.form
"citations": the citation is an entry of the list `citations` in the response body; "odd": an annotation that
is no object. Media.form "images": an entry of `images`; "images+index": such an entry that states its
position. ToolCall.form "type:…": a vendor's own type of the call, such as Moonshot's "builtin_function",
whose result the client has to send back. Native.kind "tool_calls": an entry of `tool_calls` about a tool that
the vendor has run, such as Zhipu's "mcp" and "code_interpreter".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.leftovers import odd_citation
from dragoman.dialects.naming import VENDORS
from dragoman.dialects.openai.terms import NAME, leftovers
from dragoman.dialects.openai_chat.parts import decode_parts
from dragoman.dialects.openai_chat.terms import SEALS
from dragoman.dialects.typed import Typed, an_object, required
from dragoman.errors import WireError
from dragoman.ir import is_sound
from dragoman.wire.dataurl import from_url

MEMBERS: Final = frozenset(
    {
        *("role", "name", "content", "refusal", "tool_calls", "function_call", "audio", "annotations"),
        *("images", "reasoning", "reasoning_content", "reasoning_details"),
    }
)
_PLAIN: Final = frozenset({"role", "content", "refusal", "annotations"})
_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_USUAL_TYPES: Final = frozenset({None, "", "function"})
_OURS: Final = frozenset({"", "function", "custom"})
_CUSTOM: Final = frozenset({"id", "type", "custom"})
_CUSTOM_CALLED: Final = frozenset({"name", "input"})
_AUDIO: Final = frozenset({"id", "data", "transcript", "expires_at"})
_IMAGE: Final = frozenset({"type", "image_url"})
_NUMBERED_IMAGE: Final = _IMAGE | {"index"}
_URL_CITATION: Final = frozenset({"type", "url_citation"})
_CITED: Final = frozenset({"url", "title", "start_index", "end_index", "content"})
TYPED: Final = Typed(
    NAME,
    refusal=str,
    reasoning=str,
    reasoning_content=str,
    reasoning_details=list,
    tool_calls=list,
    function_call=dict,
    audio=dict,
    images=list,
    annotations=list,
)
TYPED_CALL: Final = Typed(NAME, id=str, type=str)
TYPED_AUDIO: Final = Typed(NAME, data=str, transcript=str, expires_at=int)
_TYPED_CITED: Final = Typed(
    NAME, "url_citation", url=str, title=str, content=str, start_index=int, end_index=int
)
MIRRORS: Final = {"details": "reasoning", "details_content": "reasoning_content"}
"""Thinking.form of an entry of `reasoning_details` -> the member that repeats the entry's text."""
_DETAIL: Final = frozenset({"type", "text", "signature", "summary", "data"})


def decode_answer(
    message: dict[str, Any], where: str, *, history: bool = False
) -> tuple[list[ir.Block], ir.Extra]:
    """Return (the blocks of an assistant message, its leftovers; None = it has none). The order of the blocks
    is: thinking, content, refusal, images, audio, calls. Raises WireError for a content that is neither a
    text, a list, an object nor null, for a part that is not an object, and for a call of an unknown form.

    where: the message's path, for errors. history: True = the message is part of a request. Then a content
    that is "" becomes an empty Text block; in a response it becomes no block, unless it has annotations.
    """
    message, odd = TYPED.sort(message)
    blocks: list[ir.Block] = []
    plain = message.keys() <= _PLAIN
    if not plain:
        blocks.extend(_decode_thinking(message))
    content, stated = message.get("content"), message.get("annotations")
    notes = decode_annotations(stated) if stated else ()
    if type(content) is str:
        if content or notes or history:
            blocks.append(ir.Text(content, notes))
    elif type(content) is list:
        blocks.extend(_cited(decode_parts(content, where + ".content"), notes))
    elif type(content) is dict:
        blocks.append(ir.Text(msgspec.json.encode(content).decode(), notes, form="object"))
    elif content is not None:
        raise WireError("expected a string or an array", where + ".content", "invalid_type")
    elif notes:
        blocks.append(ir.Text("", notes, form="null"))
    if refusal := message.get("refusal"):
        blocks.append(ir.Refusal(refusal))
    known = MEMBERS if refusal != "" else MEMBERS - {"refusal"}
    if not history:
        known -= {"name"}
    if not plain:
        known = _decode_rest(message, blocks, known, where)
    return blocks, ir.merge(leftovers(message, known), odd)


def _cited(blocks: Sequence[ir.Block], notes: Sequence[ir.Citation]) -> list[ir.Block]:
    """Return the blocks of a content that is a list, with the message's citations (`notes`) in its texts:
    each in the text in which it starts. If there are citations but no text, an empty text of the form "null"
    is appended.
    """
    out = list(blocks)
    if not notes:
        return out
    texts: list[tuple[int, int]] = []
    length = 0
    for index, block in enumerate(out):
        if isinstance(block, ir.Text):
            texts.append((length, index))
            length += len(block.text)
    if not texts:
        texts.append((0, len(out)))
        out.append(ir.Text("", form="null"))
    for note in notes:
        index, citation = placed(note, texts)
        text: Any = out[index]
        out[index] = msgspec.structs.replace(text, citations=(*text.citations, citation))
    return out


def placed(note: ir.Citation, texts: Sequence[tuple[int, int]]) -> tuple[int, ir.Citation]:
    """Return (the index of the block in which a message's citation starts, the citation with its offsets in
    this block). A citation without a start belongs to the first text.

    note: a citation whose offsets count from the beginning of the message's content, in characters. texts:
    for each text in order, (its offset in the message's content, the index of its block); at least one text,
    and the first offset is 0.
    """
    at = 0 if note.start is None else max(0, bisect_right(texts, note.start, key=itemgetter(0)) - 1)
    base, block = texts[at]
    if base:
        start = None if note.start is None else note.start - base
        end = None if note.end is None else note.end - base
        note = msgspec.structs.replace(note, start=start, end=end)
    return block, note


def _decode_rest(
    message: Mapping[str, Any], blocks: list[ir.Block], known: frozenset[str], where: str
) -> frozenset[str]:
    """Append the media and the calls of a message to `blocks`. where: the message's path, for errors.

    Returns `known`, the names of the members that are not leftovers. An `audio` or `function_call` that
    cannot be decoded is removed from `known`, so that it becomes a leftover.
    """
    get = message.get
    if images := get("images"):
        blocks.extend([decode_image(image, position) for position, image in enumerate(images)])
    if audio := get("audio"):
        if audio.get("id") and type(audio["id"]) is str:
            blocks.append(_decode_audio(audio))
        else:
            known -= {"audio"}
    if legacy := get("function_call"):
        if legacy.get("name") and type(legacy["name"]) is str:
            extra = leftovers(legacy, _CALLED, "function_call")
            text = arguments_text(legacy.get("arguments"))
            blocks.append(ir.ToolCall(None, legacy["name"], text, kind="legacy", extra=extra))
        else:
            known -= {"function_call"}
    if calls := get("tool_calls"):
        for position, call in enumerate(calls):
            place = f"{where}.tool_calls[{position}]"
            if is_vendors_own(an_object(call, place)):
                blocks.append(ir.Native(NAME, "tool_calls", call))
            else:
                blocks.append(decode_call(call, position, place))
    return known


def _decode_thinking(message: Mapping[str, Any]) -> list[ir.Block]:
    get = message.get
    plain, content = get("reasoning"), get("reasoning_content")
    blocks: list[ir.Block] = []
    if details := get("reasoning_details"):
        blocks = [decode_detail(detail, "details") for detail in details]
        spoken = "".join(map(spoken_text, blocks))
        if plain is not None and plain == spoken:
            plain = None
        elif spoken and content == spoken:
            content = None
            blocks = [decode_detail(detail, "details_content") for detail in details]
        elif spoken:
            blocks = [decode_detail(detail, "details_only") for detail in details]
    if plain is not None and plain == content:
        blocks.insert(0, ir.Thinking(plain, form="reasoning+reasoning_content"))
        return blocks
    if content is not None:
        blocks.insert(0, ir.Thinking(content, form="reasoning_content"))
    if plain is not None:
        blocks.insert(0, ir.Thinking(plain, form="reasoning"))
    return blocks


def thinking_members(message: Mapping[str, Any]) -> list[str]:
    """Return the names of the members from which `decode_answer` makes the blocks of an assistant message's
    reasoning, one name for each block, in order. If another member repeats the text of `reasoning_details`,
    the name is "reasoning_details"; if `reasoning` and `reasoning_content` have the same text, the name is
    "reasoning".
    """
    forms = [
        block.form if isinstance(block, ir.Thinking) else "details" for block in _decode_thinking(message)
    ]
    return [
        "reasoning_details" if (form or "").startswith("details") else (form or "").partition("+")[0]
        for form in forms
    ]


def decode_detail(detail: Any, form: str) -> ir.Thinking | ir.Native:
    """Decode an entry of `reasoning_details` as a Thinking block, whose form is `form`. An entry of an
    unknown kind or shape becomes an ir.Native.
    """
    block = _read_detail(detail, form) if type(detail) is dict else None
    if block is not None and is_sound(block):
        return block
    kind = str(detail.get("type")) if type(detail) is dict else ""
    return ir.Native(NAME, kind if kind.startswith("reasoning.") else f"reasoning.{kind}", detail)


def _read_detail(detail: dict[str, Any], form: str) -> ir.Thinking | None:
    kind = detail.get("type")
    extra = leftovers(detail, _DETAIL)
    if kind == "reasoning.text":
        sealed = ir.Sealed(NAME, signature) if (signature := detail.get("signature")) else None
        return ir.Thinking(detail.get("text") or "", sealed=sealed, extra=extra, form=form)
    if kind == "reasoning.summary":
        return ir.Thinking(summary=(detail.get("summary") or "",), extra=extra, form=form)
    if kind == "reasoning.encrypted" and (data := detail.get("data")):
        return ir.Thinking(sealed=ir.Sealed(NAME, data), redacted=True, extra=extra, form=form)
    return None


def spoken_text(block: ir.Block) -> str:
    """Return the text of a thinking block, or if it has none, the parts of its summary with a blank line
    between them. "" for any other block.
    """
    return block.text or "\n\n".join(block.summary) if isinstance(block, ir.Thinking) else ""


def is_vendors_own(call: Mapping[str, Any]) -> bool:
    """Whether an entry of `tool_calls` calls neither a function nor a custom tool: it has another type (""
    and a missing type do not count as one), and no object `function`.
    """
    return (
        type(kind := call.get("type")) is str and kind not in _OURS and type(call.get("function")) is not dict
    )


def decode_call(call: dict[str, Any], position: int, where: str = "tool_calls[]") -> ir.ToolCall:
    """Decode an entry of `tool_calls`. An entry of the type "custom" has its name and its text in `custom`;
    any other entry has its name and arguments in `function`, and may have the signature of Google's servers
    in `extra_content`. A missing or null name becomes "", and so do missing or null arguments. Raises
    WireError if the entry does not have its object, or if the name is neither text nor null.

    position: the entry's position in the list; an `index` that equals it is dropped. where: the entry's path,
    for errors.
    """
    call, odd = TYPED_CALL.sort(call)
    member = "custom" if call.get("type") == "custom" else "function"
    called = an_object(call.get(member), f"{where}.{member}")
    name = called.get("name")
    if type(name) is not str:
        name = "" if name is None else required(called, "name", str, f"{where}.{member}")
    if member == "custom":
        known = _CUSTOM | {"index"} if call.get("index") == position else _CUSTOM
        extra = ir.merge(leftovers(call, known), leftovers(called, _CUSTOM_CALLED, "custom"))
        text = arguments_text(called.get("input"))
        return ir.ToolCall(call.get("id"), name, text, "custom", extra=ir.merge(extra, odd))
    function, arguments = called, arguments_text(called.get("arguments"))
    form = None if call.get("type") in _USUAL_TYPES else VENDORS + call["type"]
    if odd is None and call.keys() <= _CALL and function.keys() <= _CALLED:
        return ir.ToolCall(call.get("id"), name, arguments, form=form)
    known = _CALL
    if call.get("index") == position:
        known |= {"index"}
    sealed = _seal(call.get("extra_content"))
    if sealed is not None and call["extra_content"] == seal_members(sealed):
        known |= {"extra_content"}
    extra = ir.merge(ir.merge(leftovers(call, known), leftovers(function, _CALLED, "function")), odd)
    return ir.ToolCall(call.get("id"), name, arguments, sealed=sealed, extra=extra, form=form)


def _seal(content: Any) -> ir.Sealed | None:
    """Return the signature of Google's servers in a call's `extra_content`; None if there is none. content:
    the value of `extra_content`, of any type.
    """
    google = content.get("google") if isinstance(content, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return ir.Sealed(SEALS, signature) if signature and type(signature) is str else None


def seal_members(sealed: ir.Sealed) -> dict[str, Any]:
    """Return the value of `extra_content` that holds a call's signature, as Google's servers read it."""
    return {"google": {"thought_signature": sealed.data}}


def _decode_audio(audio: dict[str, Any]) -> ir.Media:
    audio, odd = TYPED_AUDIO.sort(audio)
    return ir.Media(
        "audio",
        data=audio.get("data"),
        id=audio["id"],
        transcript=audio.get("transcript"),
        expires=audio.get("expires_at"),
        extra=ir.merge(leftovers(audio, _AUDIO), odd),
    )


def decode_image(image: Any, position: int) -> ir.Block:
    """Decode an entry of a message's `images` as a medium: a data URL becomes data. An entry without a URL
    becomes an ir.Native. position: the entry's position in the list. An entry whose `index` is this number
    gets the form "images+index"; any other entry gets "images", and its `index` becomes a leftover.
    """
    holder = image.get("image_url") if type(image) is dict else None
    if not isinstance(holder, dict) or type(holder.get("url")) is not str:
        return ir.Native(NAME, "images", image)
    mime, data, url = from_url(holder["url"])
    known, form = _IMAGE, "images"
    if image.get("index") == position:
        known, form = _NUMBERED_IMAGE, "images+index"
    extra = ir.merge(leftovers(image, known), leftovers(holder, frozenset({"url"}), "image_url"))
    return ir.Media("image", mime, data, url, extra=extra, form=form)


def decode_annotations(notes: Sequence[Any]) -> tuple[ir.Citation, ...]:
    """Return a message's annotations as citations. For an annotation that is not a `url_citation` with an
    object of this name, the citation has only the type; the annotation's other members are in `extra`. An
    annotation that is not an object becomes an `odd_citation`.
    """
    return tuple([_decode_annotation(note) for note in notes])


def _decode_annotation(note: Any) -> ir.Citation:
    if type(note) is not dict:
        return odd_citation(note, NAME)
    cited = note.get("url_citation")
    if note.get("type") != "url_citation" or not isinstance(cited, dict):
        return ir.Citation(str(note.get("type")), extra=leftovers(note, frozenset({"type"})))
    cited, odd = _TYPED_CITED.sort(cited)
    return ir.Citation(
        "url",
        cited.get("url"),
        cited.get("title"),
        cited.get("content"),
        cited.get("start_index"),
        cited.get("end_index"),
        extra=ir.merge(
            ir.merge(leftovers(note, _URL_CITATION), leftovers(cited, _CITED, "url_citation")), odd
        ),
    )
