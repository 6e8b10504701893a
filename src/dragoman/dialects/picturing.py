"""Adapts image requests to the abilities of a provider, and image responses to the client's wishes. Pure.

For a provider without sizes, the nearest aspect ratio replaces a size. Where bytes are needed but URLs are
given, the functions here list the URLs, the gateway downloads the files, and `Reading.fill` puts the bytes
in. A request for more images than a provider makes at once is divided, and the responses are joined.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, log
from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Reading
from dragoman.dialects.severity import Severity
from dragoman.errors import WireError
from dragoman.wire.dataurl import is_data_url, read
from dragoman.wire.sniff import media_type

AUTO: Final = "auto"
USUAL: Final = "image/png"
"""The media type of an image if neither the request nor its first bytes show a type."""
_SIZE: Final = re.compile(r"([1-9][0-9]{0,4})[xX×*]([1-9][0-9]{0,4})")
_BEGINNING: Final = 16
_USUAL: Final = frozenset(
    {
        *(("background", AUTO), ("background", "opaque"), ("moderation", AUTO), ("quality", AUTO)),
        *(("quality", "standard"), ("partials", 0), ("fidelity", "low")),
    }
)
"""(field, value) pairs of `ir.ImageRequest` that are the default, so that leaving them out loses nothing."""
_WORDS: Final[Mapping[str, tuple[str, Severity]]] = {
    "size": ("size parameter", "quality"),
    "quality": ("quality parameter", "quality"),
    "style": ("style parameter", "quality"),
    "background": ("transparent background", "meaning"),
    "moderation": ("moderation parameter", "quality"),
    "fidelity": ("input fidelity parameter", "quality"),
    "output": ("output format parameter", "quality"),
    "compression": ("compression parameter", "hint"),
    "partials": ("partial images", "hint"),
    "seed": ("seed", "quality"),
    "user": ("end user id", "hint"),
}


def lose(request: ir.ImageRequest, report: Report, who: str, *fields: str) -> None:
    """Report these fields of a request as lost. A field that is None or has its default value (`_USUAL`) is
    not reported. who: the provider's name, for the loss reason. fields: names of fields of `ir.ImageRequest`;
    only those in `_WORDS` are possible.
    """
    for field in fields:
        value = getattr(request, field)
        if value is not None and (field, value) not in _USUAL:
            what, severity = _WORDS[field]
            report.lose(field, f"{who} has no {what}", severity)


# --- Shapes ------------------------------------------------------------------------------------


def pixels(size: str) -> tuple[int, int]:
    """Return (width, height) in pixels of a size like "1024x768", each from 1 to 99999. The sign between them
    is `x`, `X`, `×` or `*`; white space around the size is ignored. Raises WireError for any other text, also
    for "auto".
    """
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        message = f"Invalid 'size': expected WIDTHxHEIGHT or '{AUTO}', but got '{size[:64]}' instead."
        raise WireError(message, "size", "invalid_value")
    return int(found[1]), int(found[2])


def aspect(request: ir.ImageRequest, shapes: Sequence[str], report: Report, to: str) -> str | None:
    """Return the aspect ratio to request ("16:9"): the client's ratio or, without one, the ratio in `shapes`
    that is nearest to the client's size; None = the client states neither. "auto" counts as not stated.

    shapes: the provider's ratios, at least one. report: gets a change if a ratio replaces a size, and a loss
    if the client states both. to: the JSON path where the ratio will be written. Raises WireError for a
    client's ratio that is not in `shapes` and, if there is no ratio, for an invalid size.
    """
    if request.aspect is not None and request.aspect != AUTO:
        if request.aspect not in shapes:
            message = (
                f"This provider does not support the aspect ratio {request.aspect[:64]}; "
                f"supported: {', '.join(shapes)}."
            )
            raise WireError(message, "aspect", "unsupported_value")
        lose_size(request, report)
        return request.aspect
    if request.size is None or request.size == AUTO:
        return None
    width, height = pixels(request.size)
    wished = log(width / height)
    nearest, off = "", inf
    for shape in shapes:
        across, _, down = shape.partition(":")
        if (away := abs(log(float(across) / float(down)) - wished)) < off:
            nearest, off = shape, away
    report.change("size", to, f"this provider has aspect ratios, not sizes; {nearest} is the nearest")
    return nearest


def lose_size(request: ir.ImageRequest, report: Report) -> None:
    """Report the size of a request as lost, because its aspect ratio is sent; without a size, or with "auto",
    do nothing.
    """
    if request.size is not None and request.size != AUTO:
        report.lose("size", "this provider has aspect ratios, not sizes; the stated ratio counts", "quality")


# --- Files and URLs ----------------------------------------------------------------------------


def address_of(file: ir.File) -> str:
    """Return the URL of an image in a request; an image that is given as bytes gets a data URL. Raises
    WireError for an image that is given by a file id.
    """
    if file.url is not None:
        return file.url
    kind, data = inline(file)
    return f"data:{kind};base64,{data}"


def inline(file: ir.File) -> tuple[str, str]:
    """Return (media type, base64) of an image that is given as bytes or as a valid data URL. The type is the
    one that the data URL states, else the one that the first bytes show, else (only for bytes) the file's
    stated type, else PNG. Raises WireError for an image that is given in another way.
    """
    if file.url is not None and is_data_url(file.url) and (found := read(file.url)) is not None:
        return found[0] or kind_of(found[1]), found[1]
    if file.id is not None or file.url is not None:
        raise WireError("This provider needs the image itself, not a file id.", "", "unsupported_value")
    sniffed = media_type(bytes(file.data[:12]))
    return sniffed or file.kind or USUAL, b64encode(file.data).decode()


def kind_of(data: str) -> str:
    """Return the media type of an image that is given in base64, as its first bytes show it; PNG if they show
    no type, or if the text is not base64.
    """
    try:
        return media_type(b64decode(data[:_BEGINNING])) or USUAL
    except ValueError:
        return USUAL


def named(request: ir.ImageRequest) -> Reading[ir.ImageRequest]:
    """Return, as a `Reading`, the images of a request that the gateway must download, because they are given
    by URL (not a data URL); its `fill` puts data URLs in their place. The mask is never among them.
    """
    at = [index for index, image in enumerate(request.images) if _is_elsewhere(image)]
    media = [(ir.Media("image", url=request.images[index].url), f"images[{index}]") for index in at]

    def fill(found: Sequence[ir.Media]) -> ir.ImageRequest:
        images = list(request.images)
        for index, one in zip(at, found, strict=True):
            images[index] = ir.File(url=f"data:{one.mime or USUAL};base64,{one.data}")
        return msgspec.structs.replace(request, images=tuple(images))

    return Reading(media, fill)


def _is_elsewhere(image: ir.File) -> bool:
    return image.url is not None and not is_data_url(image.url)


def wanted(response: ir.ImageResponse, request: ir.ImageRequest) -> Reading[ir.ImageResponse]:
    """Return, as a `Reading`, the images of a response that the gateway must download: the provider stated
    their URLs, but the client wants their bytes (in base64 or in a stream). An image whose download failed
    keeps its URL.
    """
    pictures = response.pictures
    if request.delivery != "b64_json" and not request.stream:
        return Reading((), lambda _: response)
    at = [index for index, picture in enumerate(pictures) if picture.url is not None]
    media = [(ir.Media("image", url=pictures[index].url), f"data[{index}].url") for index in at]

    def fill(found: Sequence[ir.Media]) -> ir.ImageResponse:
        filled = list(pictures)
        for index, one in zip(at, found, strict=True):
            if one.data is not None:
                filled[index] = ir.Picture(one.data, None, one.mime, pictures[index].prompt)
        return msgspec.structs.replace(response, pictures=tuple(filled))

    return Reading(media, fill)


# --- Several requests --------------------------------------------------------------------------

_Split = Callable[[ir.ImageRequest, str], Iterator[tuple[int, ir.ImageRequest]]]


def several(most: Callable[[str], int]) -> _Split:
    """Make a function for `ProviderSide.split` that divides a request for many images into several, and
    yields (0, the request) for each. If the client stated a seed, each request gets this seed plus the number
    of images in the requests before it. most: gets the upstream's name of a model and returns how many images
    one request may ask for.
    """

    def parts(request: ir.ImageRequest, model: str) -> Iterator[tuple[int, ir.ImageRequest]]:
        left = request.count or 1
        if left <= most(model):
            yield 0, request
            return
        seed = request.seed
        for done in range(0, left, most(model)):
            count = min(left - done, most(model))
            # The same seed would make the same pictures again.
            own = seed if seed is None else seed + done
            yield 0, msgspec.structs.replace(request, count=count, seed=own)

    return parts


def joined(answers: Sequence[ir.ImageResponse], _: ir.ImageRequest, __: str) -> ir.ImageResponse:
    """Join responses: return the first one with the images of all responses in order, and with the sums of
    all usages (None if a response states no usage). A single response is returned unchanged. The other
    arguments are not used.
    """
    if len(answers) == 1:
        return answers[0]
    pictures = tuple(picture for answer in answers for picture in answer.pictures)
    usage = _summed([answer.usage for answer in answers])
    return msgspec.structs.replace(answers[0], pictures=pictures, usage=usage)


def _summed(told: Sequence[ir.Usage | None]) -> ir.Usage | None:
    usages = [usage for usage in told if usage is not None]
    if len(usages) < len(told):
        return None
    detail: Counter[str] = Counter()
    for usage in usages:
        detail.update({key: n for key, n in (usage.detail or {}).items() if isinstance(n, int)})
    return ir.Usage(
        sum(usage.input_total for usage in usages),
        output=sum(usage.output or 0 for usage in usages),
        reasoning=sum(usage.reasoning or 0 for usage in usages) or None,
        detail=dict(detail) or None,
    )
