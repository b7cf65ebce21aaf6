"""Runs on the target (Python 3.6+, standard library only): calls the PEP 517 hooks of one sdist.

Arguments: a JSON file with the request and a path to write the JSON answer to.

Request: ``source`` (directory of the sdist), ``backend`` and ``backend_path`` (PEP 517),
``output`` (directory for results), ``known`` (names of requirements that are taken care of),
``settings`` (config settings), ``hooks``: a list out of ``requires``, ``metadata`` and
``wheel``, called in that order.

Answer: ``requires`` (list of requirements), ``metadata`` (the text of METADATA), ``wheel``
(the file name in ``output``), each when it was asked for; ``error`` with ``kind`` (``backend``:
cannot be imported; ``unsupported``: it says so itself; ``hook``: anything else), ``type`` and
``message``. ``metadata`` is not asked while ``requires`` names something that is not known.

One interpreter serves all hooks, for starting one under emulation takes a second; each hook but
the last runs in a fork, so that none sees what another did to the process.
"""

import importlib
import itertools
import json
import os
import re
import sys
import tempfile
import threading
import traceback
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing costs 0.1 s under emulation
    from typing import Any, Dict, List


JOBS = "NPY_NUM_BUILD_JOBS"
"""How many compilers distutils may run at a time: numpy's word for it, honoured for all."""


class BackendError(Exception):
    """The backend is not there, or not where ``backend-path`` promises it."""


def load(request: "Dict[str, Any]") -> "Any":
    """Import the build backend: PEP 517 section "Source trees", in-tree backends included."""
    paths = [os.path.join(request["source"], part) for part in request["backend_path"]]
    sys.path[:0] = paths
    module, _, name = request["backend"].partition(":")
    try:
        backend = importlib.import_module(module)
        inside = [path for path in paths if _is_below(backend, path)]
        if paths and not inside:
            raise BackendError(f"{module} does not come from its backend-path")
        for part in name.split(".") if name else ():
            backend = getattr(backend, part)
    except (ImportError, AttributeError) as error:
        raise BackendError(str(error)) from error
    return backend


def _is_below(module: "Any", directory: str) -> bool:
    file = os.path.realpath(getattr(module, "__file__", None) or "")
    return file.startswith(os.path.realpath(directory) + os.sep)


