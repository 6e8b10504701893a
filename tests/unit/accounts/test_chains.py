"""The reader of the journal: each record once, nothing lost when a process or the reader is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.accounts.chains import KILLED, Chain, Chains, told
from dragoman.accounts.entries import HEAD
from dragoman.accounts.segments import FileJournal
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageRecord

SIZE = 4_000_000


def record(id_: str, **more: Any) -> UsageRecord:
    return UsageRecord(**{"id": id_, "created": 1.0, "ended": 2.0, **more})


def kill(journal: FileJournal) -> None:
    """End a journal as the kernel ends that of a killed process: locks go, nothing is written."""
    journal._syncing.end(journal._descriptor)
    journal._descriptor = -1


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    made = FileJournal(tmp_path, SYSTEM, size=SIZE)
    yield made
    if made._descriptor >= 0:
        made.close()


@pytest.fixture
def chains(tmp_path: Path) -> Iterator[Chains]:
    made = Chains(tmp_path)
    assert made.hold()
    yield made
    made.close()


def only(chains: Chains) -> Chain:
    (chain,) = chains.look()
    return chain


def drained(chains: Chains) -> list[str]:
    """The ids of all records that wait, which are then stored; also those of chains that are left."""
    ids: list[str] = []
    for chain in chains.look():
        while records := chain.take():
            ids += [one.id for one in records]
            chain.done()
        if chain.left:
            ids += [f"cut {one.id}" for one in chain.cut()]
            chains.delete(chain)
    return ids


def test_records_are_read_while_they_are_written(journal: FileJournal, chains: Chains) -> None:
    journal.opened(record("a"))
    journal.closed(record("a"))
    journal.opened(record("b"))
    assert drained(chains) == ["a"]
    assert drained(chains) == []
    journal.closed(record("b"))
    journal.closed(record("c"))
    assert drained(chains) == ["b", "c"]
    assert not only(chains).left


def test_records_come_again_until_they_are_stored(journal: FileJournal, chains: Chains) -> None:
    journal.closed(record("a"))
    chain = only(chains)
    assert [one.id for one in chain.take()] == ["a"]
    journal.closed(record("b"))
    assert [one.id for one in chain.take()] == ["a"]
    chain.again()
    assert [one.id for one in chain.take()] == ["a", "b"]
    assert chain.waiting()[0] == 2
    chain.done()
    assert chain.take() == []


def test_another_reader_goes_on_where_the_database_is(tmp_path: Path, journal: FileJournal) -> None:
    first = Chains(tmp_path)
    assert first.hold()
    journal.opened(record("open"))
    journal.closed(record("a"))
    assert drained(first) == ["a"]
    journal.closed(record("b"))
    only(first).take()
    second = Chains(tmp_path)
    assert not second.hold()
    first.close()
    assert second.hold()
    assert drained(second) == ["b"]
    kill(journal)
    assert drained(second) == ["cut open"]
    second.close()


def test_a_segment_is_deleted_when_all_of_it_is_stored(
    tmp_path: Path, journal: FileJournal, chains: Chains
) -> None:
    journal.opened(record("long"))
    journal.closed(record("a"))
    journal._renew()
    chain = only(chains)
    assert [one.id for one in chain.take()] == ["a"]
    assert len(list(tmp_path.glob("*.journal"))) == 2
    chain.done()
    chain.take()
    assert [path.name for path in tmp_path.glob("*.journal")] == [f"{journal.mark}-00000002.journal"]
    kill(journal)
    assert drained(chains) == ["cut long"]
    assert not list(tmp_path.glob("*.journal"))


def test_what_a_killed_process_has_opened_is_cut(journal: FileJournal, chains: Chains) -> None:
    journal.opened(record("a", units={"input": 10}, settled=(("k", 5),), cut=True))
    journal.opened(record("a", units={"input": 30}, settled=(("k", 9),), cut=True))
    kill(journal)
    chain = only(chains)
    assert chain.take() == []
    assert (chain.left, chain.ended_well) == (True, False)
    (cut,) = chain.cut()
    assert (cut.id, cut.units, cut.settled) == ("a", {"input": 30}, (("k", 9),))
    assert (cut.cut, cut.failed, cut.end) == (True, True, KILLED)
    assert cut.ended > 1e9  # when the file was written last


def test_the_reader_does_not_move_the_end_of_a_cut_exchange(journal: FileJournal, chains: Chains) -> None:
    journal.opened(record("open", created=1.0))
    journal.closed(record("done"))
    kill(journal)
    (segment,) = journal._folder.glob("*.journal")
    os.utime(segment, (500.0, 500.0))  # the gateway was away for long
    chain = only(chains)
    assert [one.id for one in chain.take()] == ["done"]
    chain.done()  # writes into the head
    assert segment.stat().st_mtime > 500.0
    assert chain.take() == []
    assert [one.ended for one in chain.cut()] == [500.0]


def test_a_process_that_ends_in_good_order_leaves_nothing_to_charge(
    tmp_path: Path, journal: FileJournal, chains: Chains
) -> None:
    journal.opened(record("a"))
    journal.closed(record("a"))
    journal.close()
    chain = only(chains)
    assert (chain.left, chain.ended_well) == (True, True)
    assert drained(chains) == ["a"]
    assert not list(tmp_path.glob("*.journal"))
    assert chains.look() == []


def test_a_segment_stays_until_the_ledger_has_it(
    tmp_path: Path, journal: FileJournal, chains: Chains
) -> None:
    """Else another reader could not pass it on, if this one is killed."""
    journal.closed(record("a", settled=(("k", 1),)))
    journal._renew()
    journal.closed(record("b", settled=(("k", 1),)))
    kill(journal)
    chain = only(chains)
    assert (chain.left, chain.charged) == (True, False)
    while chain.take():
        chain.done()
    assert len(list(tmp_path.glob("*.journal"))) == 2
    assert [[one.id for one in part] for part in chain.to_charge()] == [["a"], ["b"], []]
    chains.close()
    assert chains.hold()
    chain = only(chains)
    assert chain.take() == []  # the database has them
    assert [[one.id for one in part] for part in chain.to_charge()] == [["a"], ["b"], []]
    chains.delete(chain)
    assert not list(tmp_path.glob("*.journal"))


def test_every_damaged_segment_is_kept_beside(tmp_path: Path, journal: FileJournal, chains: Chains) -> None:
    for id_ in "ab":
        journal._write(b"damage")
        journal.closed(record(id_))
        journal._renew()
    kill(journal)
    chain = only(chains)
    while chain.take():
        chain.done()
    chains.delete(chain)
    assert [left.suffix for left in sorted(tmp_path.glob("*-*"))] == [".damaged", ".damaged"]


def test_what_a_process_could_not_report_has_to_be_charged(journal: FileJournal, chains: Chains) -> None:
    assert only(chains).charged
    journal.unreported(b"a report")
    journal.close()
    chain = only(chains)
    assert (chain.left, chain.ended_well, chain.charged, chain.report) == (True, True, False, b"a report")


def test_a_chain_that_goes_on_while_it_is_looked_at_is_not_left(journal: FileJournal, chains: Chains) -> None:
    chain = only(chains)
    journal._renew()
    journal._syncing._sync()  # closes the first segment, which removes its lock
    chain.look()
    assert not chain.left


def test_records_that_the_database_got_another_way_are_not_cut(journal: FileJournal, chains: Chains) -> None:
    journal.opened(record("a"))
    journal.backlog.add(record("a"))
    journal.stored(["a"])
    journal.tend()
    kill(journal)
    assert drained(chains) == []


def test_a_damaged_segment_is_kept_beside(tmp_path: Path, journal: FileJournal, chains: Chains) -> None:
    for id_ in "abc":
        journal.closed(record(id_, face="x" * 100))
    kill(journal)
    (path,) = tmp_path.glob("*.journal")
    data = bytearray(path.read_bytes())
    data[(HEAD + len(data)) // 2] ^= 0xFF
    path.write_bytes(data)
    chain = only(chains)
    assert [one.id for one in chain.take()] == ["a", "c"]
    chain.done()
    assert (chain.damaged, chain.torn) == (1, 0)
    chains.delete(chain)
    assert [left.suffix for left in tmp_path.glob("*-*")] == [".damaged"]


def test_an_entry_of_another_version_is_damage_and_no_error(
    tmp_path: Path, journal: FileJournal, chains: Chains
) -> None:
    from dragoman.accounts.entries import CLOSED, OPENED, entry_of

    journal._write(entry_of(CLOSED, b"\x93not a record"))
    journal._write(entry_of(OPENED, b"\xa1x"))
    journal._write(entry_of(CLOSED, b"\xdc\xff\xff\xa1a" + b"\x91" * 5000))
    journal._write(entry_of(OPENED, b"\xdc\xff\xff\xa1a" + b"\x91" * 5000))
    journal._write(entry_of(99, b"?"))
    journal.closed(record("a"))
    chain = only(chains)
    assert [one.id for one in chain.take()] == ["a"]
    chain.done()
    assert chain.damaged == 4


def test_a_torn_write_waits_for_its_process_and_is_cut_off_behind_it(
    journal: FileJournal, chains: Chains
) -> None:
    from dragoman.accounts.entries import CLOSED, entry_of

    journal.closed(record("a"))
    journal._write(bytes(entry_of(CLOSED, b"x" * 100))[:40])
    assert drained(chains) == ["a"]
    chain = only(chains)
    assert chain.torn == 0
    kill(journal)
    assert only(chains).left
    assert chain.take() == []
    assert (chain.torn, chain.damaged) == (40, 0)


def test_waiting_records_are_counted_though_they_are_not_read(journal: FileJournal, chains: Chains) -> None:
    for number in range(3000):
        journal.opened(record(str(number), face="x" * 200))
        journal.closed(record(str(number), face="x" * 200))
    chain = only(chains)
    number, size = chain.waiting()
    assert (number, size > 1_200_000) == (3000, True)
    read = len(chain.take())
    assert 0 < read < 3000
    assert chain.waiting()[0] == 3000
    chain.done()
    assert chain.waiting()[0] == 3000 - read
    journal.closed(record("more"))
    assert chain.waiting()[0] == 3001 - read
    drained(chains)
    assert chain.waiting() == (0, 0)


def test_entries_that_are_larger_than_what_is_read_at_once(journal: FileJournal, chains: Chains) -> None:
    journal.closed(record("large", face="x" * 700_000))
    journal.closed(record("small"))
    assert drained(chains) == ["large", "small"]


def test_a_segment_that_was_never_named_is_cleared_away(tmp_path: Path, chains: Chains) -> None:
    left = tmp_path / "0123456789abcdef-00000001.journal.new"
    left.write_bytes(b"half")
    assert chains.look() == []
    assert not left.exists()


def test_the_reader_tells_how_it_stands(tmp_path: Path) -> None:
    assert told(tmp_path) is None
    chains = Chains(tmp_path)
    chains.hold()
    assert told(tmp_path) == {"running": True}
    chains.tell({"waiting": 3, "last_error": "é" * 500})
    chains.tell({"waiting": 2})
    assert told(tmp_path) == {"waiting": 2, "running": True}
    chains.close()
    assert told(tmp_path) == {"waiting": 2, "running": False}


@pytest.mark.parametrize(
    "odd",
    [
        *(
            b"{",
            b"[]",
            b"null",
            b'"x"',
            b'{"last_error":"\xff"}',
            b"\0\0",
            b"[" * 4000,
            b'{"x":' + b"[" * 3990,
        ),
        *(b'{"looked":"x"}', b'{"stored":null}', b'{"last_error":[]}'),
    ],
)
def test_an_odd_state_is_as_none(tmp_path: Path, odd: bytes) -> None:
    (tmp_path / "reader").write_bytes(odd)
    assert told(tmp_path) is None


def test_a_journal_that_somebody_deletes_while_it_is_read(
    tmp_path: Path, journal: FileJournal, chains: Chains
) -> None:
    journal.closed(record("a"))
    kill(journal)
    chain = only(chains)
    for segment in tmp_path.glob("*.journal"):
        segment.unlink()
    assert chain.take() == []
    chains.delete(chain)
    assert chains.look() == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_a_segment_leaves_a_part_of_its_records(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spoilt")
    journal = FileJournal(folder, SYSTEM, size=SIZE)
    ids = [str(number) for number in range(8)]
    for id_ in ids:
        journal.opened(record(id_))
        journal.closed(record(id_))
    kill(journal)
    (path,) = folder.glob("*.journal")
    whole = bytearray(path.read_bytes())
    length = data.draw(st.integers(0, len(whole)))
    places = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), max_size=4))
    for place, bits in places:
        whole[place] ^= bits
    path.write_bytes(whole[:length])
    chains = Chains(folder)
    assert chains.hold()
    found = [id_.removeprefix("cut ") for id_ in drained(chains)]
    chains.close()
    assert set(found) <= set(ids)
    assert len(found) == len(set(found))
    if length == len(whole):
        assert len(found) >= len(ids) - len(places)


_MURDERS = """
import json, os, random, signal, sys, time
from pathlib import Path
from dragoman.accounts import segments
from dragoman.accounts.chains import Chains
from dragoman.accounts.segments import FileJournal
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageRecord

