"""Runs on the target: tells as JSON what its Python is and accepts (schema crossbuild-probe/1).

    python3 probe.py > probe.json        or, with a file to write to:  python3 probe.py FILE

Python 3.6 or newer. It needs ``os`` and ``sys``; of everything else each part may be missing:
what cannot be found out is null, and ``unknown`` says why. It sends nothing anywhere, writes
nothing but the answer, and ends with code 0.

The tags are those of ``packaging.tags.sys_tags()`` (packaging 26.3), in its order.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO, TypeVar

    T = TypeVar("T")

SCHEMA = "crossbuild-probe/1"
MODULES = ["bz2", "ctypes", "ensurepip", "hashlib", "json", "lzma", "sqlite3"]
MODULES += ["ssl", "subprocess", "tempfile", "venv", "zipfile", "zlib"]
LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
MANYLINUX = ("aarch64", "loongarch64", "ppc64", "ppc64le", "riscv64", "s390x", "x86_64")
ARM_HARD_FLOAT = 0x05000400
BANNER = b"stable release version "
BITS = 64 if sys.maxsize > 2**32 else 32
UNKNOWN: "dict[str, str]" = {}


def known(name: str, ask: "Callable[[], T | None]") -> "T | None":
    """What ``ask`` answers; where it has no answer, None, and ``unknown`` says why."""
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001
        UNKNOWN[name] = f"{type(error).__name__}: {error}"
        return None
    if answer is None:
        UNKNOWN[name] = "nothing here tells it"
    return answer


def first(*ways: "tuple[str, Callable[[], str | None]]") -> "tuple[str, str]":
    """The first answer of several ways to find one thing out, with the name of the way."""
    failures = []
    for name, ask in ways:
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if answer:
            return answer, name
        failures.append(f"{name}: no answer")
    raise LookupError("; ".join(failures))


def config(name: str) -> "Any":
    """A variable that this Python was built with; None where it is not told."""
    try:
        import sysconfig

        return sysconfig.get_config_var(name)
    except Exception:  # noqa: BLE001
        return None


def full_version(info: "Any") -> str:
    """``3.13.0rc1`` for a version_info."""
    text = ".".join(map(str, info[:3]))
    return text if info[3] == "final" else text + info[3][0] + str(info[4])


def markers() -> "dict[str, str]":
    """The variables of PEP 508."""
    system, _, release, version, machine = os.uname()
    name = sys.implementation.name
    running = sys.version.split()[0]
    return {
        "implementation_name": name,
        "implementation_version": full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": machine,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(name, name),
        "platform_release": release,
        "platform_system": system,
        "platform_version": version,
        "python_full_version": running,
        "python_version": ".".join(running.split(".")[:2]),
        "sys_platform": sys.platform,
    }


def abis() -> "list[str]":
    """The ABI tags of this CPython, best first."""
    nodot = "{}{}".format(*sys.version_info)
    debug = config("Py_DEBUG")
    if debug is None:
        debug = hasattr(sys, "gettotalrefcount")
    flags = "t" if free_threaded() else ""
    if sys.version_info < (3, 8):
        pymalloc = config("WITH_PYMALLOC")
        if pymalloc is None:
            pymalloc = "m" in sys.abiflags
        return ["cp" + nodot + ("d" if debug else "") + ("m" if pymalloc else "")]
    return [f"cp{nodot}{flags}{kind}" for kind in (("d", "") if debug else ("",))]


def free_threaded() -> bool:
    """Whether this Python has no global interpreter lock (PEP 703)."""
    if sys.version_info < (3, 13):
        return False
    told = config("Py_GIL_DISABLED")
    return "t" in sys.abiflags if told is None else bool(told)


def extension_suffix() -> str:
    """How extension modules end, ``.cpython-38-aarch64-linux-gnu.so``."""
    import _imp

    return config("EXT_SUFFIX") or _imp.extension_suffixes()[0]


def soabi() -> str:
    """The middle of that, ``cpython-38-aarch64-linux-gnu``."""
    return config("SOABI") or extension_suffix().split(".")[1]


def host_platform() -> str:
    """``linux-aarch64``, as sysconfig.get_platform() has it."""
    try:
        import sysconfig

        return sysconfig.get_platform()
    except Exception:  # noqa: BLE001
        return "{}-{}".format(sys.platform, os.uname()[4])


def arches() -> "list[str]":
    """The processors whose code runs here, as in tags; a 64-bit kernel can run 32-bit Python."""
    platform = host_platform().replace("-", "_").replace(".", "_").replace(" ", "_")
    if not platform.startswith("linux_"):
        raise LookupError(f"{platform} is not Linux")
    arch = platform[len("linux_") :]
    if BITS == 32:
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    return ["armv8l", "armv7l"] if arch == "armv8l" else [arch]


class Elf:
    """The header of the interpreter's own file."""

    def __init__(self) -> None:
        path = sys.executable or "/proc/self/exe"
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF":
                raise LookupError(f"{path} is not ELF")
            self.wide = head[4] == 2
            self.little = head[5] == 1
            self.machine = self.number(head, 18, 2)
            self.flags = self.number(head, 48 if self.wide else 36, 4)
            self.loader = self.find_loader(file, head)

    def number(self, data: bytes, offset: int, size: int) -> int:
        return int.from_bytes(data[offset : offset + size], "little" if self.little else "big")

    def find_loader(self, file: "BinaryIO", head: bytes) -> "str | None":
        """The path in PT_INTERP; None in a static program."""
        word = 8 if self.wide else 4
        table = self.number(head, 32 if self.wide else 28, word)
        entry, count = (self.number(head, (54 if self.wide else 42) + i, 2) for i in (0, 2))
        for index in range(count):
            file.seek(table + index * entry)
            row = file.read(entry)
            if self.number(row, 0, 4) == 3:
                file.seek(self.number(row, 8 if self.wide else 4, word))
                size = self.number(row, 32 if self.wide else 16, word)
                return os.fsdecode(file.read(size)).strip("\0")
        return None


