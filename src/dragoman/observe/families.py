"""The metrics of `/metrics`: the name, the kind, the labels and the meaning of each.

Most are counts in shared memory (`observe.metrics`). The others are present values: either each worker writes
its part and the parts are added up, or the process that answers states the value for all.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

OTHER: Final = "other"
"""The value of a label for everything that does not get its own value."""
_SETS: Final = 500

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Family(msgspec.Struct, frozen=True):
    """One metric (Prometheus calls it a metric family). help: one sentence for the page. labels: the names of
    the labels.

    bounds: for a histogram, the upper bounds of its buckets in ascending order, without the last one (+Inf);
    () = it is not a histogram. parts: all values of the last label, if they are known in advance; then one
    series has a cell for each of them; () = they are not known. most: for a count, the most sets of label
    values in one process, besides those in the blocks of `observe.usual`; further sets are counted in one
    more set, whose labels are all `OTHER`. now: True = a present value, which is dropped when its process
    ends; False = a count, which stays.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()
    most: int = _SETS
    now: bool = False

    @property
    def width(self) -> int:
        """How many cells one set of label values has: for a histogram, one for each bucket (that of +Inf
        included) and then one for the sum; otherwise one for each of `parts`, or one.
        """
        if self.kind == "histogram":
            return len(self.bounds) + 2
        return len(self.parts) or 1

    @property
    def stored(self) -> int:
        """How many label values the key of a series has: one for each label, except the last label if `parts`
        lists its values.
        """
        return len(self.labels) - bool(self.parts)


_WHOLE: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
_FIRST: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 40, 60, 120)
_OWN: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

HTTP_REQUESTS: Final = Family(
    "dragoman_http_requests_total",
    "counter",
    "Finished HTTP requests and WebSocket messages; status is none if the client left before there was one.",
    ("method", "path", "status"),
)
HTTP_SECONDS: Final = Family(
    "dragoman_http_request_duration_seconds",
    "histogram",
    "Time from the first byte of a request to the last byte of its answer.",
    ("method", "path"),
    bounds=_WHOLE,
    most=200,
)
REQUESTS: Final = Family(
    "dragoman_requests_total",
    "counter",
    "Finished requests that named a model, by the name that the client sent and by who ended them.",
    ("operation", "model", "outcome"),
    parts=("done", "client", "gateway", "upstream"),
)
REQUEST_ERRORS: Final = Family(
    "dragoman_request_errors_total",
    "counter",
    "Requests that ended with an error, by who was to blame and by its code.",
    ("blame", "code"),
    most=200,
)
LOSSES: Final = Family(
    "dragoman_losses_total",
    "counter",
    "Values of requests and answers that could not be carried, by severity.",
    ("severity",),
)
OVERHEAD: Final = Family(
    "dragoman_overhead_seconds",
    "histogram",
    "Time of a request, of a stream until its first content, that was not spent waiting for providers, for"
    " turns or for the body of the client.",
    ("mode",),
    bounds=_OWN,
)
FIRST_TOKEN: Final = Family(
    "dragoman_time_to_first_token_seconds",
    "histogram",
    "Time from the start of a streamed attempt to its first content.",
    ("provider",),
    bounds=_FIRST,
    most=100,
)
TOKENS: Final = Family(
    "dragoman_tokens_total",
    "counter",
    "Tokens of answers; the kinds do not overlap: cached is not in input, reasoning is not in output.",
    ("provider", "model", "kind"),
    parts=("input", "cached", "cache_write", "output", "reasoning"),
)
COST: Final = Family(
    "dragoman_cost_usd_total",
    "counter",
    "What attempts have cost in USD, as far as their prices are known.",
    ("provider", "model"),
)
UNPRICED: Final = Family(
    "dragoman_unpriced_attempts_total",
    "counter",
    "Attempts whose cost is not known, or not all of it.",
    ("provider",),
    most=100,
)
LIMITED: Final = Family(
    "dragoman_limit_refusals_total",
    "counter",
    "Requests that a limit has refused or ended, and attempts that one has sent to another deployment.",
    ("limit",),
    most=100,
)
SENT: Final = Family(
    "dragoman_upstream_requests_sent_total",
    "counter",
    "Requests to providers, counted when they are sent.",
    ("provider", "model"),
)
CALLS: Final = Family(
    "dragoman_upstream_calls_total",
    "counter",
    "Attempts at providers that have ended, by the status of the answer; none without an HTTP answer.",
    ("provider", "status"),
)
OUTCOMES: Final = Family(
    "dragoman_upstream_outcomes_total",
    "counter",
    "Attempts at providers that have ended, by what they mean for the next attempt.",
    ("provider", "outcome"),
    most=200,
)
ERRORS: Final = Family(
    "dragoman_upstream_errors_total",
    "counter",
    "Attempts at providers that have failed, by the kind of the error.",
    ("provider", "type"),
    most=200,
)
FAILOVERS: Final = Family(
    "dragoman_failovers_total",
    "counter",
    "Failed attempts that another attempt has followed, by the provider that failed and why.",
    ("provider", "outcome"),
    most=200,
)
BOUNDS: Final = Family(
    "dragoman_bounds_reached_total",
    "counter",
    "How often a limit that protects the gateway was reached.",
    ("bound",),
    most=100,
)

