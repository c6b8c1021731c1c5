"""Networks through the store: the same bits, and only what changed is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from speechclean.audio.waveform import Audio
from speechclean.networks.cache import Cache, DiskCache, NoCache
from speechclean.networks.cache.metric_values import Remembered
from speechclean.stages.enhancement.denoiser import Denoiser
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.types import Separation, Stems, Track
from tests.conftest import noise, tone


def separator(models: Path, name: str = "two", **knobs: object) -> DemucsSeparator:
    return DemucsSeparator(name, str(models), device="cpu", **knobs)  # type: ignore[arg-type]


def answers(one: DemucsSeparator, cache: Cache, mixtures: Sequence[Audio]) -> list[Stems]:
    return one.reusing(cache)(mixtures)


def same(one: Sequence[Stems], two: Sequence[Stems]) -> bool:
    return all(
        torch.equal(a.speech.waveform, b.speech.waveform)
        and torch.equal(a.music.waveform, b.music.waveform)
        for a, b in zip(one, two, strict=True)
    )


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", 10**9)


def fresh(cache: DiskCache) -> DiskCache:
    """The same entries, counts at zero."""
    return DiskCache(cache.folder, cache.max_bytes)


MIXTURES = [
    noise(1.3, seed=1),
    noise(2.2, seed=2, channels=2),
    Audio(torch.zeros(1, 5000), 24000),
    tone(440, 0.5, 16000),
]


@pytest.mark.parametrize(
    "knobs", [{}, {"accompaniment": "stems"}, {"shifts": 0}], ids=["residual", "stems", "no shift"]
)
def test_the_same_bits_with_and_without(
    models: Path, cache: DiskCache, knobs: dict[str, object]
) -> None:
    one = separator(models, **{"shifts": 2, **knobs})
    plain = one(MIXTURES)
    assert same(answers(one, cache, MIXTURES), plain)
    second = fresh(cache)
    assert same(answers(one, second, MIXTURES), plain)
    assert second.tally.forwards == {}
    assert second.tally.spared == cache.tally.forwards


def test_more_shifts_compute_the_new_ones_only(models: Path, cache: DiskCache) -> None:
    answers(separator(models, shifts=2), cache, MIXTURES[:1])
    third, counted = fresh(cache), NoCache()
    four = separator(models, shifts=4)
    assert same(answers(four, third, MIXTURES[:1]), answers(four, counted, MIXTURES[:1]))
    assert third.tally.found == 4  # two networks, two shifts
    assert third.tally.missed == 4
    assert (
        third.tally.forwards["separator"] + third.tally.spared["separator"]
        == counted.tally.forwards["separator"]
    )
    fewer = fresh(cache)
    assert same(
        answers(separator(models, shifts=1), fewer, MIXTURES[:1]),
        separator(models, shifts=1)(MIXTURES[:1]),
    )
    assert fewer.tally.missed == 0


def test_files_are_reused_one_by_one(models: Path, cache: DiskCache) -> None:
    """A batch of which some files are there: order and batch do not matter."""
    one = separator(models)
    answers(one, cache, [MIXTURES[1]])
    mixed = fresh(cache)
    assert same(answers(one, mixed, MIXTURES), one(MIXTURES))
    assert mixed.tally.found == 4  # two networks, two channels


@pytest.mark.parametrize(
    "knobs",
    [
        {"overlap": 0.5},
        {"seed": 1},
        {"segment_s": 1.5},
        {"accompaniment": "stems"},
        {"tuned": False},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_whatever_changes_the_estimate_is_computed(
    models: Path, cache: DiskCache, knobs: dict[str, object]
) -> None:
    answers(separator(models), cache, MIXTURES[:1])
    changed = fresh(cache)
    answers(separator(models, **knobs), changed, MIXTURES[:1])
    assert changed.tally.found == 0


def test_other_weights_under_the_same_name_are_computed(tmp_path: Path, cache: DiskCache) -> None:
    from tests.conftest import save_demucs, tiny_htdemucs

    found = []
    for seed in (0, 1):
        save_demucs(tmp_path / "models", "one", {"aaaa": tiny_htdemucs(seed=seed)})
        for path in (tmp_path / "models").glob("*.th"):
            found.append(path)
        one = separator(tmp_path / "models", "one")
        counting = fresh(cache)
        assert same(answers(one, counting, MIXTURES[:1]), one(MIXTURES[:1]))
        assert counting.tally.found == 0
        for path in (tmp_path / "models").iterdir():
            path.unlink()


def test_residual_keeps_half_as_much(models: Path, tmp_path: Path) -> None:
    sizes = []
    for accompaniment in ("residual", "stems"):
        cache = DiskCache(tmp_path / accompaniment, 10**9)
        answers(separator(models, "one", accompaniment=accompaniment), cache, MIXTURES[:1])
        sizes.append(sum(stat.st_size for _, stat in cache.entries()))
    assert sizes[0] < 0.6 * sizes[1]


def test_another_wet_mix_needs_no_network(cache: DiskCache) -> None:
    heard = noise(1.0, 16000)
    separation = Separation(heard, heard, torch.ones(1, 513, 63))
    first = Denoiser("embedded_denoiser", wet=0.3, device="cpu")
    first.reusing(cache)(separation)
    assert cache.tally.forwards == {"denoiser": 1}
    second, other = fresh(cache), replace(first, wet=0.8)
    assert torch.equal(
        other.reusing(second)(separation).speech.waveform, other(separation).speech.waveform
    )
    assert second.tally.forwards == {}
    louder = separation.with_speech(separation.speech.waveform * 1.5)
    other.reusing(second)(louder)
    assert second.tally.forwards == {"denoiser": 1}, "another input"


class Counting:
    """A metric that counts its calls; `looks`: at the mask."""

    unit, higher_is_better = "", True
    __dataclass_fields__: ClassVar[dict[str, object]] = {}

    def __init__(self, value: float | None, looks: bool = False) -> None:
        self.value, self.looks, self.calls = value, looks, 0

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        self.calls += 1
        if self.looks:
            separation.mask.sum()
        return self.value


@pytest.mark.parametrize("value", [0.1, None, -100.0])
def test_a_mixture_is_measured_once(cache: DiskCache, value: float | None) -> None:
    sound, metric = noise(0.1), Counting(value)
    track = Track("a", Path("a.wav"), transcript="words")
    for mask in (torch.ones(1, 5, 5), torch.zeros(1, 5, 5)):
        state = Separation(sound, sound, mask).before()
        assert Remembered(metric, fresh(cache))(state, track) == value
    assert metric.calls == 1
    Remembered(metric, cache)(state, replace(track, transcript="other words"))
    Remembered(metric, cache)(state.with_speech(sound.waveform * 0.5), track)
    Remembered(metric, cache)(
        Separation(noise(0.1, seed=1), noise(0.1, seed=1), mask).before(), track
    )
    assert metric.calls == 4


def test_a_metric_keeps_its_other_sides(cache: DiskCache) -> None:
    remembered = Remembered(Counting(1.0), cache)
    assert (remembered.unit, remembered.higher_is_better, remembered.looks) == ("", True, False)
    assert not hasattr(remembered, "load")


def test_a_metric_that_looks_at_the_mask_is_measured_for_each(cache: DiskCache) -> None:
    sound, metric, track = noise(0.1), Counting(1.0, looks=True), Track("a", Path("a.wav"))
    for mask in (torch.ones(1, 5, 5), torch.zeros(1, 5, 5), torch.ones(1, 5, 5)):
        Remembered(metric, cache)(Separation(sound, sound, mask).before(), track)
    assert metric.calls == 2
