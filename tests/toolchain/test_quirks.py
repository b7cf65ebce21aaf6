"""Every row of the table of quirks, by name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.toolchain.conftest import Tools

TRIPLET = "aarch64-linux-gnu"
OPENMP = ("-D_OPENMP=201511", "-Werror=source-uses-openmp")


@dataclass(frozen=True)
class Row:
    """``given`` becomes ``expected``; ``kept`` is much like it and stays as it is."""

    name: str
    given: tuple[str, ...]
    expected: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def row(name: str, given: str, expected: str = "", kept: str = "") -> Row:
    return Row(name, tuple(given.split()), tuple(expected.split()), tuple(kept.split()))


COMPILER = (
    row("march-native", "-march=native", kept="-march=armv8.2-a"),
    row("mcpu-native", "-mcpu=native", kept="-mcpu=cortex-a72"),
    row("mtune-native", "-mtune=native", kept="-mtune=generic"),
    row("debug", "-g", kept="-g0 -gcc-toolchain"),
    row("debug-level", "-g1"),
    row("debug-level-2", "-g2"),
    row("debug-level-3", "-g3"),
    row("debug-gdb", "-ggdb3"),
    row("debug-dwarf", "-gdwarf-4"),
    row("debug-split", "-gsplit-dwarf"),
    Row("openmp", ("-fopenmp",), OPENMP, kept=("-fopenmp-simd",)),
    Row("openmp-runtime", ("-fopenmp=libgomp",), OPENMP),
    row("include", "-I/usr/include", kept="-I/usr/include/python3.11 -I/usr/local/include"),
    row("library", f"/usr/lib/{TRIPLET}/libm.so", "-lm", kept=f"/usr/lib/{TRIPLET}/libz.so"),
    row("lto-jobs", "-flto=4", "-flto", kept="-flto=thin -flto=auto"),
    row("lto-partition", "-flto-partition=none"),
    row("lto-compression", "-flto-compression-level=3"),
    row("tree-vectorize", "-ftree-vectorize", "-ftree-vectorize"),
    row("no-tree-vectorize", "-fno-tree-vectorize", "-fno-tree-vectorize"),
    row("tree-slp-vectorize", "-ftree-slp-vectorize", "-ftree-slp-vectorize"),
    row("no-tree-slp-vectorize", "-fno-tree-slp-vectorize", "-fno-tree-slp-vectorize"),
    row("tree", "-ftree-loop-distribution"),
    row("no-tree", "-fno-tree-ter"),
    row("ipa", "-fipa-pta"),
    row("no-ipa", "-fno-ipa-cp-clone"),
    row("ira", "-fira-hoist-pressure"),
    row("no-ira", "-fno-ira-share-spill-slots"),
    row("graphite", "-fgraphite-identity"),
    row("var-tracking", "-fvar-tracking-assignments"),
    row("no-var-tracking", "-fno-var-tracking-assignments"),
    row("gnu-unique", "-fno-gnu-unique"),
    row("conserve-stack", "-fconserve-stack"),
    row("lifetime-dse", "-fno-lifetime-dse"),
    row("store-data-races", "-fno-allow-store-data-races"),
    row("reorder", "-freorder-blocks-and-partition"),
    row("no-reorder", "-fno-reorder-functions"),
    row("section-anchors", "-fsection-anchors"),
    row("no-section-anchors", "-fno-section-anchors"),
    row("analyzer", "-fanalyzer"),
    row("vect-cost-model", "-fvect-cost-model=dynamic"),
    row("simd-cost-model", "-fsimd-cost-model=cheap"),
    row("schedule", "-fsched-pressure"),
    row("no-schedule", "-fno-sched-interblock"),
    row("volatile-bitfields", "-fno-strict-volatile-bitfields"),
    row("no-toplevel-reorder", "-fno-toplevel-reorder"),
    row("eval-order", "-fstrong-eval-order=some"),
    row("dump", "-fdump-tree-all"),
    row("abi-version", "-fabi-version=11"),
    row("abi-compat-version", "-fabi-compat-version=2"),
    row("symbolic", "-symbolic", "-Wl,-Bsymbolic", kept="-Wl,-Bsymbolic-functions"),
    row("dumpfullversion", "-dumpfullversion", "-dumpversion"),
)
LINKER = (
    row("allow-shlib-undefined", "--no-allow-shlib-undefined", kept="--no-undefined"),
    row("copy-dt-needed", "--copy-dt-needed-entries", kept="--no-copy-dt-needed-entries"),
    row("add-needed", "--add-needed"),
    row("no-add-needed", "--no-add-needed", kept="--no-as-needed"),
    row("no-threads", "--no-threads", kept="--threads=2"),
    row("memory", "--reduce-memory-overheads"),
    row("cortex-a53-835769", "--fix-cortex-a53-835769", kept="--fix-cortex-a53-843419"),
)
QUESTIONS = {
    "print-multiarch": "-print-multiarch",
    "print-multiarch-long": "--print-multiarch",
    "dumpmachine": "-dumpmachine",
}
REFUSED = {"sse4": "-msse4.2"}


def test_every_row_has_a_test(tools: Tools) -> None:
    tested = [case.name for case in (*COMPILER, *LINKER)] + list(QUESTIONS) + list(REFUSED)
    assert sorted(tools.listed("quirks")) == sorted(tested)


@pytest.mark.parametrize("case", COMPILER, ids=lambda case: case.name)
def test_option_of_the_compiler(tools: Tools, case: Row) -> None:
    assert tools.translated("-O2", *case.given, "x.c") == ["-O2", *case.expected, "x.c"]
    assert tools.translated(*case.kept) == list(case.kept)


@pytest.mark.parametrize("case", LINKER, ids=lambda case: case.name)
def test_option_of_the_linker(tools: Tools, case: Row) -> None:
    given = ("x.o", *case.given, "-o", "x")
    assert tools.translated(*given, name="ld.lld") == ["x.o", *case.expected, "-o", "x"]
    assert tools.translated(*case.kept, name="ld.lld") == list(case.kept)
    assert tools.translated(*case.given) == list(case.given), "the compiler is no linker"


@pytest.mark.parametrize(("name", "option"), QUESTIONS.items())
def test_question(tools: Tools, name: str, option: str) -> None:
    done = tools.run("gcc", option)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TRIPLET}\n", "")


@pytest.mark.parametrize(("name", "option"), REFUSED.items())
def test_refused(tools: Tools, x86_tools: Tools, name: str, option: str) -> None:
    done = tools.run("gcc", option, "-c", "x.c")
    assert done.returncode == 1
    assert done.stderr == f"error: unrecognized command-line option '{option}'\n"
    assert name not in x86_tools.listed("quirks")
    assert x86_tools.translated(option) == [option]


@pytest.mark.parametrize("option", ["-I", "-isystem", "-idirafter"])
@pytest.mark.parametrize(
    "directory", ["/usr/include", "/usr//include/", f"/usr/include/{TRIPLET}"]
)
def test_the_images_c_library_never_comes_first(tools: Tools, option: str, directory: str) -> None:
    assert tools.translated(option, directory, "x.c") == ["x.c"]
    assert tools.translated(f"{option}{directory}", "x.c") == ["x.c"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/lib/libpthread.a", "-lpthread"),
        (f"/lib/{TRIPLET}/libc.so.6", "-lc"),
        ("/opt/lib/libm.so", "/opt/lib/libm.so"),
        (f"/usr/lib/{TRIPLET}/libmvec.so", f"/usr/lib/{TRIPLET}/libmvec.so"),
        ("libm.so", "libm.so"),
    ],
)
def test_the_images_own_libraries_by_path(tools: Tools, path: str, expected: str) -> None:
    assert tools.translated(path) == [expected]


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "-g"],
        ["-D", "-march=native"],
        ["-MF", "-g"],
        ["-Xlinker", "-symbolic"],
        ["-mavx2"],
        ["-fcf-protection"],
        ["-DPATH=/usr/include"],
        [""],
        ["-o"],
    ],
)
def test_values_and_other_options_stay(tools: Tools, words: list[str]) -> None:
    assert tools.translated(*words) == words