def settings(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Give each hook config settings of its own: backends change what they get."""
    return {key: value[:] for key, value in request["settings"].items()}


def requires(backend: "Any", request: "Dict[str, Any]") -> "List[str]":
    """Ask for the dynamic build requirements; a backend need not have any."""
    hook = getattr(backend, "get_requires_for_build_wheel", None)
    return list(hook(settings(request))) if hook else []


def metadata(backend: "Any", request: "Dict[str, Any]") -> str:
    """Give the text of METADATA; a backend without the hook has to build the wheel."""
    output = request["output"]
    hook = getattr(backend, "prepare_metadata_for_build_wheel", None)
    if hook is None:
        with zipfile.ZipFile(os.path.join(output, wheel(backend, request))) as archive:
            names = [n for n in archive.namelist() if re.match(r"[^/]+\.dist-info/METADATA$", n)]
            return archive.read(names[0]).decode("utf-8")
    path = os.path.join(output, hook(output, settings(request)), "METADATA")
    with open(path, encoding="utf-8") as file:
        return file.read()


def wheel(backend: "Any", request: "Dict[str, Any]") -> str:
    """Build the wheel and give its file name."""
    return str(backend.build_wheel(request["output"], settings(request), None))


HOOKS = {"requires": requires, "metadata": metadata, "wheel": wheel}


def missing(needed: "List[str]", known: "List[str]") -> bool:
    """Tell whether any requirement's name is new."""
    names = {re.sub(r"[^A-Za-z0-9._-].*", "", text.strip(), flags=re.DOTALL) for text in needed}
    return not {_normal(name) for name in names} <= {_normal(name) for name in known}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def call(name: str, backend: "Any", request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Run one hook in this process: its part of the answer."""
    try:
        return {name: HOOKS[name](backend, request)}
    except BaseException as error:  # noqa: BLE001 (setup.py calls sys.exit)
        return _failed(error, getattr(backend, "UnsupportedOperation", ()))


def _failed(error: BaseException, unsupported: "Any" = ()) -> "Dict[str, Any]":
    traceback.print_exception(type(error), error, error.__traceback__)
    kind = "unsupported" if isinstance(error, unsupported) else "hook"
    if isinstance(error, BackendError):
        kind = "backend"
    told = _first(error)
    return {"error": {"kind": kind, "type": type(told).__name__, "message": str(told)}}


def _first(error: BaseException) -> BaseException:
    """Give of a group the first exception (PEP 654): itself it says only how many it holds."""
    inside = getattr(error, "exceptions", None)
    if isinstance(inside, tuple) and inside and isinstance(inside[0], BaseException):
        return _first(inside[0])
    return error


def forked(name: str, backend: "Any", request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Run one hook in a fork of this process: its part of the answer."""
    sys.stdout.flush()
    sys.stderr.flush()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(readable)
            text = json.dumps(call(name, backend, request))
            with os.fdopen(writable, "w", encoding="utf-8") as pipe:
                pipe.write(text)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    return json.loads(text) if text else _failed(RuntimeError("it ended the interpreter"))


def answer(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Run the hooks asked for until one fails."""
    try:
        backend = load(request)
    except BaseException as error:  # noqa: BLE001 (it runs a stranger's module)
        return _failed(error)
    if "setuptools" in sys.modules:
        compile_together(int(os.environ.get(JOBS, "1")))
    found = {}  # type: Dict[str, Any]
    for name in request["hooks"]:
        if name == "metadata" and missing(found.get("requires", []), request["known"]):
            continue
        run = call if name == request["hooks"][-1] else forked
        found.update(run(name, backend, request))
        if "error" in found:
            break
    return found


def compile_together(jobs: int) -> None:
    """Let distutils compile the sources of one extension ``jobs`` at a time.

    It starts one compiler after the other, though no object needs another one; pybind11's
    ParallelCompile and numpy.distutils do the same. A compiler class that a package made or
    changed stays as it is: what it does between two sources is unknown.
    """
    try:
        # setuptools brings its own distutils, and says so when it is imported.
        base = importlib.import_module("distutils.ccompiler").CCompiler
        unix = importlib.import_module("distutils.unixccompiler").UnixCCompiler
    except ImportError:
        return
    one_by_one, stock = base.compile, (unix._compile, unix.spawn)

    def compile_(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        own = "_compile" in vars(self) or "spawn" in vars(self)
        if own or (type(self)._compile, type(self).spawn) != stock:
            return one_by_one(self, *args, **kwargs)
        calls = []  # type: List[Any]
        self._compile = lambda *call: calls.append(call)
        try:
            objects = one_by_one(self, *args, **kwargs)
        finally:
            del self._compile
        in_threads(lambda call: self._compile(*call), calls, jobs)
        return objects

    base.compile = compile_


def in_threads(work: "Any", items: "List[Any]", jobs: int) -> None:
    """Do ``work`` for each item, ``jobs`` at a time; raises what the first that failed raised.

    After a failure no further item is begun.
    """
    waiting, failures = list(enumerate(items)), []  # type: Any, List[Any]

    def take() -> None:
        while waiting and not failures:
            place, item = waiting.pop(0)
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001 (raised again below)
                failures.append((place, error))

    threads = [threading.Thread(target=take) for _ in range(min(jobs, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]


def name_temporary_files() -> None:
    """Number them: meson-python's build directory gets into the wheels of some packages.

    The module has no public way; a name that is taken is passed over, as a random one is.
    """
    tempfile._name_sequence = map("{:08x}".format, itertools.count())  # type: ignore[attr-defined]


def main() -> int:
    """Read the request, answer it."""
    request_path, answer_path = sys.argv[1:]
    del sys.argv[1:]
    sys.path.pop(0)  # this script's directory; the sdist's own must not be there either
    os.umask(0o022)
    name_temporary_files()
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    os.makedirs(request["output"], exist_ok=True)
    os.chdir(request["source"])
    found = answer(request)
    text = json.dumps(found)
    with open(answer_path, "w", encoding="utf-8") as file:
        file.write(text)
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
