"""Reads base URLs of APIs that name their version by a date, in the spellings that people use. Pure.

People copy an endpoint with its model and version out of the vendor's portal:
`https://NAME.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21`. This URL
means the base URL `https://NAME.openai.azure.com` and the version `2024-10-21`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

from dragoman.providers.vendor import Dated, Vendor

_PARAMETER: Final = "api-version"
_ENDPOINT: Final = r"(?:/chat/completions|/(?:images/)?embeddings)?"
_BELOW: Final = r"(?:/(?:v1|deployments|responses)(?:/.*)?)?"
"""Matches what people copy together with the path of an API: its version, a deployment, an endpoint."""
_DATED: Final = re.compile(r"20\d\d-\d\d-\d\d(?:-preview)?", re.ASCII)


class WrongVersion(ValueError):
    """Raised if a version is stated for an API without versions, or is missing for an API that needs one. The
    text of the exception explains this to people.
    """


class Spelled(NamedTuple):
    """A base URL as somebody wrote it, separated from its version. url: without the version. version: None =
    neither the URL nor the configuration states one. path: the usual path for this version;
    `address.base_url` gets it as its `path`, and adds it if `url` has no path.
    """

    url: str
    version: str | None
    path: str


def read(spelled: str, vendor: Vendor, dated: Dated, version: str | None) -> Spelled:
    """Return the URL of the API, separated from its version. What people copy together with it is removed
    from its end: `dated.path`, also with `/v1`, `/deployments` or `/responses` and all that follows; but
    after `dated.flat` only the endpoint.

        https://NAME/openai/deployments/x/chat/completions?api-version=DATE  https://NAME, DATE
        https://NAME/models/chat/completions?api-version=DATE                https://NAME/models, DATE

    spelled: the URL. dated: the vendor's API with dated versions. version: the configured version, which is
    used instead of one in the URL; None = none is configured. A URL with another query is returned unchanged,
    because it will be refused later. Raises WrongVersion if no version is stated although the URL ends in
    `dated.flat` or in an endpoint below it.
    """
    url, mark, search = spelled.strip().partition("?")
    stated = dict(parse_qsl(search))
    if not mark or stated.keys() == {_PARAMETER}:
        version = version or stated.get(_PARAMETER)
    else:  # an error will say that a base URL has no query
        return Spelled(spelled, version, vendor.path)
    url = url.rstrip("/")
    if (flat := re.fullmatch(f"(.*{re.escape(dated.flat)}){_ENDPOINT}", url)) is not None:
        if version is None:
            raise WrongVersion(f"the API below {dated.flat} needs a version, such as 2024-05-01-preview")
        return Spelled(flat[1], version, dated.flat)
    if (usual := re.fullmatch(f"(.*){re.escape(dated.path)}{_BELOW}", url)) is not None:
        url = usual[1]
    path = dated.path if version is not None and is_dated(version) else vendor.path
    return Spelled(url, version, path)


def is_dated(version: str) -> bool:
    """Whether a version has the form of a date (`2024-10-21`, `2024-10-01-preview`). The names `preview` and
    `latest` are versions of the API without dates.
    """
    return _DATED.fullmatch(version) is not None


def dated_api(vendor: Vendor | None, version: str | None) -> Dated | None:
    """Return the description of the vendor's API with dated versions, if `version` is a date (`is_dated`).
    None = `version` is not a date or is None, the vendor is unknown, or the vendor has no such API; then its
    API without dates is used.
    """
    if vendor is None or version is None or not is_dated(version):
        return None
    return vendor.dated


def query(version: str | None) -> str:
    """Return the query for the end of every URL, which states the version: `?api-version=…`. None = no
    version; then "" is returned.
    """
    return "" if version is None else f"?{_PARAMETER}={quote(version, safe='')}"
