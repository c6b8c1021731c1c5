"""Spectrograms show what is there, at its place and on one scale, and are drawn for any sound
without a trace left behind."""

import math
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from speechclean.audio.waveform import Audio
from speechclean.records.results import spectrograms
from speechclean.records.results.spectrograms import RANGE_DB, write_spectrograms
from speechclean.stages.types import Separation


def sound(
    rate: int = 16000,
    seconds: float = 1.0,
    channels: int = 1,
    hz: float = 1000.0,
    gain: float = 1.0,
) -> Separation:
    t = torch.arange(round(rate * seconds)) / rate
    speech = (0.5 * torch.sin(2 * math.pi * hz * t)).expand(channels, -1).clone()
    mixture = speech.clone()
    mixture[:, mixture.shape[1] // 2 :] += 0.1 * torch.sin(
        2 * math.pi * 3000 * t[mixture.shape[1] // 2 :]
    )
    return Separation(
        Audio(mixture, rate), Audio(speech * gain, rate), torch.ones(channels, 257, 9) / 2, gain
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """What is handed to the drawing: panels in dB by name, and the mask."""
    caught: dict[str, torch.Tensor] = {}

    def draw(panels: dict[str, torch.Tensor], mask: torch.Tensor, *_: object) -> None:
        caught.update(panels, mask=mask)

    monkeypatch.setattr(spectrograms, "_draw", draw)
    return caught


def hz_of_row(row: int, rate: int) -> float:
    return float(
        spectrograms._hz(torch.tensor(row / (spectrograms.ROWS - 1) * spectrograms._mel(rate / 2)))
    )


def test_a_tone_stands_at_its_frequency_its_level_and_its_time(
    drawn: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    write_spectrograms(sound(gain=3.0), tmp_path / "x.png", "x")
    mixture, cleaned, residual, mask = drawn.values()
    middle = mixture.shape[1] // 2
    assert hz_of_row(int(mixture[:, middle // 2].argmax()), 16000) == pytest.approx(1000, rel=0.03)
    assert float(mixture.max()) == pytest.approx(20 * math.log10(0.5 / 2), abs=2)
    torch.testing.assert_close(cleaned[:, : middle - 9], mixture[:, : middle - 9], rtol=0, atol=0.1)
    assert float(residual[:, : middle - 9].max()) < mixture.max() - RANGE_DB, (
        "nothing taken out in the first half"
    )
    assert hz_of_row(int(residual[:, -middle // 2].argmax()), 16000) == pytest.approx(
        3000, rel=0.03
    )
    assert bool(((mask - 0.5).abs() < 1e-5).all())


@pytest.mark.parametrize(
    ("rate", "seconds", "channels"),
    [(8000, 0.5, 1), (22050, 0.001, 2), (48000, 3.0, 2), (96000, 0.1, 1), (16000, 0.2, 8)],
)
def test_any_sound_can_be_drawn(tmp_path: Path, rate: int, seconds: float, channels: int) -> None:
    path = write_spectrograms(
        sound(rate, seconds, channels), tmp_path / "new" / "x.png", "日本 $a$ \\frac_{x"
    )
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (1100, 920)
    assert path.stat().st_size < 600_000
    assert [each.name for each in path.parent.iterdir()] == ["x.png"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("samples", [0, 1, 8000])
def test_silence_and_next_to_nothing_can_be_drawn(tmp_path: Path, samples: int) -> None:
    silence = Audio(torch.zeros(1, samples), 16000)
    write_spectrograms(
        Separation(silence, silence, torch.zeros(1, 3, 1)), tmp_path / "x.png", "silence"
    )


def test_an_hour_takes_no_more_columns_than_a_minute(
    drawn: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    write_spectrograms(sound(8000, 900), tmp_path / "x.png", "x")
    assert drawn["mixture"].shape == (spectrograms.ROWS, spectrograms.COLUMNS)


def test_pyplot_is_left_alone(tmp_path: Path) -> None:
    before = sys.modules.get("matplotlib.pyplot")
    write_spectrograms(sound(), tmp_path / "x.png", "x")
    assert sys.modules.get("matplotlib.pyplot") is before
