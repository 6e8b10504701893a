"""Encodes media as parts: the data or the URL of each, and the media type that the API requires."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.errors import WireError

DETAILS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}
_DETAIL_WORDS = {word: level for level, word in DETAILS.items()}
YOUTUBE = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
STORED = ("https://generativelanguage.googleapis.com/", "gs://")
_MAGIC = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lGOD": "image/gif",
    "JVBERi": "application/pdf",
    "SUQz": "audio/mpeg",
    "T2dnUw": "audio/ogg",
    "ZkxhQ": "audio/flac",
}
_SUFFIXES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
}
_RIFF = "UklGR"
_SPOKEN = "audio/L16;codec=pcm;rate=24000"
"""The media type that is assumed for raw audio in an answer: samples of 16 bits, 24,000 per second."""
_USUAL = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}


def reads(media: ir.Media) -> bool:
    """Whether Google's servers can read the medium at its file address or, without one, at its URL. They can
    read files at Google and YouTube videos.
    """
    return (media.file or media.url or "").startswith((*STORED, *YOUTUBE))


def encode_source(block: ir.Media, draft: Draft, where: str) -> dict[str, Any] | None:
    """Return a part with the medium's data or, if it has none, its address; None = it has neither. If the
    block comes from another dialect, raises WireError for a file id that is not Google's and, in a request,
    for a URL that the provider cannot read (`_address`). where: the block's IR path.
    """
    if block.data is not None:
        data = block.data
        if draft.own and block.form == "urlsafe":
            data = data.replace("+", "-").replace("/", "_")
        return {"inlineData": _typed({"data": data}, block, data, draft, where)}
    if (uri := _address(block, draft, where)) is not None:
        return {"fileData": _typed({"fileUri": uri}, block, uri, draft, where)}
    return None


def _address(block: ir.Media, draft: Draft, where: str) -> str | None:
    """Return the address of a medium: its file at the provider or, if it has none, its URL; None = it has
    neither. where: the block's IR path.

    If the client of a request speaks another dialect, raises WireError for a URL that Google cannot read
    (`reads`), unless the provider has the quirk `media_urls`. Also raises WireError for a file id that is not
    Google's, unless the block comes from this dialect.
    """
    if block.file is not None:
        if not draft.own and not block.file.startswith(STORED):
            raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
        return block.file
    if block.url is None or draft.own or draft.answer or draft.quirks.media_urls or reads(block):
        return block.url
    raise WireError(f"{block.kind} must be sent as data, not as a URL", where, "unsupported_value")


def _typed(out: dict[str, Any], block: ir.Media, source: str, draft: Draft, where: str) -> dict[str, Any]:
    mime = block.mime
    if mime is None and not draft.own:
        if "fileUri" in out:
            suffix = source.partition("?")[0].rpartition(".")[2].lower()
            mime = _SUFFIXES.get(suffix, _USUAL[block.kind])
        else:
            found = (known for magic, known in _MAGIC.items() if source.startswith(magic))
            raw = draft.answer and block.kind == "audio" and not source.startswith(_RIFF)
            mime = next(found, _SPOKEN if raw else _USUAL[block.kind])
        inside = "fileData" if "fileUri" in out else "inlineData"
        draft.report.change(
            f"{where}.mime", draft.to(f"{inside}.mimeType"), f"no media type was given: {mime} is assumed"
        )
    if mime is not None:
        out["mimeType"] = mime
    if block.name is not None:
        if draft.own:
            out["displayName"] = block.name
        else:
            draft.report.lose(f"{where}.name", "media in the Gemini API have no names", "hint")
    return out


def resolve(out: dict[str, Any], detail: str, draft: Draft, where: str) -> None:
    """Write `detail`, the resolution of a medium ("low", "high"), as `mediaResolution` into `out`, the
    medium's part. A resolution that the API lacks is reported as lost, and so is any resolution if `out` is a
    text. "auto" is never written, and never reported. where: the block's IR path.
    """
    level = _DETAIL_WORDS.get(detail)
    if level is not None and "text" not in out:
        out["mediaResolution"] = {"level": level}
    elif detail != "auto":
        why = f"the Gemini API has no media resolution for detail {detail}"
        draft.report.lose(f"{where}.detail", why, "quality")
