"""Measure in one run what crossbuild claims: ``python -m tests.bench.bench``.

For each package the same sdist becomes a wheel in several ways, each a whole process from its
start to its end, with a cold cache of its own:

native     ``pip wheel`` on this machine, for this machine
emulated   ``pip wheel`` inside the emulated build rootfs, with the rootfs's own compiler; its
           build requirements lie there as wheels, so that it downloads nothing
cibw       ``cibuildwheel`` in Docker, in an image of the same rootfs that is loaded, with the
           image's own compiler; its build requirements lie there as wheels, too
cold       ``crossbuild`` with rootfs and toolchain set up, nothing downloaded, nothing built
docker     the same in Docker, with the image and the toolchain's volumes set up
warm       the command of ``cold`` once more

cibuildwheel and Docker are left out where no daemon answers, and the table says so. Then
``crossbuild fetch matplotlib`` against ``pip download`` of the same target. Prints the Markdown
table that the README shows; ratios are what matters, seconds are this machine's.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossbuild import catalog
from crossbuild.building import dressing, environment
from crossbuild.building.cibuildwheel import REQUIRES
from crossbuild.building.dressing import Dressed
from crossbuild.catalog import Image, Interpreter, Role
from crossbuild.engine import opening
from crossbuild.engine.base import WORK, Limits, Tree
from crossbuild.engine.containers import daemon
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import KEEP
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.errors import HostError
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target

PLATFORM = "manylinux2014_aarch64"
PLATFORMS = {"cffi": "manylinux_2_28_aarch64"}
"""cffi takes the image's libffi along, which needs glibc 2.27."""

HEADER = """\
| | native `pip wheel` | all emulated | cibuildwheel | crossbuild, cold | in Docker | warm \
| cold : native | emulated : cold | cibuildwheel : cold |
|---|---|---|---|---|---|---|---|---|---|"""
PACKAGES = ("kiwisolver==1.4.7", "cffi==1.14.4", "hnswlib==0.8.0")
VERSIONS = {"numpy": "1.26.4", **dict(package.split("==") for package in PACKAGES)}
"""Of the packages that ``--packages`` may name without a version."""


@dataclass(frozen=True)
class Row:
    """Median seconds of one package; None: not measured, as there is no Docker or not asked."""

    package: str
    native: float
    emulated: float | None
    cibuildwheel: float | None
    cold: float
    docker: float | None
    warm: float

    def markdown(self) -> str:
        """One line of the table."""
        other = self.cibuildwheel
        return (
            f"| {self.package} | {self.native:.1f} s | {_seconds(self.emulated)} "
            f"| {_seconds(other)} | {self.cold:.1f} s | {_seconds(self.docker)} "
            f"| {self.warm:.1f} s | {self.cold / self.native:.2f} "
            f"| {'' if self.emulated is None else f'{self.emulated / self.cold:.1f} x'} "
            f"| {'' if other is None else f'{other / self.cold:.1f} x'} |"
        )


def _seconds(value: float | None) -> str:
    return "not run" if value is None else f"{value:.1f} s"


def pinned(name: str) -> str:
    """A requirement of one version; a bare name means the version in ``VERSIONS``."""
    return name if "==" in name else f"{name}=={VERSIONS[name]}"


def platform(requirement: str) -> str:
    """The platform a package is built for."""
    return PLATFORMS.get(requirement.partition("==")[0], PLATFORM)


def timed(
    argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> float:
    """Run a command to its end; seconds. Ends the benchmark if it fails."""
    began = time.monotonic()
    with log.open("ab") as output:
        done = subprocess.run(argv, stdout=output, stderr=output, check=False, env=env, cwd=cwd)
    if done.returncode not in {0, 12}:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}; see {log}")
    return time.monotonic() - began


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="crossbuild-bench-"))
    try:
        yield directory
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def native(requirement: str, python: str, log: Path) -> float:
    """``pip wheel`` for this machine."""
    with scratch() as directory:
        name = requirement.partition("==")[0]
        argv = [python, "-m", "pip", "wheel", "--no-cache-dir", "--no-deps"]
        return timed([*argv, "--no-binary", name, "-w", str(directory), requirement], log)


def crossbuild(
    requirement: str, python_version: str, base: Path, log: Path, engine: str
) -> tuple[float, float]:
    """The whole command, cold and then warm, in a copy of the set-up cache."""
    with scratch() as directory:
        cache = directory / "cache"
        subprocess.run(["cp", "-al", str(base), str(cache)], check=True)
        make_cold(cache)
        argv = [
            sys.executable, "-m", "crossbuild", requirement, "--target", platform(requirement),
            "--python", python_version, "--no-binary", requirement.partition("==")[0],
            "--no-smoke", "--engine", engine, "--cache-dir", str(cache), "--output",
        ]  # fmt: skip
        return (
            timed([*argv, str(directory / "first")], log),
            timed([*argv, str(directory / "second")], log),
        )


