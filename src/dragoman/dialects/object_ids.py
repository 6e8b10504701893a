"""Lists the places of the ids of providers' objects in requests and responses that are passed through, makes
the ids that clients get instead, and replaces ids inside of texts.

The members as of 2026-11-23: https://platform.openai.com/docs/api-reference/files, /uploads, /batch,
/fine-tuning, /vector-stores; https://platform.claude.com/docs/en/api/files-list, /messages-batches;
https://docs.mistral.ai/api (files, fine tuning); containers and Mistral's batches: see `resources`

A place is written as the names of members with dots between them; `[]` stands for each entry of a list:
`files[].file_id`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "file",
    "upload",
    "part",
    "batch",
    "job",
    "event",
    "checkpoint",
    "model",
    "permission",
    "vector_store",
    "file_batch",
    "message_batch",
    "container",
    "container_file",
]
"""The kind of object that an id names. model: a fine-tuned model, or a checkpoint of one; the client gets its
name unchanged."""


class Ids(NamedTuple):
    """The places of ids in the requests and responses of one path.

    params: placeholder of the path -> kind. answer: place in the response or, if the response is a list, in
    each of its entries -> kind; None = the response is the content of a file or the results of a batch, and
    is not edited. body: place in the JSON of a POST request -> kind. listed: the kind of the objects that the
    path lists, whose ids the query may state (`AFTER`, `BEFORE`, `AMONG`); None = the query has no ids.
    filtered: True = the provider lists all objects of the account, so the gateway leaves out of the list what
    the client may not see, such as other clients' objects. texts: places in the response of texts for people,
    in which ids may occur.

    forms: for a path with `body`, the name of a form's field that may hold ids. Such a path accepts JSON or a
    multipart form; a form with this field is refused, because ids in forms are not translated. "" = a path
    with `body` accepts only JSON. A path without `body` accepts any request body, which is passed on unread.
    """

    params: Mapping[str, Kind] = {}
    answer: Mapping[str, Kind] | None = None
    body: Mapping[str, Kind] = {}
    listed: Kind | None = None
    filtered: bool = False
    texts: tuple[str, ...] = ()
    forms: str = ""


_FILE: Final[Mapping[str, Kind]] = {"id": "file"}
_UPLOAD: Final[Mapping[str, Kind]] = {"id": "upload", "file.id": "file"}
_BATCH: Final[Mapping[str, Kind]] = {
    "id": "batch",
    "input_file_id": "file",
    "output_file_id": "file",
    "error_file_id": "file",
}
_JOB: Final[Mapping[str, Kind]] = {
    "id": "job",
    "training_file": "file",
    "validation_file": "file",
    "training_files[]": "file",
    "validation_files[]": "file",
    "result_files[]": "file",
    "fine_tuned_model": "model",
}
_CHECKPOINT: Final[Mapping[str, Kind]] = {
    "id": "checkpoint",
    "fine_tuning_job_id": "job",
    "fine_tuned_model_checkpoint": "model",
}
_STORE_FILE: Final[Mapping[str, Kind]] = {"id": "file", "vector_store_id": "vector_store"}
_FILE_BATCH: Final[Mapping[str, Kind]] = {"id": "file_batch", "vector_store_id": "vector_store"}
_MESSAGES: Final = "requests[].params.messages[].content[]"
_FAILED: Final = ("last_error.message",)
_NAMED: Final = ("filename",)
_OF_FILE: Final[Mapping[str, Kind]] = {"id": "file"}
_OF_BATCH: Final[Mapping[str, Kind]] = {"id": "batch"}
_OF_JOB: Final[Mapping[str, Kind]] = {"id": "job"}
_OF_MODEL: Final[Mapping[str, Kind]] = {"id": "model"}
_OF_STORE: Final[Mapping[str, Kind]] = {"id": "vector_store"}
_OF_STORE_FILE: Final[Mapping[str, Kind]] = {"id": "vector_store", "file": "file"}
_OF_FILE_BATCH: Final[Mapping[str, Kind]] = {"id": "vector_store", "batch": "file_batch"}
_OF_MESSAGES: Final[Mapping[str, Kind]] = {"id": "message_batch"}
_ERRORS: Final = ("errors.data[].message",)
_ERROR: Final = ("error.message",)
_JOBS: Final = "/fine_tuning/jobs"
_STORES: Final = "/vector_stores"
_BATCHES: Final = "/messages/batches"
_OF_CONTAINER: Final[Mapping[str, Kind]] = {"id": "container"}
_OF_CONTAINER_FILE: Final[Mapping[str, Kind]] = {"id": "container", "item": "container_file"}
_CONTAINER_FILE: Final[Mapping[str, Kind]] = {"id": "container_file", "container_id": "container"}
_BATCH_JOB: Final[Mapping[str, Kind]] = {
    "id": "batch",
    "input_files[]": "file",
    "output_file": "file",
    "error_file": "file",
}
_JOB_ERRORS: Final = ("errors[].message",)
_PERMISSIONS: Final = "/fine_tuning/checkpoints/{id}/permissions"

IDS: Final[Mapping[str, Ids]] = MappingProxyType(
    {
        "/files": Ids(answer=_FILE, listed="file", filtered=True, texts=_NAMED),
        "/files/{id}": Ids(_OF_FILE, _FILE, texts=_NAMED),
        "/files/{id}/content": Ids(_OF_FILE),
        "/uploads": Ids(answer=_UPLOAD),
        "/uploads/{id}/parts": Ids({"id": "upload"}, {"id": "part", "upload_id": "upload"}),
        "/uploads/{id}/complete": Ids({"id": "upload"}, _UPLOAD, {"part_ids[]": "part"}),
        "/uploads/{id}/cancel": Ids({"id": "upload"}, _UPLOAD),
        "/batches": Ids(
            answer=_BATCH, body={"input_file_id": "file"}, listed="batch", filtered=True, texts=_ERRORS
        ),
        "/batches/{id}": Ids(_OF_BATCH, _BATCH, texts=_ERRORS),
        "/batches/{id}/cancel": Ids(_OF_BATCH, _BATCH, texts=_ERRORS),
        _JOBS: Ids(
            answer=_JOB,
            body={
                "training_file": "file",
                "validation_file": "file",
                "training_files[].file_id": "file",
                "validation_files[]": "file",
            },
            listed="job",
            filtered=True,
            texts=_ERROR,
        ),
        f"{_JOBS}/{{id}}": Ids(_OF_JOB, _JOB, texts=(*_ERROR, "events[].data.message")),
        **{
            f"{_JOBS}/{{id}}/{step}": Ids(_OF_JOB, _JOB, texts=_ERROR)
            for step in ("cancel", "pause", "resume")
        },
        f"{_JOBS}/{{id}}/events": Ids(_OF_JOB, {"id": "event"}, listed="event", texts=("message",)),
        f"{_JOBS}/{{id}}/checkpoints": Ids(_OF_JOB, _CHECKPOINT, listed="checkpoint"),
        "/fine_tuning/alpha/graders/run": Ids(answer={}),
        "/fine_tuning/alpha/graders/validate": Ids(answer={}),
        _PERMISSIONS: Ids(_OF_MODEL, {"id": "permission"}, listed="permission"),
        f"{_PERMISSIONS}/{{permission}}": Ids(
            {"id": "model", "permission": "permission"}, {"id": "permission"}
        ),
        "/models/{model}": Ids({"model": "model"}, {"id": "model"}),
        _STORES: Ids(
            answer=_OF_STORE,
            body={"file_ids[]": "file"},
            listed="vector_store",
            filtered=True,
        ),
        f"{_STORES}/{{id}}": Ids(_OF_STORE, _OF_STORE),
        f"{_STORES}/{{id}}/search": Ids(_OF_STORE, {"file_id": "file"}, texts=_NAMED),
        f"{_STORES}/{{id}}/files": Ids(
            _OF_STORE, _STORE_FILE, {"file_id": "file"}, listed="file", texts=_FAILED
        ),
        f"{_STORES}/{{id}}/files/{{file}}": Ids(_OF_STORE_FILE, _STORE_FILE, texts=_FAILED),
        f"{_STORES}/{{id}}/files/{{file}}/content": Ids(_OF_STORE_FILE, {"file_id": "file"}, texts=_NAMED),
        f"{_STORES}/{{id}}/file_batches": Ids(
            _OF_STORE, _FILE_BATCH, {"file_ids[]": "file", "files[].file_id": "file"}
        ),
        f"{_STORES}/{{id}}/file_batches/{{batch}}": Ids(_OF_FILE_BATCH, _FILE_BATCH),
        f"{_STORES}/{{id}}/file_batches/{{batch}}/cancel": Ids(_OF_FILE_BATCH, _FILE_BATCH),
        f"{_STORES}/{{id}}/file_batches/{{batch}}/files": Ids(
            _OF_FILE_BATCH, _STORE_FILE, listed="file", texts=_FAILED
        ),
        "/containers": Ids(
            answer=_OF_CONTAINER, body={"file_ids[]": "file"}, listed="container", filtered=True
        ),
        "/containers/{id}": Ids(_OF_CONTAINER, _OF_CONTAINER),
        "/containers/{id}/files": Ids(
            _OF_CONTAINER, _CONTAINER_FILE, {"file_id": "file"}, listed="container_file", forms="file_id"
        ),
        "/containers/{id}/files/{item}": Ids(_OF_CONTAINER_FILE, _CONTAINER_FILE),
        "/containers/{id}/files/{item}/content": Ids(_OF_CONTAINER_FILE),
        "/batch/jobs": Ids(
            answer=_BATCH_JOB,
            body={"input_files[]": "file"},
            listed="batch",
            filtered=True,
            texts=_JOB_ERRORS,
        ),
        "/batch/jobs/{id}": Ids(_OF_BATCH, _BATCH_JOB, texts=_JOB_ERRORS),
        "/batch/jobs/{id}/cancel": Ids(_OF_BATCH, _BATCH_JOB, texts=_JOB_ERRORS),
        _BATCHES: Ids(
            answer=_OF_MESSAGES,
            body={
                f"{_MESSAGES}.source.file_id": "file",
                f"{_MESSAGES}.file_id": "file",
                f"{_MESSAGES}.content[].source.file_id": "file",
                f"{_MESSAGES}.source.content[].source.file_id": "file",
                f"{_MESSAGES}.content[].source.content[].source.file_id": "file",
                f"{_MESSAGES}.content.content[].file_id": "file",
            },
            listed="message_batch",
            filtered=True,
            texts=("results_url",),
        ),
        f"{_BATCHES}/{{id}}": Ids(_OF_MESSAGES, _OF_MESSAGES, texts=("results_url",)),
        f"{_BATCHES}/{{id}}/cancel": Ids(_OF_MESSAGES, _OF_MESSAGES, texts=("results_url",)),
        f"{_BATCHES}/{{id}}/results": Ids(_OF_MESSAGES),
    }
)
"""Path below the API's version, as in `resources.PATHS` -> the places of its ids."""

