"""Package indexes and find-links as one: which files there are of a project.

Of several indexes the first one that has a project is believed, which is uv's default and
keeps a public package from standing in for a private one; files from find-links are added.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urldefrag, urlsplit

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from pypi_simple import Link

from crossbuild.errors import IntegrityError, UnknownPackageError, UsageError
from crossbuild.model import File, Kind, SourceMetadata
from crossbuild.net import metadata, pages
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.obtain import local_path, obtain
from crossbuild.net.pages import Offer
from crossbuild.report import Reporter, Silent
from crossbuild.store import Store

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
_METADATA = "metadata"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """Every file of a project, by version."""

    name: NormalizedName
    releases: Mapping[Version, tuple[File, ...]]


class Index:
    """The configured indexes, for one run; each page is asked for once.

    Its methods may be called from any thread.
    """

    def __init__(
        self, indexes: Indexes, http: Http, store: Store, reporter: Reporter | None = None
    ) -> None:
        self._indexes = indexes
        self._http = http
        self._store = store
        self._reporter: Reporter = reporter or Silent()
        self._projects: dict[NormalizedName, Project] = {}
        self._links: dict[str, list[Link]] = {}
        self._guard = threading.Lock()

    def project(self, name: str) -> Project:
        """Every file of a project.

        Raises UnknownPackageError where no index and no find-links location has it,
        NetworkError where an index cannot be asked.
        """
        normal = canonicalize_name(name)
        if normal not in self._projects:
            self._projects[normal] = self._listed(normal)
        return self._projects[normal]

    def metadata(self, file: File) -> SourceMetadata | None:
        """A wheel's metadata without downloading the wheel; None where that cannot be.

        From the index where it has it apart (PEP 658), else by reading the end of the wheel;
        remembered in the store by the wheel's hash. Raises NetworkError.
        """
        if file.kind is not Kind.WHEEL:
            return None
        if (known := self._remembered(file)) is not None:
            return known
        found = self._read_metadata(file)
        if found is not None and file.sha256 is not None:
            self._store.put_record(_METADATA, file.sha256, dataclasses.asdict(found))
        return found

    def direct(self, requirement: Requirement) -> tuple[Version, File]:
        """The version and the file that ``name @ url`` means, with its hash.

        A local file is read; one on a server that the URL gives no ``#sha256=`` for is
        downloaded to the store to learn its hash. Raises UsageError when the file is not
        there, is another project's, or does not say its version; IntegrityError when a given
        hash is wrong; NetworkError.
        """
        address, fragment = urldefrag(requirement.url or "")
        url = self._http.logins.learn(address)
        given = {key: values[0].lower() for key, values in parse_qs(fragment).items()}
        if "subdirectory" in given:
            raise UsageError(
                f"{requirement.name} is asked for from a subdirectory of {url}",
                remedy="Build an sdist of that directory and give it instead.",
            )
        filename = pages.filename(url)
        named = pages.named_file(filename, canonicalize_name(requirement.name))
        if named is None:
            raise UsageError(
                f"{url} is not, by its file name, a wheel or an sdist of {requirement.name}",
                remedy="The file must be called as PEP 427 or PEP 625 has it, for example "
                f"{requirement.name}-1.0.tar.gz.",
            )
        version, kind = named
        file = File(filename=filename, url=url, kind=kind, sha256=given.get("sha256"))
        return version, self._with_hash(file)

    def _with_hash(self, file: File) -> File:
        scheme = urlsplit(file.url).scheme
        if scheme == "file":
            return _local(file)
        if scheme not in {"http", "https"}:
            raise UsageError(f"{file.url} cannot be downloaded: only https, http and file can")
        if file.sha256 is not None:
            return file
        path, sha256 = obtain(file, store=self._store, http=self._http, reporter=self._reporter)
        return dataclasses.replace(file, sha256=sha256, size=path.stat().st_size)

    def _listed(self, name: NormalizedName) -> Project:
        found: list[Offer] = []
        known = False
        for url in self._indexes.urls:
            offers = self._indexed(url, name)
            if offers is not None:
                known = True
                found += offers
                if not self._indexes.merge:
                    break
        linked = [offer for link in self._indexes.find_links for offer in self._linked(link, name)]
        if not (known or linked):
            raise self._unknown(name)
        releases: dict[Version, dict[str, File]] = {}
        for version, file in (*found, *linked):
            releases.setdefault(version, {}).setdefault(file.filename, file)
        return Project(
            name=name,
            releases={version: tuple(files.values()) for version, files in releases.items()},
        )

    def _indexed(self, url: str, name: NormalizedName) -> list[Offer] | None:
        """What one index has of a project; None when it does not know it."""
        if urlsplit(url).scheme == "file":
            saved = local_path(url) / name / "index.html"
            found = pages.links(saved.read_bytes(), saved.as_uri()) if saved.is_file() else None
            return None if found is None else pages.of_links(found, name, self._http.logins)
        response = self._http.get(f"{url}/{name}/", accept=_ACCEPT)
        return None if response is None else pages.of_index(response, name, self._http.logins)

    def _linked(self, location: str, name: NormalizedName) -> list[Offer]:
        if urlsplit(location).scheme == "file" and local_path(location).is_dir():
            return pages.of_directory(local_path(location), name)
        with self._guard:
            if location not in self._links:
                self._links[location] = self._page_links(location)
        return pages.of_links(self._links[location], name, self._http.logins)

    def _page_links(self, location: str) -> list[Link]:
        if urlsplit(location).scheme == "file":
            return pages.links(local_path(location).read_bytes(), location)
        response = self._http.get(location, accept="text/html")
        return [] if response is None else pages.links(response.content, response.url)

    def _unknown(self, name: NormalizedName) -> UnknownPackageError:
        places = [urlsplit(url).netloc or url for url in self._indexes.urls]
        if not places:
            return UnknownPackageError(
                f"there is no package {name} in the find-links locations, "
                "and the settings forbid to ask an index"
            )
        return UnknownPackageError(f"there is no package {name} on {' or '.join(places)}")

    def _remembered(self, file: File) -> SourceMetadata | None:
        record = self._store.record(_METADATA, file.sha256) if file.sha256 else None
        if record is None:
            return None
        try:
            return SourceMetadata(
                requires_dist=tuple(record["requires_dist"]),
                requires_python=record["requires_python"],
                extras=tuple(record["extras"]),
            )
        except (KeyError, TypeError):
            return None

    def _read_metadata(self, file: File) -> SourceMetadata | None:
        if urlsplit(file.url).scheme == "file":
            return metadata.of_local_wheel(local_path(file.url))
        if file.core_metadata:
            response = self._http.get(f"{file.url}.metadata")
            if response is not None:
                return metadata.parsed(response.content)
        return metadata.of_remote_wheel(file.url, file.filename, self._http)


def _local(file: File) -> File:
    path = local_path(file.url)
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    found = pages.local_file(path, file.kind)
    if file.sha256 not in {None, found.sha256}:
        raise IntegrityError(
            f"{path} has the wrong hash: expected sha256 {file.sha256}, got {found.sha256}"
        )
    return found