def make_cold(cache: Path) -> None:
    """Leave the set-up alone, and nothing of what earlier runs downloaded, asked or built."""
    for left in (cache / "files", cache / "records", cache / "partial"):
        shutil.rmtree(left, ignore_errors=True)
    for tree in (cache / "trees").glob("env-*"):
        subprocess.run(["chmod", "-R", "u+w", str(tree)], check=True)
        shutil.rmtree(tree)


def make_docker_cold(docker: Daemon, store: Store) -> None:
    """Forget the build environments that the daemon keeps in volumes."""
    volumes = Volumes(docker, store)
    for mark, labels in volumes.all(KEEP).items():
        if labels.get("crossbuild.tree", "").startswith("env-"):
            volumes.remove(labels["crossbuild.volume"])
            volumes.remove(mark)


def cibuildwheel(
    requirement: str, target: Target, docker: Daemon, store: Store, log: Path
) -> float:
    """cibuildwheel as its own users call it, with an sdist; the image is there before."""
    engine = opening.opened(store, name="docker", environment=dict(os.environ))
    root = engine.prepare(_image(target), Role.BUILD)
    interpreter = _interpreter(root.image, target)
    with scratch() as directory:
        sdist = download(requirement, target, directory / "requires")
        dressed = Dressed(
            daemon=docker,
            store=store,
            root=root,
            interpreter=interpreter,
            tools=_tools(target, interpreter, store, directory / "tools"),
        )
        needs = Tree(key=directory.name, path=directory / "requires", lasting=False)
        with dressed.place({REQUIRES: needs}, Limits(wall=7200)) as place:
            offline = ("--env=PIP_NO_INDEX=1", f"--env=PIP_FIND_LINKS={REQUIRES}")
            # A smaller share of a busy machine is politeness, which would count against it.
            fair = [word for word in place.arguments if not word.startswith("--cpu-shares")]
            arguments = shlex.join([*fair, *offline])
            env = {
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "CIBW_MANYLINUX_AARCH64_IMAGE": place.image,
                "CIBW_CONTAINER_ENGINE": f"docker; create_args: {arguments}",
                **docker.variables,
            }
            only = f"{target.interpreter}-manylinux_{target.arch.name}"
            argv = [sys.executable, "-m", "cibuildwheel", "--only", only, str(sdist)]
            return timed(argv, log, env, directory)


def _tools(target: Target, interpreter: Interpreter, store: Store, directory: Path) -> Tree:
    """What cibuildwheel calls in the image, as crossbuild puts it there."""
    download_wheels(dressing.TOOLS, target, directory)
    return environment.make(
        sorted(directory.glob("*.whl")), interpreter, target, uv=Uv.find(), store=store,
        prefix=str(PurePosixPath(interpreter.directory).parent),
    )  # fmt: skip


def _image(target: Target) -> Image:
    found = catalog.image_for(target)
    if found is None:
        raise SystemExit(f"no image for {target}")
    return found


def _interpreter(image: Image, target: Target) -> Interpreter:
    found = image.interpreter(target.python)
    if found is None:
        raise SystemExit(f"no interpreter for {target}")
    return found


def emulated(requirement: str, target: Target, store: Store, log: Path) -> float:
    """``pip wheel`` inside the build rootfs: the way without crossbuild."""
    image = _image(target)
    interpreter = _interpreter(image, target)
    engine = opening.opened(store, environment=dict(os.environ))
    root = engine.prepare(image, Role.BUILD)
    with scratch() as directory:
        wheels = directory / "wheels"
        sdist = download(requirement, target, wheels)
        unpacked = directory / "pip"
        shutil.unpack_archive(next(wheels.glob("pip-*.whl")), unpacked, "zip")
        trees = {
            "/opt/bench/wheels": Tree(key="wheels", path=wheels),
            "/opt/bench/pip": Tree(key="pip", path=unpacked),
        }
        limits = Limits(wall=7200, idle=3600)
        began = time.monotonic()
        with engine.session(root, trees=trees, limits=limits) as session:
            result = session.run(
                [
                    interpreter.command, "-m", "pip", "wheel", "--no-deps", "--no-index",
                    "--no-cache-dir", "--find-links", "/opt/bench/wheels",
                    "-w", f"{WORK}/out", f"/opt/bench/wheels/{sdist.name}",
                ],
                env={"PYTHONPATH": "/opt/bench/pip"},
                log=log,
            )  # fmt: skip
        if not result.ok:
            raise SystemExit(f"the emulated build of {requirement} failed; see {log}")
        return time.monotonic() - began


def download(requirement: str, target: Target, directory: Path) -> Path:
    """The sdist, and for the target the wheels that its build needs, pip among them."""
    name = requirement.partition("==")[0]
    download_wheels(BUILD_REQUIREMENTS[name], target, directory)
    pip = [*_DOWNLOAD, str(directory)]
    subprocess.run([*pip, "--no-deps", "--no-binary", name, requirement], check=True)
    return next(directory.glob(f"{name}-*.tar.gz"))


