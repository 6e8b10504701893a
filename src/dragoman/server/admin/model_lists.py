"""The operations on the providers' own lists of models: show the state of the lists, and fetch them now."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed
from dragoman.observe.timestamps import utc
from dragoman.server.admin.operation import Asked, Operation, Told

_PATH: Final = "/admin/model-lists"
_PATIENCE: Final = 75.0
"""The most seconds for which a refresh waits."""


class ListOfModels(msgspec.Struct):
    """A provider's own list of models. models: how many names the list has. left_out: how many entries of the
    list are not used, because no request could name them or because there are too many. fetched: when the
    list in use was fetched, perhaps by an earlier run; null = there is no list. age: seconds since then, null
    = there is no list. stale: true = the last attempt to fetch the list failed; `error` says why, and the
    list from before, if there is one, stays in use.
    """

    provider: str
    models: int
    left_out: int
    fetched: str | None
    age: float | None
    stale: bool
    error: str | None
    object: Literal["model_list"] = "model_list"


class ListsOfModels(msgspec.Struct):
    """The state of providers' own lists of models. The answer to a refresh has the providers that the request
    named; if it named none, all. Any other answer has all. Providers whose lists this gateway does not use
    are left out: for example those that publish no list, and those with the setting `discovery` off.
    """

    data: list[ListOfModels]
    object: Literal["list"] = "list"


class ToRefresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lists of models to fetch. providers: the names of the providers; [] = all providers whose lists
    this gateway fetches.
    """

    providers: list[str] = []


OPERATIONS: Final = (
    Operation("GET", _PATH, "list_model_lists", "How old the providers' lists of models are.", ListsOfModels),
    Operation(
        "POST",
        f"{_PATH}/refresh",
        "refresh_model_lists",
        "Fetch providers' lists of models now, and wait until they have come or failed.",
        ListsOfModels,
        body=ToRefresh,
    ),
)


class ModelListsApi:
    """The operations on the providers' lists of models at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    async def list_model_lists(self, asked: Asked) -> Told:
        return Told(self._told())

    async def refresh_model_lists(self, asked: Asked) -> Told:
        """Fetch lists of models now. Wait until each has come or failed, but at most `_PATIENCE` seconds.
        Return the state of these lists then; a fetch that fails is no error here (`stale`). Raises
        RequestFailed: 404 for a provider whose list this gateway does not fetch, else 501 if it fetches no
        lists.
        """
        names = asked.body.providers
        discovering = self._gateway.discovering
        for place, name in enumerate(names):
            if name not in discovering.states:
                text = f"No list of models is fetched from a provider {name[:128]!r}."
                raise RequestFailed(ir.Fault("not_found", text, "provider_not_found", f"providers[{place}]"))
        if not discovering.active:
            raise RequestFailed(_INACTIVE)
        known = {name: state.models for name, state in discovering.states.items()}
        await discovering.refresh(names, _PATIENCE)
        told = self._told(names)
        after = {one.provider: one.models for one in told.data}
        before = {name: known.get(name) for name in after}
        asked.notes.add("refresh", "model-lists", before=before, after=after)
        return Told(told)

    def _told(self, names: list[str] | None = None) -> ListsOfModels:
        discovering = self._gateway.discovering
        shown = discovering.shown()
        return ListsOfModels(
            [
                ListOfModels(
                    name,
                    state.models,
                    state.left_out,
                    None if state.fetched is None else utc(state.fetched),
                    shown[name]["age"],
                    state.failed is not None,
                    state.failed,
                )
                for name, state in discovering.states.items()
                if not names or name in names
            ]
        )


_INACTIVE: Final = ir.Fault(
    "not_implemented",
    "This gateway runs inside another program, and so fetches no lists of models.",
    "no_model_lists",
)
