r"""Forms as `multipart/form-data`: an ordered list of fields, some of which are files.

RFC 7578, RFC 2046 section 5.1. A boundary begins with CRLF and has no other CR, so the parser holds back only
the bytes from the last CR of a chunk. Before the first boundary, and before a boundary directly after a
field's headers, this CRLF is missing or has been read already, so the parser puts one in front of the bytes.

Senders escape names in two ways: `\"` and `\\` (RFC 822, Python, old curl), or `%22`, `%0D` and `%0A`
(browsers). A backslash before any other character stands for itself (Windows paths).
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from dragoman.errors import WireError
from dragoman.wire.json import TOO_LARGE


class Field(msgspec.Struct, frozen=True):
    """One field of a form.

    value: the field's bytes; the bytes of a large file are on disk and mapped into memory. filename: None =
    the field is not a file. kind: the field's media type, None = not stated.
    """

    name: str
    value: bytes | memoryview
    filename: str | None = None
    kind: str | None = None


Form: TypeAlias = tuple[Field, ...]
"""The fields of a form, in order. Several fields may have the same name."""


class Head(msgspec.Struct, frozen=True):
    """The headers of a field, known before its bytes. filename: None = the field is not a file. kind: the
    field's media type, None = not stated.
    """

    name: str
    filename: str | None = None
    kind: str | None = None


class Pieces(NamedTuple):
    """A body in several parts, to be sent one after another. size: the number of bytes of all parts
    together.
    """

    parts: list[bytes | memoryview]
    size: int


MAX_FIELDS = 128
"""The most fields of one form. OpenAI's largest form has 16 pictures, a mask and a dozen settings."""
MAX_HEAD = 16 * 1024
"""The most bytes of one field's headers."""
MAX_TEXT = 4 * 1024 * 1024
"""The most bytes of all fields that are not files, together. OpenAI's prompts have up to 32,000
characters.
"""

_WINDOW = 64 * 1024  # bytes that are searched at once: no piece is larger, and no slice copies more
_JOINED = 4 * 1024  # values up to this size are copied into one part with the headers around them
_BLANK = b"\r\n\r\n"
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_FOLD = re.compile(rb"\r\n[ \t]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PARAMETER = re.compile(
    rb";[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"
    rb'(?:"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*|([^";]*))',
    re.DOTALL,
)
_ESCAPED = re.compile(rb'\\(["\\])|%(22|0[AaDd])')
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')
_CHARSETS: Final = {b"utf-8": "utf-8", b"iso-8859-1": "latin-1"}
_PLAIN: Final = frozenset({b"binary", b"8bit", b"7bit"})


