# ruff: noqa: F811
"""What a grader gets: marks, one file to hand in, and what differs between two reports."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from test_verify import LABS, at, change, command, published  # noqa: F401

from lab_utils.config import ROOT, LabError
from lab_utils.labs import LABS as REAL
from lab_utils.labs.spec import DELIVERED, FAILED, WEAK, Check, Deliverable
from lab_utils.report import index, sheet
from lab_utils.report.__main__ import main
from lab_utils.report.compare import metrics_apart
from lab_utils.report.marks import plain
from lab_utils.report.sheet import BOM
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


@pytest.mark.parametrize("before", ["", "\u200b", "\ufeff", "\x00", "\t", "\r\n", "\x1b", "\u00ad", "\u202e", "\u3000"])
@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹢﹣﹦﹫")
def test_nor_is_one_that_begins_with_what_is_not_seen_or_is_wide(before, sign):
    assert plain(f"{before}{sign}1").startswith("'")
    assert not plain(f"{before}a{sign}1").startswith("'")


def test_a_cell_of_nothing_stays_empty():
    assert [plain(""), plain(" "), plain("\u200b")] == ["", "", "\u200b"]


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
        ("com1.txt", "com1-.txt"),  # Windows looks at what stands before the first dot
        ("COM¹", "COM¹-"),
        ("lpt³.x.y", "lpt³-.x.y"),
        ("conin$", "conin$-"),
        ("CONOUT$", "CONOUT$-"),
        ("Con Nor", "Con-Nor"),
        ("Connor", "Connor"),
        ("Ke$ha", "Ke$ha"),
        ("علی\u200cرضا", "علیرضا"),
        ("क्\u200dष", "क्ष"),
        ("Donau\u00addampf", "Donaudampf"),
        ("\u200fדוד\u200f", "דוד"),
        ("\U000323b0", "\U000323b0"),  # assigned later than this Python knows
        ("\ue000", "\ue000"),
        ("Jos\udce9", "José"),
        ("\udce9\udc85\udc00", "é-\ufffd"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("e\u0301", "é"),
    ],
)
def test_any_name_gives_a_file_name_that_stays_in_its_folder(name, file):
    assert file_name(name) == file


def test_a_long_name_is_cut_between_characters_and_one_of_nothing_is_refused():
    assert file_name("名" * 500) == "名" * 40
    assert file_name("a" * 118 + ". . b") == file_name("a" * 118 + "-- b") == "a" * 118
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
    def half(manifest):
        del manifest["notebooks"]["02_other"]
        del manifest["notebooks"]["01_good"]["deliverables"]["toy.2"]
        manifest["notebooks"]["01_good"]["status"] = "failed"

    change(at / "reports/quick/manifest.json", half)
    assert command(at, "submit", "NAME=Ada") == 0
    said = capsys.readouterr().out
    for words in ("notebook 02, which has not run", "the end of notebook 01, which failed", "toy.2, of notebook 01"):
        assert f"missing: {words}" in said
    with zipfile.ZipFile(at / "reports/Ada-quick.zip") as packed:
        assert "- toy.2, of notebook 01" in packed.read("Ada-quick/handed-in.txt").decode()


def test_what_was_removed_or_altered_is_named_and_what_is_not_of_the_report_left_out(at, capsys):
    quick = at / "reports/quick"
    removed = ["figures/01_good/toy.1.png", "html/02_other.html", "marks.csv"]
    for file in removed:
        (quick / file).unlink()
    (quick / "metrics/01_good.json").write_text("{}")
    (quick / "html/stray.html").write_text("mine")
    assert command(at, "submit", "NAME=Ada") == 0
    said = capsys.readouterr().out
    for line in (
        *(f"missing: {file}" for file in removed),
        "altered: metrics/01_good.json",
        "left out, not of this report: html/stray.html",
    ):
        assert f"{line}\n" in said
    with zipfile.ZipFile(at / "reports/Ada-quick.zip") as packed:
        names = {name.partition("/")[2] for name in packed.namelist()}
        top = packed.read("Ada-quick/handed-in.txt").decode()
    assert {"metrics/01_good.json", "manifest.json"} <= names
    assert "html/stray.html" not in names
    assert "Nothing is missing" not in top
    assert "Missing:\n- figures/01_good/toy.1.png\n- html/02_other.html\n- marks.csv\nAltered:\n- metrics/01" in top


def test_a_page_that_the_record_does_not_name_is_missing(at, capsys):
    change(at / "reports/quick/manifest.json", lambda content: content["files"].pop("html/01_good.html"))
    assert command(at, "submit", "NAME=Ada") == 0
    assert "missing: html/01_good.html" in capsys.readouterr().out


def test_what_a_command_that_was_killed_left_of_it_goes(at):
    left, other = at / "reports/.Ada-[x]-quick.zip.8846", at / "reports/.Bo-quick.zip.8846"
    for path in (left, other):
        path.write_bytes(b"half")
    assert command(at, "submit", "NAME=Ada [x]") == 0
    assert [path.exists() for path in (left, other)] == [False, True]


def test_a_file_that_is_replaced_is_said_to_be(at, capsys):
    assert command(at, "submit", "NAME=Ada Lovelace") == 0
    assert "earlier" not in capsys.readouterr().out
    assert command(at, "submit", "NAME=Ada/Lovelace") == 0
    assert "in place of an earlier file of this name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ada\nNothing is missing.", "Ada Nothing is missing."),
        ("Ada\u2028\x85\x1b[2J\rB", "Ada [2J B"),
        ("Jos\udce9", "José"),
        ("علی\u200cرضا", "علی\u200cرضا"),
    ],
)
def test_a_name_is_one_line_of_what_lies_on_top(at, name, written):
    assert command(at, "submit", f"NAME={name}") == 0
    (target,) = (at / "reports").glob("*.zip")
    with zipfile.ZipFile(target) as packed:
        top = packed.read(f"{target.stem}/handed-in.txt").decode()
    assert top.splitlines()[:2] == [f"Handed in by: {written}", "Profile: quick"]


def test_a_name_can_be_said_on_a_terminal_of_few_letters(at):
    named = at / "李"
    shutil.copytree(at / "reports/quick", named)
    arguments = [sys.executable, "-m", "lab_utils.report", "compare", f"A={named}", f"B={named}"]
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"A: {at}/\\u674e\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["NAME=Ada", "FOO=1"], "there is no 'FOO'"),
        (["NAME=Ada", "bar"], "'bar' is not NAME=VALUE"),
        (["NAME=Ada", "NAME"], "'NAME' is not NAME=VALUE"),
        (["NAM=Ada"], "did you mean NAME?"),
        (["NAME=Ada", "A=x"], "there is no 'A'"),
    ],
)
def test_a_word_that_submit_does_not_know_is_refused(at, capsys, arguments, says):
    assert command(at, "submit", *arguments) == 2
    one_line(capsys.readouterr(), says)
    assert not list((at / "reports").glob("*.zip"))


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


def fill_in(path, delimiter=",", bom=BOM, **columns) -> None:
    """Points and a comment in the first row, saved as a spreadsheet would."""
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    rows[0] |= {"points": "7", "comment": "well done, \N{GREEK SMALL LETTER BETA};\nbut slow"} | columns
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(bom + text.getvalue(), encoding="utf-8", newline="")


def filled_in(path) -> list[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    return [(row["points"], row["comment"]) for row in rows]


GIVEN = ("7", "well done, β;\nbut slow")


@pytest.mark.parametrize(("delimiter", "bom"), [(",", BOM), (";", ""), ("\t", BOM)])
def test_points_and_comments_are_no_damage_and_stay(at, capsys, delimiter, bom):
    quick = at / "reports/quick"
    blank = (quick / "marks.csv").read_bytes()
    fill_in(quick / "marks.csv", delimiter, bom)
    saved = (quick / "marks.csv").read_bytes()
    assert command(at, "run") == 0
    assert (quick / "marks.csv").read_bytes() == saved  # there was nothing to do
    (quick / "index.html").write_text("x")
    assert command(at, "run") == 0
    assert filled_in(quick / "marks.csv") == [GIVEN, *[("", "")] * 3]
    assert command(at, "publish") == 0
    assert filled_in(at / "reports/published/quick-cpu-none/marks.csv")[0] == GIVEN
    assert "altered" not in capsys.readouterr().out
    assert command(at, "submit", "NAME=Ada") == 0  # by whom it is handed in, it is not marked
    assert "altered: marks.csv" in capsys.readouterr().out
    fill_in(quick / "marks.csv", points="", comment="")
    (quick / "index.html").write_text("x")
    assert command(at, "run") == 0
    assert (quick / "marks.csv").read_bytes() == blank


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\r\n", ",,\r\n"),  # columns to the right that somebody looked at
        lambda text: text.replace(",,\r\n", "\r\n"),  # or that have nothing in them
        lambda text: f"{text}{',' * 7}\r\n",
        lambda text: text.removeprefix(BOM).replace("\r\n", "\n"),
    ],
)
def test_cells_of_nothing_do_not_count(at, saved):
    path = at / "reports/quick/marks.csv"
    written = path.read_bytes()
    assert sheet.text_of(sheet.rows_of(written)).encode() == written
    other = saved(written.decode()).encode()
    assert other != written
    assert sheet.rows_of(other) == sheet.rows_of(written)
    assert sheet.unfilled_hash(other) == sheet.unfilled_hash(written) == hashlib.sha256(written).hexdigest()


def other_status(path):
    fill_in(path, status="failed")


def a_row_less(path):
    fill_in(path)
    path.write_bytes(path.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[0])


def an_empty_column_more(path):
    fill_in(path)
    path.write_bytes(path.read_bytes().replace(b'\n"', b',\n"'))


def another_id(path):
    fill_in(path)
    path.write_bytes(path.read_bytes().replace(b"toy.1", b"toy.9", 1))


@pytest.mark.parametrize("damage", [other_status, a_row_less])
def test_marks_that_were_altered_are_mended_with_the_points_that_were_given(at, capsys, damage):
    path = at / "reports/quick/marks.csv"
    fill_in(path)
    (at / "reports/quick/index.html").write_text("x")
    assert command(at, "run") == 0
    whole = path.read_bytes()
    damage(path)
    assert command(at, "run") == 0
    assert "damaged" not in capsys.readouterr().out
    assert path.read_bytes() == whole
    assert command(at, "publish") == 0


def test_points_of_no_row_and_rows_of_the_graders_own_come_last(at, capsys):
    path = at / "reports/quick/marks.csv"
    rows = len(filled_in(path))
    another_id(path)
    with path.open("a", encoding="utf-8") as file:
        file.write('total,,,,,,57,\n"late, by a day"\n')
    for _ in range(2):
        (at / "reports/quick/index.html").write_text("x")
        assert command(at, "run") == 0
        assert filled_in(path) == [("", "")] * rows + [GIVEN, ("57", ""), ("", "")]
        assert path.read_text(encoding="utf-8-sig").rstrip().endswith('"late, by a day",,,,,,,')
    assert command(at, "publish") == 0


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def cut(path):
    path.write_bytes(path.read_bytes()[:20])


def no_utf_8(path):
    path.write_bytes(path.read_bytes() + b"\xff")


def another_column(path):
    path.write_bytes(path.read_bytes().replace(b"comment", b"comment,grader", 1))


def folder(path):
    path.unlink()
    path.mkdir()


def link_to_nothing(path):
    path.unlink()
    path.symlink_to("nothing")


@pytest.mark.parametrize("damage", [zeros, cut, no_utf_8, another_column])
def test_what_is_no_sheet_of_marks_is_set_aside(at, capsys, damage):
    path = at / "reports/quick/marks.csv"
    whole = path.read_bytes()
    for aside in ("marks.csv.damaged", "marks.csv.damaged-2"):
        damage(path)
        assert command(at, "publish") == 2
        one_line(capsys.readouterr(), "marks.csv was altered or removed; make report")
        assert command(at, "run") == 0
        said = capsys.readouterr().out
        assert f"marks.csv is damaged, or has other columns: set aside as {aside}, and written anew\n" in said
        assert path.read_bytes() == whole
        assert os.path.lexists(path.with_name(aside))
        assert command(at, "publish") == 0
        capsys.readouterr()


@pytest.mark.parametrize("damage", [folder, link_to_nothing])
def test_what_is_no_file_in_the_place_of_the_marks_is_named(at, capsys, damage):
    path = at / "reports/quick/marks.csv"
    whole = path.read_bytes()
    damage(path)
    assert command(at, "run") == 2
    assert "marks.csv should be a file and is a" in capsys.readouterr().err
    path.rmdir() if path.is_dir() else path.unlink()
    assert command(at, "run") == 0
    assert path.read_bytes() == whole


def test_marks_that_were_removed_are_written_again(at):
    path = at / "reports/quick/marks.csv"
    whole = path.read_bytes()
    path.unlink()
    assert command(at, "run") == 0
    assert path.read_bytes() == whole


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

    def shorter(manifest):
        manifest["notebooks"]["01_good"]["provenance"]["threads"] = 64
        manifest["notebooks"]["01_good"]["depends"]["settings"]["steps"] = 7
        del manifest["notebooks"]["02_other"]

    change(other / "manifest.json", shorter)
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


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "null", "{}", '{"metrics": []}', '{"metrics": null}', '{"metrics": {"a": 1}}',
        '{"metrics": {"a": {"n": 3}}}', '{"metrics": {"a": {"value": "1.5"}}}', '{"metrics": {"a": {"value": true}}}',
        '{"metrics": {"a": {"value": NaN}}}', '{"metrics": {"a": {"value": 1e999}}}',
        '{"metrics": {"a": {"value": 1, "n": "many"}}}', '{"metrics": {"a": {"value": 1%s}}}' % ("0" * 400),
    ],
)  # fmt: skip
def test_damaged_metrics_are_one_line(at, capsys, content):
    quick = at / "reports/quick"
    (quick / "metrics/01_good.json").write_text(content)
    assert compared(quick, quick) == 2
    one_line(capsys.readouterr(), "is damaged")


@pytest.mark.parametrize("content", ["{", "[]", "null", "3", '{"format": 4, "notebooks": []}', "\xff"])
def test_a_damaged_record_is_one_line(at, capsys, content):
    quick = at / "reports/quick"
    (quick / "manifest.json").write_bytes(content.encode("latin-1"))
    assert compared(quick, quick) == 2
    one_line(capsys.readouterr(), "is damaged")
    assert command(at, "submit", "NAME=Ada") == 2
    one_line(capsys.readouterr(), "is damaged")


@pytest.mark.parametrize(("version", "says"), [(3, "of an older version"), (None, "of an older"), (5, "of a newer")])
def test_a_report_of_another_version_must_be_run_again(at, capsys, version, says):
    quick = at / "reports/quick"
    change(quick / "manifest.json", lambda content: content.update(format=version))
    assert compared(quick, quick) == 2
    one_line(capsys.readouterr(), says)
    assert command(at, "submit", "NAME=Ada") == 2
    one_line(capsys.readouterr(), says)


@pytest.mark.parametrize(
    ("more", "says"), [("FOO=1", "there is no 'FOO'"), ("bar", "'bar' is not"), ("NAME=Ada", "there is no 'NAME'")]
)
def test_a_word_that_compare_does_not_know_is_refused(at, capsys, more, says):
    quick = at / "reports/quick"
    assert main(["compare", f"A={quick}", f"B={quick}", more]) == 2
    one_line(capsys.readouterr(), says)
    assert main(["compare", f"A={quick}", f"B={quick}", "PROFILE=", "SEED=", "PY=python"]) == 0  # as make does


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ({"value": 1.5, "n": 1200}, {"value": 1.5}, "a: of 1,200 images in A, B does not say"),
        ({"value": 1.5}, {"value": 1.5, "n": 1200}, "a: of 1,200 images in B, A does not say"),
        ({"value": 1.5, "n": 1200}, {"value": 1.5, "n": 600}, "a: of 1,200 and 600 images"),
        ({"value": 50}, {"value": 50.00000005}, "a: 50, 50.00000005 (+1e−07 %)"),
        ({"value": 9.9996}, {"value": 10.0}, "a: 9.9996, 10.0 (+0.004 %)"),
        ({"value": 50.0}, {"value": 50.1}, "a: 50.00, 50.10 (+0.2 %)"),
        ({"value": -2.0}, {"value": -3.0}, "a: -2.000, -3.000 (−50.0 %)"),
        ({"value": 2**60}, {"value": 2**60 + 1}, f"a: {2**60}, {2**60 + 1}"),
        ({"value": None}, {"value": 1.5}, "a: not finite, 1.500"),
        ({"value": 0.0}, {"value": 1.5}, "a: 0.000, 1.500"),
    ],
)
def test_two_values_are_told_apart(old, new, line):
    (found,) = metrics_apart({"a": old}, {"a": new})
    assert found == line


def test_what_one_report_does_not_state_is_said_to_be_so(at, capsys):
    quick, other = at / "reports/quick", at / "other"
    shutil.copytree(quick, other)
    change(other / "metrics/01_good.json", lambda content: content["metrics"]["a.loss"].update(value=1.8))

    def forget(content):
        del content["notebooks"]["01_good"]["provenance"]["threads"]
        del content["notebooks"]["01_good"]["depends"]["parameters"]["SEED"]

    change(other / "manifest.json", forget)
    assert compared(quick, other) == 1
    said = capsys.readouterr().out
    assert "because: threads is 2 in A, not stated in B" in said
    assert "because: SEED is not stated" in said
    assert "None" not in said
    assert compared(other, quick) == 1
    assert "because: threads is not stated in A, 2 in B" in capsys.readouterr().out


def test_a_metric_of_digits_is_not_of_other_data_because_the_faces_are():
    lab = REAL["06_infogan"]
    data = {"digits": {"source": "mnist"}, "faces": {"source": "avatars"}}
    measured = {name: {"value": 0.97} for name in ("infogan_digits.accuracy", "infogan_faces2.code_effect")}
    found = {row.name: row.verdict for row in index.metric_rows(lab, {"metrics": measured, "data": data}, "quick", {})}
    assert found["infogan_digits.accuracy"] == "met"
    assert found["infogan_faces2.code_effect"] == "other data"
