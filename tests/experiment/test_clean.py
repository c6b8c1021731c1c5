"""What a file that fails leaves behind for the files after it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from speechclean.audio.sound_files import save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.experiment import clean
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.screening import NoScreening
from speechclean.stages.types import Separation, Track
from speechclean.system import allocator
from tests.conftest import noise

PRIMITIVE = "could not create a primitive"


class Hungry:
    """A pipeline that has too little memory for two files, and notes what a failed pass left."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[torch.Tensor]] = []
        self.left: list[int] = []

    def __call__(self, mixtures: Sequence[Audio], *_: Any) -> list[Separation]:
        self.left.append(sum(one() is not None for one in self.made))
        activations = torch.zeros(1000)
        self.made.append(weakref.ref(activations))
        if len(mixtures) > 1:
            raise RuntimeError(PRIMITIVE)
        return [Separation(one, one, torch.ones(1, 1, 1)) for one in mixtures]


@pytest.fixture
def handed_back(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From how many bytes on free memory was handed back, each time that it was."""
    asked: list[int] = []
    monkeypatch.setattr(allocator, "hand_back", asked.append)
    return asked


def tracks(folder: Path) -> list[Track]:
    return [Track(name, save(noise(0.2), folder / f"{name}.wav")) for name in "ab"]


def test_a_failed_batch_holds_no_memory_while_its_files_are_tried_one_by_one(
    tmp_path: Path, handed_back: list[int]
) -> None:
    pipeline = Hungry()
    batching = clean.Batching(2, 60, 60, tmp_path)
    outcomes = list(clean.clean(tracks(tmp_path), cast(Pipeline, pipeline), batching))
    assert [outcome.reason for outcome in outcomes] == ["", ""]
    assert pipeline.left == [0, 0, 0]
    assert handed_back == [0], "all that is free, however little the process holds"


def test_after_a_file_that_failed_alone_free_memory_is_handed_back(
    tmp_path: Path, handed_back: list[int]
) -> None:
    def failing(*_: Any) -> list[Separation]:
        raise RuntimeError(PRIMITIVE)

    batching = clean.Batching(1, 60, 60, tmp_path)
    outcomes = list(clean.clean(tracks(tmp_path), cast(Pipeline, failing), batching))
    assert all(PRIMITIVE in outcome.reason for outcome in outcomes)
    assert handed_back == [0, 0]


def test_after_a_long_file_that_failed_too(
    tmp_path: Path, handed_back: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError(PRIMITIVE)

    monkeypatch.setattr(clean, "clean_long", failing)
    track = tracks(tmp_path)[0]
    (outcome,) = clean.stream(
        track,
        LongAudio.of(track.path),
        cast(Pipeline, failing),
        clean.Batching(1, 60, 0.1, tmp_path),
        NoScreening(),
    )
    assert PRIMITIVE in outcome.reason
    assert handed_back == [0]
