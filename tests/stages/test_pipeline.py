"""The invariants of the whole embedded pipeline, on real networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from speechclean.audio import stft
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.networks.cache import NoCache
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.fusion.max_mask import MaxMask
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.types import Separation
from tests.conftest import level_db, noise


def pipeline_of(*overrides: str) -> Pipeline:
    return build(composed(["output.dir=.", "tracking=none", "device=cpu", *overrides])).pipeline


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return pipeline_of("enhancement.wet=0.5", "postprocess.beta_wiener.beta=0.5")


@pytest.fixture(scope="module")
def clip() -> Audio:
    """Two and a half seconds of a pilot mixture, 24 kHz mono, peaking at full scale."""
    audio = resample(load(Pilot().tracks()[0].path).mono(), 24000)
    cut = audio.waveform[:, 24000:84000]
    return Audio(cut / cut.abs().max(), 24000)


def clean(pipeline: Pipeline, *clips: Audio) -> list[Separation]:
    return pipeline(clips)


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [
        (24000, 1, 2.0),
        (48000, 2, 1.0),
        (44100, 1, 0.1),
        (192000, 2, 0.3),
        (8000, 8, 0.7),
        (22050, 2, 1 / 22050),
    ],
)
def test_rate_channels_and_length_are_kept(
    pipeline: Pipeline, clip: Audio, rate: int, channels: int, seconds: float
) -> None:
    mono = resample(clip, rate).waveform[:, : max(1, round(seconds * rate))]
    mixture = Audio(mono.repeat(channels, 1), rate)
    before = mixture.waveform.clone()
    result = clean(pipeline, mixture)[0]
    assert result.speech.waveform.shape == before.shape
    assert result.speech.sample_rate == rate
    assert result.speech.waveform.isfinite().all()
    assert 0 <= result.mask.min() <= result.mask.max() <= 1
    assert torch.equal(mixture.waveform, before)
    total = result.speech.waveform / result.gain + result.residual.waveform
    assert torch.allclose(total, mixture.waveform, atol=1e-5)


def test_same_samples_whatever_the_batch_and_order(pipeline: Pipeline, clip: Audio) -> None:
    clips = [
        clip,
        Audio(clip.waveform[:, :9999], 24000),
        noise(1.0, 16000),
        noise(0.5, 48000, channels=2),
    ]
    alone = [clean(pipeline, one)[0].speech.waveform for one in clips]
    together = clean(pipeline, *clips[::-1])[::-1]
    assert all(
        torch.equal(one, other.speech.waveform) for one, other in zip(alone, together, strict=True)
    )
    batched = clean(
        pipeline_of("batch_size=5", "enhancement.wet=0.5", "postprocess.beta_wiener.beta=0.5"),
        *clips,
    )
    assert all(
        (one - other.speech.waveform).abs().max() < 1e-5
        for one, other in zip(alone, batched, strict=True)
    )


def test_files_that_go_from_stage_to_stage_together(
    clip: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's way, on a CPU: the same samples, alternatives and places as file by file."""
    pipeline = replace(pipeline_of("enhancement.wet=0.5"), cache=NoCache())
    pipeline = replace(pipeline, alternatives={"max": MaxMask()})
    clips = [clip, noise(1.0, 16000), noise(0.5, 48000, channels=2)]
    seen: list[list[tuple[int, str, float]]] = []
    outcomes = []
    for together in (False, True):
        if together:
            monkeypatch.setattr(Pipeline, "_groups", lambda _, files: [range(files)])
        shown: list[tuple[int, str, float]] = []
        outcomes.append(
            pipeline(clips, watch=lambda *one, to=shown: to.append((*one[:2], float(one[2].sum()))))
        )
        seen.append(sorted(shown))
    assert seen[0] == seen[1]
    assert len({place for place, *_ in seen[0]}) == len(clips)
    for alone, one in zip(*outcomes, strict=True):
        assert torch.equal(alone.speech.waveform, one.speech.waveform)
        assert torch.equal(alone.others["max"].speech.waveform, one.others["max"].speech.waveform)
        assert not torch.equal(one.speech.waveform, one.others["max"].speech.waveform)


@pytest.mark.parametrize(("rate", "channels"), [(24000, 1), (44100, 2)])
def test_silence_in_silence_out(pipeline: Pipeline, rate: int, channels: int) -> None:
    result = clean(pipeline, Audio(torch.zeros(channels, rate), rate))[0]
    assert not result.speech.waveform.any()


def test_nothing_asked_for_nothing_changed(clip: Audio) -> None:
    """With wet = 0, beta = 0 and no loudness, the output is the fused estimate itself."""
    bare = pipeline_of("enhancement=identity", "postprocess=[]")
    off = pipeline_of(
        "enhancement.wet=0", "postprocess=[beta_wiener]", "postprocess.beta_wiener.beta=0"
    )
    assert torch.equal(clean(bare, clip)[0].speech.waveform, clean(off, clip)[0].speech.waveform)


def test_the_band_that_no_model_hears_is_weighed_like_the_octave_below(clip: Audio) -> None:
    """The embedded models hear up to 12 kHz; of a 48 kHz mixture the rest gets the mean mask of
    their top octave."""
    voice = resample(clip, 48000)
    bright = voice.with_waveform(
        voice.waveform + noise(voice.seconds, 48000, 0.02).waveform[:, : voice.samples]
    )
    result = clean(pipeline_of("separators=[embedded_hdemucs24]"), bright)[0]
    top = round(0.9 * 12000 / 24000 * 2048)
    octave = result.mask[:, top // 2 : top].mean(1, keepdim=True)
    assert (result.mask[:, top + 1 :] - octave).abs().max() < 0.01
    treble = stft.stft(result.speech.waveform, 4096)[:, top + 1 :].abs().square().sum()
    assert (
        treble
        > 0.01
        * stft.stft(bright.waveform, 4096)[:, top + 1 :].abs().square().sum()
        * octave.square().mean()
    )


def test_a_gpu_is_used_where_there_is_one(clip: Audio) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU here")
    on_gpu = build(composed(["output.dir=.", "tracking=none", "device=cuda"])).pipeline
    assert (
        level_db(
            clean(on_gpu, clip)[0].speech.waveform - clean(pipeline_of(), clip)[0].speech.waveform
        )
        < -60
    )


def test_a_separation_checks_its_parts(clip: Audio) -> None:
    state = Separation(clip, clip, torch.ones(1, 5, 5))
    with pytest.raises(ValueError, match="does not match the mixture"):
        replace(state, speech=Audio(clip.waveform[:, 1:], 24000))
