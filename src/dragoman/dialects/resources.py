"""The paths of objects that a provider stores, such as files and batches. The gateway passes requests with
these paths on to the provider.

https://platform.openai.com/docs/api-reference/files, /uploads, /batch, /fine-tuning and /vector-stores;
https://platform.claude.com/docs/en/api/files-list and /messages-batches;
https://docs.rs/crate/mistral-openapi-client/latest/source/docs/BatchApi.md (made from Mistral's description);
https://learn.microsoft.com/en-us/azure/foundry/reference/rest/containers-create-container-file-multipart-containers-create-container-file-json
(OpenAI's containers), both 2026-11-23
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Resource: TypeAlias = Literal[
    "files",
    "uploads",
    "batches",
    "fine_tuning",
    "vector_stores",
    "containers",
    "message_batches",
    "batch_jobs",
    "google_files",
]
"""A kind of objects at a provider. containers: the containers in which OpenAI's models run code.
message_batches: Anthropic's batches. batch_jobs: Mistral's batches. google_files: Google's files, whose paths
are in `server.google_files`."""

_LIST: Final = ("GET", "POST")
_GET: Final = ("GET",)
_POST: Final = ("POST",)
_STORE: Final = "/vector_stores/{id}"
_JOB: Final = "/fine_tuning/jobs/{id}"
_PERMISSIONS: Final = "/fine_tuning/checkpoints/{id}/permissions"

PATHS: Final[Mapping[Resource, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "files": {"/files": _LIST, "/files/{id}": ("GET", "DELETE"), "/files/{id}/content": _GET},
        "uploads": {
            "/uploads": _POST,
            **{f"/uploads/{{id}}/{step}": _POST for step in ("parts", "complete", "cancel")},
        },
        "batches": {"/batches": _LIST, "/batches/{id}": _GET, "/batches/{id}/cancel": _POST},
        "fine_tuning": {
            "/fine_tuning/jobs": _LIST,
            _JOB: _GET,
            **{f"{_JOB}/{step}": _POST for step in ("cancel", "pause", "resume")},
            **{f"{_JOB}/{what}": _GET for what in ("events", "checkpoints")},
            **{f"/fine_tuning/alpha/graders/{what}": _POST for what in ("run", "validate")},
            _PERMISSIONS: _LIST,
            f"{_PERMISSIONS}/{{permission}}": ("DELETE",),
        },
        "vector_stores": {
            "/vector_stores": _LIST,
            _STORE: ("GET", "POST", "DELETE"),
            f"{_STORE}/search": _POST,
            f"{_STORE}/files": _LIST,
            f"{_STORE}/files/{{file}}": ("GET", "POST", "DELETE"),
            f"{_STORE}/files/{{file}}/content": _GET,
            f"{_STORE}/file_batches": _POST,
            f"{_STORE}/file_batches/{{batch}}": _GET,
            f"{_STORE}/file_batches/{{batch}}/cancel": _POST,
            f"{_STORE}/file_batches/{{batch}}/files": _GET,
        },
        "containers": {
            "/containers": _LIST,
            "/containers/{id}": ("GET", "DELETE"),
            "/containers/{id}/files": _LIST,
            "/containers/{id}/files/{item}": ("GET", "DELETE"),
            "/containers/{id}/files/{item}/content": _GET,
        },
        "batch_jobs": {
            "/batch/jobs": _LIST,
            "/batch/jobs/{id}": _GET,
            "/batch/jobs/{id}/cancel": _POST,
        },
        "message_batches": {
            "/messages/batches": _LIST,
            "/messages/batches/{id}": ("GET", "DELETE"),
            "/messages/batches/{id}/cancel": _POST,
            "/messages/batches/{id}/results": _GET,
        },
    }
)
"""Kind -> relayed path below the API's version -> HTTP methods. A name in braces stands for any one
segment."""

OPENAIS: Final[frozenset[Resource]] = frozenset(PATHS) - {"message_batches", "batch_jobs"}
"""The kinds of objects in OpenAI's API, also for a vendor that has this API for some of them."""
