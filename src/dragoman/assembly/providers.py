"""Builds the upstreams of configured providers, with their connections and credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from dragoman.capacity.space import Space
from dragoman.config.settings import Provider as ProviderSettings
from dragoman.dialects.resources import Resource
from dragoman.dialects.table import DIALECTS
from dragoman.net.client import ClientName
from dragoman.net.transport import Pool, Reached, Transport
from dragoman.providers.auth import sign
from dragoman.providers.provider import Api, Provider
from dragoman.routing.route import Timers
from dragoman.seams.deadlines import Deadlines
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.wire import Account, WireUpstream


def wire_upstream(provider: Provider, transport: Transport, limits: AnswerLimits) -> WireUpstream:
    """The upstream of a configured provider: its first protocol, with its others as `further`."""
    first, *rest = provider.apis
    further = [_spoken(provider, api, transport, limits) for api in rest]
    return _spoken(provider, first, transport, limits, further)


def answer_limits(settings: ProviderSettings) -> AnswerLimits:
    """The limits on a provider's answers, from its settings; without `max_silence`, thrice `first_byte`."""
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
    further: Sequence[WireUpstream] = (),
) -> WireUpstream:
    return WireUpstream(
        provider.name,
        DIALECTS[api.dialect],
        transport,
        chat_url=api.chat_url,
        stream_url=api.stream_url,
        base_url=_base_url(api),
        bases=api.bases,
        accounts=accounts_of(provider, api),
        quirks=api.quirks,
        models=api.models,
        further=further,
        yields=api.fixed.keys() - provider.headers.keys(),
        limits=limits,
    )


def accounts_of(provider: Provider, api: Api) -> list[Account]:
    """An account for each credential (one if there is none): signed headers and URL in the protocol `api`."""
    extra = {name: secret.reveal() for name, secret in provider.headers.items()}
    return [
        Account(
            sign(api.chat_url, {}, credential=credential, scheme=api.auth, fixed=api.fixed, extra=extra),
            None if credential is None else credential.secret.tail,
            (*(() if credential is None else (credential.secret.reveal(),)), *extra.values()),
            _identity(provider, None if credential is None else credential.secret.reveal()),
            "" if credential is None else credential.source,
        )
        for credential in provider.credentials or (None,)
    ]


def _identity(provider: Provider, key: str | None) -> str:
    """The id of an account: of its key, which cannot be found out from it, and where the key is used."""
    told = f"{provider.name}\n{provider.apis[0].chat_url}\n{key or ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def passage_of(
    provider: Provider,
    upstream: WireUpstream,
    transport: Transport,
    timers: Timers,
    resources: Sequence[Resource],
) -> Passage:
    """What passes requests for these resources through, by a provider's first protocol and account."""
    api = provider.apis[0]
    base_url = _base_url(api)
    assert base_url is not None, "the configuration was not checked"
    return Passage(
        provider.name,
        upstream.dialect,
        transport,
        base_url=base_url,
        account=upstream.accounts[0],
        timers=timers,
        resources=resources,
        yields=api.fixed.keys() - provider.headers.keys(),
    )


def _base_url(api: Api) -> str | None:
    """The chat URL without the protocol's chat path; None if the URL does not end in that path."""
    path = DIALECTS[api.dialect].paths.chat
    return api.chat_url.removesuffix(path) if api.chat_url.endswith(path) else None


def transport_of(
    name: str,
    settings: ProviderSettings,
    deadlines: Deadlines,
    *,
    client: ClientName,
    reached: Reached,
    space: Space,
) -> Transport:
    """The connections to one provider. client: the HTTP client. reached: called at a limit. space: memory
    that all answers share.
    """
    pool = settings.pool
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
