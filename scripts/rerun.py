"""Run pytest, and run tests that have failed once more, alone; `make test`.

Tests that start gateways, providers and clients as processes of their own share the cores with each other and
with whatever else runs. At most three failures are run again, one at a time; if all of them pass, the run has
passed, and the last lines name them. More failures are no coincidence and fail at once. A test that needs
this is a defect, of the test or of what it tests: docs/decisions/0040-failed-tests-run-again.md.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

MOST = 3
"""The most failed tests that are run again."""
ALONE = ("-n", "0", "--dist", "no", "--durations", "0", "--last-failed", "--last-failed-no-failures", "none")


class Failures:
    """A plugin that notes the tests that fail. With pytest-xdist: in the process that prints, of all."""

    def __init__(self) -> None:
        self.tests: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.tests:
            self.tests.append(report.nodeid)


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments. Returns its exit code; of the second run, if there was one."""
    failures = Failures()
    code = int(pytest.main(list(arguments), plugins=[failures]))
    failed = failures.tests
    if code != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= MOST:
        return code
    tell("failed, and run again alone", failed)
    again = wait(subprocess.Popen([sys.executable, "-m", "pytest", *arguments, *ALONE]))
    if again == pytest.ExitCode.OK:
        tell("passed only when run again alone", failed)
    return code if again == pytest.ExitCode.NO_TESTS_COLLECTED else again


def wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process. Ctrl-C reaches the process too, and pytest then ends by itself."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def tell(what: str, tests: Sequence[str]) -> None:
    """Print what became of these tests, so that nobody overlooks it."""
    lines = ["", "=" * 80, f"{what}: {len(tests)}", *(f"  {test}" for test in tests), "=" * 80]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
