"""Converts what LiteLLM's deployments state of their provider (addresses, keys, headers) into Dragoman's
`providers`.

https://docs.litellm.ai/docs/proxy/configs, https://docs.litellm.ai/docs/set_keys
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from dragoman.config import litellm_bounds as bounds
from dragoman.config import litellm_clouds as clouds
from dragoman.config import litellm_vertex as vertex
from dragoman.config import litellm_words as words
from dragoman.config.litellm_values import number, section
from dragoman.providers.address import host_of
from dragoman.providers.catalog import CATALOG

_NO_KEY: Final = frozenset({"none", "null"})
"""Texts that people write where a server needs no key. LiteLLM sends them, and such servers ignore them."""
_BEARER: Final = re.compile(r"bearer\s+", re.IGNORECASE)
_CREDENTIAL: Final = "litellm_credential_name"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OUR_PORT: Final = 8080
_LITELLMS_PORT: Final = 4000


class Accounts:
    """The providers of a conversion.

    named: each one's settings, by its name. base_models: by provider, {name of a deployment: the model behind
    it}. open: the providers that take every model, because of a wildcard. notes: (place within
    `litellm_params`, text) about settings of the last deployment that `add` has seen.
    """

    def __init__(self, known: Mapping[str, Any], text: Callable[[Any], str]) -> None:
        self._known = known
        """LiteLLM's section `environment_variables`."""
        self._text = text
        """Returns a value as a text of Dragoman's configuration; see `litellm_values.filled`."""
        self.named: dict[str, dict[str, Any]] = {}
        self.base_models: dict[str, dict[str, str]] = {}
        self.open: set[str] = set()
        self.notes: list[tuple[str, str]] = []

    def add(self, prefix: str, params: Mapping[str, Any], name: str) -> str:
        """Return the name of the provider for a deployment, by `_name_of`; with a number (`NAME-2`) if a
        provider with other settings has this name, or Dragoman uses it otherwise. A new provider is added to
        `named`; one with the same name and settings is used again. `notes` then has those about this
        deployment alone.

        prefix: LiteLLM's name of the vendor ("azure"). params: the entry's `litellm_params`. name: the
        entry's `model_name`.
        """
        self.notes = []
        row = words.VENDORS.get(prefix)
        settings = self._address(prefix, row, params)
        self._key(row, params, settings)
        headers = {**section(params, "extra_headers"), **section(params, "headers")}
        if params.get("organization"):
            headers["OpenAI-Organization"] = params["organization"]
        if headers:
            settings["headers"] = {str(key): self._text(value) for key, value in headers.items()}
        for key in ("timeout", "stream_timeout"):
            if number(params.get(key)) is not None:
                settings["timeouts"] = {
                    **settings.get("timeouts", {}),
                    **bounds.timeouts_of(key, params[key]),
                }
        if params.get("ssl_verify") is False:
            settings["verify_tls"] = False
        wanted = _name_of(prefix, row, settings, name)
        if row == "openai" and "base_url" in settings:
            row = None  # another server with OpenAI's protocol: OpenAI's own quirks do not apply
        return self._same_or_new(wanted, row, settings)

    def copy(self, account: str, model: str) -> str:
        """Add a provider with the settings of another one to `named`, and return its name (`ACCOUNT-2`). A
        limit on the requests that run at once is not copied. account: the provider that is copied. model: the
        model that the new provider is for; of the base models only that of this model is copied.
        """
        settings = self.named[account]
        name = next(f"{account}-{count}" for count in range(2, 10_000) if self._is_free(f"{account}-{count}"))
        row = {"catalog": account} if account in CATALOG and "catalog" not in settings else {}
        kept = {key: value for key, value in settings.items() if key != "concurrency"}
        self.named[name] = {**row, **kept}
        if (behind := self.base_models.get(account, {}).get(model)) is not None:
            self.base_models[name] = {model: behind}
        return name

    def finish(self, timeouts: Mapping[str, Any], uses: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Complete the settings of all providers, and return them (`named` itself). Added are the base
        models, the general time limits that a provider does not state itself, and `models`, so that it takes
        only those of its deployments, as in LiteLLM; not if it is `open` or has a deployment with `*`.

        timeouts: the general time limits, in the form of the setting `timeouts`. uses: all deployments
        (`provider/model`), which may be patterns.
        """
        offered: dict[str, dict[str, None]] = {name: {} for name in self.named}
        for use in uses:
            account, _, model = use.partition("/")
            offered[account][model] = None
        for name, behind in self.base_models.items():
            self.named[name]["base_models"] = behind
        for name, settings in self.named.items():
            if timeouts:
                settings["timeouts"] = {**timeouts, **settings.get("timeouts", {})}
            if name not in self.open and not any("*" in model for model in offered[name]):
                settings["models"] = list(offered[name])
        return self.named

    def free_port(self) -> int | None:
        """Return another port for Dragoman if one of the providers has Dragoman's usual one (8080) on this
        machine; None = none has. It is LiteLLM's port (4000), or the first one above it that no provider has.
        """
        taken = set(self._local_ports())
        if _OUR_PORT not in taken:
            return None
        return next(port for port in range(_LITELLMS_PORT, 10_000) if port not in taken)

    def _local_ports(self) -> Iterator[int]:
        for account in self.named.values():
            try:
                parts = urlsplit(str(account.get("base_url", "")))
                if parts.scheme == "http" and parts.hostname in _LOOPBACK:
                    yield parts.port or 80
            except ValueError:
                continue  # no URL, or a port that is no number

    def _address(self, prefix: str, row: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a provider that follow from its address, such as `base_url`, `region` and
        `keys`; {} = the vendor's own address. Outside of Bedrock and Vertex AI, a `base_url` comes with
        `keys` (perhaps empty), so that no key of the environment is sent there.
        """
        base = base_url(params)
        if prefix in vertex.PREFIXES:
            told = vertex.settings_of(params, base, self._known, self._text)
            self.notes += told.notes
            return told.settings
        if (cloud := clouds.settings_of(prefix, params, base, self._text)) is not None:
            return cloud
        if base is not None:
            stated = self._text(base)
            if _is_vendors_host(row, stated):
                return {}
            if row is not None and CATALOG[row].wants_key and not params.get("api_key"):
                sent = CATALOG[row].keys[0]
                text = f"no key is sent to this address (LiteLLM sends {sent}): providers.NAME.keys"
                self.notes.append(("api_base" if params.get("api_base") else "base_url", text))
            return {"base_url": stated, "keys": []}
        for variable in words.ADDRESSES.get(prefix, ()):
            if variable in self._known:
                keys = [self._text(f"os.environ/{name}") for name in _default_names(row)]
                return {"base_url": self._text(f"os.environ/{variable}"), "keys": keys}
        return {}

    def _key(self, row: str | None, params: Mapping[str, Any], settings: dict[str, Any]) -> None:
        if "credential" in settings:
            return  # no key is sent beside it
        names = _default_names(row)
        stated = params.get("api_key")
        if not stated and "base_url" not in settings and names and names[0] in self._known:
            stated = f"os.environ/{names[0]}"  # LiteLLM puts its `environment_variables` into the environment
        key = _BEARER.sub("", self._text(stated or ""), count=1)
        if not key:
            return
        settings["keys"] = [] if key.lower() in _NO_KEY else [key]
        if "base_url" not in settings and settings["keys"] == [f"${{{one}}}" for one in names]:
            del settings["keys"]

    def _same_or_new(self, wanted: str, row: str | None, settings: dict[str, Any]) -> str:
        for count in range(1, len(self.named) + 3):  # one name may be that of a vendor
            name = wanted if count == 1 else f"{wanted}-{count}"
            whole = {**({"catalog": row} if row is not None and row != name else {}), **settings}
            if name in ("local", "simulate") or (row is None and name in CATALOG):
                continue
            if self.named.setdefault(name, whole) == whole:
                return name
        return wanted

    def _is_free(self, name: str) -> bool:
        return name not in self.named and name not in CATALOG


def base_url(params: Mapping[str, Any]) -> Any:
    """Return the base URL that a deployment states; None (or an empty value) = it states none."""
    return params.get("api_base") or params.get("base_url")


def credentials(written: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the values of each of LiteLLM's named credentials (`credential_list`), by the credential's name.
    {} = there are none.
    """
    listed = written.get("credential_list")
    return {
        str(one.get("credential_name")): section(one, "credential_values")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping)
    }


def with_credential(params: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a deployment's parameters with the values of the credential that they name
    (`litellm_credential_name`), where they state none of their own. Parameters that name no known credential
    are returned as they are. known: the values of each credential, by its name.
    """
    if (found := known.get(str(params.get(_CREDENTIAL)))) is None:
        return params
    return {**found, **{key: value for key, value in params.items() if key != _CREDENTIAL}}


def _name_of(prefix: str, row: str | None, settings: Mapping[str, Any], name: str) -> str:
    """Return a name for a provider: for a wildcard (the entry's `name` is `team/*`) the text before `/*`;
    else the vendor's name (not for OpenAI with another base URL); else one made of the base URL's host or
    variable, or of `prefix`.
    """
    if name.endswith("/*") and name.count("*") == 1 and "/" not in name[:-2]:
        return name[:-2]
    if prefix == "azure" or (row is not None and (row != "openai" or "base_url" not in settings)):
        return row or prefix
    stated = str(settings.get("base_url", prefix))
    variable = re.search(r"\$\{(\w+)", stated)
    host = variable[1] if variable else (host_of(stated) or prefix)
    plain = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or prefix
    return f"{plain}-server" if plain in CATALOG or plain in ("local", "simulate") else plain


def _is_vendors_host(row: str | None, base: str) -> bool:
    return row is not None and host_of(base) == host_of(CATALOG[row].base_url)


def _default_names(row: str | None) -> tuple[str, ...]:
    return () if row is None else CATALOG[row].keys[:1]
