"""Stage fetch: distribution files into the store, several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from crossbuild import parallel, process
from crossbuild.errors import CrossbuildError
from crossbuild.model import File
from crossbuild.net.http import Http
from crossbuild.net.obtain import obtain
from crossbuild.report import Reporter
from crossbuild.store import Store

_AT_LEAST = 8
"""Downloads wait for the network, not for a processor."""


def fetch(
    files: Sequence[File], *, store: Store, http: Http, jobs: int, reporter: Reporter
) -> Mapping[str, Path | CrossbuildError]:
    """For the URL of each file its path in the store, or why it could not be had.

    Eight files at once, or ``jobs`` if that is more. Raises only what ends the run:
    KeyboardInterrupt and CancelledError, and then it does not wait for servers.
    """

    def one(file: File) -> Path | CrossbuildError:
        try:
            return obtain(file, store=store, http=http, reporter=reporter)[0]
        except process.CancelledError:
            raise
        except CrossbuildError as error:
            return error

    unique = {file.url: file for file in files}
    paths = parallel.each(list(unique.values()), one, jobs=max(jobs, _AT_LEAST))
    return dict(zip(unique, paths, strict=True))
