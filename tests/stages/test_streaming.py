"""The pipeline over the disk gives the samples of the pipeline in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from speechclean.audio import stream
from speechclean.audio.loudness import LoudnessMeter, TruePeakMeter, integrated_lufs, true_peak_dbtp
from speechclean.audio.sound_files import load, save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.stages import blocks
from speechclean.stages.enhancement import denoiser
from speechclean.stages.enhancement.denoiser import Denoiser
from speechclean.stages.enhancement.identity import Identity
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.fusion.mean_waveform import MeanWaveform
from speechclean.stages.long_separation import LongSeparation
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.postprocess.beta_wiener import BetaWiener
from speechclean.stages.postprocess.edges import Edges
from speechclean.stages.postprocess.floor import Floor
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.stages.separators import demucs
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.streaming import clean_long
from speechclean.stages.types import Stems
from tests.conftest import noise


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every edge that hours of sound would meet, within seconds of it."""
    monkeypatch.setattr(stream, "CHUNK", 30011)
    monkeypatch.setattr(blocks, "BLOCK_S", 1.0)
    monkeypatch.setattr(demucs, "STEP_S", 0.7)
    monkeypatch.setattr(denoiser, "CHUNK_S", 2.0)


def swelling(seconds: float, rate: int, channels: int) -> Audio:
    """Noise whose level and colour change, so that no block is like another."""
    audio = noise(seconds, rate, 0.2, channels)
    time = torch.linspace(0, 9, audio.samples)
    return audio.with_waveform(
        audio.waveform * (0.3 + time.sin().square()) * torch.linspace(0.2, 1, audio.samples)
    )


def pipeline(models: Path, **stages: Any) -> Pipeline:
    separators = {
        "two": DemucsSeparator("two", str(models), shifts=1, device="cpu"),
        "one": DemucsSeparator(
            "one", str(models), shifts=2, accompaniment="stems", overlap=0.6, device="cpu"
        ),
    }
    whole = Pipeline(
        separators,
        MeanMask(),
        Denoiser("embedded_denoiser", 0.7, device="cpu"),
        {},
        torch.device("cpu"),
    )
    usual = {"postprocess": {"wiener": BetaWiener(1.0), "loudness": Loudness()}}
    return replace(whole, **{**usual, **stages})


def both(pipe: Pipeline, audio: Audio, folder: Path) -> tuple[Audio, LongSeparation]:
    path = save(audio, folder / "x.wav", "FLOAT")
    return pipe([load(path)])[0].speech, clean_long(
        pipe, LongAudio.of(path), folder, lambda _: nullcontext()
    )


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [
        (24000, 1, 6.3),
        (44100, 2, 4.0),
        pytest.param(44100, 2, 11.0, marks=pytest.mark.slow),
        (16000, 1, 0.2),
        pytest.param(48000, 3, 3.0, marks=pytest.mark.slow),
    ],
)
def test_streamed_equals_in_memory(
    models: Path, tmp_path: Path, rate: int, channels: int, seconds: float
) -> None:
    memory, disk = both(pipeline(models), swelling(seconds, rate, channels), tmp_path)
    streamed = torch.cat(list(disk.cleaned()), -1)
    assert streamed.shape == memory.waveform.shape
    assert (streamed - memory.waveform).abs().max() <= 1e-5
    assert disk.levels["lufs_cleaned"] == pytest.approx(integrated_lufs(memory), abs=0.01)
    assert disk.levels["true_peak_dbtp_cleaned"] == pytest.approx(true_peak_dbtp(memory), abs=0.01)


def test_an_offset_is_kept_from_the_stages_and_from_the_speech(
    models: Path, tmp_path: Path
) -> None:
    """In memory and on the disk: what comes out is what comes out without it."""
    plain = swelling(3.0, 24000, 2)
    tilted = plain.with_waveform(0.3 * plain.waveform + torch.tensor([[0.3], [-0.2]]))
    path = save(tilted, tmp_path / "x.wav", "FLOAT")
    offset = load(path).waveform.double().mean(-1, keepdim=True).float()
    pipe, deaf = (pipeline(models, dc_offset_above=above) for above in (0.01, None))
    expected = deaf([plain.with_waveform(load(path).waveform - offset)])[0].speech.waveform
    memory = pipe([load(path)])[0]
    disk = clean_long(pipe, LongAudio.of(path), tmp_path, lambda _: nullcontext())
    for cleaned in (memory.speech.waveform, torch.cat(list(disk.cleaned()), -1)):
        assert (cleaned - expected).abs().max() <= 1e-5
    # What goes in is judged, shown and kept as it was, with its offset.
    assert torch.equal(memory.mixture.waveform, load(path).waveform)
    assert torch.equal(torch.cat(list(disk.mixture.chunks()), -1), load(path).waveform)
    assert disk.levels["true_peak_dbtp_mixture"] == pytest.approx(
        true_peak_dbtp(load(path)), abs=0.01
    )
    assert (deaf([load(path)])[0].speech.waveform - expected).abs().max() > 0.01, (
        "the networks do hear it"
    )


