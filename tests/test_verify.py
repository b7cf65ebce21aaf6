"""Static proof: wheels that lie, and wheels that only look as if they did."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from crossbuild import verify
from crossbuild.errors import StorageError, VerificationError
from crossbuild.platforms import ARCHES, Arch
from crossbuild.target import Target
from crossbuild.wheels import promises
from crossbuild.wheels.elf import SymbolVersion
from crossbuild.wheels.findings import FindingKind
from tests import wheels
from tests.elves import shared_object

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
TAG = "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64"


def _wheel(
    directory: Path,
    files: Mapping[str, str | bytes],
    *,
    tag: str = TAG,
    wheel_tags: Sequence[str] | None = None,
) -> Path:
    return wheels.wheel(directory, "own", "1.0", files=files, tag=tag, wheel_tags=wheel_tags)


def _said(path: Path, target: Target = TARGET) -> list[tuple[FindingKind, str, bool]]:
    examined = verify.examine(path, target)
    found = [*examined.faults, *examined.remarks]
    assert verify.findings(path, target) == examined.faults
    assert all(finding.file == path.name for finding in found)
    return [(finding.kind, finding.text, finding.fatal) for finding in found]


def test_a_sound_wheel(tmp_path: Path) -> None:
    bundled = shared_object(
        soname="libgfortran-040039e1.so.5.0.0", needed=["libc.so.6"], exports=["_gfortran_write"]
    )
    module = shared_object(
        needed=[
            "libgfortran-040039e1.so.5.0.0",
            "libz.so.1",
            "libc.so.6",
            "ld-linux-aarch64.so.1",
        ],
        versions={
            "libgfortran-040039e1.so.5.0.0": {"GFORTRAN_8": "_gfortran_write"},
            "libz.so.1": {"ZLIB_1.2.0": "inflate"},
            "libc.so.6": {"GLIBC_2.17": "getenv", "GLIBC_2.18": "__cxa_thread_atexit_impl"},
            "ld-linux-aarch64.so.1": {"GLIBC_2.17": "__stack_chk_guard"},
        },
        runpath="$ORIGIN/../own.libs",
    )
    files = {
        "own/_code.cpython-311-aarch64-linux-gnu.so": module,
        "own.libs/libgfortran-040039e1.so.5.0.0": bundled,
    }
    path = _wheel(tmp_path, files)
    assert _said(path) == []
    assert verify.check(path, TARGET).filename == path.name


def test_a_pure_wheel(tmp_path: Path) -> None:
    assert _said(wheels.wheel(tmp_path, "own", "1.0")) == []


def test_code_for_another_processor(tmp_path: Path) -> None:
    path = _wheel(tmp_path, {"own/_code.abi3.so": shared_object(arch=ARCHES["x86_64"])})
    text = "own/_code.abi3.so is code for x86_64 (64-bit, little-endian), the target is aarch64"
    assert _said(path) == [(FindingKind.MACHINE, text, True)]
    with pytest.raises(VerificationError) as caught:
        verify.check(path, TARGET)
    assert str(caught.value) == f"{path.name}: {text}"
    assert "--no-binary" in caught.value.remedy


@pytest.mark.parametrize("name", ["ppc64le", "s390x", "riscv64", "armv7l", "loongarch64"])
def test_every_processor_tells_itself_from_aarch64(tmp_path: Path, name: str) -> None:
    target = Target.parse(f"manylinux_2_38_{name}", "3.11")
    tag = f"cp311-cp311-manylinux_2_38_{name}"
    own = _wheel(tmp_path, {"own.so": shared_object(arch=ARCHES[name])}, tag=tag)
    assert _said(own, target) == []
    other = _wheel(tmp_path, {"own.so": shared_object()}, tag=tag)
    text = f"own.so is code for aarch64 (64-bit, little-endian), the target is {name}"
    assert _said(other, target) == [(FindingKind.MACHINE, text, True)]


def test_the_byte_order_counts(tmp_path: Path) -> None:
    target = Target.parse("manylinux2014_s390x", "3.11")
    code = shared_object(machine="EM_S390")
    path = _wheel(tmp_path, {"own.so": code}, tag="cp311-cp311-manylinux2014_s390x")
    text = "own.so is code for s390 (64-bit, little-endian), the target is s390x"
    assert _said(path, target) == [(FindingKind.MACHINE, text, True)]


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("own/kernels/add.cubin", shared_object(machine="EM_CUDA", type="ET_EXEC")),
        ("own/bpf/trace.o", shared_object(arch=ARCHES["x86_64"], type="ET_REL")),
    ],
    ids=["a GPU's code", "an object file"],
)
def test_code_that_linux_cannot_load_is_data(tmp_path: Path, member: str, code: bytes) -> None:
    assert _said(_wheel(tmp_path, {member: code})) == []


@pytest.mark.parametrize(
    ("member", "exports", "sound"),
    [
        ("own/attach_linux_amd64.so", (), True),
        ("own/linux-x64/libtkdnd2.9.so", (), True),
        ("own/x86_64/libown.so", (), True),
        ("own/libown.so", (), False),
        ("own/box64ed/libown.so", (), False),
        ("own/_own_amd64.so", ("PyInit__own_amd64",), False),
        ("own/_own.cpython-311-x86_64-linux-gnu.so", (), False),
    ],
)
def test_foreign_code_in_a_wheel_for_any_machine(
    tmp_path: Path, member: str, exports: Sequence[str], sound: bool
) -> None:
    code = shared_object(arch=ARCHES["x86_64"], exports=exports)
    path = _wheel(tmp_path, {member: code}, tag="py3-none-any")
    assert [kind for kind, _, _ in _said(path)] == ([] if sound else [FindingKind.MACHINE])


def test_a_floor_that_is_a_lie(tmp_path: Path) -> None:
    versions = {
        "libc.so.6": {
            "GLIBC_2.17": "getenv",
            "GLIBC_2.33": "stat",
            "GLIBC_2.34": "pthread_create",
        },
        "libm.so.6": {"GLIBC_2.29": "exp"},
    }
    path = _wheel(tmp_path, {"own/_code.so": shared_object(versions=versions)})
    wants = ("exp@GLIBC_2.29 of libm.so.6", "pthread_create@GLIBC_2.34 of libc.so.6")
    does = ("manylinux_2_29_aarch64", "manylinux_2_34_aarch64")
    assert [text for _, text, _ in _said(path)] == [
        f"own/_code.so needs {want}: manylinux2014_aarch64 does not promise it, "
        f"{lowest} is the lowest target that does"
        for want, lowest in zip(wants, does, strict=True)
    ]
    assert _said(path, Target.parse("manylinux_2_34_aarch64", "3.11")) == []


@pytest.mark.parametrize(
    ("library", "version", "lowest"),
    [
        ("libstdc++.so.6", "GLIBCXX_3.4.20", "manylinux_2_24_aarch64"),
        ("libstdc++.so.6", "CXXABI_1.3.13", "manylinux_2_34_aarch64"),
        ("libgcc_s.so.1", "GCC_7.0.0", "manylinux_2_26_aarch64"),
        ("libc.so.6", "GLIBC_ABI_DT_RELR", "manylinux_2_36_aarch64"),
        ("libc.so.6", "GLIBC_2.23", "manylinux_2_23_aarch64"),
        ("ld-linux-aarch64.so.1", "GLIBC_2.35", "manylinux_2_35_aarch64"),
        ("libc.so.6", "GLIBC_2.99", "manylinux_2_99_aarch64"),
    ],
)
def test_versions_beyond_the_floor(
    tmp_path: Path, library: str, version: str, lowest: str
) -> None:
    path = _wheel(tmp_path, {"own.so": shared_object(versions={library: {version: "it"}})})
    ((kind, text, fatal),) = _said(path)
    assert (kind, fatal) == (FindingKind.SYMBOL, True)
    assert text.startswith(f"own.so needs it@{version} of {library}: ")
    assert text.endswith(f"{lowest} is the lowest target that does")


def test_a_version_that_no_platform_promises(tmp_path: Path) -> None:
    versions = {"libstdc++.so.6": {"GLIBCXX_9.9": "it"}}
    ((_, text, _),) = _said(_wheel(tmp_path, {"own.so": shared_object(versions=versions)}))
    assert text.endswith("manylinux2014_aarch64 does not promise it")


@pytest.mark.parametrize(
    "versions",
    [
        {"libc.so.6": {"GLIBC_PRIVATE": "__sendmmsg"}},
        {"libz.so.1": {"ZLIB_1.2.5.2": "inflate"}},
        {"libX11.so.6": {"X11_9": "XOpenDisplay"}},
    ],
    ids=["without a version of its own", "listed", "nobody keeps a list"],
)
def test_versions_that_are_no_fault(
    tmp_path: Path, versions: Mapping[str, Mapping[str, str]]
) -> None:
    assert _said(_wheel(tmp_path, {"own.so": shared_object(versions=versions)})) == []


def test_bundled_libraries_are_not_judged_by_the_floor(tmp_path: Path) -> None:
    module = shared_object(
        needed=["libstdc++.so.6"], versions={"libstdc++.so.6": {"GLIBCXX_3.4.33": "it"}}
    )
    files = {"own/_code.so": module, "own.libs/libstdc++.so.6": shared_object()}
    assert _said(_wheel(tmp_path, files)) == []


def test_a_library_that_nobody_has(tmp_path: Path) -> None:
    code = shared_object(needed=["libgomp.so.1", "libc.so.6"])
    path = _wheel(tmp_path, {"own/_code.so": code})
    text = (
        "own/_code.so needs libgomp.so.1, which is not in the wheel and not promised by "
        "manylinux2014_aarch64"
    )
    assert _said(path) == [(FindingKind.LIBRARY, text, True)]


def test_a_library_that_many_files_want_is_said_once(tmp_path: Path) -> None:
    """opencv-python 5 leaves libxcb.so.1 to the system: seventeen of its files need it."""
    code = shared_object(needed=["libxcb.so.1"])
    path = _wheel(tmp_path, {f"own/_{number}.so": code for number in range(4)})
    ((_, text, _),) = _said(path)
    assert text.startswith(
        "own/_0.so and 3 more files need libxcb.so.1, which is not in the wheel"
    )


def test_libpython_is_not_promised(tmp_path: Path) -> None:
    path = _wheel(tmp_path, {"own.so": shared_object(needed=["libpython3.11.so.1.0"])})
    ((kind, text, _),) = _said(path)
    assert kind is FindingKind.LIBRARY
    assert "libpython3.11.so.1.0" in text


def test_a_library_that_only_a_part_lacks_is_left_to_the_system(tmp_path: Path) -> None:
    files = {
        "own/_core.so": shared_object(needed=["libc.so.6"]),
        "own/_fast.so": shared_object(needed=["libgomp.so.1"]),
    }
    path = _wheel(tmp_path, files)
    assert [(kind, fatal) for kind, _, fatal in _said(path)] == [(FindingKind.LIBRARY, False)]
    assert verify.check(path, TARGET).name == "own"


@pytest.mark.parametrize(
    "files",
    [
        {
            "own/_core.so": shared_object(needed=["libown.so.1"]),
            "own/libown.so.1": shared_object(needed=["libgomp.so.1"]),
        },
        {
            "own/_core.so": shared_object(needed=["libown.so.1", "libgomp.so.1"]),
            "own/libown.so.1": shared_object(needed=["libc.so.6"]),
        },
        {
            "own/_core.so": shared_object(needed=["libc.so.6"]),
            "own/_fast.so": shared_object(needed=["libgomp-a1b2c3d4.so.1"]),
        },
    ],
    ids=["through its own library", "beside its own library", "a grafted library got lost"],
)
def test_a_library_that_the_wheel_cannot_do_without(
    tmp_path: Path, files: Mapping[str, bytes]
) -> None:
    assert [fatal for _, _, fatal in _said(_wheel(tmp_path, files))] == [True]


def test_libraries_of_a_wheel_for_any_machine(tmp_path: Path) -> None:
    code = shared_object(needed=["libXcursor.so.1"])
    tag = "py3-none-any"
    assert _said(_wheel(tmp_path, {"own/linux-arm64/libtkdnd.so": code}, tag=tag)) == []
    module = shared_object(needed=["libXcursor.so.1"], exports=["PyInit__own"])
    ((kind, _, fatal),) = _said(_wheel(tmp_path, {"own/_own.so": module}, tag=tag))
    assert (kind, fatal) == (FindingKind.LIBRARY, True)


def test_musl(tmp_path: Path) -> None:
    target = Target.parse("musllinux_1_2_aarch64", "3.11")
    tag = "cp311-cp311-musllinux_1_2_aarch64"
    sound = shared_object(needed=["libc.musl-aarch64.so.1", "libz.so.1"])
    assert _said(_wheel(tmp_path, {"own.so": sound}, tag=tag), target) == []
    code = shared_object(
        needed=["libc.so.6", "ld-linux-aarch64.so.1"],
        versions={"libc.so.6": {"GLIBC_2.17": "getenv"}},
    )
    texts = [text for _, text, _ in _said(_wheel(tmp_path, {"own.so": code}, tag=tag), target)]
    assert len(texts) == 2
    assert all("not promised by musllinux_1_2_aarch64" in text for text in texts)


def test_a_target_that_promises_nothing_has_no_floor(tmp_path: Path) -> None:
    target = Target.parse("linux_aarch64", "3.11")
    code = shared_object(needed=["libown.so.7"], versions={"libc.so.6": {"GLIBC_2.99": "it"}})
    path = _wheel(tmp_path, {"own.so": code}, tag="cp311-cp311-linux_aarch64")
    assert _said(path, target) == []


@pytest.mark.parametrize(
    ("tag", "wheel_tags", "text", "fatal"),
    [
        ("cp311-cp311-manylinux2014_x86_64", None, "its file name does not fit", True),
        (TAG, ["cp311-cp311-manylinux2014_x86_64"], "its WHEEL file does not fit", True),
        (TAG, ["cp312-cp312-manylinux2014_aarch64"], "its WHEEL file does not fit", True),
        (TAG, ["py3-none-any"], "other tags than its name: py3-none-any", False),
    ],
)
def test_tags(
    tmp_path: Path, tag: str, wheel_tags: Sequence[str] | None, text: str, fatal: bool
) -> None:
    path = _wheel(tmp_path, {"own.so": shared_object()}, tag=tag, wheel_tags=wheel_tags)
    ((kind, said, was_fatal),) = _said(path)
    assert kind is FindingKind.TAG
    assert text in said
    assert was_fatal is fatal


@pytest.mark.parametrize(
    "wheel_tags",
    [
        ["cp311-cp311-linux_aarch64"],
        ["cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64"],
    ],
    ids=["renamed after the build", "compressed"],
)
def test_tags_that_say_the_same(tmp_path: Path, wheel_tags: Sequence[str]) -> None:
    path = _wheel(tmp_path, {"own.so": shared_object()}, wheel_tags=wheel_tags)
    assert _said(path) == []


def test_a_wheel_without_tags(tmp_path: Path) -> None:
    info = "own-1.0.dist-info"
    members = {
        f"{info}/METADATA": wheels.metadata("own", "1.0"),
        f"{info}/WHEEL": "Wheel-Version: 1.0\n",
    }
    record = "".join(
        f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in members.items()
    )
    path = tmp_path / "own-1.0-py3-none-any.whl"
    wheels.write_zip(path, {**members, f"{info}/RECORD": record})
    assert _said(path) == [(FindingKind.TAG, "its WHEEL file has no tags", True)]


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_a_wheel_under_another_name(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    other = path.rename(tmp_path / "other-2.0-py3-none-any.whl")
    assert _said(other) == [
        (FindingKind.NAME, "its METADATA is that of own", True),
        (FindingKind.NAME, "its METADATA has version 1.0", True),
    ]


def test_requires_python(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0", requires_python=">=3.12")
    text = "it needs Python >=3.12, the target has 3.11"
    assert _said(path) == [(FindingKind.PYTHON, text, True)]


def test_a_damaged_wheel(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    path.write_bytes(path.read_bytes()[:200])
    ((kind, _, fatal),) = _said(path)
    assert (kind, fatal) == (FindingKind.ARCHIVE, True)
    with pytest.raises(VerificationError) as caught:
        verify.check(path, TARGET)
    assert str(caught.value).startswith(f"{path.name}: is damaged or no wheel: ")


def test_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        verify.check(tmp_path / "own-1.0-py3-none-any.whl", TARGET)


def test_many_findings_are_counted(tmp_path: Path) -> None:
    code = shared_object(arch=ARCHES["x86_64"])
    path = _wheel(tmp_path, {f"own/_{number}.so": code for number in range(5)})
    with pytest.raises(VerificationError, match="; and 2 more findings") as caught:
        verify.check(path, TARGET)
    assert str(caught.value).count(" is code for ") == 3


def test_the_lowest_target_has_everything() -> None:
    versions = [
        SymbolVersion(library="libc.so.6", name="GLIBC_2.25"),
        SymbolVersion(library="libstdc++.so.6", name="GLIBCXX_3.4.25"),
    ]
    assert promises.lowest(TARGET, versions) == "manylinux_2_31_aarch64"


def test_floors_between_policies_take_the_older_one() -> None:
    promise = promises.of(Target.parse("manylinux_2_20_aarch64", "3.11"))
    assert promise is not None
    assert promise.keeps(SymbolVersion(library="libc.so.6", name="GLIBC_2.20"))
    assert not promise.keeps(SymbolVersion(library="libc.so.6", name="GLIBC_2.22"))
    assert promise.keeps(SymbolVersion(library="libstdc++.so.6", name="GLIBCXX_3.4.19"))
    assert not promise.keeps(SymbolVersion(library="libstdc++.so.6", name="GLIBCXX_3.4.20"))


@pytest.mark.parametrize("arch", ARCHES.values(), ids=str)
@pytest.mark.parametrize("platform", ["manylinux_2_17", "musllinux_1_1", "linux"])
def test_every_target_has_its_promise(arch: Arch, platform: str) -> None:
    promise = promises.of(Target.parse(f"{platform}_{arch}", "3.11"))
    assert (promise is None) == (platform == "linux")
    assert promise is None or promise.offers("libz.so.1")
