"""Forms come in under bounds: small files stay in memory, large ones lie on disk and are gone afterwards."""

from __future__ import annotations

import mmap
import tempfile
import tracemalloc
from contextlib import suppress

import pytest

from dragoman import ir
from dragoman.capacity.space import Space
from dragoman.errors import RequestFailed
from dragoman.server.forms import NO_ROOM_BESIDE_OTHERS, Upload
from dragoman.wire.multipart import Field, content_type, written

MIB = 1024 * 1024
B = b"XyZ"


def receive(upload: Upload, *fields: Field) -> None:
    for part in written(fields, B).parts:
        for at in range(0, len(part), 100_000):
            upload.feed(bytes(part[at : at + 100_000]))


def fault(*chunks: bytes, stated: str = content_type(B)) -> ir.Fault:
    """What a form is refused with."""
    with pytest.raises(RequestFailed) as caught:
        read(stated, *chunks)
    return caught.value.fault


def read(stated: str, *chunks: bytes) -> None:
    with Upload(stated, Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
        for chunk in chunks:
            upload.feed(chunk)
        upload.form()


def test_a_form_comes_out_as_it_was_sent() -> None:
    form = (
        Field("model", b"whisper-1"),
        Field("image[]", bytes(range(256)) * 5000, "one.png", "image/png"),
        Field("image[]", b"small", "two.png", "image/png"),
        Field("mask", b"\r\n--Xy" * 300_000, "mask.png"),
        Field("n", b""),
    )
    with Upload(content_type(B), Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
        receive(upload, *form)
        got = upload.form()
        assert got == form
        assert [type(field.value) for field in got] == [bytes, memoryview, bytes, memoryview, bytes]
        sent = b"".join(written(got, B).parts)
    assert sent == b"".join(written(form, B).parts)


def test_files_end_with_the_block() -> None:
    with suppress(KeyError), Upload(content_type(B), Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
        receive(upload, Field("file", bytes(2 * MIB), "f"))
        (field,) = upload.form()
        raise KeyError("something fails")
    with pytest.raises(ValueError, match="released"):
        bytes(field.value)


def test_what_is_still_being_sent_stays_readable_until_it_is_let_go() -> None:
    with Upload(content_type(B), Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
        receive(upload, Field("file", b"x" * 2 * MIB, "f"))
        value = upload.form()[0].value
        assert isinstance(value, memoryview)
        sending = value[:1000]
        kept = value.obj
    assert bytes(sending) == b"x" * 1000
    sending.release()
    assert isinstance(kept, mmap.mmap)
    kept.close()


def test_many_files_do_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        with Upload(content_type(B), Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
            for _ in range(60):
                head = b'--XyZ\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n'
                upload.feed(head)
                for _ in range(15):
                    upload.feed(bytes(64_000))
                upload.feed(b"\r\n")
            upload.feed(b"--XyZ--")
            form = upload.form()
            assert [len(field.value) for field in form] == [15 * 64_000] * 60
            assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_the_client_is_told_what_is_wrong_and_where() -> None:
    assert fault(stated="multipart/form-data").kind == "invalid_request"
    broken = fault(b"--XyZ\r\nnothing\r\n\r\n")
    assert (broken.kind, broken.http_status, broken.param) == ("invalid_request", 400, None)
    named = b"--XyZ\r\ncontent-disposition: form-data; name=prompt\r\n\r\n"
    cut = fault(named, b"half a")
    assert (cut.kind, cut.param) == ("invalid_request", "prompt")
    long = fault(named, bytes(5 * MIB))
    assert (long.kind, long.code, long.param) == ("too_large", "request_too_large", "prompt")


def test_a_full_disk_is_not_the_clients_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    named = b"--XyZ\r\ncontent-disposition: form-data; name=file; filename=f\r\n\r\n"
    told = fault(named, bytes(2 * MIB))
    assert (told.http_status, told.code, told.blame) == (503, "insufficient_storage", "gateway")
    assert "device" not in told.message


def test_a_failure_of_the_whole_names_the_field_that_was_read() -> None:
    with Upload(content_type(B), Space(64 * MIB, NO_ROOM_BESIDE_OTHERS)) as upload:
        failed = RequestFailed(ir.Fault("timeout", "too slow"))
        assert upload.named(failed).fault.param is None
        upload.feed(b"--XyZ\r\ncontent-disposition: form-data; name=file; filename=f\r\n\r\nab")
        assert upload.named(failed).fault.param == "file"


def test_all_forms_together_have_bounded_space() -> None:
    space = Space(5 * MIB, NO_ROOM_BESIDE_OTHERS)
    with Upload(content_type(B), space) as first:
        receive(first, Field("file", bytes(3 * MIB), "f"))
        with pytest.raises(RequestFailed) as caught, Upload(content_type(B), space) as second:
            receive(second, Field("a", b"small", "a"), Field("b", bytes(3 * MIB), "b"))
        told = caught.value.fault
        assert (told.kind, told.code, told.retry_after) == ("unavailable", "insufficient_storage", 5)
        with Upload(content_type(B), space) as third:  # the second has let go of its own
            receive(third, Field("file", bytes(MIB), "f"), Field("more", bytes(3 * MIB // 2), "g"))
        with Upload(content_type(B), space) as small:
            receive(small, Field("file", bytes(MIB // 2), "f"))
            assert small.form()
        with pytest.raises(RequestFailed):
            Upload(content_type(B), space, 11 * MIB)  # which is known before any of it has come
    with Upload(content_type(B), space, 11 * MIB) as alone:
        receive(alone, Field("file", bytes(10 * MIB), "f"))
        assert len(alone.form()[0].value) == 10 * MIB
