"""Has the keeper fetch the providers' lists of models, and has every worker use these lists.

The keeper tells the workers the state of each list whenever it changes, and, if it fetches lists, again every
ten seconds, because a message can be lost. If the state of a list has another mark than the worker's own
list, the worker asks the keeper for the list.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from typing import Any, Final, Protocol

import msgspec

from dragoman.assembly.assemble import Assembly
from dragoman.assembly.model_lists import ModelLists
from dragoman.config.load import Loaded
from dragoman.engine.discovery import Discovery, Wanted
from dragoman.observe.families import LIST_AGE, LIST_MODELS, LIST_STALE
from dragoman.observe.metrics import Sample
from dragoman.providers.listing import Listed, Page
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers
from dragoman.seams.tasks import spawn

log = logging.getLogger("dragoman.assembly.discovery")

_STATES: Final = "models.states"
"""The subject of the messages in which the keeper tells the states of all lists."""
_LISTS: Final = "models.lists"
"""The subject of the question for the lists of some providers."""
_REFRESH: Final = "models.refresh"
"""The subject of the request to fetch the lists of some providers now."""
TOLD_EVERY: Final = 10.0
"""Seconds after which the keeper tells all states again, even if none has changed."""
_LOOKED_EVERY: Final = 0.05
"""Seconds between two checks whether a list has been fetched."""


class ListState(msgspec.Struct):
    """The state of one provider's list. mark: a text that differs for lists with different base URLs, models
    or facts (`ModelLists.mark`), "" = there is no list. fetched: when the list in use was fetched, perhaps by
    an earlier run, in Unix seconds; a fetch that fails does not change it; None = there is no list. models:
    how many models the list has. left_out: how many entries of the list cannot be used.

    The following begin anew when the parts of another configuration are used. tries: how many fetches have
    ended, with or without success. failed: why the latest fetch failed; None = it succeeded, or no fetch has
    ended yet. since: when the first of the latest failures in a row happened, in Unix seconds; None =
    `failed` is None.
    """

    mark: str = ""
    fetched: float | None = None
    models: int = 0
    left_out: int = 0
    tries: int = 0
    failed: str | None = None
    since: float | None = None


class Inside(Protocol):
    """The attributes of a gateway that discovery uses; `assembly.core.Core` documents them."""

    seams: Seams
    peers: Peers

    @property
    def loaded(self) -> Loaded: ...
    @property
    def assembly(self) -> Assembly | None: ...
    def relist(self) -> None: ...


class Discovering:
    """Has the providers' lists of models fetched and used, in one process of a gateway. active: True = the
    keeper fetches lists, as in `dragoman serve`; False = only lists from earlier runs are used, as in a
    gateway inside another program.
    """

    def __init__(self, inside: Inside) -> None:
        self.active = False
        self.states: dict[str, ListState] = {}
        """{name of a provider: state of its list}, for all lists that are used and can be fetched. A worker
        gets the states from the keeper.
        """
        self._inside = inside
        self._fetches: Discovery | None = None
        self._telling: asyncio.Task[None] | None = None
        self._pulling: asyncio.Task[None] | None = None
        self._lists: ModelLists | None = None
        self._names: tuple[str, ...] = ()
        """The names of the providers whose lists are used and can be fetched."""

    def attend(self, assembly: Assembly) -> None:
        """Use the lists of this assembly, which is now in use, and forget earlier failures. If this process
        is the keeper and `active` is True, begin to fetch the lists in the background, in place of the
        fetches for the earlier assembly.
        """
        peers = self._inside.peers
        self._lists = lists = assembly.lists
        upstreams = assembly.providers
        self._names = tuple(
            name for name in lists.addresses if name in upstreams and upstreams[name].lists_models
        )
        self.states = {name: self._state(name) for name in self._names}
        self._stop_fetches()
        peers.receive(_REFRESH, self._refresh)
        if not peers.keeps:
            peers.receive(_STATES, self._heard)
            return
        peers.receive(_LISTS, self._asked)
        if not self.active:
            return
        named = self._inside.loaded.config.providers.named
        wanted = [
            Wanted(upstreams[name], lists.addresses[name], float(named[name].discovery.ttl))
            for name in self._names
        ]
        self._fetches = Discovery(wanted, self, assembly.deadlines, self._inside.seams)
        if self._telling is None and not peers.alone:
            self._telling = spawn(self._tell_again(), "telling of lists of models")

    def close(self) -> None:
        """Stop all background tasks."""
        self._stop_fetches()
        for task in (self._telling, self._pulling):
            if task is not None:
                task.cancel()
        self._telling = self._pulling = None

    def _stop_fetches(self) -> None:
        if self._fetches is not None:
            self._fetches.stop()
            self._fetches = None

    # What comes of fetching, in the keeper ---------------------------------------------------------------

    def age(self, provider: str) -> float | None:
        """Return how many seconds ago a provider's list was fetched; None = no list of this provider is in
        use.
        """
        listed = None if self._lists is None else self._lists.of(provider)
        return None if listed is None else max(0.0, self._inside.seams.now() - listed.fetched)

    def learn(self, provider: str, address: str, page: Page) -> None:
        """Use a list that was just fetched, write it to its file, and tell the workers. address: the base URL
        from which it was fetched; if the provider now has another one, or its list is not used any more, the
        fetched list is ignored. page: the list.
        """
        lists, now = self._lists, self._inside.seams.now()
        if lists is None or lists.addresses.get(provider) != address:
            return  # the configuration has changed meanwhile
        before = self.states.get(provider) or ListState()
        changed = lists.put(provider, Listed(address, now, page.models, page.left_out))
        self.states[provider] = self._state(provider, before.tries + 1)
        if before.failed is not None:
            log.info("the list of models of %s is fetched again", provider)
        if page.left_out and page.left_out != before.left_out:
            log.warning("%d entries of the list of models of %s are not used", page.left_out, provider)
        spawn(asyncio.to_thread(lists.write, provider, now), f"keeping the models of {provider}")
        if changed:
            log.info("%s lists %d models", provider, len(page.models))
            self._inside.relist()
        self._tell()

    def fail(self, provider: str, why: str) -> None:
        """Record that a list could not be fetched, and tell the workers. The known list stays in use. why:
        the reason, for people.
        """
        before = self.states.get(provider) or ListState()
        since = self._inside.seams.now() if before.failed is None else before.since
        self.states[provider] = msgspec.structs.replace(
            before, tries=before.tries + 1, failed=why, since=since
        )
        if before.failed is None:
            kept = "the one that is known stays in use"
            if before.fetched is None:
                kept = "only models that are known without it are listed"
            log.warning("the list of models of %s cannot be fetched, so %s: %s", provider, kept, why)
        self._tell()

    def _state(self, provider: str, tries: int = 0) -> ListState:
        """Return the state of a list as this process knows it now, without a failure. tries: how many fetches
        have ended.
        """
        lists = self._lists
        listed = None if lists is None else lists.of(provider)
        if lists is None or listed is None:
            return ListState(tries=tries)
        return ListState(lists.mark(provider), listed.fetched, len(listed.models), listed.left_out, tries)

    # Between the processes -------------------------------------------------------------------------------

    def _tell(self) -> None:
        if not self._inside.peers.alone:
            self._inside.peers.tell(_STATES, msgspec.to_builtins(self.states))

    async def _tell_again(self) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY)
            self._tell()

    def _asked(self, names: Any) -> dict[str, Any]:
        """Return {name of a provider: its list} for a worker that asks. Providers without a list are left
        out.
        """
        lists = self._lists
        found = {} if lists is None else {name: lists.of(name) for name in msgspec.convert(names, list[str])}
        return {name: msgspec.to_builtins(one) for name, one in found.items() if one is not None}

    def _refresh(self, names: Any) -> None:
        if self._fetches is not None:
            self._fetches.refresh(msgspec.convert(names, list[str]))

    def _heard(self, value: Any) -> None:
        """Use the states that the keeper has told, and ask the keeper for the lists whose marks differ from
        this worker's own.
        """
        lists = self._lists
        told = msgspec.convert(value, dict[str, ListState])
        if lists is None:
            return
        self.states = {name: told.get(name) or self._state(name) for name in self._names}
        if self._pulling is None and self._differing(lists):
            self._pulling = spawn(self._pull(lists), "asking the keeper for lists of models")

    def _differing(self, lists: ModelLists) -> list[str]:
        return [name for name, one in self.states.items() if one.mark and one.mark != lists.mark(name)]

    async def _pull(self, lists: ModelLists) -> None:
        """Ask the keeper for the lists whose marks differ, and use its answer. If a message is lost, nothing
        changes: the keeper soon tells the states again.
        """
        try:
            names = self._differing(lists)
            changed = False
            for answer in await self._inside.peers.ask(_LISTS, names):
                for name, listed in msgspec.convert(answer, dict[str, Listed]).items():
                    changed |= lists.put(name, listed)
            if changed and self._inside.assembly is not None:
                self._inside.relist()
        finally:
            self._pulling = None

    # For operators ---------------------------------------------------------------------------------------

    async def refresh(self, names: Collection[str], patience: float) -> None:
        """Have the keeper fetch the lists of some providers. Return when each fetch has succeeded or failed,
        or after `patience` seconds (also if the keeper fetches no lists); there is no error in either case.
        names: of the providers; empty = all. A provider that is not in `states` is ignored.
        """
        wanted = [name for name in self.states if not names or name in names]
        if not wanted:  # the keeper would take it for all lists
            return
        before = {name: self.states[name].tries for name in wanted}
        self._inside.peers.hand(_REFRESH, wanted)
        end = self._inside.seams.monotonic() + patience
        while self._inside.seams.monotonic() < end:
            states = self.states
            if all(states[name].tries != before[name] for name in wanted if name in states):
                return
            await asyncio.sleep(_LOOKED_EVERY)

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return what `/health` shows of each list, by provider. `age`: the seconds since the list was
        fetched; null = there is no list. `stale`: whether the latest fetch failed. `error`: why it failed.
        """
        now = self._inside.seams.now()
        return {
            name: {
                "models": one.models,
                "age": None if one.fetched is None else round(max(0.0, now - one.fetched), 1),
                "left_out": one.left_out,
                "stale": one.failed is not None,
                "error": one.failed,
            }
            for name, one in self.states.items()
        }

    def samples(self) -> Iterator[Sample]:
        """Yield what `/metrics` shows of each list: age (not without a list), number of models, `stale`."""
        for name, one in self.shown().items():
            if one["age"] is not None:
                yield Sample(LIST_AGE, one["age"], (name,))
            yield Sample(LIST_MODELS, one["models"], (name,))
            yield Sample(LIST_STALE, one["stale"], (name,))
