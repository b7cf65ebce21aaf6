"""README.txt: made for its machine, and every command in it does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import instructions
from crossbuild.packing.order import Form, Order
from crossbuild.target import Reported, Target
from tests.packing import wheelhouses

KYLIN = Target.parse("manylinux_2_31_aarch64", "3.8")


def commands(text: str) -> tuple[list[str], list[str]]:
    """The commands of both languages."""
    english, chinese = text.split("-" * 79)
    found = [
        [line.strip() for line in part.splitlines() if line.startswith("    ")]
        for part in (english, chinese)
    ]
    return found[0], found[1]


def test_it_tells_what_it_is_for_and_holds() -> None:
    text = instructions.wheelhouse(KYLIN, ["alpha 1.0", "beta 2.0"])
    head = "Python packages, to be installed without internet, for CPython 3.8, Linux"
    assert text.startswith(head)
    assert "aarch64, glibc 2.31 or newer" in " ".join(text.split())
    assert "glibc 2.31 或更高版本" in text
    assert "It holds:\n\nalpha 1.0, beta 2.0\n" in text
    assert "This has to say Python 3.8:\n\n    python3 --version\n" in text
    english, chinese = commands(text)
    assert english == chinese
    assert english == [
        "python3 --version",
        "python3 -m pip install --no-index --find-links . -r requirements.txt",
        "python3 install.py",
        "python3 install.py --user",
        "python3 install.py --venv DIRECTORY",
        "sha256sum -c SHA256SUMS",
        "python3 install.py --verify",
    ]
    assert max(map(len, text.split("-" * 79)[0].splitlines())) <= 79


@pytest.mark.parametrize(
    ("platform", "says"),
    [
        ("musllinux_1_2_aarch64", "for\nCPython 3.8, Linux aarch64, musl 1.2 or newer."),
        ("linux_x86_64", "for CPython 3.8, Linux\nx86_64."),
    ],
)
def test_other_machines(platform: str, says: str) -> None:
    text = instructions.wheelhouse(Target.parse(platform, "3.8"), ["a 1"])
    assert " ".join(says.split()) in " ".join(text.split())


def test_a_named_machine_is_named() -> None:
    text = instructions.wheelhouse(replace(KYLIN, name="kylin-v10-sp1-desktop"), ["a 1"])
    assert "kylin-v10-sp1-desktop (manylinux_2_31_aarch64)" in text


def test_a_probed_machine_has_its_own_python_and_no_pip_where_it_has_none() -> None:
    told = Reported(
        tags=KYLIN.tags, markers=(), executable="/opt/my python/bin/python3", pip=False
    )
    target = replace(KYLIN, name="probe.json", reported=told)
    text = instructions.wheelhouse(target, ["a 1"])
    english, _ = commands(text)
    assert english[:2] == [
        "'/opt/my python/bin/python3' --version",
        "'/opt/my python/bin/python3' install.py",
    ]
    assert "That machine has no pip." in text
    assert "probe.json" not in text
    assert "pip install" not in text


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a Python of its own, with pip."""
    directory = tmp_path_factory.mktemp("python") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    return directory / "bin"


def followed(text: str, directory: Path, python: Path) -> None:
    """Do what the text says, one after the other, but for what is this user's own."""
    english, chinese = commands(text)
    assert english == chinese
    script = "\n".join(line for line in english if "--user" not in line and "KEY" not in line)
    script = script.replace("DIRECTORY", str(directory / "elsewhere"))
    done = subprocess.run(
        ["sh", "-e", "-x", "-c", script],
        cwd=directory,
        env={"PATH": f"{python}:{os.environ['PATH']}", "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for interpreter in (python / "python3", directory / "elsewhere" / "bin" / "python3"):
        if interpreter.exists():
            subprocess.run(
                [interpreter, "-c", "import alpha, beta"], check=True, cwd=directory.parent
            )
    subprocess.run(
        [python / "python3", "-m", "pip", "uninstall", "-qy", "alpha", "beta"], check=True
    )


def test_what_a_wheelhouse_says_can_be_done(tmp_path: Path, python: Path) -> None:
    wheelhouse = wheelhouses.wheelhouse(tmp_path)
    followed((wheelhouse / "README.txt").read_text(encoding="utf-8"), wheelhouse, python)


@pytest.mark.parametrize(
    ("form", "split"),
    [(Form.TAR, 50_000), (Form.ZIP, None), (Form.PYZ, None), (Form.TEXT, 50_000)],
)
def test_what_a_bundle_says_can_be_done(
    tmp_path: Path, python: Path, form: Form, split: int | None
) -> None:
    there = tmp_path / "there"
    order = Order(
        wheelhouse=wheelhouses.wheelhouse(tmp_path),
        form=form,
        output=there if split else there / f"bundle.{form.value}",
        split=split,
    )
    made = wheelhouses.packed(order)
    readme = "README.txt" if split else f"{made.output.name}.README.txt"
    text = (there / readme).read_text(encoding="utf-8")
    assert ("join.py" in text) is (split is not None)
    followed(text, there, python)


def test_a_signed_bundle_says_how_to_look_at_the_signature() -> None:
    text = instructions.wheelhouse(KYLIN, ["a 1"], [instructions.signed(KYLIN, "minisig")])
    english, chinese = commands(text)
    assert english[:2] == [
        "python3 install.py --verify-key KEY.pub",
        "minisign -V -p KEY.pub -m SHA256SUMS",
    ]
    assert chinese == english
    assert "ssh-keygen -Y verify" in instructions.signed(KYLIN, "sig").commands[1]
