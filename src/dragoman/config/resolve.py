"""Makes an account (`providers.Provider`) from a provider's settings and its row in the catalogue: address,
paths, protocols, keys, identity, quirks.

Each step is a separate function, so that `check` can report an error at the setting that causes it. The
functions raise ValueError, with a message for people, if the settings are wrong. Their parameters: vendor =
the provider's row in the catalogue, None = it has none; dialect = the name of its main protocol
(`dialect_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

import msgspec

from dragoman.config.scalars import DialectName
from dragoman.config.settings import Api as ApiSettings
from dragoman.config.settings import Provider as Settings
from dragoman.config.tree import Source
from dragoman.dialects.access import Scheme
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.errors import setting_path
from dragoman.providers import address
from dragoman.providers.auth import Credential
from dragoman.providers.catalog import CATALOG
from dragoman.providers.dated import WrongVersion, dated_api, query, read
from dragoman.providers.identity import Identity
from dragoman.providers.provider import Api, Provider, base_url
from dragoman.providers.sigv4 import access_key, is_broken, region_in
from dragoman.providers.vendor import ApiRow, Vendor
from dragoman.seams.secret import Secret


def vendor_of(name: str, settings: Settings) -> Vendor | None:
    """Return the provider's row in the catalogue: the row that the setting `catalog` names; without this
    setting, the row with the provider's name. None = there is no row with this name. Raises ValueError if
    `catalog` names no row. name: the provider's name in the configuration.
    """
    if settings.catalog is not None and settings.catalog not in CATALOG:
        raise ValueError(f"there is no known provider {settings.catalog}")
    return CATALOG.get(settings.catalog or name)


def dialect_of(settings: Settings, vendor: Vendor | None) -> str:
    """Return the name of the provider's main protocol: that of the catalogue row; without a row, that of the
    setting `dialect`; without both, Chat Completions. Raises ValueError if the setting contradicts the row.
    """
    if vendor is None:
        return settings.dialect or DEFAULT.name
    if settings.dialect not in {None, vendor.dialect}:
        raise ValueError(f"the known provider {vendor.name} speaks {vendor.dialect}")
    return vendor.dialect


def paths_of(settings: Settings, vendor: Vendor | None, dialect: str) -> tuple[str, str]:
    """Return the paths of the chat endpoint below the base URL: (for a response that is not a stream, for a
    stream). `{model}` in them stands for the model's name.

    The first path is the setting `chat_path`, or else that of the catalogue row, or else the protocol's. The
    second one is the same, unless the protocol has a path of its own for streams: such protocols put the
    model into the path. For them, the setting `chat_path` raises ValueError.
    """
    paths = DIALECTS[dialect].paths
    if settings.chat_path and paths.stream:
        raise ValueError(
            f"{dialect} puts the model into the URL path, so its paths cannot be replaced by one path"
        )
    chat_path = settings.chat_path or (vendor.chat_path if vendor else None) or paths.chat
    return chat_path, paths.stream or chat_path


def apis_of(
    settings: Settings, vendor: Vendor | None, base: str, auth: Scheme, version: str | None = None
) -> tuple[Api, ...]:
    """Return the further protocols of a provider: those of the setting `apis`, where the catalogue supplies
    what they do not state; without this setting, those of the catalogue row that this version of the API has
    at this base URL.

    base: the provider's base URL. auth: how its main protocol sends the key. version: the version of the API,
    None = the URLs state no version. Raises ValueError for an invalid quirk.
    """
    rows = vendor.also if vendor else {}
    stated = settings.apis
    if stated is None:
        spoken = _spoken(rows, vendor, version, base)
        stated = tuple(ApiSettings(dialect=DialectName(name)) for name in spoken)
    found = []
    for one in stated:
        row = rows.get(one.dialect, ApiRow(quirks=DIALECTS[one.dialect].quirks))
        folder, deviations = _of_version(vendor, version, base, one.dialect)
        api = api_of(one, _but(row, deviations), base, auth, folder)
        found.append(msgspec.structs.replace(api, query=query(version)))
    return tuple(found)


def api_of(stated: ApiSettings, row: ApiRow, base: str, auth: Scheme, folder: str = "") -> Api:
    """Return one further protocol of a provider, without the query that states a version.

    stated: the operator's settings, which count before those of `row`. row: the catalogue's facts. base: the
    provider's base URL; if `stated` has no path, it is changed as `row.drops` and `row.swaps` say. auth: how
    the main protocol sends the key; used if neither `stated` nor `row` says it. folder: the text to put
    between base URL and path. Raises ValueError for an invalid quirk.
    """
    dialect = stated.dialect
    if stated.path is None:
        base = base.removesuffix(row.drops)
        for text, other in row.swaps.items():
            base = base.replace(text, other)
    spoken = DIALECTS[dialect]
    path = stated.path or row.path or spoken.paths.chat
    return Api(
        dialect=dialect,
        chat_url=base + folder + path,
        stream_url=base
        + folder
        + ((row.stream if stated.path is None else None) or spoken.paths.stream or path),
        auth=stated.auth or row.auth or auth,
        fixed=spoken.headers.required,
        quirks=_over(row.quirks, stated.quirks),
        models=row.models,
        base_url=base if folder else None,
    )


def _of_version(
    vendor: Vendor | None, version: str | None, base: str, dialect: str
) -> tuple[str, Mapping[str, Any]]:
    """Return what a version of the vendor's API changes for a protocol: (the folder between base URL and
    path, "" = none; {name of a quirk: its value}). version: None = the URLs state none.
    """
    dated = dated_api(vendor, version)
    if dated is None or version is None:
        return "", {}
    if base.endswith(dated.flat):
        return "", {}
    return dated.folders.get(dialect, ""), dated.deviations(version)


def _spoken(
    rows: Mapping[str, ApiRow], vendor: Vendor | None, version: str | None, base: str
) -> Iterable[str]:
    """Return the names of the further protocols that the vendor speaks in this version of its API at this
    base URL. rows: all its further protocols. version: None = the URLs state none.
    """
    if vendor is not None and vendor.located is not None and "/projects/" not in base:
        return ()  # without a project, an API key may use the first protocol only
    dated = dated_api(vendor, version)
    if dated is None or version is None:
        return rows
    return () if base.endswith(dated.flat) else [name for name in rows if dated.speaks(version, name)]


def _but(row: ApiRow, deviations: Mapping[str, Any]) -> ApiRow:
    if not deviations:
        return row
    return msgspec.structs.replace(row, quirks=_over(row.quirks, deviations))


def address_of(settings: Settings, vendor: Vendor | None, dialect: str) -> str:
    """Return the base URL (the operator's, otherwise the vendor's) in normal form.

    Raises ValueError if there is no base URL, or if the URL or what belongs to it (project, region, AWS keys,
    `chat_path`) is missing or invalid; WrongVersion (a ValueError) as `version_of` does.
    """
    version_of(settings, vendor)
    chat_path, _ = paths_of(settings, vendor, dialect)
    url, path = settings.base_url, None
    if url is not None and vendor is not None and vendor.dated is not None:
        url, _, path = read(url, vendor, vendor.dated, settings.api_version)
    elif vendor is not None and vendor.located is not None:
        keyed = bool(settings.keys) and settings.credential is None
        url = vendor.located.base_url(url, settings.project, settings.region, keyed=keyed)
    elif url is None and vendor is not None and vendor.region:
        url = vendor.base_url_in(settings.region)
    found = base_url(vendor, dialect, url, settings.base_path, chat_path, path=path)
    keys = [key.reveal() for key in settings.keys or ()] if DIALECTS[dialect].keys.signs else []
    if any(is_broken(key) for key in keys):
        raise ValueError("an access key (AKIA…, ASIA…) is written `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`")
    by_identity = identity_of(settings, vendor) is not None and bool(DIALECTS[dialect].keys.signs)
    signs = by_identity or any(access_key(key) for key in keys)
    if signs and settings.region is None and region_in(found) is None:
        raise ValueError("an access key signs for a region, which this address does not tell: set `region`")
    return found


def version_of(settings: Settings, vendor: Vendor | None) -> str | None:
    """Return the version of the API: the configured one, or else the one in the configured base URL; None =
    the URLs of requests state no version. Raises WrongVersion if a version is configured for an API without
    versions, or if none is stated although the base URL needs one.
    """
    version = settings.api_version
    if vendor is None or vendor.dated is None:
        if version is not None:
            raise WrongVersion("only the API of a known provider such as azure has versions: set `catalog`")
        return None
    if settings.base_url is not None:
        version = read(settings.base_url, vendor, vendor.dated, version).version
    return version


def quirk_of(name: str, value: Any) -> Any:
    """Convert a quirk's value to the type of the quirk's field. name: a field of `Quirks`; the caller has
    checked that it exists. Raises ValueError if the value does not fit.
    """
    kind = get_type_hints(Quirks)[name]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).partition(" - ")[0]) from None


def _over(facts: Quirks, stated: Mapping[str, Any]) -> Quirks:
    if not stated:
        return facts
    return msgspec.structs.replace(facts, **{name: quirk_of(name, value) for name, value in stated.items()})


def _found_in(key: Secret) -> str | None:
    """Return the path of the file, or the names of the environment variables, from which a key came; None =
    the key itself is in the configuration.
    """
    return str(key.file) if key.file is not None else key.variable


def identity_of(settings: Settings, vendor: Vendor | None) -> Identity | None:
    """Return the identity in a cloud that signs in to the provider: the configured one, or, if neither
    `credential` nor `keys` is configured (keys from the environment count as configured), the vendor's usual
    one. None = there is none, as with `credential: client` (requests have the client's own credential).
    """
    if settings.credential is not None:
        if settings.credential.kind == "client":
            return None
        return Identity(**msgspec.structs.asdict(settings.credential))
    if settings.keys is None and vendor is not None and vendor.identity is not None:
        return Identity(kind=vendor.identity)
    return None


def provider_of(name: str, settings: Settings, sources: Mapping[str, Source]) -> Provider:
    """Make the account of a provider. name: its name in the configuration. sources: the places of the written
    settings, by the setting's path. Raises ValueError if a function of this module refuses a setting, because
    it is invalid or contradicts other settings or the catalogue.
    """
    vendor = vendor_of(name, settings)
    dialect = dialect_of(settings, vendor)
    base = address_of(settings, vendor, dialect)
    chat_path, stream_path = paths_of(settings, vendor, dialect)
    origin = address.origin(base)
    version = version_of(settings, vendor)
    folder, deviations = _of_version(vendor, version, base, dialect)
    identity = identity_of(settings, vendor)
    forwards = settings.credential is not None and settings.credential.kind == "client"
    auth = settings.auth or (vendor.auth if vendor else None) or DIALECTS[dialect].keys.scheme
    if identity is not None and settings.auth is None:
        auth = "bearer"  # an identity's token, whichever header the vendor uses for keys
    quirks = _over(vendor.quirks if vendor else DIALECTS[dialect].quirks, deviations)
    place = setting_path(setting_path("providers", name), "keys")
    return Provider(
        name=name,
        vendor=vendor,
        dialect=dialect,
        base_url=base,
        chat_path=chat_path,
        stream_path=stream_path,
        auth=auth,
        credentials=tuple(
            Credential(key, origin, _found_in(key) or str(sources.get(f"{place}[{index}]", "")))
            for index, key in enumerate(() if forwards else settings.keys or ())
        ),
        fixed=DIALECTS[dialect].headers.required,
        headers={header.lower(): value for header, value in settings.headers.items()},
        body=settings.body,
        quirks=_over(quirks, settings.quirks),
        models=None if settings.models == ("*",) else settings.models,
        region=settings.region,
        base_models=settings.base_models,
        forwards=forwards,
        further=apis_of(settings, vendor, base, auth, version),
        api_version=version,
        folder=folder,
        identity=identity,
    )
