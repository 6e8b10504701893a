"""POST /admin/reload: loads the configuration again. All workers use the new configuration, or none does."""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.reload import Outcome
from dragoman.errors import RequestFailed
from dragoman.server.admin import problems
from dragoman.server.admin.operation import Asked, Operation, Told
from dragoman.server.admin.problems import unusable

OPERATIONS: Final = (
    Operation(
        "POST",
        "/admin/reload",
        "reload",
        "Load the configuration again, in all workers or in none.",
        tagged=True,
    ),
)


class ReloadApi:
    """The operation that reloads the configuration of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    async def reload(self, asked: Asked) -> Told:
        """Reload the configuration, and return what has changed, with the new ETag. The audit gets the hashes
        of the configuration before and after, and the names of the settings that have changed. Raises
        Unusable (400) with all problems if the configuration is not used, for example because it is wrong or
        the workers' parent does not answer; RequestFailed (412) if the request has `If-Match` with neither
        the ETag of the configuration in force nor `*`.
        """
        wanted, before = asked.request.headers.get("if-match"), self._gateway.reloads.hash
        if wanted is not None and not _matches(wanted, before):
            raise RequestFailed(_CHANGED)
        outcome = await self._gateway.reload()
        if outcome.failed:
            raise unusable(outcome.problems, outcome.problems[0].path or None)
        changed = [one.setting for one in outcome.changed]
        after = {"hash": outcome.hash, "changed": changed, "restart": list(outcome.restart)}
        asked.notes.add("reload", "config", before={"hash": before}, after=after)
        return Told(_told(outcome), f'"{outcome.hash}"')


def _matches(wanted: str, mark: str) -> bool:
    """Whether a header If-Match is `*`, or contains this hash of a configuration as an ETag. A weak tag
    (`W/"…"`) does not count. wanted: the header's value.
    """
    return wanted.strip() == "*" or f'"{mark}"' in [one.strip() for one in wanted.split(",")]


def _told(outcome: Outcome) -> dict[str, Any]:
    changed = [
        {"setting": one.setting, "change": one.change} | ({"tail": one.tail} if one.tail else {})
        for one in outcome.changed
    ]
    return {
        "object": "reload",
        "hash": outcome.hash,
        "changed": changed,
        "restart": list(outcome.restart),
        "warnings": [problems.shown(warning) for warning in outcome.warnings],
    }


_CHANGED: Final = ir.Fault(
    "conflict",
    "The configuration in force is not the one that If-Match names.",
    "precondition_failed",
    "If-Match",
    status=412,
)
