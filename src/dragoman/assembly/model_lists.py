"""The providers' own lists of models in the memory of one process, and the files from which a later start
reads the lists. Each list is one file in the folder `model-lists` of Dragoman's own folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from dragoman.config.load import Loaded
from dragoman.dialects.facts import Facts
from dragoman.providers.listing import LARGEST, Listed
from dragoman.wire.json import UNDECODABLE

log = logging.getLogger("dragoman.assembly.model_lists")

FOLDER: Final = "model-lists"
_UNUSED: Final = 90 * 86_400
"""Seconds after which a file that was not written again is deleted, when another list is written."""

_encode = msgspec.json.Encoder().encode
_listed = msgspec.json.Decoder(Listed).decode


def addresses_of(loaded: Loaded) -> dict[str, str]:
    """Return {name of a provider: its base URL} for the providers whose lists of models are used. {} if the
    setting `discover` is false. Left out are providers whose `discovery` is off, providers whose list has
    other names than those that requests use, and providers that are called with their clients' credentials.
    """
    if loaded.config.discover is False:
        return {}
    named = loaded.config.providers.named
    return {
        name: provider.base_url
        for name, provider in loaded.providers.items()
        if named[name].discovery.enabled
        and not provider.forwards
        and (provider.vendor is None or provider.vendor.lists_names)
    }


class ModelLists:
    """The lists of models that one configuration uses. The constructor reads the files of those lists that
    `before` does not have. home: Dragoman's own folder. addresses: {name of a provider whose list is used:
    the base URL from which the list must come}. before: the lists of the earlier configuration, None = there
    was none.
    """

    def __init__(self, home: Path, addresses: Mapping[str, str], before: ModelLists | None = None) -> None:
        self._folder = home / FOLDER
        self._complained = False
        self.addresses = addresses
        self._known: dict[str, Listed] = {} if before is None else dict(before._known)
        self._marks: dict[str, str] = {} if before is None else dict(before._marks)
        for name, address in addresses.items():
            if self.of(name) is None and (kept := self._read(name, address)):
                self.put(name, kept)

    def of(self, name: str) -> Listed | None:
        """Return a provider's list. None = there is no list, lists of this provider are not used, or the list
        came from another base URL than the provider has now.
        """
        listed = self._known.get(name)
        return listed if listed is not None and listed.address == self.addresses.get(name) else None

    def facts(self) -> dict[str, Mapping[str, Facts]]:
        """Return {name of a provider: the facts of each model in its list}, for the lists that are used."""
        return {name: listed.models for name in self.addresses if (listed := self.of(name)) is not None}

    def put(self, name: str, listed: Listed) -> bool:
        """Take a provider's list into the memory, in place of an earlier one; `of` returns it if its base URL
        is the provider's. Returns whether the models, their order or facts, or the base URL differ from the
        list that was used before; True if none was used.
        """
        mark, before = mark_of(listed), self.mark(name)
        self._known[name], self._marks[name] = listed, mark
        return mark != before

    def mark(self, name: str) -> str:
        """Return a text that differs for lists with different base URLs, names, facts or order of the models;
        "" = no list of this provider is in use.
        """
        return self._marks[name] if self.of(name) is not None else ""

    def file(self, name: str, address: str) -> Path:
        """Return the file of a provider's list that comes from the base URL `address`."""
        hashed = blake2b(f"{name}\n{address}".encode(), digest_size=12).hexdigest()
        return self._folder / f"{hashed}.json"

    def _read(self, name: str, address: str) -> Listed | None:
        file = self.file(name, address)
        try:
            if file.stat().st_size > 2 * LARGEST:
                return None
            listed = _listed(file.read_bytes())
        except FileNotFoundError:
            return None
        except (*UNDECODABLE, OSError) as error:
            log.warning("the kept list of models of %s cannot be read: %s", name, error)
            return None
        return listed if listed.address == address else None

    def write(self, name: str, now: float) -> None:
        """Write a provider's list to its file, and delete the other files of the folder that were not written
        for 90 days. It blocks. If the disk fails, no error is raised, and only this object's first failure is
        logged. Raises KeyError if no list of the provider is in memory. now: Unix seconds.
        """
        listed = self._known[name]
        file = self.file(name, listed.address)
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            new.write_bytes(_encode(listed))
            new.replace(file)
            for other in self._folder.iterdir():
                if other != file and now - other.stat().st_mtime > _UNUSED:
                    other.unlink(missing_ok=True)
        except OSError as error:
            if not self._complained:
                log.warning("lists of models are not kept over restarts: %s", error)
            self._complained = True


def mark_of(listed: Listed) -> str:
    """Return a text that differs for lists with different base URLs, names, facts or order of the models."""
    return blake2b(_encode((listed.address, listed.models)), digest_size=8).hexdigest()
