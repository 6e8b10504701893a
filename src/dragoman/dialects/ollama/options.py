"""Checks, decodes and encodes the object `options` of a request: sampling, output limit, engine settings.

The checks of types, and their error texts, are those of Ollama's server. The server ignores unknown options,
with a warning in its log. The server checks no ranges; this module checks them, because the same request may
have to be written in another protocol, which has ranges.

Specification: https://docs.ollama.com/modelfile#valid-parameters-and-values, api/types.go
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama.terms import NAME
from dragoman.dialects.output_limit import within_maximum
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError

_FIELDS: Final[dict[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repeat_penalty": "repetition_penalty",
    "stop": "stop",
}
"""Option -> the field of ir.Sampling that holds it."""
PLACES: Final[dict[str, str]] = {
    **{f"sampling.{field}": f"options.{option}" for option, field in _FIELDS.items()},
    "max_output": "options.num_predict",
}
"""IR path -> path in a request body, for the IR fields that are options."""
_LIMIT: Final = "num_predict"
_FLOATS: Final = frozenset(
    {
        *("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty"),
        *("frequency_penalty", "mirostat_tau", "mirostat_eta", "tfs_z"),
    }
)
_INTEGERS: Final = frozenset(
    {
        *("top_k", "seed", "num_predict", "num_keep", "repeat_last_n", "mirostat", "num_ctx", "num_batch"),
        *("num_gpu", "main_gpu", "num_thread"),
    }
)
RANGES: Final[dict[str, tuple[float, float]]] = {
    "temperature": (0, inf),
    "top_p": (0, 1),
    "top_k": (-1, inf),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "repeat_penalty": (0, inf),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "num_predict": (-2, inf),
}
"""Option -> (lowest, highest) value that has a meaning. num_predict: -1 = no limit; -2 = up to the context
window."""
_BOOLEANS: Final = frozenset({"use_mmap", "use_mlock", "numa", "low_vram", "penalize_newline"})
_LEAST: Final = {"top_k": -1, "seed": 0}
_WHOLE: Final = frozenset(_LEAST)


def check_options(options: Any, path: str) -> None:
    """Raise WireError if `options` is not an object, and for an option of a wrong type or outside its range
    (`RANGES`, with both ends). An unknown option, and an option whose value is null, are accepted; so are
    floats for integers, also with a fraction. path: the JSON path of `options`.
    """
    if type(options) is not dict:
        raise WireError(f"'{path}' must be an object", path, "invalid_type")
    for option, value in options.items():
        if value is None:
            continue
        if option in _FLOATS:
            _demand(option, "of type float32", path, kept=type(value) in _NUMBERS)
        elif option in _INTEGERS:
            _demand(option, "of type integer", path, kept=type(value) in _NUMBERS)
        elif option in _BOOLEANS:
            _demand(option, "of type boolean", path, kept=type(value) is bool)
        elif option == "stop":
            _demand(option, "of type array", path, kept=type(value) is list)
            strings = all(type(word) is str for word in value)
            _demand(option, "of an array of strings", path, kept=strings)
        if option in RANGES:
            _within(option, value, path)


_NUMBERS: Final = frozenset({int, float})


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return the request that `check` gets. If `widens`, the provider's `Quirks.widens`, has "options", this
    is a copy without those options that have a range (`RANGES`) and a number as their value, so that no range
    is checked.
    """
    options = wire.body.get("options")
    if "options" not in widens or type(options) is not dict:
        return wire
    kept = {
        option: value
        for option, value in options.items()
        if option not in RANGES or type(value) not in _NUMBERS
    }
    return replace(wire, body={**wire.body, "options": kept})


def _demand(option: str, kind: str, path: str, *, kept: bool) -> None:
    if not kept:
        raise WireError(f'option "{option}" must be {kind}', f"{path}.{option}", "invalid_type")


def _within(option: str, value: float, path: str) -> None:
    low, high = RANGES[option]
    if not low <= value <= high:
        limits = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
        raise WireError(f'option "{option}" must be {limits}', f"{path}.{option}", "invalid_value")


def decode_options(options: Mapping[str, Any], fields: dict[str, Any]) -> ir.Extra:
    """Put the options for which the IR has a field into `fields`, the arguments for ir.Request: `num_predict`
    as `max_output`, the others as an ir.Sampling under `sampling`. Returns the other options as leftovers
    with names such as `options.num_ctx`; None = there are none. An option whose value is null is dropped.

    options: must have passed `check_options`. A value that the IR's field cannot hold is a leftover, too: a
    `seed` below 0, a `top_k` below -1, a `num_predict` below 1, and a number with a fraction for one of these
    three.
    """
    stated: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for option, value in options.items():
        if value is None:
            continue
        whole = _as_integer(value)
        if option == _LIMIT and type(whole) is int and whole > 0:
            fields["max_output"] = whole
        elif option == "stop":
            stated["stop"] = tuple(value)
        elif option in _WHOLE and (type(whole) is not int or whole < _LEAST[option]):
            rest[f"options.{option}"] = value  # a negative seed means no seed
        elif option in _FIELDS:
            stated[_FIELDS[option]] = whole if option in _WHOLE else value
        else:
            rest[f"options.{option}"] = value
    if stated:
        fields["sampling"] = ir.Sampling(**stated)
    return {NAME: rest} if rest else None


def _as_integer(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def encode_options(request: ir.Request, facts: Facts, report: Report) -> dict[str, Any]:
    """Return the object `options` with the values that have an IR field; it may be empty. A negative seed is
    left out, and reported as lost. Raises WireError if the request asks for several candidates.

    facts: the model's. If a request of another dialect asks for more output tokens than the model's maximum,
    the maximum is written instead, and this is reported.
    """
    sampling = request.sampling
    if sampling.n is not None and sampling.n > 1:
        raise WireError("the Ollama API returns only one candidate", "sampling.n", "unsupported_value")
    out: dict[str, Any] = {
        option: value for option, field in _FIELDS.items() if (value := getattr(sampling, field)) is not None
    }
    if "stop" in out:
        out["stop"] = list(out["stop"])
    if (seed := out.get("seed")) is not None and seed < 0:
        del out["seed"]
        report.lose("sampling.seed", "the Ollama API has no negative seeds")
    if request.max_output is not None:
        most, place = request.max_output, f"options.{_LIMIT}"
        out[_LIMIT] = most if request.dialect == NAME else within_maximum(most, facts, report, place)
    return out