class MultipartParser:
    """Splits one body into its fields. `feed` returns each field as a `Head` and then as its bytes, in pieces
    of up to about 64 KiB. Text before the first boundary and after the last one is skipped.

    boundary: the boundary without the dashes before it. max_head: the most bytes of one field's headers.
    max_text: the most bytes of all fields that are not files, together. For a form above a limit, `feed`
    raises WireError with the code `request_too_large`. After an error the parser cannot be used.
    """

    def __init__(
        self,
        boundary: bytes,
        *,
        max_fields: int = MAX_FIELDS,
        max_head: int = MAX_HEAD,
        max_text: int = MAX_TEXT,
    ) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._max_fields, self._max_head, self._max_text = max_fields, max_head, max_text
        self._place: Literal["before", "head", "value", "after"] = "before"
        self._held = b"\r\n"  # bytes of the value that may be the beginning of a boundary
        self._skip = 2  # bytes at the start of `_held` that are not part of the value
        self._block = bytearray()  # the headers after a boundary, up to the blank line
        self._head: Head | None = None
        self._fields = 0
        self._text = 0

    @property
    def field(self) -> str:
        """The name of the field whose bytes are being read; "" if none are being read."""
        return "" if self._head is None else self._head.name

    def feed(self, chunk: bytes) -> list[Head | bytes]:
        """Return the heads of fields and the pieces of their bytes that `chunk` makes known, in order. Bytes
        that may begin a boundary are held back until the next call. Raises WireError for a malformed form, or
        for one above a limit.
        """
        pieces: list[Head | bytes] = []
        for start in range(0, len(chunk), _WINDOW):
            data = chunk[start : start + _WINDOW]
            while data and self._place != "after":
                data = self._read_head(data, pieces) if self._place == "head" else self._read(data, pieces)
        return pieces

    def close(self) -> None:
        """End the form. Raises WireError if the last boundary has not come."""
        if self._place != "after":
            raise WireError("the form is cut off: its last boundary is missing", self.field)

    def _read(self, data: bytes, pieces: list[Head | bytes]) -> bytes:
        """Append the current field's bytes, up to the next boundary, to `pieces`; bytes before the first
        boundary are dropped. Returns the bytes after the boundary, or b"" if `data` has no complete boundary.
        """
        data = self._held + data
        end = data.find(self._delimiter)
        stop = end if end >= 0 else self._sure(data)
        text = data[self._skip : stop]
        if text and self._head is not None:
            if self._head.filename is None:
                self._text += len(text)
                if self._text > self._max_text:
                    message = f"the form fields that are not files have more than {self._max_text} bytes"
                    raise WireError(message, self._head.name, TOO_LARGE)
            pieces.append(text)
        if end >= 0:
            self._place, self._head = "head", None
            return data[end + len(self._delimiter) :]
        self._held = data[stop:]
        if stop:
            self._skip = 0
        return b""

    def _sure(self, data: bytes) -> int:
        """Return how many bytes at the start of `data` certainly belong to the field. The bytes after them
        may be the beginning of a boundary.
        """
        last = data.rfind(b"\r", max(0, len(data) - len(self._delimiter) + 1))
        return last if last >= 0 and self._delimiter.startswith(data[last:]) else len(data)

    def _read_head(self, data: bytes, pieces: list[Head | bytes]) -> bytes:
        """Read a field's headers up to their blank line and append their `Head` to `pieces`. Returns the
        bytes after the blank line, or b"" if the headers are not complete yet, or if the form has ended.
        """
        block, before = self._block, len(self._block)
        block += data
        if block.startswith(b"--"):
            self._place = "after"
            return b""
        end = block.find(_BLANK, max(0, before - len(_BLANK) + 1))
        if (len(block) if end < 0 else end) > self._max_head:
            raise WireError(
                f"the headers of a form field have more than {self._max_head} bytes", code=TOO_LARGE
            )
        if end < 0:
            return b""
        self._fields += 1
        if self._fields > self._max_fields:
            raise WireError(f"the form has more than {self._max_fields} fields", code=TOO_LARGE)
        self._head = _head_of(bytes(block[:end]))
        pieces.append(self._head)
        self._place, self._held, self._skip = "value", b"\r\n", 2
        self._block = bytearray()
        return bytes(block[end + len(_BLANK) :])


