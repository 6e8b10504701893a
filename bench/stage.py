"""Who takes part in a run: the fake provider, the floor and the gateway, and how each is started.

The gateway runs as its users run it, `dragoman serve` with a configuration file, with a client key asked for
and the access log on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from bench.accounts import settings
from bench.processes import ROOT, Cores, Process, free_port
from bench.requests import CLIENT_KEY

Target = Literal[
    "direct", "floor", "floor-tls", "gateway", "forgetful", "workers", "unaccounted", "accounted"
]
"""`floor-tls`: the floor before the provider's TLS port. `gateway` keeps answers and usage in a file, as by
default; `forgetful` is a gateway whose answers are gone with its process, `workers` one of two processes.
`unaccounted` counts nobody's usage, `accounted` has prices, limits, and a key from its database
(`bench.accounts`)."""

_EXTRA: dict[Target, tuple[str, ...]] = {"workers": ("--workers", "2")}

CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
    *("-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"),
)
"""Makes a key and its certificate, which a client has to be told to trust."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The provider's port for TLS. certificate: a PEM file, for its clients to trust."""

    port: int
    certificate: Path


@dataclass(slots=True)
class Stage:
    """The provider of a run, and where the others are started.

    models: every model name that the run asks the provider for; the gateway serves each under its own name,
    by chat as `renamed-NAME` and, over TLS, `tls-NAME`, by Anthropic's messages as `translated-NAME`, by
    Gemini as `gemini-NAME` and by OpenAI's Responses as `responses-NAME`. tls: None where no certificate
    could be made.
    """

    cores: Cores
    folder: Path
    models: tuple[str, ...]
    provider: Process
    tls: Tls | None

    @classmethod
    async def build(cls, cores: Cores, folder: Path, models: tuple[str, ...]) -> Stage:
        """Start the provider."""
        port = free_port()
        arguments = ["-m", "bench.upstream", "--port", str(port)]
        tls: Tls | None = None
        if (pem := certificate(folder)) is not None:
            tls = Tls(free_port(), pem)
            arguments += ["--tls-port", str(tls.port), "--certificate", str(pem)]
        provider = Process(
            arguments, port, cores.bench, folder / "provider.log", environment(folder / "home")
        )
        await provider.ready()
        return cls(cores, folder, models, provider, tls)

    def start(self, target: Target, python: str = sys.executable) -> Process:
        """Start a floor or a gateway on the core under test; it is not ready yet.

        python: the interpreter, with what the run needs. Raises RuntimeError for a floor by TLS where there
        is no certificate.
        """
        return self.start_under((python,), target, self.cores.subject, {})

    def start_under(
        self,
        command: Sequence[str],
        target: Target,
        core: int | None,
        variables: dict[str, str],
        *,
        drained: bool = True,
    ) -> Process:
        """The same, by a command that ends with the interpreter, and with more environment variables.

        drained: whether the gateway's journal goes on into its database.
        """
        port = free_port()
        origin = f"http://127.0.0.1:{self.provider.port}"
        if target == "floor":
            arguments = ["-m", "bench.floor", "--port", str(port), "--provider", origin]
        elif target == "floor-tls":
            if self.tls is None:
                raise RuntimeError("no certificate: there is no `openssl` that makes one")
            secure = f"https://127.0.0.1:{self.tls.port}"
            arguments = ["-m", "bench.floor", "--port", str(port), "--provider", secure]
            arguments += ["--trusted", str(self.tls.certificate)]
        else:
            file = self.folder / f"{target}.yaml"
            file.write_text(
                yaml.safe_dump(
                    self._configuration(origin, "memory" if target == "forgetful" else "sqlite")
                    | (settings() if target == "accounted" else {})
                )
            )
            program = ("dragoman", "serve") if drained else ("bench.accounts", "serve-undrained")
            if target == "unaccounted":
                program = ("bench.accounts", "serve-without")
            arguments = ["-m", *program, "--config", str(file), "--port", str(port)]
            arguments += _EXTRA.get(target, ())
            if target == "accounted":
                self._seed(command[-1])
        log = self.folder / f"{target}.log"
        env = environment(self.folder / target) | variables
        return Process(arguments, port, core, log, env, command=command)

    def _seed(self, python: str) -> None:
        """Give the database of the gateway with accounts its key, once."""
        home = self.folder / "accounted"
        if not home.exists():
            home.mkdir()
            command = (python, "-m", "bench.accounts", "seed", str(home))
            subprocess.run(command, cwd=ROOT, env=environment(home), check=True)

    def _configuration(self, origin: str, store: str) -> dict[str, object]:
        own = {model: {"use": f"up/{model}"} for model in self.models}
        translated = {
            f"{prefix}-{model}": {"use": f"{provider}/{model}"}
            for prefix, provider in (
                *(("translated", "an"), ("gemini", "ge"), ("responses", "re")),
                *((("tls", "se"),) if self.tls is not None else ()),
            )
            for model in self.models
        }
        secure: dict[str, object] = {}
        if self.tls is not None:
            secure["se"] = {
                "dialect": "openai_chat",
                "base_url": f"https://127.0.0.1:{self.tls.port}/v1",
                "keys": ["bench-provider-key"],
                "ca_file": str(self.tls.certificate),
            }
        return {
            "server": {"host": "127.0.0.1", "access_log": True},
            "auth": {"keys": [CLIENT_KEY]},
            "providers": {
                "up": {"dialect": "openai_chat", "base_url": f"{origin}/v1", "keys": ["bench-provider-key"]},
                "an": {"dialect": "anthropic", "base_url": origin, "keys": ["bench-provider-key"]},
                "re": {
                    "dialect": "openai_responses",
                    "base_url": f"{origin}/v1",
                    "keys": ["bench-provider-key"],
                },
                "ge": {"dialect": "gemini", "base_url": f"{origin}/v1beta", "keys": ["bench-provider-key"]},
                **secure,
            },
            "stores": {"sql": store},
            "models": {**own, **translated},
            "aliases": {f"renamed-{model}": {"route": model} for model in self.models},
        }


def certificate(folder: Path) -> Path | None:
    """A PEM file with a new key and its certificate for 127.0.0.1, made by `openssl`; None without one."""
    if shutil.which(CERTIFICATE[0]) is None:
        return None
    key, cert, both = (folder / f"{name}.pem" for name in ("key", "cert", "both"))
    made = subprocess.run(
        [*CERTIFICATE, "-keyout", str(key), "-out", str(cert)], check=False, capture_output=True
    )
    if made.returncode:
        return None
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return both


def environment(home: Path) -> dict[str, str]:
    """This environment without what would configure the gateway or keep its bytecode from being written, and
    with a home of its own.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DRAGOMAN_")
        and not name.endswith(("_API_KEY", "_BASE_URL", "_HOST"))
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "DRAGOMAN_HOME": str(home), "DRAGOMAN_DISCOVER": "false"}
