"""Every rule keeps what fusion promises, and does what its name says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf

from speechclean.audio.waveform import Audio, resample
from speechclean.stages import fusion
from speechclean.stages.fusion.base import FusionRule, MaskFusion
from speechclean.stages.fusion.geometric_mask import GeometricMask
from speechclean.stages.fusion.max_mask import MaxMask
from speechclean.stages.fusion.mean_mask import MeanMask
from speechclean.stages.fusion.mean_waveform import MeanWaveform
from speechclean.stages.fusion.median_mask import MedianMask
from speechclean.stages.fusion.min_mask import MinMask
from speechclean.stages.types import Stems
from tests.conftest import level_db, noise, tone
from tests.support.paths import ROOT

CHOICES = sorted((ROOT / "conf" / "fusion").glob("*.yaml"))
RULES = [get_class(OmegaConf.load(path)._target_)() for path in CHOICES]
RULES.append(MeanMask(weights={"a": 3.0}))


def stems(seed: int, like: Audio, rate: int = 24000) -> Stems:
    samples = round(like.seconds * rate)
    speech, music = (
        noise(like.seconds, rate, channels=like.channels, seed=seed + k).waveform[:, :samples]
        for k in (0, 50)
    )
    return Stems(Audio(speech, rate), Audio(music, rate))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(24000, 1, 1.0), (48000, 2, 0.7), (8000, 8, 0.1), (22050, 2, 0.003)],
)
def test_conservation_shape_and_range(
    rule: FusionRule, rate: int, channels: int, seconds: float
) -> None:
    mixture = noise(seconds, rate, 0.9, channels)
    before = mixture.waveform.clone()
    result = rule(mixture, {"a": stems(1, mixture), "b": stems(2, mixture), "c": stems(3, mixture)})
    assert result.speech.waveform.shape == mixture.waveform.shape
    assert result.speech.sample_rate == rate
    assert result.mask.min() >= 0
    assert result.mask.max() <= 1
    assert torch.allclose(
        result.speech.waveform + result.residual.waveform, mixture.waveform, atol=1e-6
    )
    assert torch.equal(mixture.waveform, before)


@pytest.mark.parametrize("rule", RULES)
def test_fusing_a_stem_with_itself_changes_nothing(rule: FusionRule) -> None:
    mixture = noise(1.0)
    one = stems(1, mixture)
    alone, twice = rule(mixture, {"a": one}), rule(mixture, {"a": one, "b": one, "c": one})
    assert (alone.mask - twice.mask).abs().max() < 1e-6


@pytest.mark.parametrize("rule", RULES)
def test_silence_gives_silence(rule: FusionRule) -> None:
    silent = Audio(torch.zeros(1, 24000), 24000)
    result = rule(silent, {"a": Stems(silent, silent)})
    assert not result.speech.waveform.any()
    assert result.mask.isfinite().all()


def test_rules_by_hand() -> None:
    masks = torch.tensor([0.1, 0.4, 0.9])[:, None, None, None]

    def value(rule: MaskFusion, count: int = 3) -> float:
        weights = rule.trust(["a", "b", "c"][:count], 24000, masks)
        return rule.combine(masks[:count], weights).item()

    assert value(MaxMask()) == pytest.approx(0.9)
    assert value(MinMask()) == pytest.approx(0.1)
    assert value(MedianMask()) == pytest.approx(0.4)
    assert value(MedianMask(), 2) == pytest.approx(0.25)
    assert value(MeanMask()) == pytest.approx(1.4 / 3)
    assert value(MeanMask(weights={"c": 2.0})) == pytest.approx((0.1 + 0.4 + 1.8) / 4)
    assert value(GeometricMask()) == pytest.approx((0.1 * 0.4 * 0.9) ** (1 / 3))
    assert value(GeometricMask(weights={"a": 2.0})) == pytest.approx(
        (0.1**2 * 0.4 * 0.9) ** (1 / 4)
    )


def test_weights_do_not_depend_on_the_order_of_separators() -> None:
    mixture = noise(0.5)
    a, b = stems(1, mixture), stems(2, mixture)
    rule = MeanMask(weights={"a": 3.0})
    assert torch.allclose(
        rule(mixture, {"a": a, "b": b}).mask, rule(mixture, {"b": b, "a": a}).mask, atol=1e-6
    )


def test_weights_by_band_hold_in_their_band_alone() -> None:
    """`a` hears speech everywhere, `b` music: the mask is the share of `a`'s weight, bin by bin."""
    mixture = noise(1.0)
    rest = mixture.with_waveform(torch.zeros_like(mixture.waveform))
    heard = {"a": Stems(mixture, rest), "b": Stems(rest, mixture)}
    given = {"weights": {"a": [3.0, 1.0, 1.0], "b": [1.0, 1.0, 4.0]}, "bands_hz": [500.0, 2000.0]}
    for rule in (MeanMask(**given), MeanWaveform(**given)):  # type: ignore[arg-type]
        mask = rule(mixture, heard).mask[0].mean(-1)
        hz = torch.linspace(0, mixture.sample_rate / 2, len(mask))
        for low, high, share in ((0, 500, 3 / 4), (500, 2000, 1 / 2), (2000, 12001, 1 / 5)):
            inside = mask[(hz >= low) & (hz < high)]
            assert torch.allclose(inside, torch.full_like(inside, share), atol=2e-2), (low, rule)