@pytest.mark.parametrize(
    "stages",
    [
        {"enhancement": Identity(), "postprocess": {}},
        {"enhancement": Denoiser("dns64", wet=0.0), "postprocess": {"wiener": BetaWiener(0.0)}},
        {"postprocess": {"loudness": Loudness(target_lufs=-30.0)}},
        {"fusion": MeanMask(exponent=1.0)},
        {"postprocess": {"floor": Floor(-14.0), "loudness": Loudness()}},
        {"postprocess": {"edges": Edges(0.0)}},
        {"fusion": MeanWaveform(weights={"one": 2.0})},
    ],
)
def test_any_choice_of_stages(models: Path, tmp_path: Path, stages: dict[str, object]) -> None:
    memory, disk = both(pipeline(models, **stages), swelling(5.0, 24000, 1), tmp_path)
    assert (torch.cat(list(disk.cleaned()), -1) - memory.waveform).abs().max() <= 1e-5


@dataclass(frozen=True)
class Enhancer:
    """A gain on the mixture that follows its level: a speech enhancer's kind of answer."""

    sample_rate: int = 16000
    is_gain: ClassVar[bool] = True

    def __call__(self, mixtures: Sequence[Audio]) -> list[Stems]:
        stems = []
        for mixture in mixtures:
            heard = resample(mixture, self.sample_rate)
            speech, music = self._answer(heard.waveform)
            stems.append(
                Stems(heard.with_waveform(speech), heard.with_waveform(music), self.is_gain)
            )
        return stems

    def stream(self, sound: LongAudio) -> Iterator[torch.Tensor]:
        for chunk in sound.at_rate(self.sample_rate):
            yield self._answer(chunk)

    def _answer(self, heard: torch.Tensor) -> torch.Tensor:
        speech = heard * heard.abs().clamp(max=1)
        return torch.stack([speech, heard - speech])


def test_a_gain_is_fused_as_a_gain_in_a_stream_too(models: Path, tmp_path: Path) -> None:
    separators = {**pipeline(models).separators, "enhancer": Enhancer()}
    audio = swelling(4.0, 48000, 2)
    memory, disk = both(pipeline(models, separators=separators), audio, tmp_path)
    assert (torch.cat(list(disk.cleaned()), -1) - memory.waveform).abs().max() <= 1e-5


@pytest.mark.parametrize(
    "context_s", [0.5, *(pytest.param(one, marks=pytest.mark.slow) for one in (0.1, 3.0))]
)
@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(24000, 1, 6.3), (44100, 2, 5.0), (16000, 1, 0.2), (48000, 1, 4 / 48000), (48000, 1, 0.001)],
)
def test_streamed_equals_in_memory_with_context_beyond_the_ends(
    models: Path, tmp_path: Path, rate: int, channels: int, seconds: float, context_s: float
) -> None:
    """With sounds shorter than the context, shorter than a shift, and of a few samples."""
    pipe = with_context(pipeline(models), context_s)
    memory, disk = both(pipe, swelling(seconds, rate, channels), tmp_path)
    streamed = torch.cat(list(disk.cleaned()), -1)
    assert streamed.shape == memory.waveform.shape
    assert streamed.isfinite().all()
    assert (streamed - memory.waveform).abs().max() <= 1e-5


def with_context(pipe: Pipeline, seconds: float) -> Pipeline:
    """The same networks, which hear beyond the ends."""
    separators = {
        name: replace(one, edge_context_s=seconds)  # type: ignore[type-var]
        for name, one in pipe.separators.items()
    }
    enhancement = replace(pipe.enhancement, edge_context_s=seconds)  # type: ignore[type-var]
    return replace(pipe, separators=separators, enhancement=enhancement)


def test_a_hot_sound_leaves_at_the_ceiling_as_a_stream_too(models: Path, tmp_path: Path) -> None:
    hot = swelling(5.0, 24000, 1)
    hot = hot.with_waveform(hot.waveform * (1.4 / hot.waveform.abs().max()))
    stages = {"enhancement": Identity(), "postprocess": {"loudness": Loudness(-3.0)}}
    for always in (False, True):
        loudness = Loudness(-3.0, ceiling_always=always)
        pipe = pipeline(models, **{**stages, "postprocess": {"loudness": loudness}})
        memory, disk = both(pipe, hot, tmp_path)
        streamed = Audio(torch.cat(list(disk.cleaned()), -1), 24000)
        assert (streamed.waveform - memory.waveform).abs().max() <= 1e-5
        for one in (memory, streamed):
            peak = true_peak_dbtp(one)
            assert peak is not None
            assert -1.1 < peak <= (-1 if always else -0.99)


