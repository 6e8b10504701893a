"""Google's file API in Gemini's protocol: `/upload/v1beta/files` and `/v1beta/files…`, also with `/v1alpha`
or `/v1`. A client cannot use the files of other clients.

https://ai.google.dev/api/rest/v1beta/files/list, read 2026-11-24. An upload is usually resumable: the answer
to the first request contains an address in the header `x-goog-upload-url`, and the client sends the file to
this address, in one or more requests. The gateway replaces the provider's address by an address at the
gateway, which only the client that has begun the upload can use. Google's clients send no key to this
address, so the gateway's address has the client's key in its path, unless the gateway needs no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.object_ids import Ids
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.net.transport import Answer
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.owned import Known, Stated, missing
from dragoman.server.passed_lists import MOST_PAGES, TOO_LONG
from dragoman.server.passthrough import (
    ID,
    MOST_EDITED,
    Asked,
    Call,
    PassThroughApi,
    decoded,
    flow,
    headers_of,
    target_of,
)
from dragoman.server.sending import pairs_of
from dragoman.upstreams.answers import read_bounded
from dragoman.upstreams.form import is_success
from dragoman.upstreams.passage import Passage
from dragoman.wire.headers import members
from dragoman.wire.json import encode

_GEMINI: Final = DIALECTS["gemini"]
_SHARED: Final = "/v1"
"""The root below which OpenAI and Anthropic have files too. Headers show whose client sends a request."""
_ROOTS: Final = ("/v1beta", "/v1alpha", _SHARED)
_UPLOAD: Final = "/upload"
_URL: Final = "x-goog-upload-url"
_TOLD: Final = ("x-goog-upload-status", "x-goog-upload-chunk-granularity", "x-goog-upload-size-received")
_FILE: Final = Ids(answer={"id": "file"}, listed="file", filtered=True)
_CONTENT: Final = Ids()
"""Of a download: its answer is the file's content, also if that is JSON."""
_SESSION: Final = Ids(answer={"id": "upload"})


