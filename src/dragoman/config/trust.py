"""Where a configuration file would lead secrets that it does not hold itself.

Whoever clones a repository and starts the gateway in it reads that repository's `dragoman.yaml`, with the
keys of the own environment. Such a file must not lead them to another host without a word, as project
settings of Claude Code once could (CVE-2026-21852: they set `ANTHROPIC_BASE_URL`). So a file that was only
found in the working directory may use variables of the environment, and files outside of its own folder, for
the vendor that they belong to. For every other host somebody has to say so: by naming the file (`--config`,
DRAGOMAN_CONFIG), or once by `dragoman config trust`, which keeps pairs of a secret and a host. Pairs, because
a file changes often and where its keys go does not.

What the file itself holds, and files beside it, go anywhere: they came along with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from dragoman.config.environment import numbered
from dragoman.config.tree import Items, Node, Scalar, Source, Table, join
from dragoman.errors import Problem
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG, Vendor
from dragoman.providers.provider import Provider

_FILE: Final = "trusted"
_SECRET: Final = re.compile(r"(?i)key|token|secret|passw|credential|cookie|private|auth")
"""In the name of a variable: it is taken for a secret wherever it stands."""
_ANYBODY: Final = "whoever-answers"
_UNTOLD: Final = "base_url-of:"
_UNPROVEN: Final = " certificate=unchecked"
_BY_PROXY: Final = " by=proxy"


class Lead(NamedTuple):
    """A secret and where it would go. secret: a variable's name, or a file's path. target: `https://host`,
    with a word behind it where no certificate proves that it is that host. path: the setting. source: where
    it is led from.
    """

    secret: str
    target: str
    path: str
    source: Source

    @property
    def pair(self) -> str:
        """As it is kept."""
        return f"{self.secret} {self.target}"

    @property
    def where(self) -> str:
        """The target for people."""
        if self.target == _ANYBODY:
            return "every provider that the request may reach"
        if self.target.startswith(_UNTOLD):
            return "the host of this base_url"
        host, blank, _ = self.target.partition(" ")
        proxied = self.target.endswith(_BY_PROXY)
        how = "through a proxy that the file sets" if proxied else "without verifying its certificate"
        return f"{host}, {how}" if blank else host


def leads(
    tree: Table, file: Path, accounts: Mapping[str, Provider], environ: Mapping[str, str]
) -> Iterator[Lead]:
    """Every secret that is not the file's own and would go where only the file says that it belongs.

    tree: the whole configuration as written. accounts: the enabled providers.
    """
    reader = _Reader(str(file), file.parent, environ)
    written = tree.entries.get("providers")
    if isinstance(written, Table):
        for name, node in written.entries.items():
            if name in accounts and isinstance(node, Table):
                yield from reader.provider(accounts[name], node, join("providers", name))
    for section in ("models", "aliases"):
        if (entries := tree.entries.get(section)) is not None:
            for path, scalar in _scalars(entries, section):
                for variable in scalar.variables:
                    if reader.is_files(scalar) and _SECRET.search(variable):
                        yield Lead(variable, _ANYBODY, path, scalar.source)


class _Reader:
    """Judges the providers of one tree. origin: the file, as sources name it. folder: where it lies."""

    def __init__(self, origin: str, folder: Path, environ: Mapping[str, str]) -> None:
        self.origin = origin
        self.folder = folder
        self.environ = environ

    def provider(self, account: Provider, node: Table, path: str) -> Iterator[Lead]:
        """Those of one provider. node: its entry, with what the environment adds."""
        origin = address.origin(account.base_url)
        base = node.entries.get("base_url")
        target = origin + self.unproven(node, origin)
        if target == origin and urlsplit(origin).hostname in _LOOPBACK:
            return
        if isinstance(base, Scalar) and any(map(_SECRET.search, base.variables)):
            target = f"{_UNTOLD}{path}"  # the address itself would show the secret
        leading = [base] if target == origin else [node.entries.get(name) for name in _PROVING] + [base]
        source = next((one.source for one in leading if one is not None and self.is_files(one)), None)
        for place, scalar in _scalars(node, path):
            in_keys = place.startswith(f"{path}.keys")
            always = in_keys or place.startswith(f"{path}.headers")  # whatever stands there is secret
            if scalar is base and self.is_environments(base):
                continue
            for variable in scalar.variables:
                if (always or _SECRET.search(variable)) and not self.may(
                    variable, scalar, target, account, base, in_keys=in_keys
                ):
                    yield Lead(variable, target, place, source or scalar.source)
            if always and place.endswith(".file") and (file := self.elsewhere(scalar)) is not None:
                belongs = in_keys and target == _origin_of(account.vendor)
                if not belongs and not self.is_environments(base):
                    yield Lead(str(file), target, place, source or scalar.source)

    def may(
        self,
        variable: str,
        scalar: Scalar,
        target: str,
        account: Provider,
        base: Node | None,
        *,
        in_keys: bool,
    ) -> bool:
        """Whether a variable belongs where it goes: to its vendor, or where the environment sends it."""
        homes = {_origin_of(vendor) for vendor in CATALOG.values() if variable in _keys(vendor)}
        if target in homes or (in_keys and not homes and target == _origin_of(account.vendor)):
            return True
        own = account.vendor is not None and variable in _keys(account.vendor)
        return self.is_environments(base) and (not self.is_files(scalar) or not homes or own)

    def unproven(self, node: Table, origin: str) -> str:
        """Why the host may be another: the file has its certificate judged in its own way."""
        verify, trusted, proxy = (node.entries.get(name) for name in _PROVING)
        unchecked = isinstance(verify, Scalar) and self.is_files(verify) and verify.value is not True
        if unchecked or (trusted is not None and self.is_files(trusted)):
            return _UNPROVEN
        passed_on = proxy is not None and self.is_files(proxy) and origin.startswith("http://")
        return _BY_PROXY if passed_on else ""

    def is_files(self, node: Node) -> bool:
        """Whether it stands in the file."""
        return node.source.origin == self.origin

    def is_environments(self, base: Node | None) -> bool:
        """Whether the environment alone says what a base URL is."""
        return isinstance(base, Scalar) and (
            not self.is_files(base) or base.text in [self.environ.get(name) for name in base.variables]
        )

    def elsewhere(self, scalar: Scalar) -> Path | None:
        """The file that a secret is read from, unless it lies in the configuration's own folder."""
        try:
            file = (self.folder / Path(scalar.text).expanduser()).resolve()
            return None if file.is_relative_to(self.folder.resolve()) else file
        except (OSError, RuntimeError, ValueError):
            return None  # it cannot be read either


