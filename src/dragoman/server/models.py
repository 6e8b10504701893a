"""The model list at `/v1/models`: in OpenAI's form, or in the form of Anthropic or Google if a request has
the headers of their clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT, faces
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange, Mode
from dragoman.routing.route import Entry
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.generate_content import GenerateContentApi
from dragoman.server.listed import entry_of, in_turns
from dragoman.server.messages import MessagesApi
from dragoman.server.passthrough import PassThroughApi
from dragoman.wire.json import encode

OwnList = MessagesApi | GenerateContentApi
"""The handlers of a protocol that has its own form of the model list."""


class ModelsApi:
    """The endpoints of the model list at one gateway. own: the handlers of the protocols that have their own
    form of the list; clients of all other protocols get OpenAI's form. passing: deletes a model at its
    provider.
    """

    def __init__(self, gateway: Core, own: Sequence[OwnList], passing: PassThroughApi) -> None:
        self._gateway = gateway
        self._own = own
        self._passing = passing
        self._faces = {dialect.name: dialect for dialect, _ in faces()}

    def endpoints(self) -> Iterator[Endpoint]:
        for path in ("/v1/models", "/models"):
            yield Endpoint(path, DEFAULT, {"GET": Handler(self.models)}, shared=True)
            one = {"GET": Handler(self.model), "DELETE": Handler(self.delete)}
            yield Endpoint(f"{path}/{{model}}", DEFAULT, one, slashes=True, shared=True)

    def _owner(self, headers: Mapping[str, str]) -> OwnList | None:
        return next((api for api in self._own if api.face.serves(headers)), None)

    async def models(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of models that the caller may use, in the form of the client's protocol. In
        Anthropic's and Google's form, send one page of this list.
        """
        if (own := self._owner(request.headers)) is not None:
            await own.models(request, exchange, client)
            return
        data = [self._listed(entry) async for entry in in_turns(self._gateway.entries(request.caller))]
        await client.answer(200, (), encode({"object": "list", "data": data}))

    async def model(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one entry of the model list, in the form of the client's protocol. In OpenAI's form it also
        has `compatibility`: by the name of a protocol of clients, what of its requests the model supports, as
        far as this is known. Raises RequestFailed (404) if there is no such model, or if the caller may not
        use it.
        """
        if (own := self._owner(request.headers)) is not None:
            await own.model(request, exchange, client)
            return
        name = request.params["model"]
        exchange.asked = name
        if (entry := entry_of(self._gateway, name, request.caller)) is None:
            raise RequestFailed(_no_model(name))
        await client.answer(200, (), encode({**self._listed(entry), "compatibility": self._had(name)}))

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Delete a fine-tuned model at its provider. Raises RequestFailed: 405 if the headers are those of a
        protocol with its own form of the model list (`own`), because these protocols cannot delete models;
        404 for a model that the caller may not use; and the errors of `PassThroughApi.delete_model`.
        """
        if self._owner(request.headers) is not None:
            text = "Models cannot be deleted in this protocol."
            raise RequestFailed(ir.Fault("method_not_allowed", text, "method_not_allowed"))
        if not request.caller.may_use(name := request.params["model"]):
            raise RequestFailed(_no_model(name))
        await self._passing.delete_model(request, exchange, client)

    def _had(self, model: str) -> dict[str, Any]:
        found = {name: self._gateway.running.compatibility(model, face) for name, face in self._faces.items()}
        return {
            name: {
                "features": one.features,
                "losses": [
                    {"feature": feature, "severity": loss.severity, "reason": loss.reason}
                    for feature, loss in one.losses
                ],
                "refused": one.refused,
            }
            for name, one in found.items()
            if one is not None
        }

    def _listed(self, entry: Entry) -> dict[str, Any]:
        running, speeds = self._gateway.running, self._gateway.observers.performance
        modes: dict[str, Mode] = {name: running.mode(entry.id, face) for name, face in self._faces.items()}
        return _listed(entry, modes, speeds.of(entry.deployment))


def _no_model(name: str) -> ir.Fault:
    text = f"The model {name[:128]!r} does not exist."
    return ir.Fault("model_not_found", text, "model_not_found", "model")


def _listed(entry: Entry, modes: Mapping[str, Mode], measured: dict[str, Any] | None) -> dict[str, Any]:
    """Return one entry of the model list in OpenAI's form, with additional fields of the gateway.

    modes: for each protocol of clients, whether a request in it to this model is relayed or translated.
    measured: the measured speed of the model's deployment, None = not known.
    """
    listed: dict[str, Any] = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
        # OpenAI listed this earlier; some clients still read it.
        "permission": [],
        "root": entry.id,
        "parent": None,
        "provider": entry.provider,
        "capabilities": entry.capabilities,
    }
    if entry.context_window is not None:
        listed["context_window"] = entry.context_window
    if entry.max_output_tokens is not None:
        listed["max_output_tokens"] = entry.max_output_tokens
    listed["faces"] = modes
    if measured is not None:
        listed["performance"] = measured
    return listed