RECORDED: Final = Family(
    "dragoman_exchanges_recorded_total",
    "counter",
    "Finished requests for the store of trace.store: stored, or dropped because it was too slow or gone.",
    ("result",),
    parts=("stored", "dropped"),
)

RUNNING: Final = Family("dragoman_requests_running", "gauge", "Requests that run now.", now=True)
STREAMS: Final = Family("dragoman_streams_active", "gauge", "Streamed answers that run now.", now=True)
CONNECTIONS: Final = Family("dragoman_connections_open", "gauge", "Open connections of clients.", now=True)
CONNECTION_LIMIT: Final = Family(
    "dragoman_connections_limit", "gauge", "Connections of clients that all workers accept.", now=True
)
WAITING: Final = Family(
    "dragoman_queue_waiting", "gauge", "Requests that wait in a queue of the gateway.", ("queue",), now=True
)
SESSIONS: Final = Family(
    "dragoman_active_sessions",
    "gauge",
    "Sessions that are kept; 0 while none was used since the start.",
    now=True,
)
KEYS: Final = Family(
    "dragoman_upstream_keys",
    "gauge",
    "Keys of a provider by state: ready, resting (rate limit), refused, barred (from some model), disabled.",
    ("provider", "state"),
    now=True,
)
BREAKERS: Final = Family(
    "dragoman_breakers_open",
    "gauge",
    "Models of a provider that keep failing and are asked after others.",
    ("provider",),
    now=True,
)
UNANSWERED: Final = Family(
    "dragoman_provider_unanswered",
    "gauge",
    "1 = a provider did not answer its latest background check, so it is asked after others.",
    ("provider",),
    now=True,
)
LIST_AGE: Final = Family(
    "dragoman_model_list_age_seconds",
    "gauge",
    "Seconds since a provider's own list of models was fetched.",
    ("provider",),
    now=True,
)
LIST_MODELS: Final = Family(
    "dragoman_model_list_models",
    "gauge",
    "Models in a provider's own list, as it was fetched last.",
    ("provider",),
    now=True,
)
LIST_STALE: Final = Family(
    "dragoman_model_list_stale",
    "gauge",
    "1 = the latest attempt to fetch a provider's list of models has failed.",
    ("provider",),
    now=True,
)
JOURNAL_HEALTHY: Final = Family(
    "dragoman_journal_healthy",
    "gauge",
    "1 = usage is written to the journal, and the database takes it.",
    now=True,
)
JOURNAL_WAITING: Final = Family(
    "dragoman_journal_waiting_records", "gauge", "Usage records that the database has not got yet.", now=True
)
JOURNAL_BYTES: Final = Family(
    "dragoman_journal_bytes", "gauge", "Size of the files in the folder of the journal.", now=True
)
JOURNAL_RECORDS: Final = Family(
    "dragoman_journal_records_total",
    "counter",
    "Usage records since the keeper has started: stored in the database; adopted from processes that were"
    " killed, closed or cut; rejected by the database; damaged in the journal.",
    ("result",),
    now=True,
)
JOURNAL_LOST: Final = Family(
    "dragoman_journal_lost_total",
    "counter",
    "Usage records for which there was no room, while the journal could not be written.",
    now=True,
)
UPTIME: Final = Family("dragoman_uptime_seconds", "gauge", "Time since the gateway has started.", now=True)
BUILD: Final = Family(
    "dragoman_build_info", "gauge", "The version of the gateway; always 1.", ("version",), now=True
)
WORKERS: Final = Family("dragoman_workers", "gauge", "Worker processes that are configured.", now=True)
REPORTING: Final = Family("dragoman_workers_reporting", "gauge", "Worker processes that work now.", now=True)

