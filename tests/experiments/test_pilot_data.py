"""The pilot set that ships: what the issue of the pilot asks of it."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments.pilot_data.make import FLITE, TRACKS
from experiments.voices.split import voices_for

PILOT = Path(str(files("speechclean"))) / "assets" / "pilot"


def rows() -> list[dict[str, str]]:
    with (PILOT / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_six_short_mixtures_of_several_rates_and_channels_within_3_mb() -> None:
    infos = [soundfile.info(PILOT / row["path"]) for row in rows()]
    assert len(infos) == 6
    assert all(5 <= info.duration <= 8 for info in infos)
    assert {info.samplerate for info in infos} == {22_050, 24_000, 44_100, 48_000}
    assert {info.channels for info in infos} == {1, 2}
    assert "PCM_24" in {info.subtype for info in infos}
    assert sum(path.stat().st_size for path in PILOT.iterdir()) <= 3_000_000


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["alias"])
def test_reference_and_mixture_match_at_levels_of_the_transcribed_set(row: dict[str, str]) -> None:
    (mixture, rate), (speech, speech_rate) = (
        soundfile.read(PILOT / row[k], always_2d=True) for k in ("path", "reference")
    )
    assert rate == speech_rate
    assert mixture.shape == speech.shape
    assert row["transcript"]
    frame = rate // 50

    def energy(wave: np.ndarray) -> np.ndarray:
        return (
            (wave[: len(wave) // frame * frame] ** 2).mean(axis=1).reshape(-1, frame).mean(axis=1)
        )

    on = energy(speech) > energy(speech).max() * 1e-4
    snr_db = 10 * np.log10(energy(speech)[on].mean() / energy(mixture - speech)[on].mean())
    assert -5.1 < snr_db < 10.1


def test_two_mixtures_begin_with_music_alone() -> None:
    leads = 0
    for row in rows():
        (mixture, rate), (speech, _) = (
            soundfile.read(PILOT / row[k], always_2d=True) for k in ("path", "reference")
        )
        lead = int(0.8 * rate)
        leads += bool(np.abs(speech[:lead]).max() < 1e-3 and np.abs(mixture[:lead]).max() > 1e-2)
    assert leads == 2


def test_the_manifest_says_what_the_script_makes() -> None:
    said = [(row["alias"], row["transcript"], row["language"]) for row in rows()]
    assert said == [(track.alias, track.text, track.language) for track in TRACKS]


def test_four_voices_that_no_training_hears_and_two_hard_cases_of_before() -> None:
    held_out = {voice.name: voice for voice in voices_for("pilot")}
    assert all(voice.held_out for voice in held_out.values())
    voices = [track.voice for track in TRACKS if not track.voice.startswith(FLITE)]
    assert len(set(voices)) == 4 == len(TRACKS) - 2
    assert set(voices) == set(held_out)
    assert all(
        held_out[track.voice].language == track.language
        for track in TRACKS
        if track.voice in held_out
    )
