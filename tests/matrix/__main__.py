"""`make matrix`: run every cell, then write docs/matrix.md. `--check` only compares the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import page, permitted
from tests.matrix.permitted import Cell

_NOT_THE_PAGE = "not test_the_page_is_as_the_cells_are"


class Collector:
    """Keeps which cells came to what they may, also when other processes run them."""

    def __init__(self) -> None:
        self.passed: set[Cell] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == "cell":
                    told: Any = value
                    face, upstream, feature = told
                    self.passed.add((face, upstream, feature))


def main(arguments: list[str]) -> int:
    made = page.render(permitted.load())
    if arguments == ["--check"]:
        if page.PAGE.read_text(encoding="utf-8") == made:
            return 0
        print(f"docs/{page.PAGE.name} is not what the matrix permits: make matrix", file=sys.stderr)
        return 1
    collector = Collector()
    chosen = [str(Path(__file__).parent), "-q", "-n", "auto", "-k", _NOT_THE_PAGE, *arguments]
    status = int(pytest.main(chosen, plugins=[collector]))
    if missing := set(page.cells()) - collector.passed:
        named = ", ".join(sorted(": ".join(one) for one in missing))
        print(f"{page.PAGE.name} is as it was, because these cells did not pass: {named}", file=sys.stderr)
        return status or 1
    page.PAGE.write_text(made, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