def test_a_number_stands_for_all_bands() -> None:
    mixture = noise(0.5)
    heard = {"a": stems(1, mixture), "b": stems(2, mixture)}
    plain = MeanMask(weights={"a": 3.0})(mixture, heard).mask
    for weights in ({"a": 3.0}, {"a": [3.0, 3.0]}, {"a": [3.0, 3.0], "b": 1.0}):
        banded = MeanMask(weights=weights, bands_hz=[1000.0])(mixture, heard).mask
        assert torch.equal(banded, plain)


@pytest.mark.parametrize(
    ("weights", "bands_hz", "said"),
    [
        ({"a": [1.0, 2.0]}, None, r"weights.a has 2 numbers; .* give 1"),
        ({"a": [1.0, 2.0]}, [100.0, 200.0], "give 3, or one"),
        ({"a": [1.0, 0.0]}, [100.0], r"weights.a=\[1.0, 0.0\] must be above 0"),
        (None, [200.0, 100.0], r"bands_hz=\[200.0, 100.0\] must rise"),
        (None, [0.0], "above 0 Hz"),
    ],
)
def test_bands_that_do_not_fit_are_refused(weights: object, bands_hz: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MeanMask(weights=weights, bands_hz=bands_hz)  # type: ignore[arg-type]


def test_perfect_stems_give_the_speech_back() -> None:
    speech, music = tone(400, 2.0), tone(3000, 2.0)
    mixture = speech.with_waveform(speech.waveform + music.waveform)
    result = MeanMask()(mixture, {"oracle": Stems(speech, music)})
    middle = slice(4000, -4000)
    assert level_db((result.speech.waveform - speech.waveform)[:, middle]) < -60


def test_band_above_the_separator_is_never_cut() -> None:
    """A 48 kHz voice through a 24 kHz separator that hears only speech keeps its treble, and loses
    it where all is music."""
    treble = tone(18000, 1.0, 48000, 0.3)
    voice = noise(1.0, 48000, 0.1)
    mixture = voice.with_waveform(voice.waveform + treble.waveform)
    heard = resample(mixture, 24000)
    silent = heard.with_waveform(torch.zeros_like(heard.waveform))
    for rule in (MeanMask(), MeanMask(exponent=1.0), MeanWaveform()):
        kept = rule(mixture, {"all_speech": Stems(heard, silent)}).speech
        assert level_db((kept.waveform - mixture.waveform)[:, 4000:-4000]) < -60
        cut = rule(mixture, {"all_music": Stems(silent, heard)}).speech
        assert level_db(cut.waveform) < -80


@pytest.mark.parametrize("rule", [cls for cls in map(type, RULES) if issubclass(cls, MaskFusion)])
@pytest.mark.parametrize(("exponent", "expected"), [(1.0, 0.75), (2.0, 0.9), (3.0, 27 / 28)])
def test_the_exponent_by_hand(rule: type[MaskFusion], exponent: float, expected: float) -> None:
    """Where the voice is three times the music."""
    mixture = noise(1.0, level=0.2)
    voice, music = (mixture.with_waveform(part * mixture.waveform) for part in (0.75, 0.25))
    mask = rule(eps=1e-16, exponent=exponent)(mixture, {"a": Stems(voice, music)}).mask
    assert torch.allclose(mask, torch.full_like(mask, expected), atol=1e-3)


def test_the_mean_of_waveforms_by_hand() -> None:
    mixture = noise(1.0, level=0.2)
    rest = mixture.with_waveform(torch.zeros_like(mixture.waveform))
    heard = {
        name: Stems(mixture.with_waveform(part * mixture.waveform), rest)
        for name, part in {"a": 0.2, "b": 0.6}.items()
    }
    for rule, gain in ((MeanWaveform(), 0.4), (MeanWaveform(weights={"a": 3.0}), 0.3)):
        result = rule(mixture, heard)
        assert torch.allclose(result.speech.waveform, gain * mixture.waveform, atol=1e-5)
        assert torch.allclose(result.mask, torch.full_like(result.mask, gain), atol=1e-3)


def test_a_mean_of_waveforms_has_the_phase_of_the_separators_and_a_mask_of_at_most_one() -> None:
    mixture = noise(1.0, level=0.2)
    other = noise(1.0, level=1.0, seed=9)
    result = MeanWaveform()(mixture, {"a": Stems(other, mixture)})
    assert torch.allclose(result.speech.waveform, other.waveform, atol=1e-5)
    assert result.mask.max() == 1
    against = mixture.with_waveform(-mixture.waveform)
    both = {"a": Stems(mixture, mixture), "b": Stems(against, mixture)}
    assert level_db(MeanWaveform()(mixture, both).speech.waveform) < -120


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.0])
def test_an_answer_that_is_a_gain_is_fused_by_that_gain(gain: float) -> None:
    """Half of the mixture is a mask of a half; as a ratio of powers 0.1 would become 1 in 82."""
    mixture = noise(1.0, level=0.2)
    speech, music = (mixture.with_waveform(part * mixture.waveform) for part in (gain, 1 - gain))
    fused = MeanMask()(mixture, {"enhancer": Stems(speech, music, is_gain=True)})
    assert torch.allclose(fused.mask, torch.full_like(fused.mask, gain), atol=1e-3)
    assert torch.allclose(fused.speech.waveform, speech.waveform, atol=1e-4)
    squared = MeanMask()(mixture, {"separator": Stems(speech, music)}).mask
    ratio = gain**2 / (gain**2 + (1 - gain) ** 2)
    assert torch.allclose(squared, torch.full_like(squared, ratio), atol=1e-3)


