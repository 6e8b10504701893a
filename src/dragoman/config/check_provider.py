"""Checks the settings of one provider, and makes its account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from dragoman.config import resolve
from dragoman.config.check_apis import unspoken
from dragoman.config.check_attempts import provider_misfits
from dragoman.config.check_balancing import idle
from dragoman.config.check_certificates import provider_certificates
from dragoman.config.check_credential import credential_misfits, key_misfits
from dragoman.config.check_headers import unusable
from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit, no_file, ruled, within
from dragoman.config.serving import Server
from dragoman.config.settings import Config
from dragoman.config.settings import Provider as Settings
from dragoman.config.tree import Source
from dragoman.config.values import is_private, proxy
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.errors import setting_path
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG
from dragoman.providers.dated import WrongVersion
from dragoman.providers.provider import Provider

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ALL_INTERFACES: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - named to be recognised, not bound
_SHORTEST_TTL: Final = 10
"""The shortest `discovery.ttl` in seconds."""


def checked(
    name: str, settings: Settings, config: Config, sources: Mapping[str, Source], unread: frozenset[str]
) -> tuple[Provider | None, list[Misfit]]:
    """Return (account, mistakes) of a provider. Each `place` is relative to the provider. The account is None
    if the provider is disabled, or has a mistake in address, protocols, quirks, `passthrough`, `check`,
    `discovery` or `concurrency`; other mistakes, for example in keys, leave it in. sources, unread: as for
    `check.check`.
    """
    found = [*_values(name, settings)]
    deciding = [*_quirks(settings.quirks, "quirks"), *_passthrough(name, settings)]
    if 0 < settings.check.every < 1:
        deciding.append(Misfit("check.every", "must be at least 1s, or 0 for never"))
    if settings.discovery.ttl < _SHORTEST_TTL:
        deciding.append(Misfit("discovery.ttl", f"must be at least {_SHORTEST_TTL}s"))
    deciding += (*idle(settings.concurrency), *provider_misfits(settings, config.breaker))
    for index, api in enumerate(settings.apis or ()):
        deciding += _quirks(api.quirks, f"apis[{index}].quirks")
    path = setting_path("providers", name)
    account = _account(name, settings, config.server, sources, unread, found=deciding)
    found += deciding
    if account is None or not all(one.odd for one in deciding):
        return None, found
    found += (*credential_misfits(settings, account.dialect), *unspoken(settings, account))
    found += _odd(account, settings, path)
    return account if settings.enabled else None, found


def _values(name: str, settings: Settings) -> Iterator[Misfit]:
    """Yield the mistakes in single settings, with which the provider nevertheless has an account."""
    if not name or "/" in name or name != name.strip():
        yield Misfit("", "a provider's name must not contain a slash, or begin or end with a blank")
    keys = [key.reveal() for key in settings.keys or ()]
    for index, key in enumerate(keys):
        yield from within(f"keys[{index}]", key_misfits(key, keys[:index]))
    yield from within("headers", unusable(settings.headers))
    yield from provider_certificates(settings)
    if settings.credential is not None:
        yield from no_file("credential.file", settings.credential.file)
    if settings.proxy is not None:
        yield from ruled("proxy", proxy, settings.proxy.reveal())
    if "*" in settings.models and len(settings.models) > 1:
        yield Misfit("models", "`*` cannot be combined with other entries")


def _passthrough(name: str, settings: Settings) -> Iterator[Misfit]:
    try:
        vendor = resolve.vendor_of(name, settings)
        dialect = resolve.dialect_of(settings, vendor)
        chat_path, _ = resolve.paths_of(settings, vendor, dialect)
    except ValueError:
        return  # `_account` reports this error at the setting that causes it
    for index, resource in enumerate(settings.passthrough):
        if resource not in DIALECTS[dialect].resources:
            yield Misfit(f"passthrough[{index}]", f"the protocol {dialect} has no such endpoints")
    if not chat_path.endswith(DIALECTS[dialect].paths.chat):
        derived = "cannot be derived from this chat_path"
        if settings.passthrough:
            yield Misfit("passthrough", f"the path of these endpoints {derived}")
        if settings.check.every:
            yield Misfit("check", f"the path of the list of models {derived}")


def _quirks(quirks: Mapping[str, Any], section: str) -> Iterator[Misfit]:
    for quirk, value in quirks.items():
        place = setting_path(section, quirk)
        if quirk not in Quirks.__struct_fields__:
            yield Misfit(place, "unknown quirk", suggest(quirk, Quirks.__struct_fields__))
        else:
            yield from ruled(place, resolve.quirk_of, quirk, value)


def _account(
    name: str,
    settings: Settings,
    server: Server,
    sources: Mapping[str, Source],
    unread: frozenset[str],
    *,
    found: list[Misfit],
) -> Provider | None:
    """Return a provider's account, also for a disabled one; None = a mistake makes it impossible. The
    mistakes are added to `found`.
    """
    try:
        vendor = resolve.vendor_of(name, settings)
    except ValueError as error:
        found.append(Misfit("catalog", str(error), suggest(settings.catalog or "", CATALOG)))
        return None
    try:
        dialect = resolve.dialect_of(settings, vendor)
    except ValueError as error:
        hint = (
            "list further protocols of this provider in `apis`; configure another server under another name"
        )
        found.append(Misfit("dialect", str(error), hint))
        return None
    try:
        resolve.paths_of(settings, vendor, dialect)
    except ValueError as error:
        found.append(Misfit("chat_path", str(error), "set base_path to the path below which they lie"))
        return None
    try:
        base = resolve.address_of(settings, vendor, dialect)
    except ValueError as error:
        path = setting_path("providers", name)
        if not unread & {f"{path}.base_url", f"{path}.catalog"}:  # else the address depends on one of them
            place = "" if settings.base_url is None else "base_url"
            place = "api_version" if isinstance(error, WrongVersion) else place
            near = suggest(name, CATALOG) if settings.base_url is None and vendor is None else None
            found.append(Misfit(place, str(error), near if near and near.startswith("did") else None))
        return None
    if settings.enabled and _is_own(base, server):
        shown = address.without_keys(base)
        hint = "requests would be sent to the gateway itself, in a loop"
        found.append(Misfit("base_url", f"{shown} is the address of this gateway", hint))
    found += _apis(settings, dialect)
    stated = (settings.quirks, *(api.quirks for api in settings.apis or ()))
    if any(quirk not in Quirks.__struct_fields__ for quirks in stated for quirk in quirks):
        return None
    try:
        return resolve.provider_of(name, settings, sources)
    except ValueError:  # the value of a quirk is wrong: `_quirks` reports it
        return None


def _apis(settings: Settings, dialect: str) -> Iterator[Misfit]:
    """Yield the mistakes in the further protocols. dialect: the first one."""
    spoken = [dialect]
    for index, api in enumerate(settings.apis or ()):
        if api.dialect in spoken:
            twice = f"{api.dialect} is listed twice, or is already the provider's `dialect`"
            yield Misfit(f"apis[{index}].dialect", twice)
        elif api.path and DIALECTS[api.dialect].paths.stream:
            fixed = f"{api.dialect} puts the model into the URL path, so `path` cannot be set"
            yield Misfit(f"apis[{index}].path", fixed)
        spoken.append(api.dialect)


def _is_own(base: str, server: Server) -> bool:
    """Whether a base URL is recognised as the address of this gateway: it has the scheme http, the gateway's
    port, and the host `server.host`. The names in `_LOOPBACK` count as one host; a gateway that listens on
    all interfaces has it too. Not recognised are other names and addresses of this machine, and a proxy
    before the gateway.
    """
    parts = urlsplit(base)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port != server.port or parts.scheme != "http":
        return False
    host = parts.hostname or ""
    return host == server.host or (host in _LOOPBACK and server.host in _LOOPBACK | _ALL_INTERFACES)


def _odd(account: Provider, settings: Settings, path: str) -> Iterator[Misfit]:
    """Yield what is unusual. path: of the provider's settings."""
    url, secret = urlsplit(account.base_url), account.credentials or account.identity
    if secret and url.scheme == "http" and not is_private(url.hostname or ""):
        yield Misfit("base_url", "its API keys are sent unencrypted over http://", odd=True)
    keyless = settings.enabled and settings.keys is None and not (account.identity or account.forwards)
    if keyless and account.vendor is not None and account.vendor.wants_key:
        # A provider with another name and its own base URL never gets the keys of the environment.
        elsewhere = settings.base_url is not None and account.name != account.vendor.name
        named = () if elsewhere else account.vendor.keys[:1]
        hint = f"set {' or '.join((*named, f'{path}.keys'))}"
        if settings.base_url is None or account.base_url == account.vendor.base_url:
            yield Misfit("", "no API key is set, so the provider will refuse every request", hint, odd=True)