def from_confstr() -> "str | None":
    name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "none none").split()
    return version if name == "glibc" else None


def from_ctypes() -> "str | None":
    import ctypes

    ask = ctypes.CDLL(None).gnu_get_libc_version
    ask.restype = ctypes.c_char_p
    return str(ask().decode("ascii"))


def from_library() -> "str | None":
    """The banner inside the C library: of the one in use, else of one in a usual place."""
    usual = [f"/{top}/libc.so.6" for top in ("lib64", "lib")]
    for top in ("lib", "usr/lib"):
        if os.path.isdir("/" + top):
            usual += [f"/{top}/{name}/libc.so.6" for name in sorted(os.listdir("/" + top))]
    for path in mapped() + usual:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                _, found, rest = file.read().partition(BANNER)
            if found:
                return rest[:16].split(b",")[0].split()[0].rstrip(b".").decode("ascii")
    return None


def mapped() -> "list[str]":
    """The C library that is in this process."""
    try:
        with open("/proc/self/maps") as lines:
            paths = [line.split(None, 5)[-1].strip() for line in lines]
    except OSError:
        return []
    return [path for path in paths if os.path.basename(path).startswith(("libc.so", "libc-2"))]


def from_platform() -> "str | None":
    """A lower bound: the newest symbol version that the interpreter uses."""
    import platform

    name, version = platform.libc_ver()
    return version if name == "glibc" else None


def from_loader(loader: str) -> "str | None":
    """musl says its version when its loader is run without a program (PEP 656)."""
    lines = [line.strip() for line in said(loader).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("musl") and lines[1].startswith("Version "):
        return lines[1].split()[1]
    return None


def said(program: str) -> str:
    """What a program writes to standard error, with or without the module subprocess."""
    try:
        import subprocess
    except ImportError:
        return said_to_fork(program)
    with subprocess.Popen([program], stderr=subprocess.PIPE) as running:
        return running.communicate()[1].decode("utf-8", "replace")


def said_to_fork(program: str) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writing, 2)
            os.execv(program, [program])
        finally:
            os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return text


def libc() -> "dict[str, str]":
    """Which C library this Python runs with, its version, and who told."""
    loader = Elf().loader if os.path.exists(sys.executable or "/proc/self/exe") else None
    if loader and "musl" in loader:
        version, how = first(("loader", lambda: from_loader(loader)))
        return {"name": "musl", "version": version, "found_by": how}
    version, how = first(
        ("os.confstr", from_confstr),
        ("ctypes", from_ctypes),
        ("library", from_library),
        ("platform.libc_ver", from_platform),
    )
    return {"name": "glibc", "version": version, "found_by": how}


def numbers(version: str) -> "tuple[int, int]":
    """(2, 31) for ``2.31``; Linaro's are like ``2.20-2014.11``."""
    major, minor = version.split(".")[:2]
    digits = len(minor) - len(minor.lstrip("0123456789"))
    return int(major), int(minor[:digits])


def platforms(library: "dict[str, str] | None") -> "Iterator[str]":
    """The platform tags, best first."""
    names = arches()
    for arch in names:
        yield "linux_" + arch
    if not library:
        return
    major, minor = numbers(library["version"])
    if library["name"] == "musl":
        for arch in names:
            for number in range(minor, -1, -1):
                yield f"musllinux_{major}_{number}_{arch}"
    elif manylinux_abi(names):
        for arch in names:
            for number in range(minor, 4 if arch in ("x86_64", "i686") else 16, -1):
                yield from manylinux((major, number), arch)


def manylinux(version: "tuple[int, int]", arch: str) -> "Iterator[str]":
    if allowed(version, arch):
        yield "manylinux_{}_{}_{}".format(version[0], version[1], arch)
        if version in LEGACY:
            yield LEGACY[version] + "_" + arch