folder, times, write = Path(sys.argv[1]), int(sys.argv[2]), os.write

def halves(descriptor, data):
    half = random.randrange(len(data) + 1)
    write(descriptor, bytes(data)[:half])
    if random.random() < 0.3:
        time.sleep(0.0005)
    write(descriptor, bytes(data)[half:])
    return len(data)

def worker(told):
    segments.os.write, segments.SEGMENT = halves, 300_000
    journal = FileJournal(folder, SYSTEM, size=100_000_000)
    running, number = [], 0
    while True:
        number += 1
        id_ = f"{os.getpid()}.{number}"
        one = UsageRecord(id=id_, created=1.0, ended=2.0, face="x" * random.randrange(2000))
        journal.opened(one)
        write(told, f"opened {id_}\\n".encode())
        running.append(one)
        if random.random() < 0.8:
            one = running.pop(random.randrange(len(running)))
            journal.closed(one)
            write(told, f"closed {one.id}\\n".encode())
        journal.tend()

names = "closed", "cut", "missing", "doubled", "torn", "damaged", "unclear", "segments"
result = dict.fromkeys(names, 0)
for _ in range(times):
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        worker(theirs)
    os.close(theirs)
    said = b""
    enough = random.randrange(1, 20_000)
    while len(said) < enough:
        said += os.read(ours, 65536)
    os.kill(child, signal.SIGKILL)
    while more := os.read(ours, 65536):
        said += more
    os.waitpid(child, 0)
    os.close(ours)
    lines = [line.split() for line in said.decode().splitlines()]
    opened = {id_ for kind, id_ in lines if kind == "opened"}
    closed = {id_ for kind, id_ in lines if kind == "closed"}
    chains = Chains(folder)
    assert chains.hold()
    (chain,) = chains.look()
    number_of = len(chain._numbers)
    assert chain.left and not chain.ended_well
    stored = []
    while records := chain.take():
        stored += [one.id for one in records]
        chain.done()
    cut = [one.id for one in chain.cut()]
    result["torn"] += bool(chain.torn)
    result["damaged"] += chain.damaged
    chains.delete(chain)
    chains.close()
    both = stored + cut
    result["closed"] += len(stored)
    result["cut"] += len(cut)
    result["doubled"] += len(both) - len(set(both))
    result["segments"] += number_of
    result["missing"] += len(closed - set(stored)) + len(opened - set(both))
    result["unclear"] += len(set(both) - opened)  # the worker died before it could say so
    left = [path.name for path in folder.iterdir() if path.name != "reader"]
    assert not left, left
print(json.dumps(result))
"""


def test_nothing_is_lost_or_doubled_when_a_writer_is_killed_fifty_times(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _MURDERS, str(tmp_path), "50"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stderr) == (0, "")
    result = json.loads(ran.stdout)
    assert (result["missing"], result["doubled"], result["damaged"]) == (0, 0, 0), result
    assert result["unclear"] <= 50
    assert result["closed"] > 1000
    assert result["cut"] > 50
    assert result["torn"] > 0
    assert result["segments"] > 60