class GoogleFilesApi(PassThroughApi):
    """The endpoints of Google's file API at one gateway. others: answers the requests of other protocols'
    clients at `/v1/files` and `/v1/files/{id}`.
    """

    def __init__(self, gateway: Core, others: PassThroughApi) -> None:
        super().__init__(gateway)
        self._others = others

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints for uploads and for files."""
        for root in _ROOTS:
            upload = {"POST": Handler(partial(self._upload, root), takes_body="parts")}
            yield Endpoint(f"{_UPLOAD}{root}/files", _GEMINI, upload)
            for path, methods in (("/files", ("GET",)), ("/files/{id}", ("GET", "DELETE"))):
                run = partial(self._any, path) if root == _SHARED else partial(self._file, root)
                face = DEFAULT if root == _SHARED else _GEMINI
                handlers = dict.fromkeys(methods, Handler(run))
                yield Endpoint(root + path, face, handlers, shared=root == _SHARED)

    async def _any(self, path: str, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Answer a request at `/v1/files` or `/v1/files/{id}`, paths that several protocols have. If the
        headers are those of Google's clients, answer in Gemini's protocol, else in OpenAI's or Anthropic's.
        path: the template without `/v1`.
        """
        assert _GEMINI.face is not None
        if _GEMINI.face.serves(request.headers):
            await self._file(_SHARED, request, exchange, client)
        else:
            await self._others.pass_file(path, request, exchange, client)

    async def _upload(self, root: str, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Begin an upload; or, if the query has `upload_id`, send more of an upload that this client has
        begun. root: the version in the path, such as `/v1beta`. Raises RequestFailed: 404 for an upload that
        this client has not begun; 503 if the store of owners fails; and the errors of `_able`, `_chosen` and
        `_pass_to`.
        """
        able = self._able("google_files", request, _GEMINI.name)
        session = request.query.get("upload_id")
        stated = [] if session is None else [Stated(session, "upload", "upload_id")]
        known = await self._ownership.named(request.caller.name, stated)
        if stated and not known.objects:
            raise RequestFailed(missing(stated[0]))
        passage = self._chosen("google_files", request, able, known)
        if session is None:
            target = target_of(_UPLOAD + root + "/files", {}, pairs_of(self._gateway, request))
        else:
            target = known.upstream(session)
        asked = Asked(_FILE, target, known, None)
        await self._pass_to("google_files", passage, asked, request, exchange=exchange, client=client)

    async def _file(self, root: str, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """List the files that the client may use (`Ownership.filtered`); or show, download or delete the file
        that the path names. root: the version in the path, such as `/v1beta`. Raises RequestFailed: 404 for a
        file that the client may not use, and for any action (`files/ID:ACTION`) but GET `files/ID:download`;
        and the errors of `_able`, `_chosen` and `_pass_to`.
        """
        able = self._able("google_files", request, _GEMINI.name)
        id_, colon, action = request.params.get("id", "").partition(":")
        stated = [Stated(id_, "file", "name")] if id_ else []
        if "id" in request.params and not ID.fullmatch(id_):
            raise RequestFailed(missing(Stated(id_, "file", "name")))
        if colon and (action != "download" or exchange.method == "DELETE"):
            text = f"There is no method {action[:64]!r} of files."
            raise RequestFailed(ir.Fault("not_found", text, "unknown_url"))
        ownership = self._ownership
        known = await ownership.named(request.caller.name, stated)
        passage = self._chosen("google_files", request, able, known)
        await ownership.admit(stated, known, passage)
        path = f"{root}/files" + (f"/{quote(known.upstream(id_), safe='')}{colon}{action}" if id_ else "")
        target = target_of(path, {}, pairs_of(self._gateway, request))
        asked = Asked(_CONTENT if colon else _FILE, target, known, None)
        await self._pass_to("google_files", passage, asked, request, exchange=exchange, client=client)

    async def _send(self, passage: Passage, method: str, target: str, call: Call, body: Any) -> Answer:
        return await passage.send_as_is(method, target, call.sent, body)

    async def _answer(self, method: str, client: HttpClient, call: Call, answer: Answer) -> None:
        """Send a provider's answer, which is no error, to the client. The provider's ids and its address of
        the upload are replaced by those that the client can use; the content of a file is sent as it is. A
        list has only the files that the client may use (`_pages`). The store of owners forgets a complete
        upload and a deleted file. method: the HTTP method of the client's request. Raises RequestFailed if
        the answer's JSON is too large or cannot be read, if its address of the upload is at another server,
        and as `_pages` does.
        """
        passage, known = call.passage, call.asked.known
        json = answer.headers.get("content-type", "").startswith("application/json")
        edits = json and call.asked.ids.answer is not None
        # A decoded body has another length. The length stated beside chunks cannot be trusted.
        other = edits or "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
        passed = headers_of(answer, call, whole=other)
        passed += [
            (name.encode(), answer.headers[name].encode("latin-1", "replace"))
            for name in _TOLD
            if name in answer.headers
        ]
        if _URL in answer.headers:
            passed.append((_URL.encode(), (await self._address(answer.headers[_URL], call)).encode()))
        if answer.headers.get("x-goog-upload-status") == "final":
            for id_ in [id_ for id_, row in known.objects.items() if row.kind == "upload"]:
                await self._ownership.forget(id_, known)
        if method == "DELETE":
            await self._forget_file(call)
        if not edits:
            await flow(answer, client, passed, call.close)
            return
        value = decoded(await read_bounded(answer, MOST_EDITED, passage.name) or b"{}", passage)
        if "files" in value or (method == "GET" and call.asked.target.partition("?")[0].endswith("/files")):
            value = await self._pages(value, call)
        else:
            file = value.get("file", value)
            if isinstance(file, dict) and "name" in file:
                await self._shown([file], call, new=method == "POST")
        call.close(answer.status)
        await client.answer(answer.status, passed, encode(value))

    async def _forget_file(self, call: Call) -> None:
        for id_ in call.asked.known.objects:
            await self._ownership.forget(id_, call.asked.known)

    async def _address(self, url: str, call: Call) -> str:
        """Store the client as the owner of an upload, and return the gateway's address for it. url: the
        provider's address of the upload. Raises RequestFailed if that address is at another server, or its
        path does not begin with `/upload/`.
        """
        target = call.passage.below_origin(url, "")
        if target is None or not target.startswith(_UPLOAD + "/"):
            text = f"{call.passage.name} sent the address of an upload that is not at its own server."
            raise RequestFailed(ir.Fault("upstream", text, "upload_elsewhere", blame="upstream"))
        session = {"id": target}
        known = Known(call.asked.known.owner, {})
        await self._ownership.show([session], _SESSION, known, call.passage, new=True)
        return f"{call.prefix}?upload_id={session['id']}&upload_protocol=resumable"

    async def _shown(self, files: Sequence[Any], call: Call, *, new: bool) -> None:
        """Replace the provider's ids in the names and addresses of files by the ids that clients use. files:
        the decoded JSON objects of the files, which are changed. new: True = the client becomes the owner of
        the files that have no owner. False = a file without an owner keeps the provider's id.
        """
        for file in files:
            file["id"] = str(file.get("name", "")).removeprefix("files/")
        before = [file["id"] for file in files]
        await self._ownership.show(files, _FILE, call.asked.known, call.passage, new=new)
        for file, upstream in zip(files, before, strict=True):
            id_ = file.pop("id")
            file["name"] = f"files/{id_}"
            for name in ("uri", "downloadUri"):
                if isinstance(file.get(name), str):
                    file[name] = file[name].replace(f"files/{upstream}", f"files/{id_}")

    async def _pages(self, page: dict[str, Any], call: Call) -> dict[str, Any]:
        """Return the client's page of a list: the first of the provider's pages that has files which the
        client may use (`Ownership.filtered`), with only these files. Further pages are fetched, because
        Google's clients fail at an empty page. page: the provider's first page.

        `nextPageToken` of the result leads to the next page with such files, or to the first page that was
        not searched; it is missing if no further page has such files. If no page of the list has such files,
        the result has no field `files`. Raises RequestFailed if the first `MOST_PAGES` pages have none and
        more pages follow, and if a further page cannot be read.
        """
        passage, known = call.passage, call.asked.known
        shown: dict[str, Any] | None = None
        for _ in range(MOST_PAGES):
            files = [one for one in page.get("files", ()) if isinstance(one, dict)]
            for file in files:
                file["id"] = str(file.get("name", "")).removeprefix("files/")
            own = await self._ownership.filtered(files, known, passage)
            token = page.get("nextPageToken")
            if own and shown is not None:
                return shown
            if own:
                await self._shown(own, call, new=False)
                shown = {**page, "files": own}
            elif shown is not None:
                shown["nextPageToken"] = token
            if not token:
                shown = shown or {name: value for name, value in page.items() if name != "files"}
                shown.pop("nextPageToken", None)
                return shown
            page = await self._page(str(token), call)
        if shown is None:
            raise RequestFailed(TOO_LONG)
        return shown

    async def _page(self, token: str, call: Call) -> dict[str, Any]:
        path, _, search = call.asked.target.partition("?")
        kept = [pair for pair in search.split("&") if pair and not pair.startswith("pageToken=")]
        target = f"{path}?{'&'.join([*kept, 'pageToken=' + quote(token, safe='')])}"
        answer = await self._send(call.passage, "GET", target, call, None)
        try:
            if not is_success(answer):
                raise await call.passage.refused(answer)
            return decoded(await read_bounded(answer, MOST_EDITED, call.passage.name), call.passage)
        finally:
            answer.close()

    def _prefix(self, request: HttpRequest) -> str:
        """Return the gateway's address for uploads as this client reaches it
        (`https://host/…/upload/v1beta/files`). If the gateway needs keys, the address contains the key that
        the client has sent. The scheme is https only if a proxy states it (x-forwarded-proto), else http.
        """
        raw = request.raw.decode("latin-1")
        before, found, after = raw.partition(_UPLOAD + "/")
        keys = self._gateway.client_keys
        key = keys.presented(request.headers) or request.query.get("key")
        locked = f"/key/{quote(key, safe='')}" if key and "/key/" not in before and keys.required else ""
        scheme = "https" if members(request.headers.get("x-forwarded-proto", ""))[:1] == ["https"] else "http"
        path = f"{before if found else ''}{locked}{_UPLOAD}/{after.partition('/')[0] or 'v1beta'}/files"
        return f"{scheme}://{request.headers.get('host', 'localhost')}{path}"