def manylinux_abi(names: "list[str]") -> bool:
    """Whether manylinux's ABI is this one: 32-bit Arm must have hardware floating point."""
    if "armv7l" in names:
        elf = Elf()
        hard = elf.flags & 0xFF000400 == ARM_HARD_FLOAT
        return not elf.wide and elf.machine == 40 and hard
    if "i686" in names:
        return not Elf().wide and Elf().machine == 3
    return any(arch in MANYLINUX for arch in names)


def allowed(version: "tuple[int, int]", arch: str) -> bool:
    """What a distribution says of manylinux in its module ``_manylinux`` (PEP 600)."""
    try:
        import _manylinux  # type: ignore[import-not-found]
    except ImportError:
        return True
    if hasattr(_manylinux, "manylinux_compatible"):
        said = _manylinux.manylinux_compatible(version[0], version[1], arch)
        return said is None or bool(said)
    return bool(getattr(_manylinux, LEGACY.get(version, "") + "_compatible", True))


def tags(library: "dict[str, str] | None") -> "list[str]":
    """Every tag this CPython accepts, best first."""
    if sys.implementation.name != "cpython":
        raise LookupError("only CPython's tags are known")
    major, minor = sys.version_info[:2]
    supported = list(platforms(library))
    interpreter = f"cp{major}{minor}"
    stable = "abi3t" if free_threaded() else "abi3"
    pairs = [(interpreter, abi) for abi in (*abis(), stable, "none")]
    pairs += [(f"cp{major}{older}", stable) for older in range(minor - 1, 1, -1)]
    pythons = [f"py{major}{minor}", f"py{major}"]
    pythons += [f"py{major}{older}" for older in range(minor - 1, -1, -1)]
    pairs += [(python, "none") for python in pythons]
    found = [f"{python}-{abi}-{platform}" for python, abi in pairs for platform in supported]
    return found + [f"{python}-none-any" for python in (interpreter, *pythons)]


def there(module: str) -> bool:
    """Whether a module of the standard library can be imported."""
    try:
        __import__(module)
    except Exception:  # noqa: BLE001
        return False
    return True


def pip() -> "str | None":
    """The version of pip; None where there is none."""
    try:
        import pip as module
    except Exception:  # noqa: BLE001
        return None
    return str(module.__version__)


def places() -> "dict[str, str]":
    """The directories that packages go to, by the name of their scheme."""
    import sysconfig

    found = {name: sysconfig.get_path(name) for name in ("purelib", "platlib", "scripts", "data")}
    import site

    found["user"] = site.getusersitepackages()
    return found


def writable(found: "dict[str, str] | None") -> "dict[str, bool]":
    """Whether this user may write there: in the directory, or in the nearest one that exists."""
    wanted = set((found or {}).values()) | {os.getcwd(), os.path.expanduser("~"), "/tmp"}
    return {path: may_write(path) for path in sorted(filter(None, wanted))}


def may_write(path: str) -> bool:
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)


def python() -> "dict[str, object]":
    return {
        "executable": sys.executable or None,
        "implementation": sys.implementation.name,
        "version": full_version(sys.version_info),
        "version_info": list(sys.version_info),
        "abis": known("python.abis", abis),
        "soabi": known("python.soabi", soabi),
        "ext_suffix": known("python.ext_suffix", extension_suffix),
        "cache_tag": sys.implementation.cache_tag,
        "bits": BITS,
        "free_threaded": free_threaded(),
        "virtual": sys.prefix != sys.base_prefix,
    }


def probe() -> "dict[str, object]":
    """Everything; ``unknown`` last, for it fills meanwhile."""
    library = known("libc", libc)
    found = known("places", places)
    answer: "dict[str, object]" = {
        "schema": SCHEMA,
        "markers": known("markers", markers),
        "python": python(),
        "libc": library,
        "platform": known("platform", host_platform),
        "tags": known("tags", lambda: tags(library)),
        "modules": {name: there(name) for name in MODULES},
        "pip": pip(),
        "places": found,
        "writable": known("writable", lambda: writable(found)),
    }
    answer["unknown"] = UNKNOWN
    return answer


def quoted(text: str) -> str:
    """A text in JSON, with nothing in it but ASCII."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    signs = [f"\\u{code:04x}" if code in (34, 92) else chr(code) for code in codes]
    return (
        '"'
        + "".join(sign if " " <= sign[0] < "\x7f" else f"\\u{ord(sign):04x}" for sign in signs)
        + '"'
    )


def encoded(value: object, margin: str = "\n") -> str:
    """JSON, for a Python without the module json."""
    inner = margin + "  "
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        items = [f"{quoted(key)}: {encoded(item, inner)}" for key, item in value.items()]
        return "{" + inner + ("," + inner).join(items) + margin + "}" if items else "{}"
    if isinstance(value, list):
        items = [encoded(item, inner) for item in value]
        return "[" + inner + ("," + inner).join(items) + margin + "]" if items else "[]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def main() -> None:
    text = encoded(probe()) + "\n"
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
