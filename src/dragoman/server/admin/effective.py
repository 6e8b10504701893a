"""Computes the real values of settings whose defaults depend on other settings, the environment or this
machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.load import Loaded
from dragoman.config.scalars import Duration
from dragoman.errors import setting_path
from dragoman.providers.address import without_keys
from dragoman.providers.provider import Provider


def effective(found: Loaded, store: str) -> dict[str, str]:
    """Return {path of a setting: its real value as text} for settings whose defaults depend on something
    else. Use a value only if the setting is stated nowhere: the result may also contain paths of settings
    that are stated. store: the real value of `stores.sql`; `dragoman serve` and a gateway in a program have
    different ones (`stores.open.unstated`). Side effect: the limit for open files of this process is raised.
    """
    from dragoman.assembly.providers import answer_limits

    config = found.config
    values = {"stores.sql": store, **dict(_serving(found))}
    for number, client in enumerate(config.auth.keys):
        if client.name is None:
            values[f"auth.keys[{number}].name"] = client.client
    for name, settings in config.providers.named.items():
        path = setting_path("providers", name)
        values[f"{path}.answers.max_silence"] = str(Duration(answer_limits(settings).silence or 0))
        if (account := found.providers.get(name)) is not None:
            values |= {f"{path}.{setting}": value for setting, value in _account(account).items()}
    for name, model in config.models.items():
        path = setting_path("models", name)
        values[f"{path}.strict"] = str(config.strict).lower()
        values[f"{path}.check_output"] = str(config.check_output).lower()
        provider = config.providers.named.get(model.targets[0].use.partition("/")[0])
        if provider is not None:
            merged = model.timeouts.over(provider.timeouts)
            for limit in ("connect", "first_byte", "idle", "total"):
                if (value := getattr(merged, limit)) is not None:
                    values[f"{path}.timeouts.{limit}"] = str(value)
    return values


def _serving(found: Loaded) -> Iterator[tuple[str, str]]:
    from dragoman.assembly.keys import needs_key
    from dragoman.server.connections import address_limit, connection_limit, raise_descriptor_limit
    from dragoman.upstreams.local.cores import usable_cores

    raise_descriptor_limit()  # as `dragoman serve` does
    connections = connection_limit(found.config.server)
    yield "server.max_connections", str(connections)
    yield "server.max_connections_per_address", str(address_limit(found.config.server, connections))
    yield "auth.required", str(needs_key(found.config)).lower()
    if needs_key(found.config):
        yield "server.cors_origins", "*"
    yield "providers.local.threads", str(usable_cores())
    yield "providers.simulate.enabled", str(found.simulate).lower()


def _account(account: Provider) -> dict[str, str]:
    return {
        "dialect": account.dialect,
        "apis": ", ".join(api.dialect for api in account.further) or "[]",
        "base_url": without_keys(account.base_url),
        "chat_path": account.chat_path,
        **({} if account.api_version is None else {"api_version": account.api_version}),
        "auth": account.auth,
        "catalog": "(none)" if account.vendor is None else account.vendor.name,
        **({} if account.credentials else {"keys": "(none)"}),
    }
