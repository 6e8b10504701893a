"""Builds the upstreams of configured providers, with their connections and credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import msgspec

from dragoman.assembly.identities import identity_of
from dragoman.assembly.keyfiles import credentials_of
from dragoman.assembly.signing import FixedCredential, SigningCredential, signed, signing_key
from dragoman.capacity.space import Space
from dragoman.config.check_certificates import provider_certificates
from dragoman.config.differences import digest
from dragoman.config.settings import Provider as ProviderSettings
from dragoman.dialects.live import TRANSCRIBING
from dragoman.dialects.service import Service
from dragoman.dialects.table import DIALECTS, SERVICES
from dragoman.errors import ConfigError, Problem, setting_path
from dragoman.net.client import ClientName
from dragoman.net.transport import Pool, Reached, Transport
from dragoman.providers.auth import Credential as Key
from dragoman.providers.auth import sign
from dragoman.providers.paths import Paths
from dragoman.providers.provider import Api, Provider
from dragoman.routing.route import Timers
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.seams.secret import Secret
from dragoman.upstreams.account import Account, Renewal
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.credential import Credential, Lease
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream


def described(upstream: Upstream, provider: Provider | None) -> str:
    """Return a text about a provider: its name, and the number of its keys, such as "openai 2 keys". Without
    keys it is the name alone, or "openai no key" if the vendor wants a key. If the gateway signs in with an
    identity, the text has the kind of identity instead. provider: None = the upstream has no configured
    provider.
    """
    if provider is not None and provider.identity is not None:
        return f"{upstream.name} signs in by {provider.identity.kind}"
    keys = sum(one.tail is not None for one in getattr(upstream, "accounts", ()))
    vendor = provider.vendor if provider is not None else None
    needed = vendor is not None and bool(vendor.keys)
    return upstream.name + (f" {keys or 'no'} key{'s' * (keys > 1)}" if keys or needed else "")


def descriptions(upstreams: Mapping[str, Upstream], providers: Mapping[str, Provider]) -> list[str]:
    """Return a text about each upstream (see `described`). providers: the configured ones, by name."""
    return [described(one, providers.get(name)) for name, one in upstreams.items()]


def wire_upstream(
    provider: Provider, transport: Transport, limits: AnswerLimits, seams: Seams = SYSTEM
) -> WireUpstream:
    """Return the upstream of a configured provider. It speaks the provider's first protocol; its other
    protocols are its `further` upstreams.
    """
    first, *rest = provider.apis
    changing: list[Credential | None] = credentials_of(provider, seams)
    if provider.identity is not None:
        changing = [identity_of(provider, provider.identity, seams)]
    further = [_spoken(provider, api, transport, limits, changing) for api in rest]
    vendor = provider.vendor
    service = SERVICES[vendor.service] if vendor is not None and vendor.service else None
    return _spoken(provider, first, transport, limits, changing, further=further, service=service)


def answer_limits(settings: ProviderSettings) -> AnswerLimits:
    """Return the limits on a provider's answers, from its settings. If `max_silence` is not set, the limit on
    silence is three times `timeouts.first_byte`. 0 = silence has no limit.
    """
    answers, first_byte = settings.answers, settings.timeouts.first_byte
    silence = 3 * first_byte if answers.max_silence is None else answers.max_silence
    return AnswerLimits(
        answers.max_values,
        answers.max_numbers,
        answers.max_event,
        answers.max_opening,
        answers.max_stream,
        answers.max_blocks,
        float(silence) or None,
    )


def _spoken(
    provider: Provider,
    api: Api,
    transport: Transport,
    limits: AnswerLimits,
    changing: Sequence[Credential | None],
    *,
    further: Sequence[WireUpstream] = (),
    service: Service | None = None,
) -> WireUpstream:
    return WireUpstream(
        provider.name,
        DIALECTS[api.dialect],
        transport,
        chat_url=api.chat_url,
        stream_url=api.stream_url,
        base_url=_base_url(api),
        list_base=api.base_url,
        bases=api.bases,
        live_urls=_live_urls(api),
        query=api.query,
        accounts=accounts_of(provider, api, changing),
        quirks=api.quirks,
        models=api.models,
        further=further,
        yields=api.fixed.keys() - provider.headers.keys(),
        limits=limits,
        service=service,
        base_models=provider.base_models,
        host=None if api.quirks.body_version == "none" else DIALECTS[provider.dialect],
        listing=None if provider.vendor is None else provider.vendor.listing,
    )


def accounts_of(provider: Provider, api: Api, changing: Sequence[Credential | None] = ()) -> list[Account]:
    """Return the accounts of a provider, with the headers for the protocol `api`: one for its identity in a
    cloud; else one for each key; or one without a key.

    changing: for each key, the `Credential` that tells when the key changes; None = this key does not change.
    () = no key changes. For an identity, `changing` has one item, the identity's credential.
    """
    if provider.identity is not None:
        return [_signed_in(provider, api, one) for one in changing if one is not None]
    if not provider.credentials:
        return [_account(provider, api, None)]
    accounts = []
    for key, credential in zip_longest(provider.credentials, changing):
        account = _account(provider, api, key)
        if credential is not None:
            follow = partial(_renewed, provider, api, key)
            credential = _signing(provider, credential)  # noqa: PLW2901
            account = msgspec.structs.replace(account, renewal=Renewal(credential, credential.lease, follow))
        accounts.append(account)
    return accounts


def _signing(provider: Provider, credential: Credential) -> Credential:
    """Return a credential whose leases also sign requests, if the provider's protocol can use signatures;
    otherwise return `credential` itself. Leases sign only if their secret is an access key.
    """
    if not DIALECTS[provider.dialect].keys.signs:
        return credential
    return SigningCredential(credential, lambda lease: signed(provider, lease, SYSTEM.now))


def _signed_in(provider: Provider, api: Api, credential: Credential) -> Account:
    """Return the account of the provider's identity in a cloud. The account's id stays the same when its
    token changes.
    """
    assert provider.identity is not None
    kind = provider.identity.kind
    key = Key(Secret(""), provider.origin, kind)
    id_ = _identity(provider, kind)

    def account(lease: Lease) -> Account:
        return msgspec.structs.replace(_renewed(provider, api, key, lease), id=id_, source=kind)

    credential = _signing(provider, credential)
    lease = credential.lease
    return msgspec.structs.replace(account(lease), renewal=Renewal(credential, lease, account))


def _renewed(provider: Provider, api: Api, key: Key, lease: Lease) -> Account:
    """Return the account of `key`, with the secret of `lease` in place of the key's secret. If the lease has
    no secret, the account has none either.
    """
    held = None if lease.secret is None else msgspec.structs.replace(key, secret=lease.secret)
    return _account(provider, api, held)


def _account(provider: Provider, api: Api, key: Key | None) -> Account:
    extra = {name: secret.reveal() for name, secret in provider.headers.items()}
    text = None if key is None else key.secret.reveal()
    signs = None if text is None else signing_key(provider, text)
    sent = None if signs is not None else key
    account = Account(
        sign(api.chat_url, {}, credential=sent, scheme=api.auth, fixed=api.fixed, extra=extra),
        None if key is None else key.secret.tail if signs is None else signs.id[-4:],
        (*(() if text is None else (text,)), *extra.values()),
        _identity(provider, text),
        source="" if key is None else key.source,
        configured=tuple(extra.values()),
    )
    if signs is None or key is None:
        return account
    lease = signed(provider, Lease(key.secret), SYSTEM.now)
    return msgspec.structs.replace(
        account,
        secrets=(*account.secrets, signs.secret, *(() if signs.token is None else (signs.token,))),
        renewal=Renewal(FixedCredential(account.id, lease), lease, lambda _: account),
    )


def _identity(provider: Provider, key: str | None) -> str:
    """Return the id of an account: a hash of the provider's name, its first chat URL and `key`. key: the text
    of the key, or the kind of an identity; None = no key.
    """
    told = f"{provider.name}\n{provider.apis[0].chat_url}\n{key or ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


_OF_ACCOUNTS: Final = frozenset({"openai-organization", "openai-project", "x-goog-user-project"})
"""Headers that name the operator's own account, for which a tenant's key is not valid."""


def own_account(provider: Provider, api: Api, secret: Secret | None, id_: str) -> Account:
    """Return the account for a key that a tenant has brought, in the protocol `api`. Headers that name the
    operator's own account are left out. secret: None = the key cannot be decrypted or used, so the account
    has no key. id_: the id of the key.
    """
    headers = {name: value for name, value in provider.headers.items() if name not in _OF_ACCOUNTS}
    key = None if secret is None else Key(secret, provider.origin)
    made = _account(msgspec.structs.replace(provider, headers=headers), api, key)
    return msgspec.structs.replace(made, id=id_, source="the tenant", own=True)


def passage_of(
    provider: Provider,
    upstream: WireUpstream,
    transport: Transport,
    timers: Timers,
    settings: ProviderSettings,
) -> Passage:
    """Return the `Passage` that passes on requests for a provider's resources and paths. It uses the
    provider's first protocol and first account. upstream, transport, timers, settings: those of this
    provider.
    """
    api = provider.apis[0]
    base_url = api.base_url or _base_url(api)
    assert base_url is not None or not settings.passthrough, "the configuration was not checked"
    return Passage(
        provider.name,
        upstream.dialect,
        transport,
        base_url=base_url or provider.origin,
        query=api.query,
        account=upstream.accounts[0],
        timers=timers,
        resources=settings.passthrough,
        ids=settings.passthrough_ids,
        yields=api.fixed.keys() - provider.headers.keys(),
        origin=provider.origin,
        paths=Paths(settings.paths),
    )


def _live_urls(api: Api) -> dict[str, str]:
    """Return {"": the URL of the provider's realtime sessions; TRANSCRIBING: that of sessions that only
    transcribe, if its protocol has them}. {} = there are no realtime sessions, or the base URL is not known.
    """
    base, live = api.base_url or _base_url(api), DIALECTS[api.dialect].live
    if base is None or live is None or (url := live.address(base, api.query)) is None:
        return {}
    if live.transcribing is None:
        return {"": url}
    if api.quirks.transcribes_unnamed:
        return {"": url, TRANSCRIBING: live.transcribing(base, api.query)}
    return {"": url, TRANSCRIBING: f"{url}&intent={TRANSCRIBING}"}


def _base_url(api: Api) -> str | None:
    """Return the chat URL without the protocol's chat path, which may contain `{model}`. None = the URL does
    not end in that path.
    """
    path = DIALECTS[api.dialect].paths.chat
    return api.chat_url.removesuffix(path) if api.chat_url.endswith(path) else None


def connection_settings(settings: ProviderSettings, client: ClientName) -> tuple[Any, ...]:
    """Return the settings on which the connections to a provider depend, with a hash of the content of its
    certificates. If two results are equal, the connections can stay. client: which HTTP client is used.
    """
    files = (settings.ca_file, settings.client_cert, settings.client_key)
    certificates = [(file, digest(file)) for file in files]
    return (
        client,
        settings.pool,
        settings.verify_tls,
        certificates,
        settings.proxy,
        settings.answers.max_size,
    )


def transport_of(
    name: str,
    settings: ProviderSettings,
    deadlines: Deadlines,
    *,
    client: ClientName,
    reached: Reached,
    space: Space,
) -> Transport:
    """Return the connections to one provider. name: the provider's name. client: which HTTP client is used.
    reached: called when a limit is reached that does not fail an exchange. space: the memory that all answers
    of all providers share. Raises ConfigError if the settings cannot be used, such as a certificate.
    """
    pool = settings.pool
    try:
        return Transport(
            Pool(pool.size, pool.keep_alive, pool.wait or None, pool.max_age),
            ca_file=settings.ca_file,
            verify_tls=settings.verify_tls,
            client_cert=settings.client_cert,
            client_key=settings.client_key,
            client=client,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            deadlines=deadlines,
            name=name,
            max_answer=settings.answers.max_size,
            reached=reached,
            space=space,
        )
    except (OSError, ValueError) as error:  # a file of a certificate has changed since the check
        path = setting_path("providers", name)
        found = [Problem(f"{path}.{one.place}", one.message) for one in provider_certificates(settings)]
        raise ConfigError(*(found or [Problem(path, f"cannot be used: {error}")])) from error
