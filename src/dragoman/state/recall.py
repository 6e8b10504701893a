"""What is kept of an answer, under which keys, and how it finds its way back into the history.

A seal (signature, thought signature) must return to its origin unchanged, and some vendors want their
reasoning back; a client whose protocol has no place for either sends text and calls alone. So what it cannot
hold is kept, found again by what it does send, and put where it was:

    an answer with calls       by the id, name and arguments of each call
    an answer without          by the conversation before it and its text
    a picture of an answer     by its bytes, because protocols of items bring it in a message of its own

A call whose id anybody might count, or that comes back without one, is found in its conversation alone.

Keys and digests are made with the vault's secret and the tenant's name: one tenant's keys are no keys of
another. Only what stands as it was answered gets its seal, and only the model that issued a seal gets it
back. Pure: no vault, no clock.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, TypeGuard

import msgspec

from dragoman import ir

_DIGEST = 20
"""Bytes of a key or digest."""
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{8,}")
"""What an id holds that no other call has. Small servers count from 0, and some name the function."""
_SPACE = b" \t\n\r\v\f"
_LONG_ARGUMENTS = 200_000
"""Characters of arguments that are written anew to compare them; longer ones are compared as text."""
_PIECE = 1 << 14
"""Characters at either end that stand for the data of a medium in the digest of a conversation."""

_to_json = msgspec.json.Encoder(order="sorted").encode
_from_json = msgspec.json.Decoder().decode
replace = msgspec.structs.replace


class Scope(msgspec.Struct, frozen=True, array_like=True):
    """Who can read a seal: one model of one provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Piece(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One block of an answer, in its place: whole what no client of another protocol can hold (thinking, and
    what the provider's own tools did), of the others what tells them and their seal.

    size: characters of a text. native: as the answer's own protocol writes it. bare: the digest of a call
    as clients send it that drop ids.
    """

    kind: Literal["thinking", "text", "call", "media", "native"]
    digest: bytes = b""
    size: int = 0
    sealed: ir.Sealed | None = None
    thinking: ir.Thinking | None = None
    native: ir.Native | None = None
    bare: bytes = b""

    @property
    def whole(self) -> ir.Block | None:
        """The block itself, where it is kept."""
        return self.native if self.thinking is None else self.thinking

    @property
    def matters(self) -> bool:
        """Whether it holds what must return."""
        return self.sealed is not None or self.whole is not None


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one answer: whose it is, its blocks in order, and the digest of what it answered, which
    tells it from another with the same content.
    """

    scope: Scope
    pieces: tuple[Piece, ...]
    before: bytes


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Kept).decode


class Marks:
    """Makes the keys and digests of one tenant. secret: the vault's, at most 64 bytes."""

    __slots__ = ("_seed",)

    def __init__(self, secret: bytes, tenant: str) -> None:
        self._seed = blake2b(key=secret, digest_size=_DIGEST)
        self._seed.update(_framed(tenant))

    def of(self, *facts: str | bytes) -> bytes:
        """The digest of some facts; no two lists of facts share one."""
        digest = self._seed.copy()
        digest.update(b"".join(map(_framed, facts)))
        return digest.digest()

    @property
    def owner(self) -> bytes:
        """What stands for the tenant."""
        return self.of("owner")

    def call(self, call: ir.ToolCall) -> bytes:
        """The digest of a call: of what a client sends back of it."""
        return self.of("call", call.id or "", call.name, _canonical(call))

    def called(self, before: bytes, call: ir.ToolCall, digest: bytes) -> bytes:
        """The key of a call. Under an id that is not its own it is told by the conversation before it."""
        return digest if _is_random(call) else self.of("called", before, digest)

    def of_scope(self, key: bytes, scope: Scope) -> bytes:
        """The key of this scope alone. Two models may answer one conversation in the same words."""
        return self.of("scope", scope.provider, scope.model, key)

    def named(self, call_id: str) -> bytes:
        """The key of a call whose content may have been changed."""
        return self.of("id", call_id)

    def said(self, before: bytes, text: str) -> bytes:
        """The key of an answer without calls. White space tells nothing: it is trimmed, or joins texts."""
        return Said(self.saying(before)).key(text)

    def saying(self, before: bytes) -> Any:
        """The hash with which the key of an answer without calls begins."""
        digest = self._seed.copy()
        digest.update(b"said " + before)
        return digest

    def chain(self) -> Chain:
        """The digest of a conversation, message by message."""
        return Chain(self, self._seed.copy())


class Said:
    """The words of an answer without calls, which may come in several texts."""

    __slots__ = ("_begun", "_digest")

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self._begun = False

    def key(self, text: str) -> bytes:
        """The key of all texts so far, with this one as the last of them."""
        if not self._begun:
            text = text.lstrip()
        ended = self._digest.copy()
        ended.update(_unspaced(text.rstrip()))
        self._digest.update(_unspaced(text))
        self._begun = self._begun or bool(text)
        told: bytes = ended.digest()
        return told


class Chain:
    """The digest of a conversation up to a place. Thinking and seals are no part of it: clients drop them."""

    __slots__ = ("_digest", "_marks")

    def __init__(self, marks: Marks, digest: Any) -> None:
        self._marks = marks
        self._digest = digest
        self._digest.update(b"conversation")

    def add(self, role: str, blocks: Sequence[ir.Block]) -> Sequence[bytes]:
        """The next message. Returns the digests of the client's calls in it.

        A message of thinking alone is none: protocols of items have one for each thought, others have none.
        """
        if blocks and all(type(block) is ir.Thinking for block in blocks):
            return ()
        if len(blocks) == 1 and type(blocks[0]) is ir.Text:  # as most messages are
            text = _encoded(blocks[0].text)
            self._digest.update(b"%b text %d:" % (role.encode(), len(text)))
            self._digest.update(text)
            return ()
        calls: list[bytes] = []
        self._digest.update(b"%b" % role.encode())
        self._add(blocks, calls)
        return calls

    def _add(self, blocks: Iterable[ir.Block], calls: list[bytes]) -> None:
        """What a client sends back of some blocks. How a text is cut into blocks tells nothing."""
        text = ""
        for block in blocks:
            if isinstance(block, ir.Text | ir.Refusal):
                text += block.text
                continue
            if isinstance(block, ir.Thinking):
                continue
            if text:
                self._fact(b"text", _encoded(text))
                text = ""
            if isinstance(block, ir.ToolCall):
                digest = self._marks.call(block)
                if _is_call(block):
                    calls.append(digest)
                self._fact(b"call", digest)
            elif isinstance(block, ir.ToolResult):
                self._fact(b"result", _encoded(block.id or block.name or ""))
                self._add(block.content, calls)
                self._fact(b"end", b"")
            elif isinstance(block, ir.Media):
                self._fact(b"media", block.kind.encode())
                data = block.data or block.url or block.file or block.text or ""
                ends = data if len(data) <= 2 * _PIECE else data[:_PIECE] + data[-_PIECE:]
                self._fact(b"%d" % len(data), _encoded(ends))
            else:
                self._fact(b"value", _to_json(block.value))
        if text:
            self._fact(b"text", _encoded(text))

    def _fact(self, kind: bytes, data: bytes) -> None:
        self._digest.update(b" %b %d:" % (kind, len(data)))
        self._digest.update(data)

    def digest(self) -> bytes:
        """The digest of what has been added so far."""
        said: bytes = self._digest.digest()
        return said


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unspaced(text: str) -> bytes:
    return _encoded(text).translate(None, _SPACE)


def _framed(fact: str | bytes) -> bytes:
    data = fact if isinstance(fact, bytes) else _encoded(fact)
    return b"%d:%b" % (len(data), data)


def _is_random(call: ir.ToolCall) -> bool:
    """Whether the id of a call is its own: nobody else has it, in whatever conversation."""
    return call.id is not None and _RANDOM.search(call.id.replace(call.name, "")) is not None


def _canonical(call: ir.ToolCall) -> str:
    """The arguments without what a client may write otherwise: white space, the order of members."""
    text = call.arguments.strip()
    if call.kind == "custom":
        return text
    if not text:
        return "{}"
    if len(text) > _LONG_ARGUMENTS:
        return text  # to write them anew takes longer than a forgotten seal is worth
    try:
        return _to_json(_from_json(text)).decode()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text


# --- Keeping -------------------------------------------------------------------------------------


def matters(
    blocks: Sequence[ir.Block],
    *,
    unsealed: bool = False,
    native: Callable[[ir.Block], ir.Native] | None = None,
) -> bool:
    """Whether an answer holds anything that its client cannot bring back; most hold nothing. As `entry`."""
    for block in blocks:
        if isinstance(block, ir.Thinking):
            if block.sealed is not None or unsealed:
                return True
        elif getattr(block, "sealed", None) is not None or (native is not None and _is_provided(block)):
            return True
    return False


def entry(
    blocks: Sequence[ir.Block],
    before: bytes,
    scope: Scope,
    marks: Marks,
    *,
    unsealed: bool = False,
    native: Callable[[ir.Block], ir.Native] | None = None,
) -> tuple[list[bytes], bytes] | None:
    """The keys and the content of what must be kept of an answer; None where its client can hold it all.

    blocks: as the client sees them. before: the digest of the conversation that was asked. unsealed:
    whether reasoning without a seal must return too. native: writes what only the answer's protocol can say,
    None = nothing of it returns.
    """
    pieces = [piece for block in blocks if (piece := _piece(block, marks, native, unsealed=unsealed))]
    says = any(piece.kind in {"call", "media", "native"} or piece.size for piece in pieces)
    if not says or not any(piece.matters for piece in pieces):
        return None  # providers refuse a message of thinking alone
    calls = _calls(blocks)
    keys = _called(calls, map(marks.call, calls), before, marks)
    if calls:
        bare = _bare(calls[0])
        told = [marks.called(before, bare, marks.call(bare)), *([] if _is_random(calls[0]) else keys[:1])]
    else:
        told = [marks.said(before, _text(blocks))]
    keys += [*_names(calls, marks), *told, *(marks.of_scope(key, scope) for key in told)]
    keys += [piece.digest for piece in pieces if piece.kind == "media" and piece.sealed is not None]
    return keys, _pack(Kept(scope, tuple(pieces), before))


def _piece(
    block: ir.Block, marks: Marks, native: Callable[[ir.Block], ir.Native] | None, *, unsealed: bool
) -> Piece | None:
    if isinstance(block, ir.Thinking):
        worth = block.sealed is not None or (unsealed and bool(block.text or block.summary))
        return Piece("thinking", thinking=block) if worth else None
    if isinstance(block, ir.Text):
        return Piece("text", _digest(block, marks), len(block.text), block.sealed)
    if _is_call(block):
        return Piece("call", marks.call(block), sealed=block.sealed, bare=marks.call(_bare(block)))
    if isinstance(block, ir.Media):
        return Piece("media", _digest(block, marks), sealed=block.sealed)
    if native is not None and _is_provided(block):
        return Piece("native", native=native(block))
    return None


def _is_provided(block: ir.Block) -> bool:
    """Whether a block is of a tool that the provider ran itself, or of a kind that nobody else knows."""
    if isinstance(block, ir.ToolCall | ir.ToolResult):
        return block.by == "provider"
    return isinstance(block, ir.Native)


def _told(blocks: tuple[ir.Block, ...]) -> tuple[ir.Block, ...]:
    """The blocks, with the calls of tools that a client's protocol defines as they were answered."""
    if not any(type(block) is ir.Native for block in blocks):
        return blocks
    return tuple(
        [
            told
            if isinstance(block, ir.Native) and isinstance(told := block.stands_for, ir.ToolCall)
            else block
            for block in blocks
        ]
    )


def _is_call(block: ir.Block) -> TypeGuard[ir.ToolCall]:
    return isinstance(block, ir.ToolCall) and block.by == "client"


def _calls(blocks: Iterable[ir.Block]) -> list[ir.ToolCall]:
    return [block for block in blocks if _is_call(block)]


def _bare(call: ir.ToolCall) -> ir.ToolCall:
    """The call as clients send it that drop ids (Ollama's, Gemini's)."""
    return replace(call, id=None)


def _called(
    calls: Iterable[ir.ToolCall], digests: Iterable[bytes], before: bytes, marks: Marks
) -> list[bytes]:
    """The keys of an answer's calls. Of those without ids the first alone has one: the order of the others
    is all that tells which result is whose.
    """
    return [
        marks.called(before, call, digest)
        for place, (call, digest) in enumerate(zip(calls, digests, strict=True))
        if call.id is not None or place == 0
    ]


def _unnamed(blocks: Iterable[ir.Block]) -> list[tuple[str, str]]:
    """The calls without ids in their order, by what tells them."""
    return [(block.name, block.arguments) for block in blocks if _is_call(block) and block.id is None]


def _names(calls: Iterable[ir.ToolCall], marks: Marks) -> list[bytes]:
    return [marks.named(call.id) for call in calls if call.id is not None and _is_random(call)]


def _digest(block: ir.Text | ir.Media, marks: Marks) -> bytes:
    if isinstance(block, ir.Text):
        return marks.of("text", block.text)
    return marks.of("media", block.data or block.url or block.file or "")


def _text(blocks: Iterable[ir.Block]) -> str:
    return "".join([block.text for block in blocks if isinstance(block, ir.Text)])


# --- Bringing back -------------------------------------------------------------------------------


class Question(msgspec.Struct, frozen=True):
    """An assistant message that may lack something.

    index: its place in the request. keys: the first that leads to an entry tells what. hints: keys that tell
    of an entry whose message has been changed.
    """

    index: int
    keys: tuple[bytes, ...]
    hints: tuple[bytes, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether another model may have answered the same under one of these keys."""
        return len(self.hints) < len(self.keys)


def ask(request: ir.Request, marks: Marks, *, search: bool = True) -> tuple[list[Question], bytes]:
    """What to look for in the history of a request, and the digest of the whole conversation.

    search: whether there may be anything to find. A message that brings what the provider's own tools did
    lacks nothing: its client speaks the provider's protocol.
    """
    questions: list[Question] = []
    chain = marks.chain()
    said: Said | None = None  # the words of an answer that may be in several messages, as items are
    if request.system:
        chain.add("system", request.system)
    for index, message in enumerate(request.messages):
        blocks = _told(message.blocks)
        if not search or message.role != "assistant" or any(map(_is_provided, blocks)):
            said = None
            chain.add(message.role, blocks)
            continue
        before = chain.digest()
        if digests := chain.add("assistant", blocks):
            said = None
            calls = _calls(blocks)
            keys = _called(calls, digests, before, marks)
            questions.append(Question(index, tuple(keys), tuple(_names(calls, marks))))
        else:
            shown = [_digest(block, marks) for block in blocks if isinstance(block, ir.Media)]
            text = _text(blocks)
            if said is None:
                said, keys = Said(marks.saying(before)), []
            else:
                keys = [marks.said(before, text)]
            keys.append(said.key(text))
            questions.append(Question(index, (*keys, *shown)))
    return questions, chain.digest()


class Recalled(msgspec.Struct, frozen=True):
    """A request with what came back. messages: which of them got something. losses: (place, reason) of what
    did not. wanted: further keys to look for, under which this scope may have what was found of another's.
    """

    request: ir.Request
    messages: frozenset[int] = frozenset()
    losses: Sequence[tuple[str, str]] = ()
    wanted: Sequence[bytes] = ()


_CHANGED = "it differs from the provider's response, so its reasoning and signatures are left out"


def recall(
    request: ir.Request,
    questions: Iterable[Question],
    found: Mapping[bytes, bytes],
    scope: Scope,
    marks: Marks,
) -> Recalled:
    """The request with everything in its place that this scope issued and its client does not hold."""
    messages = list(request.messages)
    memories: dict[bytes, _Memory] = {}
    losses: list[tuple[str, str]] = []
    restored: set[int] = set()
    wanted: list[bytes] = []
    for question in questions:
        where = f"messages[{question.index}]"
        entry = next((found[key] for key in question.keys if key in found), None)
        if entry is not None and question.shared and _unpack(entry).scope != scope:
            own = [marks.of_scope(key, scope) for key in question.keys]
            entry = next((found[key] for key in own if key in found), entry)
            wanted += own
        hint = None if entry is not None else next((found[k] for k in question.hints if k in found), None)
        if (stored := entry or hint) is None:
            continue
        memory = memories.get(stored)
        if memory is None:
            memory = memories[stored] = _Memory(_unpack(stored), where, marks)
        if memory.kept.scope != scope:
            losses.append((where, f"its reasoning and signatures are valid only for {memory.kept.scope}"))
            memory.used.update(range(len(memory.kept.pieces)))
        elif entry is not None:
            places = (*_said_before(messages, question.index, memory), question.index)
            for index in places:
                told = _told(messages[index].blocks)
                later = _seals(messages[place] for place in places if place > index)
                if (blocks := memory.put_back(told, later)) != told:
                    messages[index] = replace(messages[index], blocks=blocks)
                    restored.add(index)
    losses += [(memory.where, _CHANGED) for memory in memories.values() if memory.lacks]
    if restored:
        request = replace(request, messages=tuple(messages))
    return Recalled(request, frozenset(restored), losses, wanted)


def _said_before(messages: Sequence[ir.Message], index: int, memory: _Memory) -> Sequence[int]:
    """The places of the messages before this one that belong to the same answer. Protocols of items have a
    message for each text and each thought.
    """
    first = index
    while first and messages[first - 1].role == "assistant" and memory.says(messages[first - 1].blocks):
        first -= 1
    return range(first, index)


def _seals(messages: Iterable[ir.Message]) -> frozenset[ir.Sealed]:
    """The seals of the thoughts that some messages hold."""
    return frozenset(
        block.sealed
        for message in messages
        for block in message.blocks
        if isinstance(block, ir.Thinking) and block.sealed is not None
    )


class _Memory:
    """One entry while it is put back. where: the first message that it belongs to; a client may have cut an
    answer into several.
    """

    def __init__(self, kept: Kept, where: str, marks: Marks) -> None:
        self.kept = kept
        self.where = where
        self.used: set[int] = set()
        self._marks = marks
        self._places: dict[object, deque[int]] = {}
        for place, piece in enumerate(kept.pieces):
            tells = piece.digest if piece.thinking is None else piece.thinking.sealed
            self._places.setdefault(tells, deque()).append(place)
            if piece.bare not in {b"", tells}:
                self._places.setdefault(piece.bare, deque()).append(place)

    @property
    def lacks(self) -> bool:
        """Whether something found no place."""
        return any(piece.matters and place not in self.used for place, piece in enumerate(self.kept.pieces))

    def says(self, blocks: Sequence[ir.Block]) -> bool:
        """Whether these are words or thoughts of the answer, and nothing else."""
        if not all(isinstance(block, ir.Text | ir.Thinking) for block in blocks):
            return False
        if self._matched(blocks)[0]:
            return True
        unsigned = [block for block in blocks if isinstance(block, ir.Thinking) and block.sealed is None]
        kept = any(piece.thinking is not None for piece in self.kept.pieces)
        return kept and bool(blocks) and len(unsigned) == len(blocks)

    def put_back(self, blocks: Sequence[ir.Block], later: frozenset[ir.Sealed]) -> tuple[ir.Block, ...]:
        """A message's blocks in the order of the answer, with its thinking and seals; as they are where calls
        without ids would change places, because their results are told by their order.

        later: the seals of thoughts that the client has in later messages of the answer.
        """
        used, said = set(self.used), tuple(blocks)
        blocks = self._without_copies(blocks)
        placed, rest = self._matched(blocks)
        words = [block for block in rest if isinstance(block, ir.Text)]
        out: list[ir.Block] = [block for block in rest if isinstance(block, ir.Thinking)]
        for place in range(self._reach(placed)):
            piece = self.kept.pieces[place]
            if place in self.used:
                continue
            if piece.kind == "text" and place not in placed and words:
                out.extend(words)  # the client's own wording stands where the answer's stood
                words = []
            block = placed.get(place, piece.whole)
            if place not in placed and piece.thinking is not None and piece.thinking.sealed in later:
                continue
            if block is None and piece.kind == "text" and piece.size == 0:
                block = ir.Text("", sealed=piece.sealed)
            if block is not None:
                out.append(block)
                self.used.add(place)
        head = next((at for at, block in enumerate(out) if not isinstance(block, ir.Thinking)), len(out))
        others = [block for block in rest if not isinstance(block, ir.Text | ir.Thinking)]
        put = (*out[:head], *words, *out[head:], *others)
        if _unnamed(put) == _unnamed(said):
            return put
        self.used = used
        return said

    def _without_copies(self, blocks: Sequence[ir.Block]) -> Sequence[ir.Block]:
        """Reasoning counts once: signed as the client sends it, else signed as it was kept, else in the
        client's words.
        """
        own = [block for block in blocks if isinstance(block, ir.Thinking)]
        if not own:
            return blocks
        kept = {i: p.thinking for i, p in enumerate(self.kept.pieces) if p.thinking is not None}
        known = {block.sealed for block in kept.values()}
        if known == {None} or any(block.sealed not in {*known, None} for block in own):
            self.used.update(kept)
            return blocks
        return [block for block in blocks if not isinstance(block, ir.Thinking) or block.sealed is not None]

    def _matched(self, blocks: Sequence[ir.Block]) -> tuple[dict[int, ir.Block], list[ir.Block]]:
        """The blocks that stand as they were answered, by the place of their piece; and the others."""
        placed: dict[int, ir.Block] = {}
        rest: list[ir.Block] = []
        texts = [block for block in blocks if isinstance(block, ir.Text)]
        cut = self._cut(texts[0]) if len(texts) == 1 and texts[0].sealed is None else {}
        placed.update(cut)
        for block in blocks:
            if cut and isinstance(block, ir.Text):
                continue
            place = self._place(block, placed)
            if place is None:
                rest.append(block)
            else:
                placed[place] = _resealed(block, self.kept.pieces[place])
        return placed, rest

    def _cut(self, text: ir.Text) -> dict[int, ir.Block]:
        """One text as the texts that the answer had, by their places; empty when it is another text.

        Protocols with one string for everything join what signatures hold apart, some with white space.
        """
        cut: dict[int, ir.Block] = {}
        left = text.text
        for place, piece in enumerate(self.kept.pieces):
            if not piece.size or place in self.used:
                continue
            while self._marks.of("text", left[: piece.size]) != piece.digest:
                if not cut or not left[:1].isspace():
                    return {}
                left = left[1:]
            part, left = left[: piece.size], left[piece.size :]
            cut[place] = _resealed(ir.Text(part) if left else replace(text, text=part), piece)
        return {} if left else cut

    def _place(self, block: ir.Block, placed: Mapping[int, ir.Block]) -> int | None:
        """The first place that nothing stands in yet of a piece that this block is."""
        tells: object = None
        if isinstance(block, ir.Thinking):
            tells = block.sealed
        elif _is_call(block):
            tells = self._marks.call(block)
        elif isinstance(block, ir.Text | ir.Media):
            tells = _digest(block, self._marks)
        places = None if tells is None else self._places.get(tells)
        while places:
            if places[0] not in placed and places[0] not in self.used:
                return places[0]
            places.popleft()  # what has been placed is put back, and so is used for good
        return None

    def _reach(self, placed: Mapping[int, ir.Block]) -> int:
        """How far into the answer a message reaches: to the next call that it does not hold."""
        last = max(placed, default=-1)
        for place in range(last + 1, len(self.kept.pieces)):
            if self.kept.pieces[place].kind == "call" and place not in self.used:
                return place
        return len(self.kept.pieces)


def _resealed(block: Any, piece: Piece) -> ir.Block:
    """A block as it was answered; a seal that the client itself sends stays.

    A thought that comes back with nothing but words and its seal was one text in its client's protocol. What
    was kept of it has its parts and the id of its item.
    """
    if piece.thinking is not None and block == ir.Thinking(block.text, sealed=block.sealed):
        return piece.thinking
    if piece.sealed is None or isinstance(block, ir.Thinking) or block.sealed is not None:
        return block  # type: ignore[no-any-return]
    resealed: ir.Block = replace(block, sealed=piece.sealed)
    return resealed