def trusted(home: Path) -> frozenset[str]:
    """The pairs that somebody has said are right."""
    try:
        return frozenset((home / _FILE).read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return frozenset()


def trust(home: Path, pairs: Iterable[str]) -> Path:
    """Keep these pairs beside those that are kept. The file's path. Raises OSError."""
    file = home / _FILE
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(f"{pair}\n" for pair in sorted({*trusted(home), *pairs}))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return file


def refusals(found: Iterable[Lead], kept: frozenset[str], file: Path) -> Iterator[Problem]:
    """What is wrong with a file that was only found."""
    for one in found:
        if one.pair not in kept:
            yield Problem(
                one.path,
                "this file was found in the working directory, not named with --config, and "
                f"would send {one.secret} to {one.where}",
                one.source.origin,
                one.source.line,
                f"if you trust this file: dragoman config trust, or --config {file}",
            )


def doubts(file: Path) -> Iterator[Problem]:
    """Warnings about a file that others may have written."""
    try:
        about = file.stat()
    except OSError:
        return
    user = getattr(os, "geteuid", lambda: None)()
    if user is None:
        return
    if about.st_mode & 0o002:
        yield Problem("", "every user of this machine can write to it", str(file), hint=f"chmod o-w {file}")
    if user != 0 and about.st_uid not in {0, user}:
        yield Problem("", "it belongs to another user", str(file))


_PROVING: Final = ("verify_tls", "ca_file", "proxy")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _origin_of(vendor: Vendor | None) -> str | None:
    return None if vendor is None else address.origin(vendor.base_url)


def _keys(vendor: Vendor) -> frozenset[str]:
    return frozenset(name for base in vendor.keys for name in numbered(base))


def _scalars(node: Node, path: str) -> Iterator[tuple[str, Scalar]]:
    """Every single value of a tree with its path."""
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Items):
        for index, inner in enumerate(node.items):
            yield from _scalars(inner, f"{path}[{index}]")
    else:
        for name, inner in node.entries.items():
            yield from _scalars(inner, join(path, name))
