"""Files with certificates that cannot be used are told with their setting and their name."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dragoman.assembly.providers import transport_of
from dragoman.capacity.space import Space
from dragoman.config import check_certificates
from dragoman.config.check_certificates import authority, database_files, provider_certificates
from dragoman.config.misfit import Misfit
from dragoman.config.scalars import FilePath
from dragoman.config.settings import Provider
from dragoman.errors import ConfigError
from dragoman.net.transport import CROWDED
from dragoman.seams.deadlines import Deadlines

Mistakes: TypeAlias = Callable[..., list[str]]
HALF = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class Files(NamedTuple):
    """ca: certificates to trust. cert, key: a client certificate and its key, both: in one file. other: the
    key of another certificate. locked: the key with a passphrase.
    """

    ca: str
    cert: str
    key: str
    both: str
    other: str
    locked: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    made = Files(*(str(folder / f"{name}.pem") for name in Files._fields))
    ca = trustme.CA()
    one = ca.issue_cert("client.example")
    ca.cert_pem.write_to_path(made.ca)
    one.cert_chain_pems[0].write_to_path(made.cert)
    one.private_key_pem.write_to_path(made.key)
    one.private_key_and_cert_chain_pem.write_to_path(made.both)
    ca.issue_cert("other.example").private_key_pem.write_to_path(made.other)
    locks = ["openssl", "pkey", "-in", made.key, "-out", made.locked, "-aes128", "-passout", "pass:word"]
    subprocess.run(locks, check=True, capture_output=True)
    return made


@pytest.fixture
def provider(files: Files) -> Callable[..., Provider]:
    return lambda **names: Provider(**{name: getattr(files, file) for name, file in names.items()})


def told(found: Iterator[Misfit]) -> list[str]:
    return [f"{one.place}: {one.message}" for one in found]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file {}"),
        ("", "there is no valid certificate in PEM form in {}"),
        ("no certificate", "there is no valid certificate in PEM form in {}"),
        (HALF, "there is no valid certificate in PEM form in {}"),
    ],
)
def test_an_authority_that_cannot_be_read(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    assert told(authority("stores.valkey_ca", str(file))) == [f"stores.valkey_ca: {message.format(file)}"]


def test_files_that_can_be_used(provider: Callable[..., Provider], files: Files) -> None:
    assert told(provider_certificates(provider(ca_file="ca", client_cert="cert", client_key="key"))) == []
    assert told(provider_certificates(provider(client_cert="both"))) == []
    assert told(authority("x", files.ca)) == told(authority("x", None)) == []


@pytest.mark.parametrize(
    ("names", "mistake"),
    [
        ({"ca_file": "key"}, "ca_file: there is no valid certificate in PEM form in {0.key}"),
        ({"client_key": "key"}, "client_key: there is no `client_cert` for this key"),
        ({"client_cert": "key"}, "client_cert: there is no valid certificate in PEM form in {0.key}"),
        ({"client_cert": "cert"}, "client_cert: there is no valid private key in PEM form in {0.cert}"),
        (
            {"client_cert": "cert", "client_key": "ca"},
            "client_key: there is no valid private key in PEM form in {0.ca}",
        ),
        (
            {"client_cert": "cert", "client_key": "other"},
            "client_key: the private key in {0.other} does not belong to the certificate in {0.cert}",
        ),
        (
            {"client_cert": "cert", "client_key": "locked"},
            "client_key: the private key in {0.locked} is encrypted",
        ),
    ],
)
def test_files_that_cannot_be_used(
    provider: Callable[..., Provider], files: Files, names: dict[str, str], mistake: str
) -> None:
    assert told(provider_certificates(provider(**names))) == [mistake.format(files)]


def test_an_authority_that_is_not_used_may_be_anything(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    assert told(provider_certificates(Provider(ca_file=FilePath(file), verify_tls=False))) == []


def test_the_setting_is_told_with_its_line(mistakes: Mistakes, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    missing = "there is no valid certificate in PEM form in ca.pem"
    database = f"'postgresql://u:p@h/n?sslmode=verify-full&sslrootcert={file}'"
    assert mistakes(
        f"providers: {{openai: {{keys: k, ca_file: ca.pem}}}}\n"
        f"stores: {{valkey_ca: ca.pem, sql: {database}}}\ntrace: {{store: {database}}}"
    ) == [
        f"dragoman.yaml:1: providers.openai.ca_file: {missing}",
        f"dragoman.yaml:2: stores.sql: sslrootcert: {missing}",
        f"dragoman.yaml:2: stores.valkey_ca: {missing}",
        f"dragoman.yaml:3: trace.store: sslrootcert: {missing}",
    ]


def test_postgresql_needs_the_file_only_to_verify(tmp_path: Path, files: Files) -> None:
    uri, none = "postgresql://h/n", tmp_path / "none.pem"
    missing = [f": sslrootcert: there is no file {none}"]
    assert told(database_files(f"{uri}?sslmode=verify-ca&sslrootcert={none}")) == missing
    for fine in (
        "",
        "?sslmode=verify-full",
        f"?sslrootcert={none}",
        f"?sslmode=verify-full&sslrootcert={files.ca}",
    ):
        assert told(database_files(uri + fine)) == []
    assert told(database_files(f"{uri}?sslmode=verify-full&sslrootcert=system")) == []
    assert told(database_files(f"{uri}?sslmode=disable&sslrootcert={none}&sslcert={none}")) == []


def test_the_files_of_a_client_of_postgresql_have_to_be_there(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, none = "postgresql://h/n?sslcert", tmp_path / "none.pem"
    assert told(database_files(f"{uri}={files.cert}&sslkey={files.key}")) == []
    assert told(database_files(f"{uri}={files.cert}&sslkey=pkcs11:slot")) == []
    assert told(database_files(f"{uri}={none}&sslkey={tmp_path}")) == [
        f": sslcert: there is no file {none}",
        f": sslkey: there is no file {tmp_path}",
    ]

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert told(database_files(f"{uri}={files.cert}")) == [
        f": sslcert: {files.cert} cannot be read: Permission denied"
    ]


async def test_a_file_that_changes_after_the_check_is_told_too(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(ConfigError) as raised:
        transport_of(
            "up",
            Provider(ca_file=FilePath(file)),
            Deadlines(asyncio.get_running_loop()),
            client="own",
            reached=lambda *_: None,
            space=Space(1_000_000, CROWDED),
        )
    assert str(raised.value) == f"providers.up.ca_file: there is no valid certificate in PEM form in {file}"


def test_a_file_that_vanishes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_certificates, "no_file", lambda *_: iter(()))
    file = tmp_path / "ca.pem"
    assert told(authority("x", str(file))) == [f"x: {file} cannot be read: No such file or directory"]


def test_a_list_of_revoked_certificates_alone_trusts_nobody(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    revoked = x509.CertificateRevocationListBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca.example")]), now, now + timedelta(days=1)
    ).sign(key, hashes.SHA256())
    file = tmp_path / "ca.pem"
    file.write_bytes(revoked.public_bytes(Encoding.PEM))
    assert told(authority("x", str(file))) == [f"x: there is no certificate in {file}"]
