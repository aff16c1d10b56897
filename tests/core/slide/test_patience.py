"""Reads that hang are given up; the slide, and the process, go on."""

import gc
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from napari_deepheme.core.errors import (
    InvalidVariableError,
    UnreadableRegionError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.patience import (
    TIMEOUT_VARIABLE,
    NoAnswerError,
    Patience,
    usual_timeout,
)
from napari_deepheme.core.slide.tiff.stream import TiffStream


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_what_a_call_gives_or_raises_comes_back():
    patience = Patience(30)
    assert [patience.call(lambda n=n: n * n) for n in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(KeyError):
        patience.call(lambda: {}["none"])


def test_many_threads_may_call_at_a_time():
    patience, given = Patience(30), []

    def work(n):
        given.extend(patience.call(lambda: n) == n for _ in range(200))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [True] * 1600


def test_a_call_that_hangs_is_given_up_and_later_ones_are_made(gate):
    patience = Patience(0.2)
    with pytest.raises(NoAnswerError, match=r"within 0\.2 s"):
        patience.call(gate.wait)
    assert patience.call(lambda: "on") == "on"


def test_with_eight_that_hang_none_is_made_until_one_comes_back(gate):
    patience, made = Patience(0.4), []
    for _ in range(8):
        with pytest.raises(NoAnswerError):
            patience.call(gate.wait)
    started = time.monotonic()
    for _ in range(1000):
        with pytest.raises(NoAnswerError):
            patience.call(lambda: made.append(1))
    assert time.monotonic() - started < 5
    assert not made
    gate.set()
    until = time.monotonic() + 10
    while not made and time.monotonic() < until:
        time.sleep(0.01)
        try:
            patience.call(lambda: made.append(1))
        except NoAnswerError:
            continue
    assert made


def test_what_comes_too_late_is_closed(gate):
    class Slide:
        closed = threading.Event()

        def close(self):
            self.closed.set()

    def opened():
        gate.wait()
        return Slide()

    with pytest.raises(NoAnswerError):
        Patience(0.1).call(opened)
    gate.set()
    assert Slide.closed.wait(10)


def test_a_result_is_not_kept():
    patience = Patience(30)
    pixels = patience.call(lambda: np.zeros(9))
    kept = weakref.ref(pixels)
    del pixels
    until = time.monotonic() + 3
    while kept() is not None and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert kept() is None


@pytest.mark.parametrize("text", ["0", "-1", "0.5", "inf", "nan", "soon"])
def test_a_time_that_cannot_be_meant_is_refused_by_the_name_of_the_variable(
    monkeypatch, text
):
    monkeypatch.setenv(TIMEOUT_VARIABLE, text)
    with pytest.raises(InvalidVariableError, match=f"{TIMEOUT_VARIABLE} is '{text}'"):
        usual_timeout()


@pytest.mark.parametrize(
    ("text", "seconds"), [("7.5", 7.5), (" 1 ", 1), ("", 120), (" ", 120)]
)
def test_the_environment_names_another_time(monkeypatch, text, seconds):
    monkeypatch.setenv(TIMEOUT_VARIABLE, text)
    assert usual_timeout() == seconds


def test_a_slide_whose_read_hangs_is_unreadable_there_and_can_be_closed(
    ome, monkeypatch, gate
):
    read, n_reads = TiffStream.read, iter(range(1000))

    def hanging(stream, offset, count):
        if next(n_reads) == 0:
            gate.wait()
        return read(stream, offset, count)

    with open_slide(ome, read_timeout=0.3) as slide:
        # Its levels were looked at when it was opened.
        monkeypatch.setattr(TiffStream, "read", hanging)
        slide._cache.get = lambda _, decode, **how: decode()
        with pytest.raises(UnreadableRegionError, match="did not answer"):
            slide.read_region(Point(0, 0), 0, Size(90, 90))
        assert slide.read_region(Point(400, 400), 0, Size(9, 9)).shape == (9, 9, 3)


def test_a_slide_that_does_not_answer_when_it_is_opened_is_refused(
    svs, monkeypatch, gate
):
    module = "napari_deepheme.core.slide.open._vendor"
    monkeypatch.setattr(module, lambda _: gate.wait())
    with pytest.raises(UnreadableSlideError, match="did not answer"):
        open_slide(svs, read_timeout=0.2)


def test_a_hanging_read_does_not_keep_the_process(svs):
    code = (
        "import sys, threading\n"
        "from napari_deepheme.core.slide import open as door\n"
        "door._vendor = lambda path: threading.Event().wait()\n"
        "try:\n    door.open_slide(sys.argv[1], read_timeout=0.3)\n"
        "except OSError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, svs],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "did not answer" in done.stdout, done.stderr


def test_a_stream_closes_behind_the_last_read(tmp_path, monkeypatch, gate):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(200)))
    file = path.open("rb")
    stream = TiffStream(file)
    assert stream.read(190, 10) == bytes(range(190, 200))
    with pytest.raises(EOFError):
        stream.read(195, 10)
    inside = threading.Event()

    def slowly(*_):
        inside.set()
        gate.wait()
        return b"x"

    monkeypatch.setattr(stream, "_bytes", slowly)
    reader = threading.Thread(target=stream.read, args=(0, 1))
    reader.start()
    assert inside.wait(10)
    stream.close()
    assert not file.closed
    gate.set()
    reader.join()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        stream.read(0, 1)


def test_a_file_that_became_shorter_is_cut_off(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(200))
    stream = TiffStream(path.open("rb"))
    path.write_bytes(bytes(100))
    with pytest.raises(EOFError, match="shorter"):
        stream.read(90, 20)
    stream.close()
