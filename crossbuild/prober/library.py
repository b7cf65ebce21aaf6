"""The standard library: which parts of it are there."""

import sys

STANDARD = (
    "argparse ast base64 binascii bz2 collections concurrent.futures configparser contextlib csv "
    "ctypes dataclasses datetime decimal email ensurepip fcntl functools glob gzip hashlib html "
    "http.client importlib.metadata inspect io itertools json logging lzma math mmap "
    "multiprocessing operator pathlib pickle pkgutil platform queue random re select selectors "
    "shlex shutil signal site socket sqlite3 ssl stat string struct subprocess sysconfig tarfile "
    "tempfile textwrap threading tokenize traceback typing unittest urllib.request uuid venv "
    "warnings xml.etree.ElementTree zipfile zipimport zlib"
)
"""The modules that installers and well-known packages import."""
SINCE = {"importlib.metadata": (3, 8), "dataclasses": (3, 7)}
"""The Python that a module came with, where that is not older than any here."""


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


def modules() -> "dict[str, bool]":
    """Which modules can be imported, of those that belong to this version."""
    expected = [name for name in STANDARD.split() if SINCE.get(name, (3,)) <= sys.version_info[:2]]
    return {name: there(name) for name in expected}
