"""Zip archives as wheels are: read without zipfile, in constant memory, with nothing trusted.

APPNOTE.TXT 6.3: stored and deflated members, zip64, data descriptors (the sizes are those of the
central directory). What zipfile would refuse is refused here, too: a member whose two headers
differ, and members that overlap.
"""

from crossbuild.installer.digests import CHUNK, checksum
from crossbuild.installer.failure import DAMAGED, Failure
from crossbuild.installer.inflation import inflate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

LONGEST = 64 << 20
"""Bytes: no file that is read whole (METADATA, RECORD) is longer."""
WIDE = 0xFFFFFFFF


def little(data: bytes, at: int, size: int) -> int:
    """An unsigned number."""
    return int.from_bytes(data[at : at + size], "little")


class Member:
    """One entry of the central directory."""

    __slots__ = ("compressed", "crc", "executable", "flags", "method", "name", "offset", "size")

    def __init__(self, head: bytes, name: bytes, extra: bytes) -> None:
        self.flags = little(head, 8, 2)
        self.method = little(head, 10, 2)
        self.crc = little(head, 16, 4)
        self.compressed = little(head, 20, 4)
        self.size = little(head, 24, 4)
        self.offset = little(head, 42, 4)
        mode = little(head, 38, 4) >> 16
        self.executable = mode & 0o170000 == 0o100000 and bool(mode & 0o111)
        self.name = decoded(name, self.flags)
        self.widen(extra)

    def named(self, name: bytes) -> bool:
        """Whether these bytes are its name."""
        try:
            return decoded(name, self.flags) == self.name
        except UnicodeDecodeError:
            return False

    def widen(self, extra: bytes) -> None:
        """Take the 64-bit numbers where the others are full."""
        at = 0
        while at + 4 <= len(extra):
            kind, size = little(extra, at, 2), little(extra, at + 2, 2)
            if kind == 1:
                rest = extra[at + 4 : at + 4 + size]
                for field in ("size", "compressed", "offset"):
                    if getattr(self, field) == WIDE and len(rest) >= 8:
                        setattr(self, field, little(rest, 0, 8))
                        rest = rest[8:]
            at += 4 + size


def decoded(name: bytes, flags: int) -> str:
    """A name: UTF-8 where the flag or nothing but ASCII says so, else the old code page 437."""
    if flags & 0x800 or max(name, default=0) < 128:
        return name.decode("utf-8")
    try:
        return name.decode("cp437")
    except LookupError:
        return name.decode("latin-1")


