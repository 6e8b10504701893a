"""Loads the configuration of a running gateway again: everything is made and checked, then used at once.

A reload has two steps, so that several processes can do it together or not at all: `prepare` loads and builds
all that is new and changes nothing; `use` replaces what runs, without a wait. Running exchanges end with what
they began with, and what only they use is closed after the last of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
"""The settings that a running gateway keeps: where it listens, what it holds clients to, what
lasts, who may read its counts."""
_LOOK: Final = 0.25
"""Seconds between two looks whether the exchanges of an earlier configuration are over."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reload.

    hash: the mark of the configuration that is used now (`fingerprint`). changed: the settings that are not
    as before. restart: settings that have changed too, but are used only after a restart. problems: why the
    new configuration is not used; empty = it is. warnings: what is unusual in it.
    """

    hash: str
    changed: tuple[Difference, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the configuration before is still used because of `problems`."""
        return bool(self.problems)


class Prepared(msgspec.Struct, frozen=True):
    """A configuration that can be used. assembly: its parts; None = the running ones, since nothing that is
    in use changes, or since the gateway has not started. outcome: what its use will have changed.
    """

    loaded: Loaded
    assembly: Assembly | None
    outcome: Outcome


class Reloads:
    """The reloads of one gateway.

    loaded: the configuration in use. build: makes the parts of another one. begin: uses it from now on.
    running: the exchanges that run.
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
        self._lock = asyncio.Lock()
        self._closing: dict[asyncio.Task[None], Sequence[Part]] = {}
        """The tasks that wait for earlier exchanges, with the parts that they will close."""
        self.loaded_at = seams.now()
        """When the configuration in use was loaded, Unix seconds."""
        self.problems: tuple[Problem, ...] = ()
        """Why the latest reload was refused; empty = it was not."""
        self.through: Callable[[], Awaitable[Outcome]] | None = None
        """Reloads all workers together; None = this process is the only one."""
        self.told: Callable[[Outcome], None] = tell
        """Called with the outcome of each reload of this process alone."""
        self._hash: str | None = None

    @property
    def hash(self) -> str:
        """The mark of the configuration in use."""
        if self._hash is None:
            self._hash = fingerprint(self._loaded.config)
        return self._hash

    def state(self) -> dict[str, Any]:
        """The configuration's part of the health answer."""
        error = "\n".join(str(problem) for problem in self.problems) or None
        return {"loaded_at": round(self.loaded_at, 3), "hash": self.hash, "error": error}

    async def reload(self, *, quiet: bool = False) -> Outcome:
        """Load the configuration again, and use it if it has no problems; in all workers, or in none.

        quiet: True = the outcome is not reported if nothing has changed, or if the problems are the same as
        before.
        """
        if self.through is not None:
            return await self.through()
        async with self._lock:
            known = self.problems
            try:
                outcome = self.use(await self.prepare())
            except ConfigError as error:
                outcome = self.refuse(error.problems)
        if not (quiet and has_no_news(outcome, known)):
            self.told(outcome)
        return outcome

    async def prepare(self) -> Prepared:
        """Load the configuration and build its parts; nothing changes. Raises ConfigError."""
        before = self._loaded
        after, outcome = await asyncio.to_thread(compared, before, self.hash)
        assembly = None
        if outcome.changed:
            try:
                assembly = await self._build(after)
            except (OSError, ValueError) as error:  # a certificate that cannot be read
                raise ConfigError(Problem("", f"cannot be used: {error}", str(after.file or ""))) from error
        return Prepared(after, assembly, outcome)

    def use(self, prepared: Prepared) -> Outcome:
        """Use a prepared configuration from now on. `prepare` must have been the last call before."""
        outcome = prepared.outcome
        self.problems = ()
        self.loaded_at = self._seams.now()
        self._loaded, self._hash = prepared.loaded, outcome.hash
        left = [part for part in self._begin(prepared.loaded, prepared.assembly) if part.close is not None]
        if left:
            task = spawn(self._close(left), "closing an earlier configuration")
            self._closing[task] = left
            task.add_done_callback(lambda task: self._closing.pop(task, None))
        return outcome

    async def drop(self, prepared: Prepared) -> None:
        """Close what was prepared and will not be used."""
        if prepared.assembly is not None:
            await close(prepared.assembly.parts.new())

    def refuse(self, problems: Sequence[Problem]) -> Outcome:
        """Note why a new configuration is not used. Returns the outcome with these problems."""
        self.problems = tuple(problems)
        return Outcome(hash=self.hash, problems=self.problems)

    async def _close(self, parts: Sequence[Part]) -> None:
        """Close parts once all exchanges that run now are over."""
        using = set(self._running())
        while using:
            using.intersection_update(self._running())
            if using:
                await asyncio.sleep(_LOOK)
        await close(parts)

    async def end(self) -> None:
        """Close what earlier configurations have left at once, also if exchanges still use it."""
        for task, parts in list(self._closing.items()):
            task.cancel()
            await asyncio.wait([task])
            await close(parts)


def compared(before: Loaded, mark: str) -> tuple[Loaded, Outcome]:
    """Load a configuration again. Returns it as it can be used now, and what its use changes.

    before: the configuration in use; mark: its hash. Raises ConfigError.
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
    """The configuration `after` with those settings of `before` that cannot change while the gateway runs.
    Returns also which of them it would change. A gateway that asks for keys does so until it is restarted.
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


def has_no_news(outcome: Outcome, known: Sequence[Problem]) -> bool:
    """Whether an outcome says nothing new: the problems are the same as before, or there are none and nothing
    has changed. known: the problems of the reload before.
    """
    if outcome.failed:
        return outcome.problems == tuple(known)
    return not outcome.changed and not known


def tell(outcome: Outcome) -> None:
    """Log the outcome of a reload."""
    if outcome.failed:
        log.error("the configuration stays as it was: %s", "; ".join(str(one) for one in outcome.problems))
        return
    for setting in outcome.restart:
        log.warning("%s is used after a restart", setting)
    log.info("the configuration was loaded again; %d settings changed", len(outcome.changed))
