"""`python -m dragoman.testing FOLDER`: check that the codec of every dialect (its encoders, decoders and
relay) obeys the laws over the recordings in a folder.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import APIS
from dragoman.testing.laws import LAWS
from dragoman.testing.ledger import ALL, Exceptions, Ledger, shown


def main(arguments: Sequence[str], folders: Sequence[Path] = (), exceptions: Path | None = None) -> int:
    """Check every codec against the laws and print the result. arguments: those of the command line, without
    the program's name. folders: used if `arguments` name no folder. exceptions: a TOML file of permitted
    violations, used if `arguments` name no such file; None = no violation is permitted.

    Returns the exit code: 1 if a law is broken without an exception, if there are too many exceptions or one
    that is no longer needed (not checked if `--law` selects laws), or if no exchange was tested; else 0.
    Raises SystemExit for wrong arguments and for `--help`, and the errors of `corpus.read` and
    `Exceptions.load` for a missing folder or an invalid file.
    """
    parser = argparse.ArgumentParser(
        "laws", description="Hold every codec to its laws over recorded traffic."
    )
    parser.add_argument("folder", nargs="*", type=Path, help="folders of recorded exchanges")
    parser.add_argument("--api", action="append", default=[], help="only this API, or a pattern (*.chat)")
    parser.add_argument("--id", action="append", default=[], help="only this exchange")
    parser.add_argument(
        "--law",
        action="append",
        default=[],
        help="only this law, or all of a subject (stream) or kind (mutants)",
    )
    parser.add_argument("--exceptions", type=Path, default=exceptions, help="TOML file of known breaches")
    parser.add_argument(
        "--mutants", type=int, default=ALL, help=f"odd forms of each body and stream (default: {ALL})"
    )
    parser.add_argument("--leftovers", action="store_true", help="list the keys that land in extra")
    parser.add_argument("-v", "--verbose", action="store_true", help="every way in which a law is broken")
    options = parser.parse_args(arguments)
    laws = [law for law in LAWS if not options.law or {law, *law.split(".")} & set(options.law)]
    if not laws:
        parser.error(f"no law is called {' or '.join(options.law)}; there are {', '.join(LAWS)}")
    ledger = Ledger(DIALECTS, Exceptions.load(options.exceptions), options.mutants)
    apis = options.api or [api for name in DIALECTS for api in APIS.get(name, (f"{name}.chat",))]
    for folder in options.folder or folders:
        for exchange in corpus.read(folder, *apis):
            if not options.id or exchange.id in options.id:
                for broken in ledger.run(exchange, laws):
                    _say(*shown(broken, whole=options.verbose))
    problems = [] if options.law else list(ledger.problems())
    _say(*ledger.table(), *_summary(ledger), *problems)
    if options.leftovers:
        _say(*_histogram(ledger))
    return int(bool(ledger.broken or problems or not ledger.ids))


def _summary(ledger: Ledger) -> Iterator[str]:
    by_law = Counter(broken.law for broken in ledger.broken)
    yield from (f"{law} is broken by {times} exchanges" for law, times in by_law.most_common())
    if not ledger.ids:
        yield "no exchange was found"
    elif not ledger.broken:
        yield f"all laws hold over {len(ledger.ids)} exchanges"


def _histogram(ledger: Ledger) -> Iterator[str]:
    for name, keys in ledger.leftovers.items():
        yield f"leftover keys of {name}:"
        yield from (f"{times:8} {key}" for key, times in keys.most_common())


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
