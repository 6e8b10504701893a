"""Checks that providers can get their clients' credentials (`credential: client`), and that listed paths
(`paths`) can be called with the keys of their provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dragoman.config.misfit import Misfit
from dragoman.config.settings import Config
from dragoman.config.settings import Provider as Settings
from dragoman.dialects.table import DIALECTS
from dragoman.errors import setting_path
from dragoman.providers.provider import Provider
from dragoman.providers.sigv4 import access_key


def forwarding_misfits(config: Config, accounts: Mapping[str, Provider]) -> Iterator[Misfit]:
    """Yield the mistakes in `paths` of providers, in `credential: client` (only one provider of each protocol
    can have it, and no protocol whose requests are signed), and in settings that contradict it. Other kinds
    of `credential` are not checked. Each `place` is a complete path. accounts: the enabled providers that
    have an account, by name.
    """
    takers: dict[str, str] = {}
    for name, account in accounts.items():
        path = setting_path("providers", name)
        signs = DIALECTS[account.dialect].keys.signs
        signing = account.identity is not None or any(
            access_key(key.secret.reveal()) for key in account.credentials
        )
        if config.providers.named[name].paths and signs and signing:
            yield Misfit(f"{path}.paths", "its key signs whole bodies, and those of listed paths stream")
        if not account.forwards:
            continue
        yield from _of_one(config.providers.named[name], account, path)
        for api in account.apis:
            first = takers.setdefault(api.dialect, name)
            if first != name:
                said = (
                    f"a credential of a client that speaks {api.dialect} could be meant for {first} or for"
                    f" {name}, so only one of them may get it"
                )
                yield Misfit(f"{path}.credential", said, "leave the protocol out of `apis` of one of them")


def _of_one(settings: Settings, account: Provider, path: str) -> Iterator[Misfit]:
    if any(DIALECTS[api.dialect].keys.signs for api in account.apis):
        yield Misfit(f"{path}.credential", "its requests are signed, which only the owner of a key can do")
    if settings.check.every:
        said = "a check has no client, and so no credential"
        yield Misfit(f"{path}.check", said, "check: 0")
    if settings.keys and not any(key.variable for key in settings.keys):
        yield Misfit(f"{path}.keys", "clients' own credentials are used, so these keys are not", odd=True)