AFTER: Final = ("after", "after_id")
BEFORE: Final = ("before", "before_id")
AMONG: Final = ("ids", "ids[]")
"""Parameters of a query that state ids of the listed objects, at OpenAI and Anthropic (`AFTER`, `BEFORE` and
`AMONG`)."""

_BEGINNINGS: Final[Mapping[str, Mapping[Kind, str]]] = {
    "anthropic": {"file": "file_", "message_batch": "msgbatch_"},
    "gemini": {"file": "", "upload": ""},
    "openai": {
        "file": "file-",
        "upload": "upload_",
        "part": "part_",
        "batch": "batch_",
        "job": "ftjob-",
        "event": "ftevent-",
        "checkpoint": "ftckpt_",
        "permission": "cp_",
        "vector_store": "vs_",
        "file_batch": "vsfb_",
        "container": "cntr_",
        "container_file": "cfile_",
    },
}
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"((?:file|ftjob|ftevent|ftckpt|upload|part|batch|msgbatch|vs|vsfb|cp|cntr|cfile)[-_])"
    rf"(?:{_UUID}|[A-Za-z0-9]+)|{_UUID})(?![A-Za-z0-9])"
)
"""Finds the parts of a text for people that look like ids. The group is the prefix, if the id has one."""
_LIKELY: Final = re.compile(rf"(?=\D*\d)[A-Za-z0-9]{{12,}}|{_UUID}")
"""Matches the part of an id after its prefix, but no word of a language: 12 or more characters with a digit,
or a UUID."""


