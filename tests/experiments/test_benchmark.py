"""The benchmark's mixtures are what they say, whatever the machine; its intervals cover what they
should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.benchmark import mixing, run, systems, tables
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio
from speechclean.stages.types import Stems
from tests.conftest import level_db, noise, tone

Sources = tuple[list[Audio], list[Audio]]


@pytest.fixture
def made() -> Sources:
    """Two voices with a pause, and three pieces of music, one of them in stereo."""
    voices = [tone(300 + 100 * n, 1.5, 16000) for n in range(2)]
    for voice in voices:
        voice.waveform[:, 8000:14000] = 0
    music = [noise(0.8, 22050, channels=1 + (n == 1), seed=n) for n in range(3)]
    return voices, music


def test_levels_are_those_asked_for_and_every_source_has_its_turn(made: Sources) -> None:
    voices, tunes = made
    mixed = list(mixing.mixtures(voices, tunes, 6, seed=3))
    assert sorted(round(snr, 6) for *_, snr in mixed) == [-5, -1, 3, 7, 11, 15]
    assert sorted(voice for _, _, voice, _, _ in mixed) == [0, 0, 0, 1, 1, 1]
    assert sorted(tune for *_, tune, _ in mixed) == [0, 0, 1, 1, 2, 2]
    for mixture, reference, _, _, snr in mixed:
        assert (mixture.sample_rate, mixture.samples) == (16000, reference.samples)
        music = mixture.waveform - reference.waveform
        active = reference.waveform.abs().amax(0).unfold(0, 320, 320).amax(-1) > 0
        spoken = active.repeat_interleave(320)
        level = level_db(reference.waveform[:, : len(spoken)][:, spoken]) - level_db(
            music[:, : len(spoken)][:, spoken]
        )
        assert level == pytest.approx(snr, abs=0.4)
        assert float(mixture.waveform.abs().max()) <= 0.9 + 1e-6


def test_the_same_seed_gives_the_same_mixtures(made: Sources) -> None:
    voices, tunes = made
    once, again, other = (list(mixing.mixtures(voices, tunes, 4, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a[0].waveform, b[0].waveform) for a, b in zip(once, again, strict=True))
    assert not all(
        a[0].waveform.shape == b[0].waveform.shape and a[4] == b[4]
        for a, b in zip(once, other, strict=True)
    )


def test_what_ships_is_voices_and_music() -> None:
    voices, tunes, names = mixing.shipped()
    assert len(voices) == len(tunes) == len(set(names)) == 6
    assert all(level_db(tune.waveform) > -60 for tune in tunes)


def test_intervals_count_pieces_of_music_and_not_mixtures() -> None:
    rng = np.random.default_rng(0)
    pieces = rng.normal(1.0, 1.0, 20)
    once = tables.interval(pieces, [str(n) for n in range(20)])
    ten_times = tables.interval(
        np.repeat(pieces, 10), [str(n) for n in range(20) for _ in range(10)]
    )
    assert once == pytest.approx(ten_times, abs=1e-9), "repeating a piece proves nothing"
    half = 1.96 * pieces.std() / 20**0.5
    assert once[1] - once[0] == pytest.approx(2 * half, rel=0.15)
    assert tables.interval(np.full(9, 2.0), list("abcabcabc")) == (2.0, 2.0)


@pytest.mark.slow
def test_systems_keep_their_word(made: Sources) -> None:
    voices, tunes = made
    mixture, reference, *_ = next(mixing.mixtures(voices, tunes, 2, seed=0))
    stems = {
        name: Stems(reference, mixture.with_waveform(mixture.waveform - reference.waveform))
        for name in ("one", "two")
    }
    compared = systems.systems(["one", "two"], {"enhancement": lambda separation: separation})
    assert "pipeline, median" not in compared
    scores = {
        name: run.judged(system(mixture, reference, stems), reference)["SI-SDR"]
        for name, system in compared.items()
    }
    assert max(scores, key=lambda name: scores[name]).startswith("demucs, "), (
        "its answer is the reference itself here"
    )
    for name in ("mean", "max", "min", "geometric"):
        assert scores[f"pipeline, {name}"] == pytest.approx(scores["oracle ratio mask"], abs=0.1)
    assert scores["oracle ratio mask"] > scores["mixture"] + 5


def test_writes_its_mixtures_for_any_other_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mixing", "--out", str(tmp_path), "--count", "2"])
    mixing.main()
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert lines[0] == "path,reference,alias,snr_db,speech,music"
    assert load(tmp_path / "000.wav").samples == load(tmp_path / "000.reference.wav").samples
    assert "manifest.csv" in capsys.readouterr().out
