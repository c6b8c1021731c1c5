"""Mixture, cleaned and residual have one colour each, wherever they are drawn."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from speechclean.records.file_result import FileResult, Status
from speechclean.records.results.colours import COLOURS
from speechclean.records.results.histograms import write_histograms
from speechclean.stages.metrics.lufs import Lufs


def test_the_pages_have_the_same() -> None:
    light, dark = (
        files("speechclean").joinpath("assets/report/page.css").read_text().splitlines()[:2]
    )
    for name, colour in COLOURS.items():
        assert f"--{name}: {colour};" in light
        assert re.search(rf"--{name}: #\w{{6}};", dark)


def share(picture: np.ndarray, name: str) -> float:
    """Of the pixels, those of a sound's colour, half over white as histograms are."""
    wanted = np.array(ImageColor.getrgb(COLOURS[name])) / 2 + 127.5
    return float((np.abs(picture - wanted) <= 2).all(-1).mean())


def test_histograms_are_drawn_in_them(tmp_path: Path) -> None:
    """Mixtures on the left, cleaned ones on the right, and no overlap."""
    results = [
        FileResult(
            str(n), "", Status.CLEANED,
            measures={"lufs_mixture": -30.0 - n, "lufs_cleaned": -10.0 - n},
        )
        for n in range(5)
    ]  # fmt: skip
    path = write_histograms(results, {"lufs": Lufs()}, tmp_path / "h.png")
    assert path is not None
    picture = np.asarray(Image.open(path).convert("RGB")).astype(float)
    panel = picture[:, : picture.shape[1] // 2]
    left, right = np.array_split(panel, 2, axis=1)
    assert share(left, "mixture") > 0.003 > share(left, "cleaned")
    assert share(right, "cleaned") > 0.003
