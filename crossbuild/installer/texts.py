"""The small text formats of wheels: metadata headers, RECORD, entry points."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def headers(text: str) -> "dict[str, list[str]]":
    """The fields of METADATA or WHEEL by their name in lower case; folded lines are joined."""
    found: "dict[str, list[str]]" = {}
    values: "list[str]" = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            break
        if line[0] in " \t" and values:
            values[-1] += "\n" + line.strip()
            continue
        name, _, value = line.partition(":")
        values = found.setdefault(name.strip().lower(), [])
        values.append(value.strip())
    return found


def rows(text: str) -> "Iterator[tuple[str, str, str]]":
    """The rows of RECORD, a CSV file (PEP 376). Raises ValueError for what is none."""
    for line in joined(text.replace("\r\n", "\n").split("\n")):
        if line:
            fields = [*split(line), "", ""]
            yield fields[0], fields[1], fields[2]


def joined(lines: "Iterable[str]") -> "Iterator[str]":
    """Lines, but with those together that a quotation spans."""
    open_line = ""
    for line in lines:
        open_line += line
        if open_line.count('"') % 2 == 0:
            yield open_line
            open_line = ""
        else:
            open_line += "\n"
    if open_line.strip():
        raise ValueError("a quotation does not end")


def split(line: str) -> "list[str]":
    """The fields of one row."""
    if '"' not in line:
        return line.split(",")
    fields, field, quoted_now, at = [], "", False, 0
    while at < len(line):
        sign = line[at]
        if sign == '"' and quoted_now and line[at + 1 : at + 2] == '"':
            field += sign
            at += 1
        elif sign == '"':
            quoted_now = not quoted_now
        elif sign == "," and not quoted_now:
            fields.append(field)
            field = ""
        else:
            field += sign
        at += 1
    return [*fields, field]


def record_text(table: "Iterable[tuple[str, str, str]]") -> str:
    """RECORD, sorted and with the line ends that pip writes."""
    return "".join(",".join(map(quoted_field, row)) + "\r\n" for row in sorted(set(table)))


def quoted_field(field: str) -> str:
    if any(sign in field for sign in ',"\r\n'):
        return '"' + field.replace('"', '""') + '"'
    return field


def sections(text: str) -> "dict[str, dict[str, str]]":
    """``entry_points.txt``: the values by section and name."""
    found: "dict[str, dict[str, str]]" = {}
    section: "dict[str, str]" = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1].strip(), {})
        elif line and line[0] not in "#;":
            name, _, value = line.partition("=")
            section[name.strip()] = value.strip()
    return found