_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 25
"""How many digits of `_DIGITS` 128 bits need. A text of 32 characters would look like a key, and be redacted
in errors."""
_DISTINCT: Final = 8
"""The fewest characters of an id that `_TOKEN` does not find but that is still replaced in texts. A shorter
id may be a word."""


def minted(kind: Kind, dialect: str, random_id: str) -> str:
    """Return a new id in the form that clients of this dialect expect: for Mistral a UUID, otherwise the
    kind's prefix (OpenAI's, if the dialect is not in `_BEGINNINGS`) and 25 letters and digits. kind: one of
    the dialect's kinds, but not "model", because clients get the names of models unchanged. random_id: 32
    random hexadecimal digits, from which the id is made.
    """
    if dialect == "mistral":
        variant = "89ab"[int(random_id[16], 16) % 4]  # RFC 9562, section 5.4
        given = f"{random_id[:12]}4{random_id[13:16]}{variant}{random_id[17:]}"
        return "-".join((given[:8], given[8:12], given[12:16], given[16:20], given[20:]))
    number, digits = int(random_id, 16), ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    return _BEGINNINGS.get(dialect, _BEGINNINGS["openai"])[kind] + digits


class Place(NamedTuple):
    """A string inside a JSON value. holder, key: the string is `holder[key]`. path: the string's JSON path
    for errors, such as `files[0].file_id`.
    """

    holder: Any
    key: Any
    path: str

    @property
    def text(self) -> str:
        text: str = self.holder[self.key]
        return text

    def write(self, text: str) -> None:
        self.holder[self.key] = text


