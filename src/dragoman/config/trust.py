"""Finds the secrets that a configuration file would send to hosts of its choice, stores the user's approvals,
and warns about a file that other users of the machine can change.

A file that was only found in the working directory (for example of a cloned repository: CVE-2026-21852) may
send a secret of the environment, or of a file outside its folder, only to the secret's vendor, to this
machine, and to a base URL that the environment states. This does not hold if the file weakens the proof of
the host's identity: if it turns off the check of certificates, names a CA of its own, or sends plain HTTP
through a proxy. Any other pair of a secret and a host is called a lead, and needs the user's approval. The
user approves it by naming the file (`--config`, DRAGOMAN_CONFIG), or by `dragoman config trust`, which stores
pairs of a secret and a host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from dragoman.config.environment import numbered
from dragoman.config.tree import Items, Node, Scalar, Source, Table
from dragoman.errors import Problem, setting_path
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG
from dragoman.providers.provider import Provider
from dragoman.providers.vendor import Vendor

_FILE: Final = "trusted"
_SECRET: Final = re.compile(r"(?i)key|token|secret|passw|credential|cookie|private|auth")
"""A variable whose name contains one of these words counts as a secret, whichever setting uses it."""
_ANYBODY: Final = "whoever-answers"
_HIDDEN: Final = "base_url-of:"
_UNVERIFIED: Final = " certificate=unchecked"
_BY_PROXY: Final = " by=proxy"


class Lead(NamedTuple):
    """A secret from outside the configuration file, and the host to which the file would send it: the file
    "leads" the secret to the host. If the file was only found in the working directory, a lead needs the
    user's approval.

    secret: the name of a variable, the path of a secret file, or a word for an identity of this machine in a
    cloud (`the-aws-identity`). target: the origin of the host, followed by a word if the host's identity is
    not proved; or a word for "any provider", or for the host of a `base_url` that contains the secret. path:
    the setting that uses the secret. source: the place of the setting by which the file chooses the host, or
    weakens the proof of its identity; if there is none, the place of the setting that uses the secret.
    """

    secret: str
    target: str
    path: str
    source: Source

    @property
    def pair(self) -> str:
        """The secret and the target as one line, the form in which `trust` stores an approved lead."""
        return f"{self.secret} {self.target}"

    @property
    def where(self) -> str:
        """The target, in words for people."""
        if self.target == _ANYBODY:
            return "every provider that the request may reach"
        if self.target.startswith(_HIDDEN):
            return "the host of this base_url"
        host, blank, _ = self.target.partition(" ")
        proxied = self.target.endswith(_BY_PROXY)
        how = "through a proxy that the file sets" if proxied else "without verifying its certificate"
        return f"{host}, {how}" if blank else host


def leads(
    tree: Table, file: Path, accounts: Mapping[str, Provider], environ: Mapping[str, str]
) -> Iterator[Lead]:
    """Yield each secret from outside the file that would go to a host which only the file chooses (not the
    secret's vendor, not this machine), or whose proof of identity the file weakens; and each variable with a
    secret's name that the file uses in `models` or `aliases`, because it may go to any provider. Leads that
    the user has approved earlier are yielded too.

    tree: the complete configuration as written, settings from the environment included. accounts: the enabled
    providers. environ: the environment variables.
    """
    finder = _LeadFinder(str(file), file.parent, environ)
    written = tree.entries.get("providers")
    if isinstance(written, Table):
        for name, node in written.entries.items():
            if name in accounts and isinstance(node, Table):
                yield from finder.provider(accounts[name], node, setting_path("providers", name))
    for section in ("models", "aliases"):
        if (entries := tree.entries.get(section)) is not None:
            for path, scalar in _scalars(entries, section):
                for variable in scalar.variables:
                    if finder.is_from_file(scalar) and _SECRET.search(variable):
                        yield Lead(variable, _ANYBODY, path, scalar.source)


class _LeadFinder(NamedTuple):
    """Finds the leads of the providers in one tree (`leads` adds those of models and aliases).
    origin: the file's name in `Source`. folder: the folder of the file. environ: the environment
    variables.
    """

    origin: str
    folder: Path
    environ: Mapping[str, str]

    def provider(self, account: Provider, node: Table, path: str) -> Iterator[Lead]:
        """Yield the leads of one provider. node: the provider's entry, settings from the environment
        included. path: the entry's path.
        """
        origin = address.origin(account.base_url)
        base = node.entries.get("base_url")
        target = origin + self.weak_proof(node, origin)
        yield from self.described_identity(account, node, path, target)
        if target == origin and urlsplit(origin).hostname in _LOOPBACK:
            return
        chosen = target == origin and self.is_from_environment(base)
        if isinstance(base, Scalar) and any(map(_SECRET.search, base.variables)):
            target = f"{_HIDDEN}{path}"  # the address itself would show the secret
        choosing = (
            [base] if target == origin else [node.entries.get(name) for name in _PROOF_SETTINGS] + [base]
        )
        source = next((one.source for one in choosing if one is not None and self.is_from_file(one)), None)
        if account.identity is not None and source is not None and target != _own_host(account):
            yield Lead(_identity(account), target, setting_path(path, "credential"), source)
        for place, scalar in _scalars(node, path):
            in_keys = place.startswith(f"{path}.keys")
            always = in_keys or place.startswith(f"{path}.headers")  # every value in them is a secret
            if scalar is base and chosen:
                continue
            for variable in scalar.variables:
                if (always or _SECRET.search(variable)) and not self.is_allowed(
                    variable, scalar, target, account, in_keys=in_keys, chosen=chosen
                ):
                    yield Lead(variable, target, place, source or scalar.source)
            if always and place.endswith(".file") and (file := self.file_outside(scalar)) is not None:
                belongs = in_keys and target == _origin_of(account.vendor, account.region)
                if not belongs and not chosen:
                    yield Lead(str(file), target, place, source or scalar.source)

    def described_identity(self, account: Provider, node: Table, path: str, target: str) -> Iterator[Lead]:
        """Yield a lead, whatever the target is, if the file's `credential` of a provider with an identity in
        a cloud has other settings than `kind` (a role, a token host): they choose the services to which this
        machine sends tokens that prove its identity. node: the provider's entry. path: the entry's path.
        target: the lead's `target`.
        """
        stated = node.entries.get("credential")
        if account.identity is None or not isinstance(stated, Table) or not self.is_from_file(stated):
            return
        if stated.entries.keys() - {"kind"}:
            yield Lead(_identity(account), target, setting_path(path, "credential"), stated.source)

    def is_allowed(
        self,
        variable: str,
        scalar: Scalar,
        target: str,
        account: Provider,
        *,
        in_keys: bool,
        chosen: bool,
    ) -> bool:
        """Whether a variable may be sent to the target: because this is the host of the variable's vendor
        (in `keys`, if no vendor has this variable, of the account's vendor); or because the environment chose
        it, unless the file itself puts the key of another vendor there.

        scalar: the value that contains the variable. target: as in `Lead`. in_keys: the value is in `keys`.
        chosen: the environment states the base URL, and the file does not weaken the proof of the host's
        identity (`weak_proof`).
        """
        region = account.region
        homes = {_origin_of(vendor, region) for vendor in CATALOG.values() if variable in _keys(vendor)}
        if target in homes or (in_keys and not homes and target == _origin_of(account.vendor, region)):
            return True
        own = account.vendor is not None and variable in _keys(account.vendor)
        return chosen and (not self.is_from_file(scalar) or not homes or own)

    def weak_proof(self, node: Table, origin: str) -> str:
        """Return the word to add to the target if the file weakens the proof of the host's identity,
        otherwise "". The file weakens the proof by `verify_tls: false`, by a `ca_file`, or by a proxy for
        plain HTTP. node: the provider's entry. origin: the origin of its base URL.
        """
        verify, trusted, proxy = (node.entries.get(name) for name in _PROOF_SETTINGS)
        unchecked = isinstance(verify, Scalar) and self.is_from_file(verify) and verify.value is not True
        if unchecked or (trusted is not None and self.is_from_file(trusted)):
            return _UNVERIFIED
        passed_on = proxy is not None and self.is_from_file(proxy) and origin.startswith("http://")
        return _BY_PROXY if passed_on else ""

    def is_from_file(self, node: Node) -> bool:
        return node.source.origin == self.origin

    def is_from_environment(self, base: Node | None) -> bool:
        """Whether the environment (or the command line) states the base URL: the file does not state it, or
        the file states only a variable whose value is the complete URL. False if there is no base URL.
        """
        return isinstance(base, Scalar) and (
            not self.is_from_file(base) or base.text in [self.environ.get(name) for name in base.variables]
        )

    def file_outside(self, scalar: Scalar) -> Path | None:
        """Return the resolved path of the secret file that `scalar` names; None if the file is in the
        configuration file's folder or below it, or if the path is invalid.
        """
        try:
            file = (self.folder / Path(scalar.text).expanduser()).resolve()
            return None if file.is_relative_to(self.folder.resolve()) else file
        except (OSError, RuntimeError, ValueError):
            return None


def trusted(home: Path) -> frozenset[str]:
    """Return the approved pairs of a secret and a host (`Lead.pair`), from a file in `home`; an empty set if
    the file cannot be read.
    """
    try:
        return frozenset((home / _FILE).read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return frozenset()


def trust(home: Path, pairs: Iterable[str]) -> Path:
    """Add approved pairs (`Lead.pair`) to the file of approved pairs in `home`. Returns the file's path.
    Raises OSError if the file cannot be written.
    """
    file = home / _FILE
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(f"{pair}\n" for pair in sorted({*trusted(home), *pairs}))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return file


def refusals(found: Iterable[Lead], kept: frozenset[str], file: Path) -> Iterator[Problem]:
    """Yield a problem for each lead whose pair is not approved. kept: the approved pairs. file: the
    configuration file.
    """
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


def permission_warnings(file: Path) -> Iterator[Problem]:
    """Yield a warning if a file's permissions let all users change it; and one if the file belongs to a user
    who is neither root nor the user of this process. The second warning is left out if this process runs as
    root. There is no warning on Windows, or for a file that does not exist or cannot be examined.
    """
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


_PROOF_SETTINGS: Final = ("verify_tls", "ca_file", "proxy")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _origin_of(vendor: Vendor | None, region: str | None) -> str | None:
    """Return the origin (`scheme://host[:port]`) of a vendor's own host in a region. None = `vendor` is None,
    the host differs by account, or the region cannot be part of a host's name: beside a base URL, an operator
    may state any word as the region.
    """
    if vendor is None or vendor.account:
        return None
    try:
        return address.origin(vendor.base_url_in(region))
    except ValueError:
        return None


def _identity(account: Provider) -> str:
    """Return the word that names an account's cloud identity as the secret of a lead."""
    assert account.identity is not None
    return f"the-{account.identity.kind}-identity"


def _own_host(account: Provider) -> str | None:
    """Return the origin of the vendor's own host for the account; None = it is not known."""
    vendor = account.vendor
    if vendor is not None and vendor.located is not None:
        return f"https://{vendor.located.host_in((account.region or vendor.located.region).lower())}"
    return _origin_of(vendor, account.region)


def _keys(vendor: Vendor) -> frozenset[str]:
    return frozenset(vendor.access_key).union(name for base in vendor.keys for name in numbered(base))


def _scalars(node: Node, path: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Items):
        for index, inner in enumerate(node.items):
            yield from _scalars(inner, f"{path}[{index}]")
    else:
        for name, inner in node.entries.items():
            yield from _scalars(inner, setting_path(path, name))