def test_a_gain_and_a_ratio_are_fused_each_by_its_own_mask() -> None:
    mixture = noise(1.0, level=0.2)
    tenth = mixture.with_waveform(0.1 * mixture.waveform)
    rest = mixture.with_waveform(0.9 * mixture.waveform)
    stems = {"enhancer": Stems(tenth, rest, is_gain=True), "separator": Stems(tenth, rest)}
    mask = MeanMask()(mixture, stems).mask
    assert torch.allclose(mask, torch.full_like(mask, (0.1 + 1 / 82) / 2), atol=1e-3)


def test_a_gain_is_at_most_one_and_no_music_is_asked_for() -> None:
    mixture = noise(0.5, 48000, 0.1, 2)
    louder = mixture.with_waveform(3 * mixture.waveform)
    silent = mixture.with_waveform(torch.zeros_like(mixture.waveform))
    fused = MeanMask()(mixture, {"enhancer": Stems(louder, silent, is_gain=True)})
    assert fused.mask.max() == 1
    assert torch.allclose(fused.speech.waveform, mixture.waveform, atol=1e-4)


def test_the_band_above_an_enhancer_is_treated_as_above_a_separator() -> None:
    mixture = noise(1.0, 48000, 0.1)
    heard = resample(mixture, 16000)
    half = heard.with_waveform(0.5 * heard.waveform)
    mask = MeanMask()(mixture, {"enhancer": Stems(half, half, is_gain=True)}).mask
    top = round(0.9 * 8000 / 24000 * (mask.shape[-2] - 1))
    treble, octave = mask[..., top:, :], mask[..., top // 2 : top, :]
    assert torch.allclose(treble, treble[..., :1, :].expand_as(treble))
    assert treble.mean() == pytest.approx(0.5, abs=0.02)
    assert torch.allclose(octave.mean(-2), treble[..., 0, :], atol=2e-3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaxMask(window_s=0), "window_s"),
        (lambda: MeanMask(eps=0), "eps"),
        (lambda: MaxMask(exponent=0.0), "exponent"),
        (lambda: MeanWaveform(exponent=math.nan), "exponent"),
        (lambda: MeanWaveform(weights={"a": 0.0}), "weights.a"),
        (lambda: MeanWaveform()(noise(0.1), {}), "separators="),
        (lambda: MeanMask(weights={"a": -1.0}), "weights.a"),
        (lambda: MeanMask()(noise(0.1), {}), "separators="),
    ],
)
def test_bad_arguments(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_every_rule_has_a_config_of_its_name() -> None:
    modules = {path.stem for path in Path(fusion.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "base", "weights"} == {path.stem for path in CHOICES}
    for rule, path in zip(RULES, CHOICES, strict=False):
        assert type(rule).__module__ == f"{fusion.__name__}.{path.stem}"