def download_wheels(requirements: Sequence[str], target: Target, directory: Path) -> None:
    """Wheels for the target, with what they need."""
    foreign = [
        "--only-binary", ":all:", "--python-version", target.python_version,
        "--platform", PLATFORM, "--platform", "manylinux_2_28_aarch64",
    ]  # fmt: skip
    subprocess.run([*_DOWNLOAD, str(directory), *foreign, *requirements], check=True)


_DOWNLOAD = (sys.executable, "-m", "pip", "download", "--quiet", "-d")

BUILD_REQUIREMENTS = {
    "numpy": ["pip", "Cython>=0.29.34,<3.1", "meson-python>=0.15.0,<0.16.0", "ninja"],
    "kiwisolver": ["pip", "setuptools>=61.2", "setuptools_scm>=3.4.3", "cppy>=1.2.0", "wheel"],
    "cffi": ["pip", "setuptools<70", "wheel"],
    "hnswlib": ["pip", "setuptools>=42", "wheel", "numpy>=1.10.0", "pybind11>=2.0"],
}


def fetching(python_version: str, log: Path) -> tuple[float, float]:
    """``crossbuild fetch matplotlib`` and ``pip download`` of the same, both cold."""
    with scratch() as directory:
        ours = timed(
            [
                sys.executable, "-m", "crossbuild", "fetch", "matplotlib", "--target", PLATFORM,
                "--python", python_version, "--cache-dir", str(directory / "cache"),
                "--output", str(directory / "wheelhouse"),
            ],
            log,
        )  # fmt: skip
        theirs = timed(
            [
                sys.executable, "-m", "pip", "download", "--no-cache-dir",
                "--only-binary", ":all:",
                "--platform", PLATFORM, "--python-version", python_version,
                "-d", str(directory / "pip"), "matplotlib",
            ],
            log,
        )  # fmt: skip
    return ours, theirs


def median(measure: Callable[[], float], runs: int) -> float:
    """The median of several runs."""
    return statistics.median(measure() for _ in range(runs))


def measured(
    package: str, python: str, runs: int, base: Path, log: Path, docker: Daemon | None, slow: bool
) -> Row:
    """Everything about one package; what takes minutes is measured once, if ``slow``."""
    target, store = Target.parse(PLATFORM, python), Store(base)
    pairs = [crossbuild(package, python, base, log, "rootfs") for _ in range(runs)]
    return Row(
        package=package.replace("==", " "),
        native=median(lambda: native(package, f"python{python}", log), runs),
        emulated=emulated(package, target, store, log) if slow else None,
        cibuildwheel=cibuildwheel(package, target, docker, store, log)
        if docker and slow
        else None,
        cold=statistics.median(cold for cold, _ in pairs),
        docker=in_docker(package, python, runs, base, log, docker) if docker else None,
        warm=statistics.median(warm for _, warm in pairs),
    )


def in_docker(
    package: str, python: str, runs: int, base: Path, log: Path, docker: Daemon
) -> float:
    """The whole command, cold, with the Docker engine."""

    def cold() -> float:
        make_docker_cold(docker, Store(base))
        return crossbuild(package, python, base, log, "docker")[0]

    return median(cold, runs)


def connected() -> Daemon | None:
    """The daemon, if one answers."""
    try:
        return daemon.connect(dict(os.environ))
    except HostError as error:
        print(f"no Docker: {error}", file=sys.stderr)
        return None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="crossbuild against pip, in one run")
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--packages", dest="named", help="numpy is short for numpy==1.26.4")
    parser.add_argument(
        "--no-emulated",
        action="store_true",
        help="leave out what runs compilers emulated, and Docker",
    )
    parser.add_argument("--python", default="3.11", help="X.Y, which this machine has too")
    parser.add_argument("--runs", type=int, default=3, help="of each but the emulated one")
    parser.add_argument("--cache-dir", type=Path, required=True, help="a cache, set up or not")
    parser.add_argument("--log", type=Path, default=Path("bench.log"))
    options = parser.parse_args()
    base = options.cache_dir.absolute()
    packages = list(map(pinned, options.named.split(","))) if options.named else options.packages
    docker = None if options.no_emulated else connected()
    engines = ("rootfs", "docker") if docker else ("rootfs",)
    for wanted in sorted({platform(package) for package in packages} | {PLATFORM}):
        set_up = ["setup", "--yes", "--target", wanted, "--python", options.python]
        for engine in engines:
            with_engine = [*set_up, "--engine", engine, "--cache-dir", str(base)]
            timed([sys.executable, "-m", "crossbuild", *with_engine], options.log)
    print(HEADER)
    slow = not options.no_emulated
    for package in packages:
        row = measured(package, options.python, options.runs, base, options.log, docker, slow)
        print(row.markdown(), flush=True)
    if options.no_emulated:
        return
    pairs = [fetching(options.python, options.log) for _ in range(options.runs)]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    print(f"\n`crossbuild fetch matplotlib` {ours:.1f} s, `pip download` {theirs:.1f} s:", end=" ")
    print(f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
