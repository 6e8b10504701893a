"""Azure OpenAI's paths: `/openai/deployments/{model}/…?api-version=…` for chat, completions, and the
operations in `operations.PATHS`.

https://learn.microsoft.com/azure/ai-foundry/openai/reference. Azure's clients call the model in the path a
deployment. The path may name any model of the gateway, also one whose name contains slashes and colons.
`api-version` is ignored. Azure's other paths (`/openai/responses`, `/openai/v1/…`) are OpenAI's paths with
another prefix: see `server.faces`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Final

import msgspec

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.forms import edited, texts
from dragoman.dialects.loss import Change
from dragoman.dialects.openai.azure import ERRORS
from dragoman.dialects.openai_completions import DIALECT as COMPLETIONS
from dragoman.dialects.request import Operation
from dragoman.dialects.table import DEFAULT
from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, with_model
from dragoman.server.operations import PATHS, OperationsApi
from dragoman.wire.json import decode_head, encode

ROOT: Final = "/openai/deployments"
_DECIDED: Final = Change("$.model", "", "the deployment in the path is asked, not the model of the body")


class AzureApi:
    """The endpoints below `/openai/deployments` of one gateway. They send errors in Azure's form."""

    def __init__(self, chat: ChatApi, operations: OperationsApi) -> None:
        self._chat = chat
        self._operations = operations

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints of chat, of completions, and of the operations in `operations.PATHS`. Chat
        comes before completions: `PathTable` takes the first endpoint that matches, and a chat path also ends
        like a path of completions.
        """
        for face in (DEFAULT, COMPLETIONS):
            chat = {"POST": Handler(partial(self._ask, face), takes_body="json")}
            template = f"{ROOT}/{{model}}{face.paths.chat}"
            yield Endpoint(template, face, chat, slashes=True, errors=ERRORS)
        for path, (operation, body) in PATHS.items():
            asking = {"POST": Handler(partial(self._operate, operation, path), takes_body=body)}
            yield Endpoint(f"{ROOT}/{{model}}{path}", DEFAULT, asking, slashes=True, errors=ERRORS)

    def _ask(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        return self._chat.ask(face, _of_deployment(request, exchange), exchange, client, ERRORS)

    def _operate(
        self, operation: Operation, path: str, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        asked = _of_deployment(request, exchange)
        return self._operations.ask(operation, path, asked, exchange, client, errors=ERRORS)


def _of_deployment(request: HttpRequest, exchange: Exchange) -> HttpRequest:
    """Return a copy of the request whose body (JSON or a form) names the model of the path. A body that is
    neither a form nor a JSON object is left as it is, for the engine to refuse. If the body is seen to name
    another model, this is recorded as a change of the request in `exchange.taken`.
    """
    name = request.params["model"]
    if request.form is None:
        _note_other(_stated(request.body), encode(name), exchange)
        return with_model(request)
    try:
        stated = texts(request.form).get("model")
    except WireError:  # which field it is, the operation will say
        stated = None
    _note_other(None if stated is None else encode(stated), encode(name), exchange)
    return msgspec.structs.replace(request, form=edited(request.form, {"model": name}))


def _stated(body: bytes) -> bytes | None:
    """Return the JSON value of the field `model` in a body, as bytes. None = the body has no such field, or
    is not a JSON object.
    """
    try:
        model = decode_head(body).get("model")
    except WireError:
        return None
    return None if model is None else bytes(model)


def _note_other(stated: bytes | None, name: bytes, exchange: Exchange) -> None:
    if stated not in {None, b"null", name}:
        losses, changes = exchange.taken
        exchange.taken = losses, (*changes, _DECIDED)
