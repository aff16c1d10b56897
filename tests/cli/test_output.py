"""What is printed is a line, whatever names are in it."""

import logging
import sys

import pytest

from napari_deepheme.cli import models, run
from napari_deepheme.cli.output import LogLines, complain, say

ODD = "a\x1b[31m\x07\x9b2J.csv"
SPELLED = r"a\x1b[31m\x07\x9b2J.csv"


@pytest.mark.parametrize("tell", [say, complain])
def test_control_characters_are_spelled_out(tell, capsys):
    tell(f"{ODD} written")
    told = capsys.readouterr()
    assert f"{SPELLED} written\n" in (told.out, told.err.partition(": ")[2])


def test_a_name_with_a_line_break_stays_on_its_line(capsys):
    say("a\nb.csv written")
    assert capsys.readouterr().out == "a\\nb.csv written\n"


def test_letters_of_all_languages_stay(capsys):
    say("Ålesund 骨髄 – µm.csv")
    assert capsys.readouterr().out == "Ålesund 骨髄 – µm.csv\n"


@pytest.mark.parametrize(
    "words",
    [
        ["export", ODD, "--to", "csv", "--out", "o.csv"],
        ["export", "--to", "csv", "--out", "o.csv", "a.csv", ODD],
    ],
    ids=["no such file", "wrong usage"],
)
def test_a_failure_does_nothing_to_the_terminal(words, capfd):
    assert run(words) > 0
    told = capfd.readouterr().err
    assert SPELLED in told
    assert "\x1b" not in told


def test_what_is_logged_keeps_its_lines_and_spells_out_other_controls():
    record = logging.makeLogRecord({"msg": ODD, "exc_text": "Traceback\n  b"})
    assert LogLines().format(record).splitlines() == [SPELLED, "Traceback", "  b"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_takes_a_while_is_told_on_a_terminal_beside_the_results(
    monkeypatch, capsys, is_terminal
):
    log = logging.getLogger("napari_deepheme.core.models.fastest.begun")
    before = len(log.handlers), log.level
    monkeypatch.setattr(models, "list_models", lambda: log.info("measuring x") or ())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    assert run(["models", "list"]) == 0
    told = capsys.readouterr()
    assert told.err == ("napari-deepheme: measuring x\n" if is_terminal else "")
    assert "measuring" not in told.out
    assert (len(log.handlers), log.level) == before
