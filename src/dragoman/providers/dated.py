"""The address of an API whose versions have dates, in the spellings that people use. Pure.

People copy an endpoint with its model and version out of the vendor's portal:
`https://NAME.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21`. It says the
same as the base URL `https://NAME.openai.azure.com` and the version `2024-10-21`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

from dragoman.providers.vendor import Dated, Vendor

_PARAMETER: Final = "api-version"
_ENDPOINT: Final = r"(?:/chat/completions|/(?:images/)?embeddings)?"
_BELOW: Final = r"(?:/(?:v1|deployments|responses)(?:/.*)?)?"
"""What people copy below the path of an API: its version, a deployment, an endpoint."""
_DATED: Final = re.compile(r"20\d\d-\d\d-\d\d(?:-preview)?", re.ASCII)


class WrongVersion(ValueError):
    """The API has no such version, or needs one. The text of the exception says it to people."""


class Spelled(NamedTuple):
    """A base URL as somebody spelled it, without its version. version: None = there is none. path: what the
    vendor's clients add to a base URL of this version.
    """

    url: str
    version: str | None
    path: str


def read(spelled: str, vendor: Vendor, dated: Dated, version: str | None) -> Spelled:
    """Separate the version from a base URL, and remove from it what belongs to one endpoint. Raises
    WrongVersion if there is none, and the API needs one.

    version: the configured version, which counts before that of the URL; None = none is configured.
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
    """Whether a version is a date. Others (`preview`, `latest`) are versions of the API without dates."""
    return _DATED.fullmatch(version) is not None


def dated_api(vendor: Vendor | None, version: str | None) -> Dated | None:
    """Where the API of this version lies; None = where the vendor's API without dates lies."""
    if vendor is None or version is None or not is_dated(version):
        return None
    return vendor.dated


def query(version: str | None) -> str:
    """What every URL ends in, to state the version; "" = no version."""
    return "" if version is None else f"?{_PARAMETER}={quote(version, safe='')}"