def boundary_of(content_type: str) -> bytes:
    """Return the boundary in a content type `multipart/form-data; boundary=…`. Raises WireError for another
    type, for malformed parameters, and for a missing or invalid boundary.
    """
    kind, stated = _parameters(content_type.encode())
    if kind != b"multipart/form-data":
        raise WireError("the body is not multipart/form-data")
    boundary = stated.get(b"boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise WireError("the content type has no valid boundary (1 to 70 characters, RFC 2046)")
    return boundary


def content_type(boundary: bytes) -> str:
    """Return the content type of a body with this boundary, which must consist of letters and digits."""
    return f"multipart/form-data; boundary={boundary.decode('ascii')}"


def written(form: Form, boundary: bytes) -> Pieces:
    """Write a form as a body. A value of more than 4 KiB becomes a separate part, so that it is not copied.

    boundary: must not occur in any value; a random one does not. Raises WireError if the media type of a
    field contains control characters other than tabs.
    """
    parts: list[bytes | memoryview] = []
    small = bytearray()
    for field in form:
        small += b"--%b\r\n%b\r\n\r\n" % (boundary, _written_head(field))
        if len(field.value) <= _JOINED:
            small += field.value
        else:
            parts += (bytes(small), field.value)
            small.clear()
        small += b"\r\n"
    parts.append(bytes(small + b"--%b--\r\n" % boundary))
    return Pieces(parts, sum(map(len, parts)))


def _head_of(block: bytes) -> Head:
    padding, _, lines = block.partition(b"\r\n")
    if padding.strip(b" \t"):
        raise WireError("a boundary is followed by something else on its line")
    stated: dict[bytes, bytes] = {}
    for line in _FOLD.sub(b" ", lines).split(b"\r\n") if lines else ():
        key, colon, value = line.partition(b":")
        key = key.strip(b" \t").lower()
        if not colon or key in stated or _CONTROL.search(line):
            raise WireError("the headers of a form field are malformed")
        stated[key] = value.strip(b" \t")
    kind, parameters = _parameters(stated.get(b"content-disposition", b""))
    name = _named(parameters, b"name")
    if kind != b"form-data" or name is None:
        raise WireError("a field has no name: expected `content-disposition: form-data; name=…`")
    if stated.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN:
        raise WireError("the form field has a content-transfer-encoding; send its bytes unencoded", name)
    media_type = stated.get(b"content-type")
    return Head(name, _named(parameters, b"filename"), _text(media_type) if media_type else None)


def _parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Split the value of a header into (main value in lower case, parameters by lower-case name). The values
    of parameters are without quotes and escapes. Raises WireError if the parameters are malformed, or if one
    comes twice.
    """
    kind, _, _ = value.partition(b";")
    parameters: dict[bytes, bytes] = {}
    place = len(kind)
    while (found := _PARAMETER.match(value, place)) is not None:
        place = found.end()
        key, quoted, plain = found[1].lower(), found[2], found[3]
        if key in parameters:
            raise WireError("a header has a parameter twice")
        parameters[key] = (
            plain.strip(b" \t")
            if quoted is None
            else _ESCAPED.sub(lambda found: found[1] or unquote_to_bytes(found[0]), quoted)
        )
    if value[place:].strip(b" \t;"):
        raise WireError("a header's parameters are malformed")
    return kind.strip(b" \t").lower(), parameters


def _named(parameters: dict[bytes, bytes], key: bytes) -> str | None:
    """Return the text of the parameter `key`, None if it is missing. The form of RFC 8187 (`name*`) counts as
    the parameter, and is preferred if both are present. Raises WireError for an encoding other than UTF-8 and
    ISO 8859-1, for a value in pieces (`name*0`), and for bytes that are not valid in their encoding.
    """
    if (extended := parameters.get(key + b"*")) is not None:
        charset, _, encoded = extended.partition(b"'")
        _, quote, encoded = encoded.partition(b"'")
        encoding = _CHARSETS.get(charset.lower())
        if not quote or encoding is None:
            raise WireError(f"the {key.decode()} of a form field is in an unknown encoding")
        return _text(unquote_to_bytes(encoded), encoding)
    if any(other.startswith(key + b"*") for other in parameters):  # a value in pieces, as in RFC 2231
        raise WireError(f"the {key.decode()} of a form field is in an unknown encoding")
    value = parameters.get(key)
    return None if value is None else _text(value)


def _text(value: bytes, encoding: str = "utf-8") -> str:
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        raise WireError("the headers of a form field are not UTF-8") from None


def _written_head(field: Field) -> bytes:
    head = f'content-disposition: form-data; name="{_escaped(field.name)}"'
    if field.filename is not None:
        head += f'; filename="{_escaped(field.filename)}"'
    if field.kind is not None:
        if _CONTROL.search(field.kind.encode()):
            raise WireError("a media type cannot hold control characters", field.name)
        head += f"\r\ncontent-type: {field.kind}"
    return head.encode()


def _escaped(name: str) -> str:
    """Return a name for use between quotes in a header. Each control character (U+0000 to U+001F and U+007F)
    and each `"` becomes `%` with two hexadecimal digits. Each backslash is written twice, because many
    readers take a backslash for an escape. All other characters stay, `%` too.
    """
    return _UNSAFE.sub(lambda found: "\\\\" if found[0] == "\\" else f"%{ord(found[0]):02X}", name)
