"""What index pages, link pages and directories offer, as ``File`` values.

Files that are neither wheel nor sdist, belong to another project or have no valid version are
passed over, as pip and uv do.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version
from pypi_simple import (
    DistributionPackage,
    Link,
    ProjectPage,
    UnparsableFilenameError,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
    parse_filename,
    parse_links_stream,
)

from crossbuild.disk import hash_of
from crossbuild.errors import NetworkError
from crossbuild.model import File, Kind
from crossbuild.net.credentials import Logins

Offer = tuple[Version, File]

_HTML = frozenset({"text/html", "application/vnd.pypi.simple.v1+html"})
_KINDS = {"wheel": Kind.WHEEL, "sdist": Kind.SDIST}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def of_index(response: requests.Response, name: NormalizedName, logins: Logins) -> list[Offer]:
    """The files on an index's page of a project (PEP 503, PEP 691, PEP 700).

    Raises NetworkError when it is no such page.
    """
    try:
        packages = _packages(response, name)
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError) as error:
        host = urlsplit(response.url).netloc
        raise NetworkError(
            f"what {host} has under {response.url} is not a page of a package index",
            remedy="An index's URL ends in /simple as a rule; check the index settings.",
        ) from error
    return list(_offers(packages, name, logins))


def _packages(response: requests.Response, name: NormalizedName) -> list[DistributionPackage]:
    content_type = response.headers.get("Content-Type", "text/html").partition(";")[0]
    if content_type.strip().lower() in _HTML:
        # The largest HTML pages hold five thousand links: the stream parser takes half the time.
        found = parse_links_stream([response.content], response.url, "utf-8")
        return [DistributionPackage.from_link(link, name) for link in found]
    return ProjectPage.from_response(response, name).packages


def links(content: bytes, url: str) -> list[Link]:
    """Every link of an HTML page, under the file name that its address ends in.

    Raises NetworkError when an address in it, or the page's version, cannot be understood.
    """
    try:
        found = list(parse_links_stream([content], url, "utf-8"))
    except (UnsupportedRepoVersionError, ValueError) as error:
        raise NetworkError(
            f"the page of links {url} cannot be understood: {error}",
            remedy="Correct the page, or leave it out of the find-links settings.",
        ) from error
    return [Link(text=filename(link.url), url=link.url, attrs=link.attrs) for link in found]


def of_links(found: Iterable[Link], name: NormalizedName, logins: Logins) -> list[Offer]:
    """The files of a project among links of any projects."""
    packages = [DistributionPackage.from_link(link, name) for link in found]
    return list(_offers(packages, name, logins))


def of_directory(path: Path, name: NormalizedName) -> list[Offer]:
    """The files of a project among those in a directory; their hashes are computed."""
    return [
        (version, local_file(child, kind))
        for child in sorted(path.iterdir())
        if (named := named_file(child.name, name)) and child.is_file()
        for version, kind in [named]
    ]


def local_file(path: Path, kind: Kind) -> File:
    """A file on this host as what an index would say of it."""
    return File(
        filename=path.name,
        url=path.as_uri(),
        kind=kind,
        sha256=hash_of(path),
        size=path.stat().st_size,
    )


def named_file(text: str, name: NormalizedName) -> tuple[Version, Kind] | None:
    """The version and kind that a file name says, or None if it is none of this project's."""
    try:
        project, version, kind = parse_filename(text, name)
    except UnparsableFilenameError:
        return None
    found = _version(version)
    if found is None or kind not in _KINDS or canonicalize_name(project) != name:
        return None
    return found, _KINDS[kind]


def filename(url: str) -> str:
    """The last part of an address, unquoted."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _offers(
    packages: Iterable[DistributionPackage], name: NormalizedName, logins: Logins
) -> Iterator[Offer]:
    for package in packages:
        version = _version(package.version or "")
        kind = _KINDS.get(package.package_type or "")
        if version and kind and canonicalize_name(package.project or "") == name:
            yield version, _file(package, kind, logins)


def _file(package: DistributionPackage, kind: Kind, logins: Logins) -> File:
    digest = package.digests.get("sha256", "").lower()
    yanked = package.yanked_reason or ""
    return File(
        filename=package.filename,
        url=logins.learn(package.url),
        kind=kind,
        sha256=digest if _SHA256.fullmatch(digest) else None,
        size=package.size,
        requires_python=_specifier(package.requires_python),
        yanked=yanked if package.is_yanked else None,
        core_metadata=bool(package.has_metadata),
        uploaded=_utc(package.upload_time),
    )


def _utc(time: dt.datetime | None) -> dt.datetime | None:
    """PEP 700 has it in UTC; one that does not say so is taken to be."""
    if time is None:
        return None
    known = time if time.tzinfo else time.replace(tzinfo=dt.timezone.utc)
    return known.astimezone(dt.timezone.utc)


@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=1024)
def _specifier(text: str | None) -> SpecifierSet | None:
    try:
        return SpecifierSet(text) if text else None
    except InvalidSpecifier:
        return None
