"""Networks through the store: the same bits, and only what changed is computed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from speechclean.audio.waveform import Audio
from speechclean.networks.cache import Cache, DiskCache, NoCache
from speechclean.networks.cache.metric_values import Remembered
from speechclean.stages.enhancement.denoiser import Denoiser
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.types import Separation, Stems, Track
from tests.conftest import noise, tone


def separator(models: Path, name: str = "two", **knobs: Any) -> DemucsSeparator:
    return DemucsSeparator(name, str(models), device="cpu", **knobs)


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
    models: Path, cache: DiskCache, knobs: dict[str, Any]
) -> None:
    one = separator(models, **({"shifts": 2} | knobs))
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
        {"fast_layers": False},
        {"edge_context_s": 0.5},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_whatever_changes_the_estimate_is_computed(
    models: Path, cache: DiskCache, knobs: dict[str, Any]
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


@dataclass
class Counting:
    """A metric that counts its calls."""

    value: float | None = 1.0
    calls: int = field(default=0, compare=False)

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False

    def __call__(self, separation: Separation, track: Track) -> float | None:  # noqa: ARG002
        self.calls += 1
        return self.value


class Undeclared(Counting):
    """Says nothing of the mask."""

    reads_mask: ClassVar[Any]


del Counting.__dataclass_fields__["calls"]  # it is no knob


class MaskReading(Counting):
    reads_mask = True


@dataclass
class Weighted(Counting):
    """A metric that loads a file."""

    path: Path = Path()

    def weight_files(self) -> dict[str, Path]:
        return {"network": self.path}


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
    assert (remembered.unit, remembered.higher_is_better, remembered.value) == ("", True, 1.0)
    assert not hasattr(remembered, "load")


def measured(metric: Counting, cache: DiskCache, mask: float = 1.0) -> int:
    """Measure one mixture; how often the metric has been called so far."""
    sound = noise(0.1)
    state = Separation(sound, sound, torch.full((1, 5, 5), mask)).before()
    Remembered(metric, cache)(state, Track("a", Path("a.wav")))
    return metric.calls


@pytest.mark.parametrize("cls", [MaskReading, Undeclared])
def test_a_metric_that_may_read_the_mask_is_measured_for_each(
    cache: DiskCache, cls: type[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    if cls is Undeclared:
        monkeypatch.delattr(Counting, "reads_mask")
    metric = cls()
    assert [measured(metric, cache, mask) for mask in (1.0, 0.0, 1.0)] == [1, 2, 2]


def test_other_knobs_and_another_class_are_measured_again(cache: DiskCache) -> None:
    measured(Counting(1.0), cache)
    assert measured(Counting(1.0), cache) == 0
    assert measured(Counting(2.0), cache) == 1
    assert measured(Weighted(1.0, path=Path(__file__)), cache) == 1


def test_weights_count_by_content(cache: DiskCache, tmp_path: Path) -> None:
    path = tmp_path / "network.th"
    path.write_bytes(b"one")
    metric = Weighted(path=path)
    assert measured(metric, cache) == 1
    os.utime(path, (1, 1))
    assert measured(metric, cache) == 1, "another time is no other content"
    path.write_bytes(b"two")
    os.utime(path, (2, 2))
    assert measured(metric, cache) == 2
    path.write_bytes(b"one")
    os.utime(path, (3, 3))
    assert measured(metric, cache) == 2
