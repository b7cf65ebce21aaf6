"""Native gfortran in the sandbox: what it links runs there, and needs no more than the floor."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.report import Silent
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.fortran import native
from crossbuild.toolchain.fortran.native import Fortran
from crossbuild.wheels import elf
from tests.toolchain.conftest import TARGET, Box

SCRIPT = r"""
import ctypes, os, subprocess
os.chdir("/work")
open("work.f90", "w").write('''
subroutine work(n, x, s)
  integer, intent(in) :: n
  real(8), intent(in) :: x(n)
  real(8), intent(out) :: s
  character(len=32) :: line
  integer :: unit
  open(newunit=unit, file="/work/made", status="replace", asynchronous="yes")
  write(unit, "(F6.2)", asynchronous="yes") norm2(x)
  close(unit)
  write(line, "(A,I0)") "n=", n
  print "(A)", trim(line)
  s = sum(x)
end subroutine
''')
open("main.f", "w").write('''
      program demo
      print *, 'a program of its own', matmul(reshape([1,2,3,4],
     +  [2,2]), [1,1])
      end program
''')
subprocess.run("gfortran -g -march=native -O2 -fPIC -c work.f90".split(), check=True)
images = "-L/usr/lib/aarch64-linux-gnu -lm"  # as CMake links Fortran and C together
subprocess.run(f"gfortran -shared -Wl,-z,defs {images} work.o -o work.so".split(), check=True)
subprocess.run("f77 main.f -o demo".split(), check=True)
ask = ["gfortran", "-print-file-name=libgfortran.a"]
place = os.path.dirname(subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
subprocess.run(["cc", "-shared", "-Wl,-z,defs", "work.o", "-L" + place, "-lgfortran",
                "-lquadmath", "-lm", "-o", "mixed.so"], check=True)
assert ctypes.CDLL("/work/mixed.so").work_ is not None
library = ctypes.CDLL("/work/work.so")
assert not hasattr(library, "_gfortran_st_open")
three, given, result = ctypes.c_int(3), (ctypes.c_double * 3)(2, 3, 6), ctypes.c_double()
library.work_(ctypes.byref(three), given, ctypes.byref(result))
print(result.value, open("made").read().strip(), flush=True)
subprocess.run("/work/demo", check=True)
print(subprocess.run(["gfortran", "--version"], capture_output=True, text=True).stdout.split()[1])
"""


@pytest.mark.emulation
@pytest.mark.network
def test_what_it_links_runs_in_the_target_and_fits_the_floor(
    box: Box, shared_store: Store, tmp_path: Path
) -> None:
    joined = Fortran(store=shared_store, target=TARGET, reporter=Silent()).join(box.toolchain)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    equipped = Box(box.engine, box.root, joined)
    printed = equipped.run(script, ("/work/work.so", tmp_path / "work.so")).split()
    assert printed[:3] == ["n=3", "11.0", "7.00"]
    assert printed[3:-1] == ["a", "program", "of", "its", "own", "4", "6"]
    with (tmp_path / "work.so").open("rb") as stream:
        made = elf.read(stream, "work.so")
    assert {version.name for version in made.versions if version.name.startswith("GLIBC_")} == {
        "GLIBC_2.17"
    }
    assert not any("gfortran" in name for name in made.needed)


@pytest.mark.parametrize(
    ("platform", "there"),
    [("manylinux2014_aarch64", True), ("musllinux_1_2_aarch64", False),
     ("manylinux2014_s390x", False)],
)  # fmt: skip
def test_it_is_offered_where_it_was_tried(
    monkeypatch: pytest.MonkeyPatch, platform: str, there: bool
) -> None:
    target = Target.parse(platform, "3.11")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert native.available(target) is there
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert not native.available(target)