def test_a_floor_that_comes_and_goes_in_a_stream_too(models: Path, tmp_path: Path) -> None:
    """Longer holds than a block: what it looks at has to be read with it."""
    floor = Floor(-14.0, adaptive=True, active_db=-18.0, hold_s=1.3)
    stages = {
        "separators": {"enhancer": Enhancer()},
        "enhancement": Identity(),
        "postprocess": {"wiener": BetaWiener(0.25), "floor": floor, "loudness": Loudness()},
    }
    quiet, loud = noise(7.0, 44100, 0.01, 2), noise(2.0, 44100, 0.3, 2)
    turns = [quiet.waveform, loud.waveform, quiet.waveform, loud.waveform]
    audio = quiet.with_waveform(torch.cat(turns, -1))
    presence = floor.presence(pipeline(models, **{**stages, "postprocess": {}})([audio])[0])
    assert presence.min() == 0
    assert presence.max() == pytest.approx(1, abs=1e-6)
    memory, disk = both(pipeline(models, **stages), audio, tmp_path)
    assert (torch.cat(list(disk.cleaned()), -1) - memory.waveform).abs().max() <= 1e-5


def test_ends_that_burst_are_turned_down_in_a_stream_too(models: Path, tmp_path: Path) -> None:
    """The ends of the sound, not those of its blocks; the last block is shorter than an end."""
    stages = {
        "separators": {"enhancer": Enhancer()},
        "enhancement": Identity(),
        "postprocess": {"edges": Edges(3.0)},
    }
    audio = noise(15.2, 44100, 0.01, 2)
    for start in (0, 5, 10, 15.14):
        audio.waveform[:, round(start * 44100) : round((start + 0.06) * 44100)] *= 30
    memory, disk = both(pipeline(models, **stages), audio, tmp_path)
    assert (torch.cat(list(disk.cleaned()), -1) - memory.waveform).abs().max() <= 1e-5
    as_it_was = pipeline(models, **{**stages, "postprocess": {}})([audio])[0].speech.waveform
    changed = (memory.waveform - as_it_was).abs().amax(0).nonzero().flatten() / 44100
    assert changed.min() < 0.06
    assert changed.max() > 15.14
    assert not ((changed > 0.15) & (changed < 15.05)).any()


def test_silence_stays_silent(models: Path, tmp_path: Path) -> None:
    _, disk = both(pipeline(models), Audio(torch.zeros(2, 100_000), 24000), tmp_path)
    assert not torch.cat(list(disk.cleaned()), -1).any()
    assert disk.levels["lufs_cleaned"] is None


def test_the_excerpt_is_where_most_was_taken_out(models: Path, tmp_path: Path) -> None:
    audio = noise(10.0, 24000, 0.01)
    audio.waveform[:, 6 * 24000 : 8 * 24000] *= 30
    _, disk = both(pipeline(models), audio, tmp_path)
    excerpt = disk.excerpt(2.0)
    assert excerpt.mixture.samples == 48000
    assert excerpt.mixture.waveform.std() > 0.2
    assert 0 <= excerpt.mask.min() <= excerpt.mask.max() <= 1


def test_loudness_has_to_come_last(models: Path, tmp_path: Path) -> None:
    wrong = pipeline(models, postprocess={"loudness": Loudness(), "wiener": BetaWiener()})
    with pytest.raises(ValueError, match="loudness must come last"):
        clean_long(
            wrong,
            LongAudio.of(save(noise(1.0), tmp_path / "x.wav")),
            tmp_path,
            lambda _: nullcontext(),
        )


@pytest.mark.parametrize(
    ("channels", "rate", "seconds"),
    [(1, 48000, 5.03), (2, 44100, 1.27), (8, 16000, 2.0), (5, 8000, 0.2)],
)
def test_meters_read_what_the_whole_reads(channels: int, rate: int, seconds: float) -> None:
    audio = swelling(seconds, rate, channels)
    loudness, peak = LoudnessMeter(rate, channels), TruePeakMeter(rate, channels)
    for chunk in audio.waveform.split(3001, -1):
        loudness.feed(chunk)
        peak.feed(chunk)
    assert loudness.lufs() == pytest.approx(integrated_lufs(audio), abs=1e-6)
    assert peak.dbtp() == pytest.approx(true_peak_dbtp(audio), abs=1e-6)
    assert LoudnessMeter(rate, channels).lufs() is None
    assert TruePeakMeter(rate, channels).dbtp() is None
