"""Loads the configuration of a running gateway again: all new parts are built and checked first, and are then
used all at once.

A reload has two steps, so that several processes can either all do it, or none of them: `prepare` loads the
configuration, builds all new parts, and changes nothing; `use` replaces the running parts, without waiting.
Running exchanges end with the parts that they began with. Parts that only these exchanges use are closed
after the last of them has ended, or when the gateway closes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import msgspec

from dragoman.assembly.assemble import Assembly
from dragoman.assembly.keys import needs_key
from dragoman.assembly.parts import Part, close
from dragoman.config.differences import Difference, differences, fingerprint
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError, Problem
from dragoman.seams.clock import Seams
from dragoman.seams.tasks import spawn

log = logging.getLogger("dragoman.assembly.reload")

_UNTIL_RESTART: Final = ("server", "stores", "responses", "sessions", "seals", "metrics", "discover")
"""The sections of the settings that a running gateway does not change: for example where it listens, what is
stored, who may read its metrics.
"""
_CLOSED: Final = Problem("", "cannot be loaded again: the gateway is closed")
_FAREWELL: Final = 2.0
"""The most seconds for which `end` waits for a reload that runs."""
_LOOK: Final = 0.25
"""Seconds between two checks whether the exchanges of an earlier configuration have ended."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a reload.

    hash: the `fingerprint` of the configuration that is used now. changed: the settings that are used now
    with other values. restart: further settings that have changed; they are used only after a restart.
    problems: why the new configuration is not used; empty = it is used. warnings: what is unusual in the new
    configuration.
    """

    hash: str
    changed: tuple[Difference, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the reload has failed, so that the earlier configuration is still used."""
        return bool(self.problems)


class Prepared(msgspec.Struct, frozen=True):
    """A new configuration that can be used. assembly: its parts; None = the running parts can stay (no
    setting in use has changed), or the gateway has not started. outcome: the result of the reload, if the
    configuration is used.
    """

    loaded: Loaded
    assembly: Assembly | None
    outcome: Outcome


