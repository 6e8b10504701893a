"""`python -m tests.laws [FOLDER]`: the laws over the project's own cases and the recordings beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from dragoman.testing.__main__ import main

TESTS = Path(__file__).resolve().parent.parent
RECORDED = TESTS.parent.parent / "shared" / "wire"
EXCEPTIONS = TESTS / "laws" / "exceptions.toml"

if __name__ == "__main__":
    folders = [folder for folder in (TESTS / "cases", RECORDED) if folder.is_dir()]
    sys.exit(main(sys.argv[1:], folders, EXCEPTIONS))
