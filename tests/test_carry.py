"""A wheelhouse pushed over channels, good and bad, to every Python of this host."""

from __future__ import annotations

import hashlib
import http.server
import itertools
import json
import os
import random
import stat
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossbuild.carry import channel, message, push, remote, schemes
from crossbuild.carry.channel import Channel
from crossbuild.carry.line import Line
from crossbuild.carry.message import Call
from crossbuild.carry.push import Pushed
from crossbuild.cli.main import main
from crossbuild.errors import ChannelError, UsageError
from crossbuild.report import Event, Silent, Stage, Transfer
from tests import channels, pythons
from tests.channels import Bad, Fault, Limited, Near, tree

BIG = random.Random(1).randbytes(200_000)
FILES = {"big.whl": BIG, "small.whl": b"small", "deep__er.txt": b"deeper", "empty": b""}
BLOCK = "import sys; sys.modules.update(dict.fromkeys({names!r}.split())); exec(sys.stdin.read())"


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    return tree(tmp_path / "wheelhouse", **FILES)


def carried(
    wheelhouse: Path, there: Path, opened: Callable[[], Channel], limit: int = 1 << 20
) -> Pushed:
    """Push over channels that lose no time when they wait, and look at what arrived."""
    line = Line(opened, limit=limit, pause=0.0)
    try:
        pushed = push.push(push.load(wheelhouse), line, Silent(), remote_dir=str(there))
    finally:
        line.close()
    assert left(there) == FILES.keys()
    for name, content in FILES.items():
        assert (there / name.replace("__", "/")).read_bytes() == content
    return pushed


def left(there: Path) -> set[str]:
    """Every file there, by its name below."""
    files = [path for path in there.rglob("*") if path.is_file()]
    return {path.relative_to(there).as_posix().replace("/", "__") for path in files}


@pytest.mark.parametrize("limit", [1 << 12, 1 << 16, 1 << 20])
def test_no_message_and_no_answer_passes_the_limit(
    wheelhouse: Path, tmp_path: Path, limit: int
) -> None:
    pushed = carried(wheelhouse, tmp_path / "there", lambda: Limited(limit), limit)
    assert pushed.carried == sum(map(len, FILES.values()))
    assert pushed.resent == 0


def test_many_files_in_many_places_pass_no_limit_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    wheelhouse = tree(tmp_path / "wheelhouse", **{f"{number}.txt": b"x" for number in range(150)})
    for _ in range(2):
        line = channels.line(lambda: Limited(1 << 12), 1 << 12)
        push.push(push.load(wheelhouse), line, Silent())
    assert line.resent == 0
    with pytest.raises(ChannelError, match="the other end refuses"):
        push.push(push.load(wheelhouse), line, Silent(), remote_dir="/proc/" + "x" * 700)


def test_paths_that_are_too_long_for_the_limit_are_said(wheelhouse: Path, tmp_path: Path) -> None:
    long = str(tmp_path / "/".join(["x" * 200] * 6))
    for remote_dir in (long, long * 3):
        line = channels.line(lambda: Limited(1 << 12), 1 << 12)
        with pytest.raises(UsageError, match="4096 bytes does not hold the paths") as caught:
            push.push(push.load(wheelhouse), line, Silent(), remote_dir=remote_dir)
        assert "--message-limit" in caught.value.remedy


