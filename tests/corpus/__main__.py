"""``python -m tests.corpus``: run the corpus, or a shard of it, or print its table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.corpus import listing, results, table
from tests.corpus.outcome import UNDECIDED
from tests.corpus.running import Way, run


def main() -> int:
    """0: every package that was asked for has a row; 1: the network or the host was in the way."""
    options = _options()
    entries = listing.shard(listing.load(), *options.shard)
    entries = tuple(item for item in entries if not options.names or item.name in options.names)
    paths = [options.results, *options.more]
    if options.against:
        return _compared(results.load([options.against]), results.load(paths))
    if options.table:
        found = results.load(paths)
        rows = [found[item.key] for item in entries if item.key in found]
        print(table.markdown(rows, len(entries)))
        return 0
    wanted = results.left(entries, results.load(paths), again=options.again)
    way = Way(cache=options.cache_dir.absolute(), words=("--engine", options.engine))
    return _all(sorted(wanted, key=lambda item: item.heavy), way, options.results)


def _all(entries: Sequence[listing.Entry], way: Way, path: Path) -> int:
    undecided = 0
    for number, entry in enumerate(entries, 1):
        row = run(entry, way)
        said = "proven" if row["proven"] else f"exit {row['exit_code']}: {row['diagnosis']}"
        told = f"{number}/{len(entries)} {entry.name} {row['seconds']} s, {said}"
        print(told, file=sys.stderr, flush=True)
        if row["exit_code"] in UNDECIDED:
            undecided += 1
        else:
            results.append(path, row)
    return 1 if undecided else 0


def _compared(before: results.Rows, after: results.Rows) -> int:
    """1 where a package is not proven that was, or was not run at all."""
    lost = results.lost(before, after)
    for row, now in lost:
        said = f"exit {now['exit_code']}: {now['diagnosis']}" if now else "not run"
        print(f"{row['package']} {row['version']} was proven, and is not: {said}")
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", help="these packages only")
    add("--shard", type=_shard, default=(1, 1), metavar="I/N", help="part I of N")
    add("--results", type=Path, default=results.FILE, help="rows are read and added here")
    add("--more", type=Path, nargs="+", default=[], metavar="FILE", help="more rows to read")
    add("--again", action="store_true", help="run what was not proven once more")
    add("--table", action="store_true", help="run nothing, print the result as Markdown")
    add(
        "--against", type=Path, metavar="FILE", help="run nothing, tell what was proven there only"
    )
    add("--engine", default="rootfs", help="crossbuild's --engine")
    add("--cache-dir", type=Path, default=Path.home() / ".cache/crossbuild")
    return parser.parse_args()


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N")
    return int(number), int(count)


if __name__ == "__main__":
    sys.exit(main())
