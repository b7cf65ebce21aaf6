"""A machine of another processor, without pip and without network, draws a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.engine.base import Root
from tests import faraway, pictures
from tests.e2e.conftest import Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

DRAW = """
import platform
from PIL import Image, ImageDraw

image = Image.new("RGB", (64, 48), "white")
ImageDraw.Draw(image).rectangle((8, 8, 40, 30), fill=(255, 0, 0), outline=(0, 0, 255))
image.save("plot.png")
print("drew on", platform.machine())
"""


def test_what_was_shipped_draws_there_and_the_picture_comes_back(
    crossbuild: Crossbuild, target_root: Root, tmp_path: Path
) -> None:
    state = tmp_path / "far"
    state.mkdir()
    script = tmp_path / "draw.py"
    script.write_text(DRAW)
    via = faraway.channel(target_root, state)
    words = ["ship", "pillow", "--via", via, "--no-smoke", "--venv", "/work/venv"]
    words += ["--no-compile", "--run", str(script), "--bring", "plot.png", "--json"]
    done = crossbuild(*words)
    assert done.code == 0, done.stderr
    delivered = done.document["delivered"]
    assert delivered["installed"]["output"].splitlines()[-1].startswith("Installed pillow ")
    assert delivered["verified"]["code"] == 0
    assert delivered["ran"]["output"] == "drew on aarch64\n"
    assert delivered["resent"] == 0
    picture = pictures.read((tmp_path / "plot.png").read_bytes())
    assert (picture.width, picture.height) == (64, 48)
    assert picture.pixel(0, 0) == (255, 255, 255)
    assert picture.pixel(8, 8) == (0, 0, 255)
    assert picture.pixel(20, 20) == (255, 0, 0)
    assert picture.pixel(41, 31) == (255, 255, 255)