CPU: Final = Family(
    "process_cpu_seconds_total",
    "counter",
    "CPU time of the process, of user and system.",
    ("worker",),
    now=True,
)
RESIDENT: Final = Family(
    "process_resident_memory_bytes",
    "gauge",
    "Memory of the process in RAM; workers share a part of it.",
    ("worker",),
    now=True,
)
VIRTUAL: Final = Family(
    "process_virtual_memory_bytes", "gauge", "Address space of the process.", ("worker",), now=True
)
STARTED: Final = Family(
    "process_start_time_seconds",
    "gauge",
    "When the process has started, in Unix seconds.",
    ("worker",),
    now=True,
)
OPEN_FILES: Final = Family(
    "process_open_fds", "gauge", "Open file descriptors of the process.", ("worker",), now=True
)
MOST_FILES: Final = Family(
    "process_max_fds", "gauge", "File descriptors that the process may open.", ("worker",), now=True
)
PYTHON: Final = Family(
    "python_info",
    "gauge",
    "The version of Python; always 1.",
    ("implementation", "major", "minor", "patchlevel", "version"),
    now=True,
)
COLLECTIONS: Final = Family(
    "python_gc_collections_total",
    "counter",
    "Runs of the garbage collector.",
    ("worker", "generation"),
    now=True,
)
COLLECTED: Final = Family(
    "python_gc_objects_collected_total",
    "counter",
    "Objects that the garbage collector has freed.",
    ("worker", "generation"),
    now=True,
)
UNCOLLECTABLE: Final = Family(
    "python_gc_objects_uncollectable_total",
    "counter",
    "Objects that the garbage collector could not free.",
    ("worker", "generation"),
    now=True,
)

FAMILIES: Final = (
    *(HTTP_REQUESTS, HTTP_SECONDS, REQUESTS, REQUEST_ERRORS, LOSSES, OVERHEAD, FIRST_TOKEN, TOKENS),
    *(COST, UNPRICED, LIMITED),
    *(SENT, CALLS, OUTCOMES, ERRORS, FAILOVERS, BOUNDS, RECORDED),
    *(RUNNING, STREAMS, CONNECTIONS, CONNECTION_LIMIT, WAITING, SESSIONS, KEYS, BREAKERS, UNANSWERED),
    *(LIST_AGE, LIST_MODELS, LIST_STALE),
    *(JOURNAL_HEALTHY, JOURNAL_WAITING, JOURNAL_BYTES, JOURNAL_RECORDS, JOURNAL_LOST),
    *(UPTIME, BUILD, WORKERS, REPORTING),
    *(CPU, RESIDENT, VIRTUAL, STARTED, OPEN_FILES, MOST_FILES),
    *(PYTHON, COLLECTIONS, COLLECTED, UNCOLLECTABLE),
)
"""All metrics, in the order of the page."""
COUNTED: Final = tuple(family for family in FAMILIES if not family.now)
"""The metrics that are counts in shared memory, not present values."""
BY_NAME: Final = {family.name: family for family in FAMILIES}