@pytest.mark.parametrize(
    ("fault", "each"),
    [
        *((fault, 10) for fault in (channels.cut_before, channels.cut_after, channels.lost)),
        *((fault, 3) for fault in (channels.truncated, channels.bit_out, channels.bit_back)),
        *((fault, 1) for fault in (channels.doubled, channels.noise, channels.wrapped)),
        (channels.mail, 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_bad_channel_brings_the_same_bytes(
    wheelhouse: Path, tmp_path: Path, fault: Fault, each: int
) -> None:
    number = itertools.count()
    opened: list[Bad] = []

    def open_() -> Bad:
        opened.append(Bad(fault, each, number))
        return opened[-1]

    pushed = carried(wheelhouse, tmp_path / "there", open_, 1 << 14)
    met = next(number) // each
    if fault in {channels.bit_out, channels.bit_back}:
        assert 0 < pushed.resent <= met  # white space that became other white space is no harm
    else:
        assert pushed.resent == (0 if each == 1 else met)
    cuts = fault in {channels.cut_before, channels.cut_after}
    assert len(opened) == (met + 1 if cuts else 1)
    assert not any(channel.open for channel in opened)


def test_a_message_is_ascii_in_lines_of_76_signs_at_most() -> None:
    call = Call(function="write", arguments=("/tmp/\udcff\N{SNOWMAN}", 5))
    text = message.compose(call, BIG[:10_000]).text
    assert text.isascii()
    assert max(map(len, text.splitlines())) == 76


def test_one_flipped_bit_anywhere_never_gives_a_wrong_answer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    sent = message.compose(Call(function="read", arguments=(str(path), 0, 7)))
    for bit in range(0, len(sent.text) * 7, 5):
        damaged = channels.flipped(sent.text, bit)
        reply = message.read(Near().said(damaged), sent.nonce)
        assert reply is None or (reply.ok and reply.said == b"content")
    printed = Near().said(sent.text)
    for bit in range(len(printed) * 7):
        answer = message.read(channels.flipped(printed, bit), sent.nonce)
        assert answer is None or answer.said == b"content"


def test_a_page_holds_whole_lines_up_to_its_size() -> None:
    assert list(message.pages(["aaa", "bb", "c", "dddd"], 6)) == [b"aaa\nbb", b"c\ndddd"]
    assert list(message.pages(["aaa", "bb", "c"], 6, 1)) == [b"aaa", b"bb", b"c"]
    assert list(message.pages([], 6)) == []
    with pytest.raises(ValueError, match="too long"):
        list(message.pages(["aaaaaaa"], 6))


@pytest.mark.parametrize("version", pythons.each())
def test_every_python_takes_it(wheelhouse: Path, tmp_path: Path, version: str) -> None:
    via = f"exec:{pythons.interpreter(version)} -"
    there = tmp_path / "there"
    first = carried(wheelhouse, there, lambda: schemes.opened(via, os.environ), 1 << 16)
    assert sorted(first.sent) == sorted(name.replace("__", "/") for name in FILES)
    again = carried(wheelhouse, there, lambda: schemes.opened(via, os.environ), 1 << 16)
    assert again.sent == ()
    assert again.carried == 0


@pytest.mark.parametrize(
    "command",
    [
        f"{sys.executable} -I -S -",
        [BLOCK, "subprocess json zlib zipfile tempfile shutil"],
        [BLOCK, "hashlib _hashlib base64 pathlib typing threading"],
    ],
    ids=["-I -S", "subprocess, zlib, zipfile", "hashlib, base64"],
)
def test_a_poor_python_takes_it(
    wheelhouse: Path, tmp_path: Path, command: str | list[str]
) -> None:
    if isinstance(command, list):
        program, names = command
        (tmp_path / "poor.py").write_text(program.format(names=names))
        command = f"{sys.executable} {tmp_path / 'poor.py'}"
    carried(
        wheelhouse,
        tmp_path / "there",
        lambda: schemes.opened(f"exec:{command}", os.environ),
        1 << 16,
    )


PROMPTS = ["repl:{python} -i", "pty:{python}", "pty:sh -c 'stty sane; TERM=xterm exec {python}'"]


@pytest.mark.parametrize("version", [pythons.each()[0], *pythons.each()[5:]])
@pytest.mark.parametrize("prompt", PROMPTS, ids=["pipe", "terminal", "terminal that echoes"])
def test_the_prompt_of_python_takes_it(
    wheelhouse: Path, tmp_path: Path, version: str, prompt: str
) -> None:
    via = prompt.format(python=pythons.interpreter(version))
    carried(wheelhouse, tmp_path / "there", lambda: schemes.opened(via, os.environ), 1 << 16)


@pytest.mark.parametrize("scheme", ["repl", "pty"])
def test_a_prompt_whose_code_fails_or_which_says_much_goes_on(scheme: str) -> None:
    command = "-i" if scheme == "repl" else ""
    prompt = schemes.opened(f"{scheme}:{sys.executable} {command}", os.environ)
    try:
        assert "ZeroDivisionError" in prompt.run("a = 1\n1/0", 60.0)
        assert "y" * 300_000 in prompt.run("print('y' * 300000)\n", 60.0)
        assert "NameError" in prompt.run("print(a)", 60.0)
    finally:
        prompt.close()


@pytest.mark.parametrize("scheme", ["repl", "pty"])
def test_a_prompt_that_ends_or_never_answers_is_a_cut_channel(scheme: str) -> None:
    dead = schemes.opened(f"{scheme}:sh -c 'exit 3'", os.environ)
    with pytest.raises(ChannelError, match="ended with code 3"):
        dead.run("print(1)", 60.0)
    dead.close()
    silent = schemes.opened(f"{scheme}:sleep 60", os.environ)
    with pytest.raises(ChannelError, match="no end of a message in time"):
        silent.run("print(1)", 0.1)
    silent.close()


class Mortal(Near):
    """Dies for good after so many messages."""

    lives = 0

    def said(self, code: str) -> str:
        if Mortal.lives <= 0:
            raise ChannelError("the machine is gone")
        Mortal.lives -= 1
        return super().said(code)


def test_a_push_that_was_cut_goes_on_where_it_was(wheelhouse: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    files = push.load(wheelhouse)
    Mortal.lives = 12
    with pytest.raises(ChannelError, match="the machine is gone") as caught:
        push.push(files, channels.line(Mortal, 1 << 14), Silent(), remote_dir=str(there))
    assert caught.value.exit_code == 13
    assert "goes on" in caught.value.remedy
    (journal,) = there.glob(".big.whl.*.log")
    known = sum(int(line.split()[1]) for line in journal.read_text().splitlines())
    assert 0 < known < len(BIG)
    with journal.open("a") as stream:
        stream.write(f"{known} 99")  # a line that the cut left half written
    pushed = carried(wheelhouse, there, Near, 1 << 13)
    assert pushed.carried == len(BIG) - known


@pytest.mark.parametrize("limit", [1 << 14, 1 << 20], ids=["in pieces", "whole"])
def test_what_came_of_a_file_that_was_changed_meanwhile_is_removed(
    wheelhouse: Path, tmp_path: Path, limit: int
) -> None:
    there = tmp_path / "there"
    Mortal.lives = 12
    with pytest.raises(ChannelError):
        push.push(
            push.load(wheelhouse), channels.line(Mortal, 1 << 14), Silent(), remote_dir=str(there)
        )
    assert len(list(there.glob(".big.whl.*"))) == 2
    other = there / ".big.whl.more.0123456789abcdef.part"
    other.write_bytes(b"of another file")
    (wheelhouse / "big.whl").write_bytes(BIG[::-1])
    line = channels.line(Near, limit)
    push.push(push.load(wheelhouse), line, Silent(), remote_dir=str(there))
    assert (there / "big.whl").read_bytes() == BIG[::-1]
    assert list(there.glob(".*")) == [other]


def test_what_came_in_pieces_leaves_nothing_when_it_comes_whole(
    wheelhouse: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    line = channels.line(Mortal, 1 << 14)
    Mortal.lives = 12
    with pytest.raises(ChannelError):
        push.push(push.load(wheelhouse), line, Silent(), remote_dir=str(there))
    assert carried(wheelhouse, there, Near, 1 << 20).sent == ("big.whl",)


def test_what_arrived_wrong_after_all_is_sent_again(wheelhouse: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    Mortal.lives = 12
    with pytest.raises(ChannelError):
        push.push(
            push.load(wheelhouse), channels.line(Mortal, 1 << 14), Silent(), remote_dir=str(there)
        )
    (part,) = there.glob(".big.whl.*.part")
    with part.open("r+b") as stream:
        stream.write(b"what a bad disk made of it")
    known = part.stat().st_size
    pushed = carried(wheelhouse, there, Near, 1 << 14)
    assert pushed.carried == len(BIG) - known + len(BIG)


def test_another_wheelhouse_takes_what_an_earlier_one_brought(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    line = channels.line(Near)
    first = push.push(push.load(wheelhouse), line, Silent())
    assert Path(first.directory).parent == tmp_path / f"crossbuild-{os.getuid()}"
    assert stat.S_IMODE(Path(first.directory).parent.stat().st_mode) == 0o700
    tree(wheelhouse, **{"small.whl": b"other", "new.whl": b"new"})
    second = push.push(push.load(wheelhouse), line, Silent())
    assert second.directory != first.directory
    assert second.sent == ("new.whl", "small.whl")
    assert Path(second.directory, "big.whl").samefile(Path(first.directory, "big.whl"))
    assert Path(first.directory, "small.whl").read_bytes() == b"small"


def test_a_directory_of_somebody_else_is_not_used(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil, home = tmp_path / "evil", tmp_path / "home"
    home.mkdir()
    tree(evil / "real", empty=b"")
    (evil / f"crossbuild-{os.getuid()}").symlink_to(evil / "real")
    monkeypatch.setenv("TMPDIR", str(evil))
    told = remote.where("", "name", 1)
    assert told == f"/var/tmp/crossbuild-{os.getuid()}/name"
    Path(told).rmdir()


def test_what_the_other_end_refuses_is_said(wheelhouse: Path) -> None:
    with pytest.raises(ChannelError, match=r"the other end refuses: OSError: .*/proc") as caught:
        push.push(push.load(wheelhouse), channels.line(Near), Silent(), remote_dir="/proc/none")
    assert caught.value.exit_code == 13
    assert "--remote-dir DIR" in caught.value.remedy


def test_a_journal_that_a_power_cut_garbled_costs_only_its_pieces(tmp_path: Path) -> None:
    part = tmp_path / "part"
    (tmp_path / "part.log").write_bytes(b"0 10\n\0\0 \0\0\n20 x\n-1 4\n10 5\n1 2 3\n40 1")
    assert remote.begin(str(part)) == "0 15"


def test_a_file_that_came_wrong_is_told_so_again(tmp_path: Path) -> None:
    part, path = str(tmp_path / "part"), str(tmp_path / "file")
    remote.begin(part)
    remote.write(part, 0, b"wrong")
    assert remote.finish(part, path, "0" * 64) == hashlib.sha256(b"wrong").hexdigest()
    assert remote.finish(part, path, "0" * 64) == ""


def test_a_full_disk_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="fewer than 1000000000000000000 bytes are free"):
        remote.where(str(tmp_path / "there"), "", 10**18)
    assert not (tmp_path / "there").exists()


def test_a_late_piece_of_a_file_that_is_whole_does_nothing(tmp_path: Path) -> None:
    part, path = str(tmp_path / ".part"), str(tmp_path / "path")
    remote.begin(part)
    remote.write(part, 0, b"whole")
    sha = remote.digest(part)
    assert remote.finish(part, path, sha) == sha
    with pytest.raises(FileNotFoundError):
        remote.write(part, 0, b"late!")
    assert remote.finish(part, path, sha) == sha
    assert {item.name for item in tmp_path.iterdir()} == {"path"}


def test_progress_is_told_file_by_file(wheelhouse: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    line = channels.line(Near, 1 << 14)
    push.push(push.load(wheelhouse), line, recorder, remote_dir=str(tmp_path / "there"))
    first, *middle, last = recorder.events
    assert first == Stage(name="push", detail=f"to {tmp_path / 'there'}", steps=len(FILES))
    assert last == Stage(name="push", detail="4 files, 200 kB", done=True)
    transfers = [event for event in middle if isinstance(event, Transfer)]
    assert len(transfers) == len(middle)
    big = [event.received for event in transfers if event.filename == "big.whl"]
    assert big == sorted(big)
    assert big[0] == 0
    assert big[-1] == len(BIG)
    assert [event.filename for event in transfers if event.done][-1] == "big.whl"


def test_an_unknown_channel_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="'carrier-pigeon:x' is no channel") as caught:
        schemes.opened("carrier-pigeon:x", {})
    assert "exec:" in caught.value.remedy


class Plugged(Near):
    """What the entry point of another package loads."""

    def __init__(self, address: str, environment: dict[str, str]) -> None:
        super().__init__()
        self.address = address


def test_a_package_may_add_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[crossbuild.channels]\nnear = tests.test_carry:Plugged\n"
    tree(
        tmp_path / "mine-1.0.dist-info",
        **{"METADATA": b"Name: mine\nVersion: 1.0\n", "entry_points.txt": points.encode()},
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = schemes.opened("near:somewhere", {})
    assert isinstance(found, Plugged)
    assert found.address == "somewhere"


class Shell(http.server.BaseHTTPRequestHandler):
    """A machine with an HTTP shell for Python."""

    def do_POST(self) -> None:
        code = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
        body = Near().said(code).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def test_the_example_of_a_channel_is_one(wheelhouse: Path, tmp_path: Path) -> None:
    assert channel.__doc__ is not None
    _, _, rest = channel.__doc__.partition("::\n\n")
    source, _, _ = textwrap.dedent(rest.partition("A channel need not")[0]).partition("# [project")
    space: dict[str, Any] = {}
    exec(source, space)
    with http.server.HTTPServer(("127.0.0.1", 0), Shell) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"//127.0.0.1:{server.server_port}"
        carried(wheelhouse, tmp_path / "there", lambda: space["Shell"](address, {}), 1 << 14)
        server.shutdown()
    with pytest.raises(ChannelError, match="does not answer"):
        space["Shell"](address, {}).run("", 1.0)


def test_the_command_pushes_and_says_where(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    words = ["push", str(wheelhouse), "--no-install", "--via", f"exec:{sys.executable} -"]
    assert main([*words, "--remote-dir", str(there), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["directory"] == str(there)
    assert {file["name"] for file in told["files"] if file["sent"]} == {
        name.replace("__", "/") for name in FILES
    }
    assert main([*words, "--remote-dir", str(there)]) == 0
    assert f"4 files, 200 kB, are in {there} there" in capsys.readouterr().out
    assert left(there) == FILES.keys()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["push", "DIR"], 2, "--via is missing"),
        (["push", "--via", "exec:cat"], 2, "push takes one directory"),
        (["push", "DIR", "--via", "exec:"], 2, "names no command"),
        (["push", "DIR", "--via", "exec:'"], 2, "not quoted well"),
        (["push", "DIR", "--via", "exec:no-such -"], 6, "exec: its command no-such is not on"),
        (["push", "DIR", "--via", "repl:no-such"], 6, "repl: its command no-such is not on"),
        (["push", "DIR", "--via", "exec:cat", "--message-limit", "1K"], 2, "the least is 4K"),
        (["push", "DIR", "--via", "exec:false"], 13, "gives no answer: it printed nothing"),
        (["push", "none", "--via", "exec:false"], 2, "none is no directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said(
    wheelhouse: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    sentence: str,
) -> None:
    line = [str(wheelhouse) if word == "DIR" else word for word in words]
    assert main([*line, "--no-install"]) == code
    assert sentence in capsys.readouterr().err
