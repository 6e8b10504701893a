"""The operation that shows the configuration in force, without secrets."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from dragoman.assembly.core import Core
from dragoman.config.show import shown
from dragoman.server.admin.effective import effective
from dragoman.server.admin.operation import Asked, Operation, Told


class Setting(msgspec.Struct):
    """One setting. path: its name, such as `server.port`. value: as text; of a secret, at most the last four
    characters. source: the place that states the setting, such as `dragoman.yaml:12`; `default` = no place
    states it.
    """

    path: str
    value: str
    source: str


class Configuration(msgspec.Struct):
    """All settings in force. file: the configuration file that was read, null = none."""

    file: str | None
    data: list[Setting]
    object: Literal["configuration"] = "configuration"


OPERATIONS: Final = (
    Operation(
        "GET",
        "/admin/config",
        "show_config",
        "Every setting in force, and where it is stated; secrets are masked. Its ETag is for reloads.",
        Configuration,
        tagged=True,
    ),
)


class ConfigurationApi:
    """The operation on the configuration of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    async def show_config(self, asked: Asked) -> Told:
        found = self._gateway.loaded
        store = found.config.stores.sql or "memory"  # `dragoman serve` has filled in its own default
        rows = [Setting(*row) for row in shown(found, effective(found, store))]
        told = Configuration(None if found.file is None else str(found.file), rows)
        return Told(told, f'"{self._gateway.reloads.hash}"')
