"""A run goes on where it was, or says why it does not."""

from napari_deepheme.cli import run


def test_a_count_in_the_best_areas_has_as_many_cells_as_wanted(
    write_long_smear, tmp_path, read_rows
):
    write_long_smear(tmp_path / "long.svs", height=1500)
    words = ["classify", "long.svs", "--max-cells", "25", "--out", "out"]
    assert run(words) == 0
    beyond = {"U1", "U4", "ER5", "ER6", "PL2", "PL3"}
    rows = read_rows(tmp_path / "out" / "cells.csv")
    counted = [row for row in rows if row["identified"] == "yes"]
    assert sum(row["class_code"] not in beyond for row in counted) == 25
    assert rows == sorted(rows, key=lambda r: int(r["cell_id"]))


def test_another_setting_in_the_same_folder_is_refused_in_one_line(
    phantom, tmp_path, capsys
):
    words = ["classify", str(phantom), "--out", "out"]
    assert run([*words, "--region", "0,0,300,300"]) == 0
    capsys.readouterr()
    assert run([*words, "--region", "0,0,300,301"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "--overwrite" in told
    assert run([*words, "--region", "0,0,300,301", "--overwrite"]) == 0
