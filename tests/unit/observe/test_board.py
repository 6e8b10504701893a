"""The memory that all workers share: whole, recent messages of the others are read."""

from __future__ import annotations

import os
import sys

import pytest

from dragoman.observe.board import Board
from dragoman.observe.health import Figures, ProviderHealth, publish


def figures() -> Figures:
    return Figures(providers={"up": ProviderHealth(), "other": ProviderHealth()})


def test_only_what_was_told_lately_and_whole_is_read() -> None:
    board = Board(3)
    assert board.others(1, lambda: 1.0) == []
    publish(figures(), board, 2, 1.0)
    publish(figures(), board, 3, 5.0)
    assert len(board.others(1, lambda: 5.5)) == 2
    assert len(board.others(3, lambda: 5.5)) == 1
    assert len(board.others(1, lambda: 8.0)) == 1, "one hangs"
    board.clear(3)
    assert board.others(1, lambda: 8.0) == []
    board.write(3, b"x" * 100, 8.0)
    board._memory[2 * len(board._memory) // 4 + 50] = 0
    assert board.others(1, lambda: 8.0) == [], "half of it is another one's"


def test_the_keeper_has_a_slot_that_tells_no_figures() -> None:
    board = Board(2)
    board.write(board.keeper, b"1234", 1.0)
    assert board.others(1, lambda: 1.0) == []
    assert board.read(board.keeper, lambda: 2.0) == b"1234"
    assert board.present(board.keeper, 6.0)
    assert not board.present(board.keeper, 6.1), "it hangs"
    board.write(2, b"{}", 5.0)
    assert [board.workers(6.0), board.workers(6.0, but=2)] == [1, 0]
    board.clear(board.keeper)
    assert board.read(board.keeper, lambda: 2.0) is None


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_a_child_reads_and_writes_what_its_parent_made() -> None:
    board = Board(2)
    board.write(1, b"of the parent", 1.0)
    child = os.fork()
    if child == 0:
        heard = board.others(2, lambda: 1.0) == [b"of the parent"]
        board.write(2, b"of the child", 1.0)
        os._exit(0 if heard else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert board.others(1, lambda: 1.0) == [b"of the child"]