class Archive:
    """An open zip archive: ``members`` by name, in the order of its central directory.

    Raises Failure for what is damaged. ``label`` is the file's name, for errors.
    """

    def __init__(self, file: "BinaryIO", label: str) -> None:
        self.file = file
        self.label = label
        self.crc = checksum()
        self.members: "dict[str, Member]" = {}
        try:
            self.read_directory()
        except (ValueError, IndexError, OverflowError) as error:
            raise self.damaged(str(error)) from error

    def damaged(self, what: str) -> Failure:
        remedy = "Copy it again from where it was made."
        return Failure(DAMAGED, f"{self.label} is damaged or no wheel: {what}", remedy)

    def read_directory(self) -> None:
        size = self.file.seek(0, 2)
        start, length, count, shift = self.find_directory(size)
        self.file.seek(start + shift)
        directory = self.file.read(length)
        if len(directory) != length:
            raise self.damaged("its directory is cut off")
        at = 0
        for _ in range(count):
            head = directory[at : at + 46]
            if head[:4] != b"PK\x01\x02":
                raise self.damaged("its directory is garbled")
            named, more, comment = (little(head, 28 + 2 * i, 2) for i in range(3))
            name = directory[at + 46 : at + 46 + named]
            extra = directory[at + 46 + named : at + 46 + named + more]
            self.add(Member(head, name, extra), shift)
            at += 46 + named + more + comment
        self.check_overlap(start + shift)

    def find_directory(self, size: int) -> "tuple[int, int, int, int]":
        """Where the central directory begins, its length, how many entries; bytes put before."""
        tail_at = max(size - 65557, 0)
        self.file.seek(tail_at)
        tail = self.file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise self.damaged("it has no end of a zip archive")
        count, length, start = little(tail, at + 10, 2), little(tail, at + 12, 4), 0
        start, end = little(tail, at + 16, 4), tail_at + at
        locator = tail[at - 20 : at] if at >= 20 else b""
        if locator[:4] == b"PK\x06\x07":
            end -= 76
            self.file.seek(end)
            wide = self.file.read(56)
            if wide[:4] != b"PK\x06\x06":
                raise self.damaged("its zip64 end is not where it should be")
            count, length, start = (little(wide, place, 8) for place in (32, 40, 48))
        shift = end - length - start
        if shift < 0 or length > size:
            raise self.damaged("its directory lies outside of it")
        return start, length, count, shift

    def add(self, member: Member, shift: int) -> None:
        if member.name in self.members:
            raise Failure(DAMAGED, f"{self.label}: two members are named {member.name!r}")
        member.offset += shift
        self.members[member.name] = member

    def check_overlap(self, end: int) -> None:
        """Members that share bytes make bombs."""
        for member in sorted(self.members.values(), key=lambda item: -item.offset):
            if member.offset + 30 + len(member.name) + member.compressed > end:
                raise self.damaged(f"{member.name!r} overlaps what follows it")
            end = member.offset

    def chunks(self, name: str) -> "Iterator[bytes]":
        """The content of a member, some of it at a time. Raises Failure if it is damaged."""
        member = self.members[name]
        if member.flags & 1:
            raise Failure(DAMAGED, f"{self.label}: {name!r} is encrypted")
        raw = self.raw(member)
        content = raw if member.method == 0 else inflated(raw, member, self)
        crc, size = 0, 0
        for chunk in content:
            size += len(chunk)
            if size > member.size:
                raise self.damaged(f"{name!r} is longer than it says")
            crc = self.crc(chunk, crc) if self.crc else 0
            yield chunk
        if size != member.size or (self.crc and crc != member.crc):
            raise self.damaged(f"{name!r} has a wrong checksum")

    def raw(self, member: Member) -> "Iterator[bytes]":
        """The bytes as they are stored."""
        self.file.seek(member.offset)
        head = self.file.read(30)
        named = little(head, 26, 2)
        name = self.file.read(named)
        if head[:4] != b"PK\x03\x04" or not member.named(name):
            raise self.damaged(f"{member.name!r} is not where it should be")
        place = member.offset + 30 + named + little(head, 28, 2)
        left = member.compressed
        while left:
            self.file.seek(place)
            chunk = self.file.read(min(left, CHUNK))
            if not chunk:
                raise self.damaged(f"{member.name!r} is cut off")
            place += len(chunk)
            left -= len(chunk)
            yield chunk

    def whole(self, name: str) -> bytes:
        """All of a member, of those that say something of the wheel."""
        if self.members[name].size > LONGEST:
            raise Failure(DAMAGED, f"{self.label}: {name} is absurdly long")
        return b"".join(self.chunks(name))


def inflated(raw: "Iterator[bytes]", member: Member, archive: Archive) -> "Iterator[bytes]":
    """Deflated bytes as they were, at most CHUNK at a time."""
    if member.method != 8:
        what = f"{archive.label}: {member.name!r} is packed by a way that wheels have not"
        raise Failure(DAMAGED, f"{what} ({member.method})")
    try:
        import zlib
    except ImportError:
        return inflated_slowly(raw, member, archive)
    return inflated_by_zlib(zlib, raw, member, archive)


def inflated_by_zlib(
    zlib: "Any", raw: "Iterator[bytes]", member: Member, archive: Archive
) -> "Iterator[bytes]":
    stream = zlib.decompressobj(-15)
    try:
        for chunk in raw:
            left = chunk
            while left:
                yield stream.decompress(left, CHUNK)
                left = stream.unconsumed_tail
        yield stream.flush()
    except zlib.error as error:
        raise archive.damaged(f"{member.name!r}: {error}") from error


def inflated_slowly(raw: "Iterator[bytes]", member: Member, archive: Archive) -> "Iterator[bytes]":
    try:
        yield from inflate(raw, CHUNK)
    except (ValueError, IndexError) as error:
        raise archive.damaged(f"{member.name!r}: {error}") from error
