"""`make matrix`: run every cell and write what they came to into docs/matrix.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import page, permitted
from tests.matrix.asked import ASKED
from tests.matrix.permitted import Cell, Outcome
from tests.matrix.upstreams import UPSTREAMS


class Collector:
    """Keeps what each cell came to, also when other processes run them."""

    def __init__(self) -> None:
        self.outcomes: dict[Cell, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == "cell":
                    told: Any = value
                    face, upstream, feature, outcome = told
                    self.outcomes[face, upstream, feature] = permitted.read(outcome)


def main() -> int:
    collector = Collector()
    folder = str(Path(__file__).parent)
    status = pytest.main([folder, "-q", "-n", "auto", "--update", *sys.argv[1:]], plugins=[collector])
    every = {
        (face, upstream.name, feature)
        for face, features in ASKED.items()
        for upstream in UPSTREAMS
        for feature in features
    }
    if missing := every - collector.outcomes.keys():
        named = ", ".join(sorted(": ".join(one) for one in missing))
        print(f"{page.PAGE.name} is as it was, because these cells did not pass: {named}", file=sys.stderr)
        return int(status) or 1
    page.PAGE.write_text(page.render(collector.outcomes, permitted.load()), encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
