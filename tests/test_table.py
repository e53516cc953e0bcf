"""Text tables as people and programs write them."""

from pathlib import Path

import pytest

from spatialnets.files.table import make_distinct, read_rows
from spatialnets.geometries import Points


def words(path: Path, text: str) -> list[tuple[str, ...]]:
    path.write_text(text, encoding="utf-8")
    return [row.words for row in read_rows(path)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n\n 1 , 2 \n", [("a", "b"), ("1", "2")]),
        ("a b\n1   2\n", [("a", "b"), ("1", "2")]),
        ("a b\n1, 2\n", [("a", "b"), ("1", "2")]),  # names separated by spaces, numbers by commas
        ("name\tx\nleft, a\t1\n", [("name", "x"), ("left, a", "1")]),
        ('"left, a",1\n"b; c",2\n', [("left, a", "1"), ("b; c", "2")]),
        ("1,\t2\n", [("1", "2")]),
        ("0;1,5\n", [("0", "1,5")]),
        ("\ta\tb\nc\t1\t\n", [("", "a", "b"), ("c", "1", "")]),
        ("1\t2\t\n3\t4\t\n", [("1", "2"), ("3", "4")]),  # spreadsheets write empty columns
        ("# x y\n1 2\n", [("x", "y"), ("1", "2")]),  # as NumPy writes names
        ("\ufeffa,b\r\n1,2\r\n", [("a", "b"), ("1", "2")]),
        ("", []),
    ],
)
def test_the_separator_is_recognized(tmp_path: Path, text: str, expected: list[tuple[str, ...]]) -> None:
    assert words(tmp_path / "table.csv", text) == expected


def test_a_row_has_its_file_line_and_text(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n\n 1,2 \n")
    row = read_rows(tmp_path / "table.csv")[1]
    assert row.place == f"{tmp_path / 'table.csv'}:3"
    assert row.text == "1,2"


def test_lines_of_points_may_have_different_separators(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x y z\n0,0,1\n1 2 3\n4;5;6\n7\t8\t9\n")
    assert Points(str(tmp_path / "points.csv")).positions().tolist() == [[0, 0, 1], [1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match="binary.csv cannot be read"):
        read_rows(tmp_path / "binary.csv")
    with pytest.raises(ValueError, match="there is no file"):
        read_rows(tmp_path / "absent.csv")


def test_repeated_names_are_numbered_and_distinct() -> None:
    assert make_distinct(["a", "b", "a", "a"]) == ("a", "b", "a 2", "a 3")
    assert make_distinct(["a", "a", "a 2", "a 2"]) == ("a", "a 3", "a 2", "a 2 2")
