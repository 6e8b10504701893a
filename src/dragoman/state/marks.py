"""Makes the keys of vault entries, and digests of blocks and conversations, for one client; and picks out the
calls and texts from which they are made.

The vault's secret and the client's name go into every key and digest. So no client finds an entry of another
client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, TypeGuard

import msgspec

from dragoman import ir

_DIGEST = 20
"""The length in bytes of each vault key and each digest."""
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{8,}")
"""Finds what makes a call's id look random: at least 8 successive letters and digits, with at least one of
each.
"""
_SPACE = b" \t\n\r\v\f"
_LONG_ARGUMENTS = 200_000
"""Characters. Longer arguments of a call are compared as text, because parsing them would take too long."""
_PIECE = 1 << 14
"""Characters. If a medium's data is longer than twice this number, only so many characters at its beginning
and at its end go into the digest of a conversation.
"""

_THOUGHTS = frozenset({ir.Thinking})
_to_json = msgspec.json.Encoder(order="sorted").encode
_from_json = msgspec.json.Decoder().decode


class Scope(msgspec.Struct, frozen=True, array_like=True):
    """The provider (its name in the configuration) and the model (the provider's name for it) that gave an
    answer. The parts of the answer that the vault has stored are put back only into requests to this model at
    this provider.
    """

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Marks:
    """Makes the keys and digests of one client, each 20 bytes long. secret: the vault's secret, at most 64
    bytes. tenant: the name of the client.
    """

    __slots__ = ("_seed",)

    def __init__(self, secret: bytes, tenant: str) -> None:
        self._seed = blake2b(key=secret, digest_size=_DIGEST)
        self._seed.update(_framed(tenant))

    def digest(self, *facts: str | bytes) -> bytes:
        """Return the client's digest of a list of texts and bytes. A text counts as its bytes in UTF-8. Lists
        that differ in the number or the content of their elements have different digests.
        """
        return self._digest(b"".join(map(_framed, facts)))

    def _digest(self, data: bytes) -> bytes:
        digest = self._seed.copy()
        digest.update(data)
        made: bytes = digest.digest()
        return made

    @property
    def owner(self) -> bytes:
        """The digest that stands for the client as the owner of entries."""
        return self.digest("owner")

    def call_digest(self, call: ir.ToolCall) -> bytes:
        """Return the digest of a call's id, name and arguments. A missing id counts as "". White space and
        the order of members in the arguments' JSON usually make no difference (`_canonical`).
        """
        id_, name, arguments = _encoded(call.id or ""), _encoded(call.name), _canonical(call)
        parts = (len(id_), id_, len(name), name, len(arguments), arguments)
        return self._digest(b"4:call%d:%b%d:%b%d:%b" % parts)  # as `digest`, in one step

    def block_digest(self, block: ir.Text | ir.Media) -> bytes:
        """Return the digest of a block's content: a text's characters; or a medium's data, or if it has none
        its URL, or if it has none its file id. All media without any of these three (documents as text, for
        example) have the same digest.
        """
        if isinstance(block, ir.Text):
            return self.digest("text", block.text)
        return self.digest("media", block.data or block.url or block.file or "")

    def call_key(self, before: bytes, call: ir.ToolCall, digest: bytes) -> bytes:
        """Return the vault key of a call. before: the digest of the conversation before the answer that
        contains the call; the key depends on it only if the call's id does not look random (`has_random_id`).
        digest: the call's digest, from `call_digest`.
        """
        return digest if has_random_id(call) else self.digest("called", before, digest)

    def call_keys(
        self, calls: Iterable[ir.ToolCall], digests: Iterable[bytes], before: bytes
    ) -> tuple[list[bytes], list[bytes]]:
        """Return (vault keys as from `call_key`, vault keys by id) of an answer's calls, each in the order of
        the calls. calls: all calls of the answer to the client's tools, in order. digests: of the same calls,
        from `call_digest`. before: the digest of the conversation before the answer.

        A call without an id gets a key only if it is the first call of the answer: the order of such calls
        tells which result belongs to which call. Only a call whose id looks random (`has_random_id`) also has
        a key by id. This key is made of the id alone, so it also finds the entry of a call whose name or
        arguments the client has changed.
        """
        keys: list[bytes] = []
        by_id: list[bytes] = []
        for place, (call, digest) in enumerate(zip(calls, digests, strict=True)):
            if has_random_id(call):
                keys.append(digest)
                by_id.append(self.digest("id", call.id or ""))
            elif call.id is not None or place == 0:
                keys.append(self.digest("called", before, digest))
        return keys, by_id

    def scope_key(self, key: bytes, scope: Scope) -> bytes:
        """Return a vault key made from `key`, a provider and a model. An answer is stored under such keys
        too, so that the entry of the model in `scope` can be found when another model's entry has replaced it
        under `key`.
        """
        return self.digest("scope", scope.provider, scope.model, key)

    def text_key(self, before: bytes, text: str) -> bytes:
        """Return the vault key of an answer without calls. before: the digest of the conversation before the
        answer. text: the joined texts of the answer. Some white space makes no difference, because clients
        change it (see `AnswerText`).
        """
        return self.answer_text(before).key(text)

    def answer_text(self, before: bytes) -> AnswerText:
        """Return an `AnswerText`, which makes the vault keys of an answer without calls whose text may come
        in several messages. before: the digest of the conversation before the answer.
        """
        digest = self._seed.copy()
        digest.update(b"said " + before)
        return AnswerText(digest)

    def conversation(self) -> Conversation:
        """Return a new `Conversation` without messages."""
        return Conversation(self, self._seed.copy())


class AnswerText:
    """Makes the vault keys of an answer without calls, from its texts. ASCII white space is ignored anywhere
    in the text, other white space at the beginning of the text and at the end of the text that was added
    last, because clients change it.
    """

    __slots__ = ("_begun", "_digest")

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self._begun = False

    def key(self, text: str) -> bytes:
        """Add `text` to the answer's text, and return the key of an answer that consists of all texts added
        so far.
        """
        if not self._begun:
            text = text.lstrip()
        ended = self._digest.copy()
        ended.update(_unspaced(text.rstrip()))
        self._digest.update(_unspaced(text))
        self._begun = self._begun or bool(text)
        key: bytes = ended.digest()
        return key


class Conversation:
    """Computes the digest of a conversation, message by message. Thinking and the seals of blocks are left
    out, because clients drop them. Of a medium with much data, only the kind, the length, the beginning and
    the end count.
    """

    __slots__ = ("_digest", "_marks")

    def __init__(self, marks: Marks, digest: Any) -> None:
        self._marks = marks
        self._digest = digest
        self._digest.update(b"conversation")

    def add(self, role: str, blocks: Sequence[ir.Block]) -> Sequence[bytes]:
        """Add the next message (its role and blocks), and return the digests (`call_digest`) of its calls of
        the client's tools, in order; empty = it has no such calls. A message that has only thinking is not
        added, because some protocols have no such message. A message whose texts are all empty counts as one
        without texts.
        """
        if len(blocks) == 1 and type(blocks[0]) is ir.Text and blocks[0].text:  # as most messages are
            text = _encoded(blocks[0].text)
            self._digest.update(b"%b text %d:%b" % (role.encode(), len(text), text))
            return ()
        if blocks and _THOUGHTS.issuperset(map(type, blocks)):
            return ()
        calls: list[bytes] = []
        facts = [role.encode()]
        self._state(blocks, facts, calls)
        self._digest.update(b"".join(facts))
        return calls

    def _state(self, blocks: Iterable[ir.Block], facts: list[bytes], calls: list[bytes]) -> None:
        """Add what blocks state to `facts`, and the digests of client calls to `calls`. Successive texts and
        refusals count as one text, also if thinking comes between them.
        """
        text = ""
        for block in blocks:
            if type(block) is ir.Text or type(block) is ir.Refusal:
                text += block.text
                continue
            if type(block) is ir.Thinking:
                continue
            if text:
                facts.append(_fact(b"text", _encoded(text)))
                text = ""
            if type(block) is ir.ToolCall:
                digest = self._marks.call_digest(block)
                if block.by == "client":
                    calls.append(digest)
                facts.append(_fact(b"call", digest))
            elif type(block) is ir.ToolResult:
                facts.append(_fact(b"result", _encoded(block.id or block.name or "")))
                self._state(block.content, facts, calls)
                facts.append(_fact(b"end", b""))
            elif type(block) is ir.Media:
                facts.append(_fact(b"media", block.kind.encode()))
                data = block.data or block.url or block.file or block.text or ""
                ends = data if len(data) <= 2 * _PIECE else data[:_PIECE] + data[-_PIECE:]
                facts.append(_fact(b"%d" % len(data), _encoded(ends)))
            elif type(block) is ir.Json or type(block) is ir.Native:
                facts.append(_fact(b"value", _to_json(block.value)))
        if text:
            facts.append(_fact(b"text", _encoded(text)))

    def digest(self) -> bytes:
        """Return the digest of the messages that were added so far. More messages may be added afterwards."""
        digest: bytes = self._digest.digest()
        return digest


def is_client_call(block: ir.Block) -> TypeGuard[ir.ToolCall]:
    """Return whether the block is a call of a tool that the client runs."""
    return type(block) is ir.ToolCall and block.by == "client"


def client_calls(blocks: Iterable[ir.Block]) -> list[ir.ToolCall]:
    """Return those of the blocks that are calls of tools that the client runs."""
    return [block for block in blocks if is_client_call(block)]


def joined_text(blocks: Iterable[ir.Block]) -> str:
    """Return the text of all text blocks, joined without a separator."""
    return "".join([block.text for block in blocks if isinstance(block, ir.Text)])


def has_random_id(call: ir.ToolCall) -> bool:
    """Return whether the call's id looks random: without the tool's name in it, it contains at least 8
    successive ASCII letters and digits, with at least one letter and one digit. The vault then assumes that
    no other call in any conversation has this id. False if the call has no id.
    """
    return call.id is not None and _RANDOM.search(call.id.replace(call.name, "")) is not None


def _canonical(call: ir.ToolCall) -> bytes:
    """Return a call's arguments in a form that stays the same if a client writes the JSON anew: sorted
    members, no white space between tokens, `{}` for empty arguments. Arguments that cannot be parsed as JSON,
    are longer than `_LONG_ARGUMENTS`, or belong to a custom tool only lose the white space at both ends.
    """
    text = call.arguments.strip()
    if call.kind != "custom":
        if not text:
            return b"{}"
        if len(text) <= _LONG_ARGUMENTS:
            with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
                return _to_json(_from_json(text))
    return _encoded(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unspaced(text: str) -> bytes:
    return _encoded(text).translate(None, _SPACE)


def _fact(kind: bytes, data: bytes) -> bytes:
    return b" %b %d:%b" % (kind, len(data), data)


def _framed(fact: str | bytes) -> bytes:
    data = fact if isinstance(fact, bytes) else _encoded(fact)
    return b"%d:%b" % (len(data), data)
