"""The corpus: its list is strict and complete, its rows tell what crossbuild told."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crossbuild.errors import UsageError
from tests.corpus import __main__ as command
from tests.corpus import cause, listing, outcome, results, table
from tests.corpus.cause import Cause
from tests.corpus.listing import Entry, Kind
from tests.corpus.outcome import Ran, Versions

GOOD = '[docopt]\nversion = "0.6.2"\npython = "3.11"\nkind = "pure"\nwhy = "plain"\n'
ASKED_FOR = {
    *("hnswlib", "netifaces", "docopt", "psycopg2", "mysqlclient", "python-ldap"),
    *("python-snappy", "lxml", "cffi", "numpy"),
}
VERSIONS = Versions(date="2030-01-02T03:04:05+00:00", crossbuild="1.0", commit="abc")
SMOKE = {"state": "passed", "reason": "", "imports": []}
BUILT = {
    "name": "docopt", "file": "docopt-0.6.2-py2.py3-none-any.whl", "rung": "native compiler",
    "phases": {"native compiler": 1.5}, "grafted": [],
}  # fmt: skip
PLANNED = Ran(code=0, document={"packages": [{"name": "docopt", "step": "build"}]}, seconds=1.0)


def read(directory: Path, text: str) -> tuple[Entry, ...]:
    path = directory / "packages.toml"
    path.write_text(text, encoding="utf-8")
    return listing.load(path)


def made(ran: Ran) -> dict[str, Any]:
    (entry,) = [item for item in listing.load() if item.name == "docopt"]
    return outcome.row(entry, PLANNED, ran, VERSIONS, "bookworm-aarch64 12.1")


def test_the_list_is_long_and_of_every_kind() -> None:
    entries = listing.load()
    assert len(entries) >= 40
    assert {entry.name for entry in entries} >= ASKED_FOR
    assert {entry.kind for entry in entries} == set(Kind)
    assert {entry.python for entry in entries} == set(listing.PYTHONS)
    assert sum(bool(entry.system) for entry in entries) >= 15
    assert len({entry.why for entry in entries}) == len(entries)


def test_the_asked_for_versions_are_there() -> None:
    versions = {entry.name: entry.version for entry in listing.load()}
    assert versions["python-snappy"] == "0.5.4"
    assert versions["cffi"] == "1.14.4"
    assert {entry.name for entry in listing.load() if entry.source} >= {"lxml", "numpy"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "pure"\n', "", r"docopt\.kind: missing"),
        ('"pure"', '"perl"', r"docopt\.kind: 'perl' is none of pure"),
        ('"3.11"', '"3.12"', r"docopt\.python: '3.12' is none of"),
        ('"0.6.2"', '">=0.6"', r"docopt\.version: '>=0.6' is no version"),
        ('why = "plain"', 'why = ""', r"docopt\.why: a text is expected"),
        ('why = "plain"', 'why = "plain"\nextra = 1', r"docopt\.extra: unknown key"),
        ('why = "plain"', 'why = "plain"\nsource = "yes"', r"docopt\.source: true or false"),
        ('why = "plain"', 'why = "plain"\nsystem = []', r"docopt\.system: a list of texts"),
        ('why = "plain"', 'why = "plain"\ntarget = "pdp11"', r"docopt\.target: 'pdp11' is none"),
        ("[docopt]", "[Doc_opt]", r"Doc_opt: the name is written doc-opt"),
        ("[docopt]", "[docopt", "is not TOML"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert read(tmp_path, GOOD)[0].name == "docopt"
    with pytest.raises(UsageError, match=message):
        read(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_shards_are_disjoint_and_whole(count: int) -> None:
    entries = listing.load()
    parts = [listing.shard(entries, number, count) for number in range(1, count + 1)]
    assert Counter(item.key for part in parts for item in part) == Counter(
        item.key for item in entries
    )
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_is_forced_from_source_is_asked_for_so() -> None:
    words = {entry.name: entry.words for entry in listing.load()}
    assert words["docopt"] == (
        *("docopt==0.6.2", "--target", "manylinux2014_aarch64", "--python", "3.11"),
    )
    assert words["numpy"][-2:] == ("--no-binary", "numpy")


def test_a_proven_package_is_told_with_its_rung_and_tag() -> None:
    row = made(Ran(code=0, document={"packages": [BUILT], "smoke": SMOKE}, seconds=2.0))
    assert row["proven"] is True
    assert (row["step"], row["rung"], row["tag"]) == (
        "build",
        "native compiler",
        "py2.py3-none-any",
    )
    assert (row["seconds"], row["diagnosis"]) == (3.0, None)


def test_a_failure_of_a_dependency_is_the_diagnosis_too() -> None:
    failed = {"name": "other", "error": "other 1 could not be built: x.c:1:1: fatal error: a.h: "
              "No such file or directory"}  # fmt: skip
    row = made(Ran(code=11, document={"failures": [failed], "packages": [BUILT]}, seconds=2.0))
    assert row["proven"] is False
    assert row["diagnosis"] == failed["error"]


def test_an_error_is_the_diagnosis_where_nothing_was_made() -> None:
    row = made(Ran(code=3, document={"error": {"message": "there is no such version"}}, seconds=1))
    assert (row["exit_code"], row["diagnosis"]) == (3, "there is no such version")
    assert (row["rung"], row["tag"], row["smoke"]) == (None, None, None)


def test_an_sdist_that_could_not_be_asked_was_to_be_built() -> None:
    (entry,) = [item for item in listing.load() if item.name == "docopt"]
    failed = Ran(
        code=8, document={"error": {"message": "docopt 0.6.2 could not be built"}}, seconds=1
    )
    row = outcome.row(entry, failed, failed, VERSIONS, "bookworm-aarch64 12.1")
    assert row["step"] == "asked"


def test_an_import_that_fails_is_the_diagnosis() -> None:
    imports = [{"module": "docopt", "error": "Traceback:\n  File x\nImportError: no libx.so"}]
    smoke = {"state": "failed", "reason": "1 module", "imports": imports}
    row = made(Ran(code=10, document={"packages": [BUILT], "smoke": smoke}, seconds=1))
    assert row["diagnosis"] == "docopt: ImportError: no libx.so"


def test_a_row_names_no_file_of_this_machine() -> None:
    said = "no. Its whole output is in /home/me/.cache/crossbuild/logs/docopt.log"
    row = made(Ran(code=8, document={"error": {"message": said}}, seconds=1))
    assert row["diagnosis"] == "no."


def test_rows_are_kept_one_by_one_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    failed = made(Ran(code=8, document={"error": {"message": "x"}}, seconds=1))
    done = made(Ran(code=0, document={"packages": [BUILT], "smoke": SMOKE}, seconds=2.0))
    entries = listing.load()
    assert results.left(entries, results.load([path]), again=False) == entries
    results.append(path, failed)
    found = results.load([path])
    assert len(results.left(entries, found, again=False)) == len(entries) - 1
    assert len(results.left(entries, found, again=True)) == len(entries)
    results.append(path, done)
    assert len(results.left(entries, results.load([path]), again=True)) == len(entries) - 1
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert results.lost(results.load([path]), found) == ((done, failed),)
    assert results.lost(found, results.load([path])) == ()


def test_the_table_sums_up_and_sorts_by_cause() -> None:
    done = made(Ran(code=0, document={"packages": [BUILT], "smoke": SMOKE}, seconds=2.0))
    failed = made(Ran(code=8, document={"error": {"message": "cargo|not there"}}, seconds=1))
    said = table.markdown([done, failed], 5)
    assert (
        "| docopt 0.6.2 | 3.11 | pure | native compiler | 3 | py2.py3-none-any | passed |" in said
    )
    assert "exit 8, Rust: cargo\\|not there" in said
    assert "1 of 2 end proven (50 %); 3 of 5 not run." in said
    assert "- Rust: 1 (docopt)" in said


@pytest.mark.parametrize(
    ("diagnosis", "code", "expected"),
    [
        ("Modules/common.h:15:10: fatal error: lber.h: No such file", 8, Cause.SYSTEM),
        ("Error: pg_config executable not found.", 8, Cause.SYSTEM),
        ("AttributeError: cython_sources", 8, Cause.CYTHON),
        ("a.cpp:196:12: fatal error: longintrepr.h: No such file", 8, Cause.STALE),
        ("ModuleNotFoundError: No module named 'pkg_resources'", 8, Cause.SETUPTOOLS),
        ("Cargo, the Rust package manager, is not installed", 8, Cause.RUST),
        ("needs glibc 2.34", 9, Cause.FLOOR),
        ("docopt: ImportError: no libx.so", 10, Cause.IMPORT),
        ("something else", 8, Cause.UNSORTED),
        (None, 8, Cause.UNSORTED),
    ],
)
def test_a_diagnosis_has_a_cause(diagnosis: str | None, code: int, expected: Cause) -> None:
    assert cause.of(diagnosis, code, Kind.C) is expected


def test_rust_that_is_downloaded_is_missing() -> None:
    said = "ConnectError: [Errno -2] Name or service not known"
    assert cause.of(said, 8, Kind.RUST) is Cause.RUST
    assert cause.of(said, 8, Kind.CMAKE) is Cause.DOWNLOAD


def test_the_committed_rows_belong_to_the_list() -> None:
    keys = {entry.key for entry in listing.load()}
    rows = results.load([results.FILE])
    assert rows
    assert set(rows) <= keys
    for row in rows.values():
        assert row["step"] in outcome.CONFIRMED, f"{row['package']} has a wheel"
        assert row["proven"] or row["diagnosis"], f"{row['package']} failed without a word"
        assert {"date", "crossbuild", "commit", "image", "seconds"} <= row.keys()
        assert "/root/" not in json.dumps(row)


def test_the_command_compares_and_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    results.append(
        before, made(Ran(code=0, document={"packages": [BUILT], "smoke": SMOKE}, seconds=2.0))
    )
    argv = ["corpus", "--results", str(after), "--against", str(before)]
    monkeypatch.setattr(sys, "argv", argv)
    assert command.main() == 1
    assert "docopt 0.6.2 was proven, and is not: not run" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["corpus", "--results", str(before), "--table", "docopt"])
    assert command.main() == 0
    assert "1 of 1 end proven (100 %)" in capsys.readouterr().out
