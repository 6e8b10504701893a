"""Checks the files with certificates and private keys that settings name.

OpenSSL's own errors name neither the file nor the setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from dragoman.config.misfit import Misfit, no_file

if TYPE_CHECKING:
    import ssl

    from dragoman.config.settings import Provider

_FORM: Final = "-----BEGIN CERTIFICATE-----"


def provider_certificates(settings: Provider) -> Iterator[Misfit]:
    """Yield the mistakes in `ca_file`, `client_cert` and `client_key` of a provider. Their places are
    relative to the provider. Reads the files. With `verify_tls: false`, the content of `ca_file` is not
    checked, because it is not used.
    """
    if settings.verify_tls:
        yield from authority("ca_file", settings.ca_file)
    else:
        yield from no_file("ca_file", settings.ca_file)
    missing = [*no_file("client_cert", settings.client_cert), *no_file("client_key", settings.client_key)]
    yield from missing
    if settings.client_cert is None:
        if settings.client_key is not None:
            yield Misfit("client_key", "there is no `client_cert` for this key")
    elif not missing:
        yield from _client(settings.client_cert, settings.client_key)


def authority(place: str, file: str | None) -> Iterator[Misfit]:
    """Yield a mistake if a file does not exist, or if the certificates to trust cannot be read from it. None
    if `file` is None. place: of the setting that names the file.
    """
    yield from (missing := [*no_file(place, file)])
    if file is not None and not missing:
        yield from _certificates(place, file)


def database_files(uri: str) -> Iterator[Misfit]:
    """Yield the mistakes in the files that a PostgreSQL URI names: the file `sslrootcert` does not exist and
    `sslmode` needs it, or the certificates to trust cannot be read from it; the files `sslcert` and `sslkey`
    do not exist or cannot be read, unless `sslmode` is `disable`. The places are "".
    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CERTIFICATES
    """
    stated = {name: values[-1] for name, values in parse_qs(uri.partition("?")[2]).items()}
    mode = stated.get("sslmode", "")
    if mode == "disable":
        return
    for name in ("sslcert", "sslkey"):
        # A key `engine:id` is in a device that an engine of OpenSSL reads.
        if (file := stated.get(name)) is not None and not (name == "sslkey" and ":" in file):
            for one in _unread(file):
                yield one._replace(message=f"{name}: {one.message}")
    file = stated.get("sslrootcert", "system")
    if file == "system":
        return
    needed = mode.startswith("verify-")
    missing = bool([*no_file("", file)])
    for one in authority("", file):
        if needed or not missing:  # else libpq goes on without the file
            yield one._replace(message=f"sslrootcert: {one.message}")


def _unread(file: str) -> Iterator[Misfit]:
    """Yield a mistake if a file does not exist or cannot be read. The place is ""."""
    yield from (missing := [*no_file("", file)])
    if not missing:
        try:
            Path(file).open("rb").close()
        except OSError as error:
            yield Misfit("", f"{file} cannot be read: {error.strerror}")


def _certificates(place: str, file: str) -> Iterator[Misfit]:
    context = _context()
    try:
        context.load_verify_locations(cafile=file)
    except OSError as error:  # also an ssl.SSLError
        yield _unusable(place, file, error, "certificate")
    else:
        if not context.cert_store_stats()["x509"]:  # a list of revoked certificates alone
            yield Misfit(place, f"there is no certificate in {file}", f"it needs {_FORM}")


def _client(cert: str, key: str | None) -> Iterator[Misfit]:
    """Yield a mistake if a client certificate, or its private key, cannot be used. key: None = the key is in
    the file `cert`.
    """
    wrong = [*_certificates("client_cert", cert)]
    yield from wrong
    if wrong:
        return
    encrypted = False

    def password() -> str:
        nonlocal encrypted
        encrypted = True
        return ""

    place, file = ("client_cert", cert) if key is None else ("client_key", key)
    try:
        _context().load_cert_chain(cert, key, password)
    except OSError as error:
        if encrypted:
            yield Misfit(place, f"the private key in {file} is encrypted", "it must not have a passphrase")
        elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            yield Misfit(place, f"the private key in {file} does not belong to the certificate in {cert}")
        else:
            yield _unusable(place, file, error, "private key")


def _context() -> ssl.SSLContext:
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _unusable(place: str, file: str, error: OSError, what: str) -> Misfit:
    import ssl

    if isinstance(error, ssl.SSLError):
        return Misfit(place, f"there is no valid {what} in PEM form in {file}")
    return Misfit(place, f"{file} cannot be read: {error.strerror or error}")
