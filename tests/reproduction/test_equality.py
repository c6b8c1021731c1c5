"""Verdicts on sounds that were made to differ by so much."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import Audio
from speechclean.records.fingerprint import Fingerprint, Fingerprinter
from speechclean.reproduction import equality
from tests.conftest import noise


def fingerprints(**stages: torch.Tensor) -> dict[str, Fingerprint]:
    fingerprinter = Fingerprinter()
    for stage, waveform in stages.items():
        fingerprinter.feed(stage, waveform)
    return fingerprinter.fingerprints()


def judged(
    tmp_path: Path,
    change: torch.Tensor,
    subtype: str = "PCM_16",
    numbers: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    same_machine: bool = True,
) -> equality.FileVerdict:
    sound = (noise(1.0).waveform * 32768).round() / 32768
    files = [
        save(Audio(each, 24000), tmp_path / f"{index}.wav", subtype)
        for index, each in enumerate((sound, sound + change))
    ]
    output = equality.difference(*files)
    one = fingerprints(input=sound, fusion=sound, loudness=sound)
    two = fingerprints(input=sound, fusion=sound + change * 1e-3, loudness=sound + change)
    return equality.judge("a", one, two, output, numbers, same_machine, 60.0)


def test_the_four_verdicts(tmp_path: Path) -> None:
    some = torch.zeros(1, 24000)
    assert judged(tmp_path, some).verdict == "bit-exact"
    some[0, 100] = 1 / 32768
    found = judged(tmp_path, some)
    assert (found.verdict, found.stage) == ("within 1 LSB", "fusion")
    assert found.output is not None
    assert found.output.lsb == pytest.approx(1)
    assert found.output.share == pytest.approx(1 / 24000)
    assert judged(tmp_path, some * 3).verdict == "within tolerance"
    assert judged(tmp_path, noise(1.0, level=0.01, seed=1).waveform).verdict == "different"


def test_an_lsb_is_one_of_16_bits_in_finer_files_too(tmp_path: Path) -> None:
    tiny = torch.full((1, 24000), 3 / 2**23)
    assert judged(tmp_path, tiny, "PCM_24").verdict == "within 1 LSB"


def test_on_another_machine_rounding_is_not_the_stage_that_differs(tmp_path: Path) -> None:
    change = noise(1.0, level=1e-3, seed=1).waveform  # a thousandth of it, -100 dB, reached fusion
    assert judged(tmp_path, change * 0.5, same_machine=True).stage == "fusion"
    assert judged(tmp_path, change * 0.5, same_machine=False).stage == "loudness"


def test_one_sample_of_the_input_counts_on_any_machine() -> None:
    stages = {"input": -140.0, "fusion": -50.0}
    assert equality.first_unlike_stage(stages, same_machine=False) == "input"
    assert (
        equality.first_unlike_stage({"input": -math.inf, "fusion": -130.0}, same_machine=False)
        == "fusion"
    )
    assert equality.first_unlike_stage({"input": -math.inf}, same_machine=True) is None


def test_the_same_sound_measured_otherwise_is_told_by_the_metric(tmp_path: Path) -> None:
    found = judged(
        tmp_path, torch.zeros(1, 1), numbers=({"stoi_cleaned": 0.9}, {"stoi_cleaned": 0.8})
    )
    assert (found.verdict, found.stage) == ("different", "metrics.stoi_cleaned")
    assert found.moved == {"stoi_cleaned": (0.9, 0.8)}
    assert (
        judged(
            tmp_path, torch.zeros(1, 1), numbers=({"wer_cleaned": None}, {"wer_cleaned": None})
        ).verdict
        == "bit-exact"
    )


def test_without_the_file_its_mark_is_judged() -> None:
    sound = noise(1.0).waveform
    same, near, far = (fingerprints(output=sound * gain) for gain in (1, 1 + 1e-4, 2))
    assert equality.judge("a", same, same, None, ({}, {}), True, 60.0).verdict == "bit-exact"
    found = equality.judge("a", same, near, None, ({}, {}), True, 60.0)
    assert (found.verdict, "estimated" in found.note) == ("within tolerance", True)
    assert equality.judge("a", same, far, None, ({}, {}), True, 60.0).verdict == "different"
    assert equality.judge("a", {}, far, None, ({}, {}), True, 60.0).verdict == "different"


def test_the_overall_verdict_is_the_worst_and_nothing_proves_nothing() -> None:
    files = [equality.FileVerdict("a", "bit-exact"), equality.FileVerdict("b", "within 1 LSB")]
    assert equality.overall(files) == "within 1 LSB"
    assert equality.overall([]) == "different"