def places(value: Any, path: str) -> Iterator[Place]:
    """Yield the strings at a place of a JSON value. path: the place, in the form of this module
    (`files[].file_id`). A value there that is not a string, or a missing member, yields nothing.
    """
    yield from _places(value, path.split("."), "")


def _places(value: Any, steps: list[str], before: str) -> Iterator[Place]:
    step, rest = steps[0], steps[1:]
    name = step.removesuffix("[]")
    if not isinstance(value, dict) or name not in value:
        return
    path = f"{before}.{name}" if before else name
    if name == step:
        holders: list[tuple[Any, Any, str]] = [(value, name, path)]
    elif isinstance(value[name], list):
        holders = [(value[name], index, f"{path}[{index}]") for index in range(len(value[name]))]
    else:
        return
    for holder, key, where in holders:
        if rest:
            yield from _places(holder[key], rest, where)
        elif isinstance(holder[key], str):
            yield Place(holder, key, where)


def tokens(text: str) -> list[str]:
    """Return all parts of a text for people that look like ids (`_TOKEN`), in order."""
    return [found[0] for found in _TOKEN.finditer(text)]


def reworded(text: str, known: Mapping[str, str], *, hide: bool) -> str:
    """Return a text with ids replaced. known: old id -> new id; an old id that does not look like an id
    (`_TOKEN`) is replaced only if it has at least `_DISTINCT` characters.

    hide: True = ids that `known` has neither as an old nor as a new id are hidden: a UUID becomes "…", and in
    any other id the text after the prefix does, if it is random (`_LIKELY`): `file-…`.
    """

    def other(found: re.Match[str]) -> str:
        token = found[0]
        if token in known or token in fresh or not hide:
            return known.get(token, token)
        prefix = found[1] or ""
        return f"{prefix}…" if _LIKELY.fullmatch(token[len(prefix) :]) else token

    fresh = frozenset(known.values())
    for old, new in known.items():
        if len(old) >= _DISTINCT and _TOKEN.fullmatch(old) is None:
            text = text.replace(old, new)
    return _TOKEN.sub(other, text)
