"""Signs requests for AWS: Signature Version 4. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, read in 2026-11;
the tests compare each signature with botocore's.

The signature covers the method, the path, the query, the body, the host, `content-type` and each header that
begins with `x-amz-`. No other header is signed, because a proxy may change it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HOST: Final = re.compile(r"(?:\A|\.)bedrock-runtime(?:-fips)?\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.")
_KEY: Final = re.compile(
    r"(?P<id>(?:AKIA|ASIA)[A-Z0-9]{12,124}):(?P<secret>[^:\s]{16,}?)(?::(?P<token>[^:\s]+))?\Z"
)
_PORTS: Final = {"http": 80, "https": 443}


class AccessKey(msgspec.Struct, frozen=True):
    """An access key of AWS. id: the public part, which is not a secret. secret: the secret part. token: the
    session token of temporary credentials, None = there is none, as for a permanent key.
    """

    id: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"AccessKey({self.id!r})"


def access_key(text: str) -> AccessKey | None:
    """Return the access key in a text of the form `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`, whose ID begins
    with `AKIA` or `ASIA`; None = the text has another form, such as a Bedrock API key.
    """
    found = _KEY.match(text)
    return None if found is None else AccessKey(found["id"], found["secret"], found["token"])


def is_broken(text: str) -> bool:
    """Whether a text begins like the id of an access key (`AKIA`, `ASIA`) but does not have the form of an
    access key. Such a text must not be sent as a bearer token, because it may contain the secret part.
    """
    return text.startswith(("AKIA", "ASIA")) and access_key(text) is None


def region_in(url: str) -> str | None:
    """Return the region in the host of a Bedrock endpoint (`bedrock-runtime.REGION.…`); None = the host is
    another one, such as that of a proxy.
    """
    found = _HOST.search(urlsplit(url).hostname or "")
    return None if found is None else found[1]


def signature_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key: AccessKey,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """Return the headers that the caller has to add to a request, as a new dict: `x-amz-date`,
    `authorization`, and `x-amz-security-token` for a key with a token.

    url: exactly as it is sent, with its path and query percent-encoded. headers: the other headers of the
    request, with names in lower case; their `host`, if there is one, is signed in place of the URL's host.
    body: all of it. service: AWS's name of the service ("bedrock"). now: Unix seconds.
    """
    moment = datetime.fromtimestamp(now, UTC)
    date, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    added = {"x-amz-date": date}
    if key.token is not None:
        added["x-amz-security-token"] = key.token
    parts = urlsplit(url)
    signed = {name: value for name, value in headers.items() if name == "content-type" or _is_amazons(name)}
    signed = {**signed, **added, "host": headers.get("host") or _host(parts.scheme, parts.netloc)}
    names = sorted(signed)
    canonical = "\n".join(
        (
            method,
            _path(parts.path),
            _query(parts.query),
            *(f"{name}:{' '.join(signed[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    said = "\n".join((ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signing = f"AWS4{key.secret}".encode()
    for step in (day, region, service, "aws4_request"):
        signing = hmac.digest(signing, step.encode(), "sha256")
    signature = hmac.digest(signing, said.encode(), "sha256").hex()
    added["authorization"] = (
        f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return added


def _is_amazons(name: str) -> bool:
    return name.startswith("x-amz-") and name not in {"x-amz-date", "x-amz-security-token"}


def _host(scheme: str, netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    return host.removesuffix(f":{_PORTS.get(scheme)}")


def _query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)


def _path(path: str) -> str:
    """Return the path in canonical form: `.` and `..` are resolved, empty segments are removed, and the path
    is percent-encoded once more, so that `%3A` in the sent path is signed as `%253A`. All services except S3
    require this.
    """
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    whole = "/" + "/".join(segments) + ("/" if path.endswith("/") and segments else "")
    return quote(whole, safe="/~")
