# ruff: noqa: F811
"""What a grader gets: marks, one file to hand in, and what differs between two reports."""

import csv
import io
import json
import shutil
import zipfile

import pytest
from test_verify import LABS, at, command, published  # noqa: F401

from lab_utils.config import LabError
from lab_utils.labs import LABS as REAL
from lab_utils.labs.spec import DELIVERED, FAILED, WEAK, Check, Deliverable
from lab_utils.report import index
from lab_utils.report.__main__ import main
from lab_utils.report.marks import BOM, plain
from lab_utils.report.submit import file_name
from tests.conftest import one_line

# Marks


@pytest.mark.parametrize(
    ("check", "value", "status"),
    [
        (Check("a", 0.9, 0.5), 0.9, DELIVERED),
        (Check("a", 0.9, 0.5), 0.89, WEAK),
        (Check("a", 0.9, 0.5), 0.5, WEAK),
        (Check("a", 0.9, 0.5), 0.49, FAILED),
        (Check("a", 0.1, 0.5), 0.1, DELIVERED),
        (Check("a", 0.1, 0.5), 0.5, WEAK),
        (Check("a", 0.1, 0.5), 0.51, FAILED),
        (Check("a", 0.1, 0.5), None, FAILED),
    ],
)
def test_a_check_has_two_bounds(check, value, status):
    assert check.status(value) == status
    assert ("≥" in check.words) == (check.good > check.least)


def test_a_deliverable_is_as_good_as_its_worst_check_that_its_data_can_answer():
    both = Deliverable("x", checks=(Check("a", 0.9, 0.5), Check("b", 0.9, 0.5, ("photographs",))))
    assert both.status({"a": 1.0, "b": 0.6}, ["photographs"])[0] == WEAK
    assert both.status({"a": 1.0, "b": 0.6}, ["avatars"]) == (DELIVERED, ["there", "a ≥ 0.900, weak from 0.500"])
    assert Deliverable("x").status({}, []) == (DELIVERED, ["there"])


@pytest.mark.parametrize(("values", "status"), [({"a": 1.0}, DELIVERED), ({"a": None}, FAILED), ({}, FAILED)])
def test_a_deliverable_whose_numbers_are_not_finite_failed(values, status):
    assert Deliverable("x", ("a",)).status(values, []) == (status, ["there, with numbers that are finite"])


def test_no_cell_is_taken_for_a_formula():
    assert [plain(text) for text in ("=1+1", "+1", "-7e-05", "@a", "a=1", "two\nlines")] == [
        "'=1+1", "'+1", "'-7e-05", "'@a", "a=1", "two lines",
    ]  # fmt: skip


# Names


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Ada Lovelace", "Ada-Lovelace"),
        ("  José   Núñez ", "José-Núñez"),
        ("李小龙", "李小龙"),
        ("O'Brien & Söhne", "O'Brien-&-Söhne"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\x00b\nc\u202ed", "a-b-c-d"),
        ("CON", "CON-"),
        ("com1.txt", "com1.txt-"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("e\u0301", "é"),
    ],
)
def test_any_name_gives_a_file_name_that_stays_in_its_folder(name, file):
    assert file_name(name) == file


def test_a_long_name_is_cut_between_characters_and_one_of_nothing_is_refused():
    assert len(file_name("名" * 500).encode()) <= 120
    with pytest.raises(LabError, match="NAME") as error:
        file_name("../..")
    assert "\n" not in str(error.value)


# One file


def test_a_report_is_one_file_that_opens_offline_and_is_the_same_each_time(at, capsys):
    assert command(at, "submit", "NAME=李 O'Brien") == 0
    target = at / "reports/李-O'Brien-quick.zip"
    said = capsys.readouterr().out
    assert "to hand in:" in said
    assert "missing" not in said
    first = target.read_bytes()
    with zipfile.ZipFile(target) as packed:
        names = {name.partition("/")[2] for name in packed.namelist()}
        assert {name.partition("/")[0] for name in packed.namelist()} == {"李-O'Brien-quick"}
        assert {"handed-in.txt", "index.html", "marks.csv", "manifest.json"} <= names
        assert {"html/01_good.html", "metrics/01_good.json"} <= names
        assert not any(name.startswith(("checkpoints", "logs", "notebooks")) for name in names)
        assert "Handed in by: 李 O'Brien" in packed.read("李-O'Brien-quick/handed-in.txt").decode()
    assert command(at, "submit", "NAME=李 O'Brien") == 0
    assert target.read_bytes() == first


