"""Replaces the ids of files, vector stores and containers that a request to a model names: the gateway gave
these ids to clients, and the provider needs its own ids.

The ids are replaced in the bytes of the body, so everything else is relayed as the client wrote it. Only the
provider that has the objects is called. Inside a JSON string each quotation mark has a backslash before it,
so no text is mistaken for a member of the body. JSON escapes of letters, digits, `%`, `-`, `.`, `/`, `:` and
`_` are replaced by these characters first: they would hide a member, or another client's object, from the
gateway but not from the provider.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Permits
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import Steps
from dragoman.engine.asked import Inbound
from dragoman.engine.runtime import Runtime
from dragoman.errors import RequestFailed
from dragoman.state.owned import OwnedObject
from dragoman.state.store import StoreFailed

_GOOGLE: Final = b"generativelanguage.googleapis.com"
_MARKS: Final = (
    *(b'"file_id"', b'"file_ids"', b'"vector_store_ids"', b'"cntr_'),
    *(b'"fileUri"', b'"file_uri"'),
)
"""Every body that names an object contains one of these, or `_GOOGLE` in upper or lower case. The members are
`file_id` of OpenAI (https://platform.openai.com/docs/guides/pdf-files), Anthropic
(https://platform.claude.com/docs/en/build-with-claude/files) and Mistral, `vector_store_ids` of the tool
file_search, `file_ids` of a code interpreter's container, and `container` of a code interpreter (its ids are
searched, as every such tool has the member). 2026-11-23.
"""
_NAMED: Final = re.compile(
    rb'"(file_id|container)"\s*:\s*("[^"\\]+")|"(file_ids|vector_store_ids)"\s*:\s*(\[[^\[\]{}]*\])'
)
_HIDING: Final = rb"(?:/|u00(?:2[5d-fD-F]|3[0-9aA]|[46][1-9a-fA-F]|5[0-9aAfF]|7[0-9aA]))"
"""Matches the escape, without its backslash, of a character that can be in the name of a member or in an id.
"""
_HIDDEN: Final = re.compile(rb"(\\(?<!\\\\)(?:\\\\)*+)(" + _HIDING + rb")")
"""Matches such an escape, with all backslashes before it: only after an even number of others does the last
backslash begin an escape. The pattern begins with a backslash, so that text without any is skipped quickly.
"""
_STRING: Final = re.compile(rb'"([^"\\]+)"')
_URI: Final = re.compile(
    rb'("(?:(fileUri|file_uri)"\s*:\s*"|(file_id|file_url|file_data|image_url|document_url|url)"\s*:\s*"'
    rb"(?=(?i:https?://" + re.escape(_GOOGLE) + rb')[/:])))([^"\\]*(?:\\.[^"\\]*)*)',
    re.DOTALL,
)
"""Matches a member that can have the address of a file at Gemini, and its value without the quotation marks.
The other protocols' members count only with Google's own host: they are sent to Gemini as addresses of files.
"""
_FILE: Final = re.compile(rb"(/v1(?:alpha|beta)?/+files/+)([A-Za-z0-9_-]+)")
"""Matches the id in an address. Each match in an address counts, as nobody knows which one a server reads."""
_PERCENT: Final = re.compile(rb"%(2[dDfF]|3[0-9]|[46][1-9a-fA-F]|5[0-9aAfF]|7[0-9aA])")
"""Matches percent-encoded characters of ids, and slashes: an address means the same without this encoding."""
_MINTED: Final = re.compile(r"(?:file[-_]|vs_|cntr_)?[0-9a-z]{25}")
"""Matches ids that only this gateway, or another Dragoman, can have given."""


async def with_files(runtime: Runtime, inbound: Inbound, owner: str, steps: Steps) -> Inbound:
    """Return the request with the provider's ids in place of the gateway's, limited to the provider that has
    the objects. A request that names no object of the gateway keeps its ids and permits. owner: the client's
    name. steps: run what takes long. Raises RequestFailed: 404 for an id of the gateway that the client does
    not own, and for a provider's own id of an object that was created through the gateway; 400 if several
    providers have the objects; 503 if the store fails.
    """
    body, stated = await steps.run(len(inbound.body), _read, inbound.body)
    if body is not inbound.body:
        inbound = msgspec.structs.replace(inbound, body=body, reading=0)
    if not stated:
        return inbound
    try:
        rows = {row.id: row for row in await runtime.store.owned.find(owner, stated)}
        strange = [id_ for id_ in stated if id_ not in rows]
        others = {
            row.upstream
            for name in (runtime.passing if strange else ())
            for row in await runtime.store.owned.known(name, strange)
        }
    except StoreFailed as failed:
        raise RequestFailed(_UNREACHABLE) from failed
    for id_ in strange:
        if id_ in others or _MINTED.fullmatch(id_):
            text = f"There is no object {id_[:128]!r}."
            raise RequestFailed(ir.Fault("not_found", text, "not_found", stated[id_]))
    providers = {row.provider for row in rows.values()}
    if not providers:
        return inbound
    param = stated[next(iter(rows))]
    if len(providers) > 1:
        text = f"The request names objects of several providers: {', '.join(sorted(providers))}."
        raise RequestFailed(ir.Fault("invalid_request", text, "objects_of_several_providers", param))
    provider = providers.pop()
    body = await steps.run(len(body), _replaced, body, rows)
    return msgspec.structs.replace(inbound, body=body, may=_pinned(inbound.may, provider, param), reading=0)


def _read(body: bytes) -> tuple[bytes, dict[str, str]]:
    """Return (the body without JSON escapes that could hide an id, the ids that it names: id -> the first
    member that names it). Without such escapes, the body is the same object.
    """
    shown, count = _HIDDEN.subn(_plain, body)
    body = shown if count else body
    marked = any(mark in body for mark in _MARKS) or (b"://" in body and _GOOGLE in body.lower())
    return body, _stated(body) if marked else {}


def _stated(body: bytes) -> dict[str, str]:
    """Return the ids that a body names: id -> the first member that names it."""
    stated: dict[str, str] = {}
    for found in _URI.finditer(body):
        param = (found[2] or found[3]).decode()
        for one in _FILE.findall(_unhidden(found[4])):
            stated.setdefault(one[1].decode(), param)
    for found in _NAMED.finditer(body):
        param = (found[1] or found[3]).decode()
        for one in _STRING.findall(found[2] or found[4]):
            stated.setdefault(one.decode(), param)
    return stated


def _plain(found: re.Match[bytes]) -> bytes:
    """Return the backslashes before a matched escape, and the character that the escape stands for."""
    return found[1][:-1] + (b"/" if found[2] == b"/" else bytes([int(found[2][1:], 16)]))


def _unhidden(address: bytes) -> bytes:
    return _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), address)


def _replaced(body: bytes, rows: dict[str, OwnedObject]) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        row = rows.get(found[1].decode())
        return found[0] if row is None else b'"%b"' % row.upstream.encode()

    def located(found: re.Match[bytes]) -> bytes:
        address = _unhidden(found[4])
        new = _FILE.sub(own, address)
        return found[0] if new == address else found[1] + new

    def own(found: re.Match[bytes]) -> bytes:
        row = rows.get(found[2].decode())
        return found[0] if row is None else found[1] + row.upstream.encode()

    body = _URI.sub(located, body)
    return _NAMED.sub(lambda found: _value(found, _STRING.sub(one, found[2] or found[4])), body)


def _value(found: re.Match[bytes], value: bytes) -> bytes:
    """Return the text that `_NAMED` has matched (a member's name and value), with `value` in place of the
    member's value.
    """
    start = found.start(2) if found[2] is not None else found.start(4)
    return found[0][: start - found.start()] + value


def _pinned(may: Permits, provider: str, param: str) -> Permits:
    """Return the permits, limited to one provider. A model that this provider does not serve gets an error
    about `param`, the member that names the provider's object.
    """
    text = f"{param} names an object of the provider {provider!r}, which does not serve this model."
    return msgspec.structs.replace(
        may,
        providers=Grants([provider], may.providers),
        otherwise=ir.Fault("invalid_request", text, "object_of_another_provider", param),
    )


_UNREACHABLE: Final = ir.Fault(
    "unavailable",
    "The objects that the request names cannot be looked up at the moment. Try again later.",
    "store_unavailable",
    blame="gateway",
)
