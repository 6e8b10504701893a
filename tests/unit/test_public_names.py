"""What `import dragoman` promises: sorted, present, and nothing else."""

from __future__ import annotations

import pytest

import dragoman


def test_public_names_are_sorted_and_all_there() -> None:
    assert dragoman.__all__ == sorted(dragoman.__all__)
    assert dir(dragoman) == sorted(dragoman.__all__)
    for name in dragoman.__all__:
        assert getattr(dragoman, name) is not None


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dragoman.nothing
