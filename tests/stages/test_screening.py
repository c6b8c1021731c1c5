"""Screening: clean speech passes untouched and costs nothing more; music under it is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import Audio
from speechclean.experiment import clean as cleaning
from speechclean.experiment.clean import Batching, clean
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.enhancement.identity import Identity
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.screening import MusicFound, untouched
from speechclean.stages.types import Separation, Track
from tests.conftest import noise
from tests.support.paths import ROOT

CONF = ROOT / "conf" / "screening" / "music.yaml"


@pytest.fixture(scope="module")
def screening() -> MusicFound:
    node = OmegaConf.load(CONF)
    return MusicFound(float(node.threshold_db), list(node.separators), device="cpu")


def test_tells_the_pilots_mixtures_from_their_voices(screening: MusicFound) -> None:
    track = Pilot().tracks()[0]
    voice = track.reference
    assert voice is not None
    mixture = load(track.path)
    assert screening.finds_music(mixture)
    assert screening.music_db(voice) < screening.music_db(mixture) - 5
    assert screening.finds_music(mixture.with_waveform(mixture.waveform / 100)), (
        "level does not count"
    )
    assert not screening.finds_music(Audio(torch.zeros(2, 9000), 44100))


class Ears:
    """Hears music where the first sample is loud; remembers that it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def finds_music(self, mixture: Audio) -> bool:
        self.asked += 1
        if float(mixture.waveform[0, 0]) < -0.9:
            raise RuntimeError("deaf")
        return bool(mixture.waveform[0, 0] > 0.5)


def test_only_files_with_music_meet_the_pipeline_and_the_order_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks: list[Track] = []
    seen: list[Audio] = []
    for name, first in {"a": 0.0, "b": 0.9, "c": 0.0, "d": -0.95}.items():
        sound = noise(0.1)
        sound.waveform[0, 0] = first
        tracks.append(Track(name, save(sound, tmp_path / f"{name}.wav", "PCM_24")))

    class Halves(Pipeline):
        """Gives back half of every mixture, and notes what it was given."""

        def __call__(self, mixtures: Sequence[Audio], *_: object) -> list[Separation]:
            seen.extend(mixtures)
            return [untouched(mixture).with_speech(mixture.waveform / 2) for mixture in mixtures]

    pipeline = Halves({}, MeanMask(), Identity(), {}, torch.device("cpu"))
    found = list(clean(tracks, pipeline, Batching(4, 60, 300, tmp_path), Ears()))
    assert [one.track.alias for one in found] == ["a", "b", "c", "d"]
    assert [one.untouched for one in found] == [True, False, True, False], (
        "what cannot be screened is cleaned"
    )
    assert len(seen) == 2
    assert found[0].separation is not None
    written = save(found[0].separation.speech, tmp_path / "out.wav", found[0].subtype)
    assert torch.equal(load(written).waveform, load(tmp_path / "a.wav").waveform)
    # Through the disk the same: the first stretch decides here.
    monkeypatch.setattr(cleaning, "SCREENED_S", 0.05)
    (long,) = clean(tracks[:1], pipeline, Batching(4, 60, 0.01, tmp_path), Ears())
    assert long.untouched
    assert long.long is not None
    assert torch.equal(torch.cat(list(long.long.cleaned()), -1), load(tmp_path / "a.wav").waveform)
    assert long.long.levels["lufs_mixture"] == long.long.levels["lufs_cleaned"]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="threshold_db"):
        MusicFound(float("nan"), ["embedded_htdemucs"])
    with pytest.raises(ValueError, match="leaves nobody to listen"):
        MusicFound(-20.0, [])
