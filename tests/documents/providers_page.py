"""docs/providers.md, and the grades in it: what each known vendor speaks, and how much of it was tried.

`python -m tests.documents.providers_page --write` writes both, `--check` tells whether they are current (exit
code 1 if not). A recording counts as held if no law has an exception for it: over all others `make laws` and
the tests hold every law, or fail. A cell of the matrix counts as passed if the client gets its answer: `make
matrix` and its tests run every cell. Without the recordings beside the checkout, their present numbers are
kept.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from dragoman.cli.vendors import operations
from dragoman.dialects.table import DIALECTS
from dragoman.providers.catalog import CATALOG
from dragoman.providers.grade import FILE, UNTRIED, Grade
from dragoman.providers.vendor import Vendor
from dragoman.testing import corpus
from dragoman.testing.case import APIS, dialect_of
from dragoman.testing.hosted import unwrapped
from dragoman.testing.ledger import Exceptions
from tests.documents import generated
from tests.laws.__main__ import EXCEPTIONS, RECORDED
from tests.matrix import permitted
from tests.matrix.page import cells
from tests.matrix.permitted import Done
from tests.matrix.upstreams import UPSTREAMS

PAGE: Final = Path(__file__).parents[2] / "docs" / "providers.md"
BEGINNING: Final = "<!-- This table is made by `make docs` from the catalogue. Do not edit it. -->\n"
END: Final = "<!-- The end of the table. -->\n"
_VENDORS: Final = {"alibaba": "dashscope", "bedrock_mantle": "bedrock-mantle"}
"""By the provider's name in the recordings, the vendor's other name in the catalogue."""


def table(graded: Mapping[str, Grade]) -> str:
    """One row for each vendor."""
    head = ("name", "vendor", "protocols", "operations", "key", "grade", "read")
    rows = [head, ["---"] * len(head), *(_row(one, graded) for one in CATALOG.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(vendor: Vendor, graded: Mapping[str, Grade]) -> Sequence[str]:
    return (
        f"`{vendor.name}`",
        f"[{vendor.title}]({vendor.page})",
        " ".join(f"`{name}`" for name in (vendor.dialect, *vendor.also)),
        ", ".join(operations(vendor)),
        " or ".join(f"`{name}`" for name in vendor.keys),
        str(graded.get(vendor.name, UNTRIED)),
        vendor.read,
    )


def counted(present: Mapping[str, Grade]) -> dict[str, Grade]:
    """The grades of today. present: those in the file, whose recordings are kept if there are none here."""
    excepted = {exchange for _, exchange in Exceptions.load(EXCEPTIONS).reasons}
    recordings: Counter[str] = Counter()
    held: Counter[str] = Counter()
    if RECORDED.is_dir():
        for exchange in corpus.read(RECORDED, *(api for apis in APIS.values() for api in apis)):
            provider = exchange.api.partition(".")[0]
            vendor = _VENDORS.get(provider, provider)
            read = dialect_of(exchange.api) in DIALECTS and unwrapped(exchange) is not None
            if vendor in CATALOG and read:
                recordings[vendor] += 1
                held[vendor] += exchange.id not in excepted
    else:
        recordings.update({name: grade.recordings for name, grade in present.items()})
        held.update({name: grade.held for name, grade in present.items()})
    asked, passed = _cells()
    return {
        name: Grade(recordings[name], held[name], asked[name], passed[name])
        for name in CATALOG
        if recordings[name] or asked[name]
    }


def _cells() -> tuple[Counter[str], Counter[str]]:
    """(the cells of the matrix, those that work) by the vendor that is asked.

    A provider of the matrix that is no vendor stands for the author of its protocol.
    """
    by_name = {upstream.name: upstream for upstream in UPSTREAMS if upstream.dialect is not None}
    allowed = permitted.load()
    asked: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for face, name, feature in cells():
        if (upstream := by_name.get(name)) is None:
            continue
        provider = upstream.model_for(feature).partition("/")[0]
        author = str(upstream.dialect).partition("_")[0]
        vendor = provider if provider in CATALOG else author
        if vendor in CATALOG:
            asked[vendor] += 1
            passed[vendor] += isinstance(allowed.outcome((face, name, feature)), Done)
    return asked, passed


def in_json(graded: Mapping[str, Grade]) -> str:
    """The file with the grades: a line for each vendor."""
    lines = [f"  {json.dumps(name)}: {json.dumps(msgspec.to_builtins(one))}" for name, one in graded.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str]) -> int:
    """Write or check the file and the page. Returns the exit code."""
    text = FILE.read_text("utf-8") if FILE.is_file() else "{}"
    graded = counted(msgspec.json.decode(text, type=dict[str, Grade]))
    if arguments == ["--write"]:
        FILE.write_text(in_json(graded), "utf-8")
    elif arguments == ["--check"] and text != in_json(graded):
        sys.stderr.write("error: providers/grades.json does not say what the tests say\n hint: make docs\n")
        return 1
    return generated.main(
        PAGE, lambda page: generated.between(page, BEGINNING, END, table(graded)), arguments
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