class Reloads:
    """Reloads the configuration of one gateway.

    loaded: the configuration in use. build: makes the parts of another configuration. begin: uses another
    configuration and its parts from now on, and returns the parts to close when no running exchange uses them
    any more. running: returns the running exchanges.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        build: Callable[[Loaded], Awaitable[Assembly | None]],
        begin: Callable[[Loaded, Assembly | None], Iterable[Part]],
        running: Callable[[], Iterable[Any]],
        seams: Seams,
    ) -> None:
        self._loaded = loaded
        self._build = build
        self._begin = begin
        self._running = running
        self._seams = seams
        self.lock = asyncio.Lock()
        """Held while this process reloads alone, and by others to keep such a reload away."""
        self._ended = False
        self._unused: dict[int, Prepared] = {}
        """{its `id()`: a configuration that was prepared, and neither used nor dropped yet}."""
        self._closing: dict[asyncio.Task[None], Sequence[Part]] = {}
        """{task that waits until earlier exchanges have ended: the parts that it will close}."""
        self.loaded_at = seams.now()
        """When the latest good reload ended, in Unix seconds; before the first one: when this object was
        made.
        """
        self.problems: tuple[Problem, ...] = ()
        """Why the latest reload has failed; empty = it has not, or there was none."""
        self.restart: tuple[str, ...] = ()
        """The settings whose new values are used only after a restart, as of the latest good reload."""
        self.through: Callable[[], Awaitable[Outcome]] | None = None
        """Reloads all workers together; None = each reload is for this process alone."""
        self.told: Callable[[Outcome], None] = tell
        """Called with the outcome of each reload of this process alone, except a quiet reload without
        news.
        """
        self._hash: str | None = None

    @property
    def hash(self) -> str:
        """The `fingerprint` of the configuration in use."""
        if self._hash is None:
            self._hash = fingerprint(self._loaded.config)
        return self._hash

    def state(self) -> dict[str, Any]:
        """Return what the answer of `/health` says about the configuration. `error`: why the latest reload
        has failed, or null.
        """
        error = "\n".join(str(problem) for problem in self.problems) or None
        return {"loaded_at": round(self.loaded_at, 3), "hash": self.hash, "error": error}

    async def reload(self, *, quiet: bool = False) -> Outcome:
        """Load the configuration again, and use it if it has no problems: in all workers, or in none. Returns
        the outcome, also if there are problems. quiet: True = the outcome is not reported if it has no news
        (`has_no_news`); without effect in a gateway of several workers.
        """
        if self.through is not None:
            return await self.through()
        async with self.lock:
            problems, restart = self.problems, self.restart
            try:
                outcome = self.use(await self.prepare())
            except ConfigError as error:
                outcome = self.refuse(error.problems)
            except Exception as error:  # the files may be better at the next reload
                log.exception("the configuration could not be loaded again")
                outcome = self.refuse([Problem("", f"could not be used: {type(error).__name__}")])
        if not (quiet and has_no_news(outcome, problems, restart)):
            self.told(outcome)
        return outcome

    async def prepare(self) -> Prepared:
        """Load the configuration, and build its new parts. Nothing changes in the running gateway. Raises
        ConfigError, also if `end` is called before or meanwhile; and what `build` raises, except that OSError
        and ValueError become ConfigError.
        """
        self._require_open()
        before = self._loaded
        after, outcome = await asyncio.to_thread(compared, before, self.hash)
        assembly = None
        if outcome.changed:
            try:
                assembly = await self._build(after)
            except (OSError, ValueError) as error:  # a certificate that cannot be read
                raise ConfigError(Problem("", f"cannot be used: {error}", str(after.file or ""))) from error
        prepared = Prepared(after, assembly, outcome)
        self._unused[id(prepared)] = prepared
        try:
            self._require_open()  # `end` may have been called meanwhile
        except ConfigError:
            await self.drop(prepared)
            raise
        return prepared

    def _require_open(self) -> None:
        """Raise ConfigError if `end` was called."""
        if self._ended:
            raise ConfigError(_CLOSED)

    def use(self, prepared: Prepared) -> Outcome:
        """Use a prepared configuration from now on. Call it right after `prepare` has returned: no reload may
        have happened in between. Returns the outcome of `prepared`; after `end`, changes nothing, and returns
        an outcome which says that the gateway is closed.
        """
        if self._ended:
            return self.refuse([_CLOSED])
        self._unused.pop(id(prepared), None)
        outcome = prepared.outcome
        self.problems, self.restart = (), outcome.restart
        self.loaded_at = self._seams.now()
        self._loaded, self._hash = prepared.loaded, outcome.hash
        left = [part for part in self._begin(prepared.loaded, prepared.assembly) if part.close is not None]
        if left:
            task = spawn(self._close(left), "closing an earlier configuration")
            self._closing[task] = left
            task.add_done_callback(lambda task: self._closing.pop(task, None))
        return outcome

    async def drop(self, prepared: Prepared) -> None:
        """Close the new parts of a prepared configuration that will not be used. Does nothing if it was used
        or dropped already.
        """
        if self._unused.pop(id(prepared), None) is not None and prepared.assembly is not None:
            await close(prepared.assembly.parts.new())

    def refuse(self, problems: Sequence[Problem]) -> Outcome:
        """Record why a new configuration is not used. Returns an outcome with these problems."""
        self.problems = tuple(problems)
        return Outcome(hash=self.hash, problems=self.problems)

    async def _close(self, parts: Sequence[Part]) -> None:
        """Close parts after all exchanges that run now have ended."""
        using = set(self._running())
        while using:
            using.intersection_update(self._running())
            if using:
                await asyncio.sleep(_LOOK)
        await close(parts)

    async def end(self) -> None:
        """Load the configuration never again. Waits at most 2 seconds for a reload that runs. Then closes the
        parts of prepared configurations that are not used, and all parts of earlier configurations, even if
        exchanges still use them.
        """
        self._ended = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL), self.lock:
                pass
        async with AsyncExitStack() as closing:
            for prepared in [*self._unused.values()]:
                closing.push_async_callback(self.drop, prepared)
            for task, parts in list(self._closing.items()):
                task.cancel()
                await asyncio.wait([task])
                closing.push_async_callback(close, parts)


def compared(before: Loaded, mark: str) -> tuple[Loaded, Outcome]:
    """Load a configuration again; it blocks. Returns (the new configuration as it can be used without a
    restart, the outcome of using it).

    before: the configuration in use; mark: its hash (`fingerprint`). Raises ConfigError if the configuration
    has mistakes, or if it has no source from which it can be loaded again.
    """
    if before.again is None:
        raise ConfigError(Problem("", "was not loaded from anywhere: it cannot be loaded again"))
    after, restart = until_restart(before, before.again())
    now = fingerprint(after.config)
    found = tuple(differences(before.config, after.config))
    if not found and now != mark:
        found = (Difference("providers", "changed"),)  # a certificate's file
    if not found and after.added != before.added:
        found = (Difference("added", "changed"),)  # an entry that is not used, or its author
    return after, Outcome(hash=now, changed=found, restart=restart, warnings=after.warnings)


def until_restart(before: Loaded, after: Loaded) -> tuple[Loaded, tuple[str, ...]]:
    """Return (the configuration `after`, in which settings that cannot change while the gateway runs have
    their values of `before`; the names of the settings whose new values are not used for this reason). If
    `before` requires keys (`needs_key`) and `after` does not, keys stay required, and the second item has
    "auth.required".
    """
    restart: list[str] = []
    kept: dict[str, Any] = {}
    for section in _UNTIL_RESTART:
        old, new = getattr(before.config, section), getattr(after.config, section)
        restart += [difference.setting for difference in differences(old, new, section)]
        kept[section] = old
    config = msgspec.structs.replace(after.config, **kept)
    if needs_key(before.config) and not needs_key(config):
        auth = msgspec.structs.replace(config.auth, required=True, open=False)
        config = msgspec.structs.replace(config, auth=auth)
        restart.append("auth.required")
    return msgspec.structs.replace(after, config=config), tuple(restart)


def has_no_news(outcome: Outcome, problems: Sequence[Problem], restart: Sequence[str]) -> bool:
    """Whether an outcome need not be reported: its problems are the same as before; or it has none, there
    were none before, no setting in use has changed, and the same settings wait for a restart as before.
    problems: of the reload before. restart: of the good reload before.
    """
    if outcome.failed:
        return outcome.problems == tuple(problems)
    return not (outcome.changed or problems) and outcome.restart == tuple(restart)


def tell(outcome: Outcome) -> None:
    """Log the outcome of a reload."""
    if outcome.failed:
        log.error("the configuration stays as it was: %s", "; ".join(str(one) for one in outcome.problems))
        return
    for setting in outcome.restart:
        log.warning("%s is used after a restart", setting)
    log.info("the configuration was loaded again; %d settings changed", len(outcome.changed))
