"""A log line that cannot be written is counted; whoever logs goes on."""

import io
import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from relay.log_output import WRITE_TIMEOUT, LogOutput, Losses

CAPACITY = 2**16  # bytes of a pipe


@pytest.fixture(name="losses")
def _losses():
    return Losses()


@pytest.fixture(name="pipe")
def _pipe():
    """The two ends of a pipe, as files."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as out, os.fdopen(writer, "w") as into:
        os.set_blocking(reader, False)
        yield out, into


def test_a_line_is_written_whole_whatever_its_length(tmp_path, losses):
    with (tmp_path / "log").open("w") as stream:
        output = LogOutput(stream, losses)
        output.write(b"short\n")
        output.write(b"x" * 1_000_000 + b"\n")
    assert (tmp_path / "log").read_bytes() == b"short\n" + b"x" * 1_000_000 + b"\n"
    assert losses.so_far.count == 0


def test_a_stream_in_memory_will_do(losses):
    stream = io.TextIOWrapper(io.BytesIO())
    LogOutput(stream, losses).write(b"line\n")
    assert stream.buffer.getvalue() == b"line\n"


def test_a_pipe_without_a_reader_loses_the_line(pipe, losses):
    out, into = pipe
    output = LogOutput(into, losses)
    out.close()
    output.write(b"one\n")
    output.write(b"two\n")
    assert (losses.so_far.count, losses.so_far.problem) == (2, "Broken pipe")
    assert losses.so_far.last_at is not None


def test_a_stream_that_was_closed_loses_the_line(tmp_path, losses):
    with (tmp_path / "log").open("w") as stream:
        output = LogOutput(stream, losses)
    output.write(b"one\n")
    assert losses.so_far.count == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_full_disk_loses_the_line(losses):
    with Path("/dev/full").open("w") as stream:
        LogOutput(stream, losses).write(b"one\n")
    assert losses.so_far.problem == "No space left on device"


def test_a_stalled_reader_delays_one_line_and_no_other(pipe, losses):
    out, into = pipe
    output = LogOutput(into, losses)
    while losses.so_far.count == 0:
        output.write(b"x" * 1023 + b"\n")
    began = time.monotonic()
    for _ in range(100):
        output.write(b"lost\n")
    assert time.monotonic() - began < WRITE_TIMEOUT, "the first one waited, these did not"
    assert losses.so_far.count == 101
    while out.read(65536):
        pass
    output.write(b"read again\n")
    assert out.read(65536) == b"read again\n"
    assert losses.so_far.count == 101


@pytest.mark.parametrize("is_ours", [True, False], ids=["a pipe of our own", "another user's"])
def test_a_long_line_does_not_wait_for_a_stalled_reader_either(pipe, losses, monkeypatch, is_ours):
    out, into = pipe
    if not is_ours:
        monkeypatch.setattr(os, "open", refused)
    output = LogOutput(into, losses)
    os.write(into.fileno(), b"x" * (CAPACITY - 4096))  # one page is free
    began = time.monotonic()
    output.write(b"y" * 6000 + b"\n")
    output.write(b"short\n")
    assert time.monotonic() - began < 3 * WRITE_TIMEOUT
    assert losses.so_far.count == 2
    while out.read(65536):
        pass
    output.write(b"z" * 100_000 + b"\n") if is_ours else output.write(b"z" * 6000 + b"\n")
    assert out.read(65536).startswith(b"\nzzz"), "not behind the half of the line before"


def refused(*_):
    raise PermissionError(13, "Permission denied")


def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path, losses):
    """A quota leaves room for a part of a line; then there is room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with (tmp_path / "log").open("w") as stream:
            output = LogOutput(stream, losses)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3, hard))
            output.write(b"cut here\n")
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            output.write(b"whole\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    assert (tmp_path / "log").read_bytes() == b"cut\nwhole\n"
    assert losses.so_far.count == 1
