"""A fingerprint tells whether two sounds are the same, and how much they differ."""

from __future__ import annotations

import json
import math

import pytest
import torch

from speechclean.records.fingerprint import Fingerprint, Fingerprinter
from tests.conftest import noise


def fingerprint(*pieces: torch.Tensor) -> Fingerprint:
    fingerprinter = Fingerprinter()
    for piece in pieces:
        fingerprinter.feed("stage", piece)
    return fingerprinter.fingerprints()["stage"]


def test_it_does_not_matter_where_the_stretches_end() -> None:
    sound = noise(7.0, channels=2).waveform
    whole, pieces = fingerprint(sound), fingerprint(*sound.split(12345, -1))
    assert whole.sha256 == pieces.sha256
    assert whole.shape == (2, sound.shape[-1])
    assert whole.sketch == pytest.approx(pieces.sketch)
    assert whole.energy == pytest.approx(float(sound.double().square().sum()))


def test_the_same_sound_is_the_same_and_one_sample_makes_another() -> None:
    sound = noise(1.0).waveform
    assert fingerprint(sound).difference_db(fingerprint(sound.clone())) == -math.inf
    other = sound.clone()
    other[0, 777] += 1e-6
    assert -200 < fingerprint(sound).difference_db(fingerprint(other)) < -90


@pytest.mark.parametrize("level_db", [-100, -60, -20])
def test_the_sketch_estimates_the_difference(level_db: int) -> None:
    sound = noise(3.0, level=0.1).waveform
    estimates = [
        fingerprint(sound).difference_db(
            fingerprint(sound + noise(3.0, level=0.1 * 10 ** (level_db / 20), seed=seed).waveform)
        )
        for seed in range(1, 9)
    ]
    assert sum(estimates) / 8 == pytest.approx(level_db, abs=2)


def test_channels_count_by_their_place_and_shapes_that_differ_are_unlike() -> None:
    sound = noise(1.0, channels=2).waveform
    assert fingerprint(sound).difference_db(fingerprint(sound.flip(0))) > -3
    assert fingerprint(sound).difference_db(fingerprint(sound[:, :-1])) == 0
    silence = torch.zeros(1, 9)
    assert fingerprint(silence).difference_db(fingerprint(silence)) == -math.inf


def test_json_keeps_a_mark() -> None:
    one = fingerprint(noise(1.0).waveform)
    again = Fingerprint.from_json(json.loads(json.dumps(one.to_json())))
    assert again.difference_db(one) == -math.inf
    assert again.sketch == pytest.approx(one.sketch, rel=1e-6)