def test_an_incomplete_report_is_handed_in_and_names_what_is_missing(at, capsys):
    path = at / "reports/quick/manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["notebooks"]["02_other"]
    del manifest["notebooks"]["01_good"]["deliverables"]["toy.2"]
    manifest["notebooks"]["01_good"]["status"] = "failed"
    path.write_text(json.dumps(manifest))
    assert command(at, "submit", "NAME=Ada") == 0
    said = capsys.readouterr().out
    for words in ("notebook 02, which has not run", "the end of notebook 01, which failed", "toy.2, of notebook 01"):
        assert f"missing: {words}" in said
    with zipfile.ZipFile(at / "reports/Ada-quick.zip") as packed:
        assert "- toy.2, of notebook 01" in packed.read("Ada-quick/handed-in.txt").decode()


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "NAME is not given"), (["NAME=  "], "NAME"), (["NAME=//"], "NAME")]
)
def test_without_a_name_nothing_is_handed_in(at, capsys, arguments, says):
    assert command(at, "submit", *arguments) == 2
    one_line(capsys.readouterr(), says)
    assert not list((at / "reports").glob("*.zip"))


def test_nothing_is_handed_in_of_a_report_that_is_not_there(tmp_path, capsys):
    assert command(tmp_path, "submit", "NAME=Ada") == 2
    one_line(capsys.readouterr(), "holds no report")


def test_marks_are_a_row_for_each_deliverable_and_claim_for_the_grader_to_fill_in(at):
    raw = (at / "reports/quick/marks.csv").read_bytes()
    assert raw.startswith(BOM.encode())
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    deliverables = [(name, one) for name, lab in LABS.items() for one in lab.deliverables]
    assert [(row["page"], row["id"]) for row in rows] == [
        (f"html/{name}.html#{one}", one) for name, one in deliverables
    ]
    assert {row["kind"] for row in rows} == {"deliverable"}
    assert {(row["points"], row["comment"]) for row in rows} == {("", "")}
    assert rows[0]["status"] == "delivered"
    for row in rows:
        page, _, anchor = row["page"].partition("#")
        assert f'id="{anchor}"' in (at / "reports/quick" / page).read_text()


# Two reports


def compared(*folders) -> int:
    return main(["compare", *(f"{word}={folder}" for word, folder in zip("AB", folders, strict=False))])


def test_a_report_equals_itself_and_its_published_set(at, capsys):
    quick = at / "reports/quick"
    assert compared(quick, quick) == 0
    assert compared(quick, at / "reports/published/quick-cpu-none") == 0
    assert capsys.readouterr().out.count("01 | equal") == 2


def test_what_differs_is_said_with_its_cause(at, capsys):
    quick, other = at / "reports/quick", at / "other"
    shutil.copytree(quick, other)
    path = other / "metrics/01_good.json"
    record = json.loads(path.read_text())
    record["metrics"]["a.loss"]["value"] = 1.8
    record["metrics"]["a.new"] = {"value": 1.0}
    path.write_text(json.dumps(record))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["notebooks"]["01_good"]["provenance"]["threads"] = 64
    manifest["notebooks"]["01_good"]["depends"]["settings"]["steps"] = 7
    del manifest["notebooks"]["02_other"]
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert compared(quick, other) == 1
    said = capsys.readouterr().out
    for words in (
        "a.loss: 1.500, 1.800 (+20.0 %)", "a.new: only in B", "because: threads is 2 in A, 64 in B",
        "because: steps is 7, was 1,281", "B has not run it",
    ):  # fmt: skip
        assert words in said


@pytest.mark.parametrize(
    ("folders", "says"),
    [(("no/such",) * 2, "no such directory"), (("tests",) * 2, "holds no report"), (("a",), "B is not")],
)
def test_what_is_no_report_is_one_line(folders, says, capsys):
    assert compared(*folders) == 2
    one_line(capsys.readouterr(), says)


def test_a_damaged_record_is_one_line(at, capsys):
    quick = at / "reports/quick"
    (quick / "metrics/01_good.json").write_text("{")
    assert compared(quick, quick) == 2
    one_line(capsys.readouterr(), "is damaged")


def test_a_metric_of_digits_is_not_of_other_data_because_the_faces_are():
    lab = REAL["06_infogan"]
    data = {"digits": {"source": "mnist"}, "faces": {"source": "avatars"}}
    measured = {name: {"value": 0.97} for name in ("infogan_digits.accuracy", "infogan_faces2.code_effect")}
    found = {row.name: row.verdict for row in index.metric_rows(lab, {"metrics": measured, "data": data}, "quick", {})}
    assert found["infogan_digits.accuracy"] == "met"
    assert found["infogan_faces2.code_effect"] == "other data"
