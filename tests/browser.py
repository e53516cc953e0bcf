"""Show pages in a headless browser, if one is installed."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

__all__ = ["Shown", "chromium", "needs_chromium", "show"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--enable-logging=stderr", "--virtual-time-budget=15000", "--hide-scrollbars",
)  # fmt: skip


def chromium() -> str | None:
    """Return the path of the browser, or None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


needs_chromium = pytest.mark.skipif(
    chromium() is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


@dataclass(frozen=True)
class Shown:
    """A page rendered by a browser.

    Parameters
    ----------
    picture
        Screenshot, ``(row, column, colour)``, 0 to 1.
    document
        HTML after the scripts have run.
    errors
        Errors on the console.
    """

    picture: NDArray[np.float32]
    document: str
    errors: list[str]

    @property
    def text(self) -> str:
        """Text of the document, without scripts and styles."""
        return re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style).*?</\1>", " ", self.document, flags=re.DOTALL))

    @property
    def scene_widths(self) -> list[float]:
        """Width of each Plotly scene in pixels."""
        return [float(width) for width in re.findall(r'<svg class="main-svg"[^>]* width="([\d.]+)"', self.document)]


def show(page: Path, folder: Path, width: int = 1100, height: int = 4000) -> Shown:
    """Render a page in a headless browser."""
    command = chromium()
    assert command is not None
    picture = folder / f"{page.stem}-{width}.png"
    common = [command, *OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}"]
    screenshot = subprocess.run(
        [*common, f"--screenshot={picture}", page.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    document = subprocess.run(
        [*common, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    errors = re.findall(r"CONSOLE[^\n]*(?:Uncaught|Error)[^\n]*", screenshot.stderr + document.stderr)
    return Shown(imread(picture)[:, :, :3], document.stdout, errors)
