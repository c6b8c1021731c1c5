"""The β-Wiener mask cuts where the residual outweighs the speech; loudness is one gain, and the
ceiling holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speechclean.audio.loudness import integrated_lufs, true_peak_dbtp
from speechclean.audio.sound_files import load, save
from speechclean.audio.stft import stft
from speechclean.audio.waveform import Audio
from speechclean.stages.postprocess.beta_wiener import BetaWiener
from speechclean.stages.postprocess.loudness import Loudness
from speechclean.stages.types import Separation
from tests.conftest import level_db, noise, tone


def separation(mixture: Audio, speech: Audio, mask: float = 1.0) -> Separation:
    shape = stft(mixture.waveform, 2048).shape
    return Separation(mixture, speech, torch.full(shape, mask))


def plus(one: Audio, other: Audio) -> Audio:
    return one.with_waveform(one.waveform + other.waveform)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_wiener_by_hand(beta: float) -> None:
    """Where speech is 3/4 of the mixture the gain is (9 / (9 + 1)) ** beta."""
    mixture = noise(2.0)
    state = separation(mixture, mixture.with_waveform(0.75 * mixture.waveform))
    result = BetaWiener(beta)(state).speech.waveform
    assert torch.allclose(result, 0.75 * 0.9**beta * mixture.waveform, atol=1e-4)


def test_wiener_leaves_what_is_all_speech_and_drops_what_is_all_residual() -> None:
    speech, leak = tone(400), tone(5000)
    mixture = plus(speech, plus(leak, leak))
    result = BetaWiener(1.0)(
        separation(mixture, plus(speech, leak.with_waveform(0.1 * leak.waveform)))
    ).speech
    middle = slice(3000, -3000)
    assert (
        level_db((result.waveform - speech.waveform)[:, middle])
        < level_db(0.1 * leak.waveform) - 20
    )


@pytest.mark.parametrize("stage", [BetaWiener(1.0), BetaWiener(0.0), Loudness(), Loudness(-23.0)])
@pytest.mark.parametrize(
    ("rate", "channels", "seconds"), [(48000, 2, 1.0), (8000, 1, 0.1), (24000, 8, 0.6)]
)
def test_shape_purity_and_conservation(
    stage: BetaWiener | Loudness, rate: int, channels: int, seconds: float
) -> None:
    mixture = noise(seconds, rate, 0.7, channels)
    state = separation(mixture, mixture.with_waveform(0.8 * mixture.waveform))
    before = state.speech.waveform.clone()
    result = stage(state)
    assert result.speech.waveform.shape == before.shape
    assert torch.equal(state.speech.waveform, before)
    total = result.speech.waveform / result.gain + result.residual.waveform
    assert torch.allclose(total, mixture.waveform, atol=1e-5)


@pytest.mark.parametrize(
    "stage", [BetaWiener(1.0), Loudness(), Loudness(-23.0), Loudness(ceiling_always=True)]
)
def test_silence_stays_silence(stage: BetaWiener | Loudness) -> None:
    silent = Audio(torch.zeros(2, 24000), 24000)
    result = stage(separation(silent, silent)).speech.waveform
    assert not result.any()


@pytest.mark.parametrize("target", [-30.0, -23.0, -16.0])
def test_target_loudness_is_met(target: float) -> None:
    audio = noise(3.0, 48000, 0.01)
    result = Loudness(target)(separation(audio, audio))
    assert integrated_lufs(result.speech) == pytest.approx(target, abs=0.05)


def test_without_a_target_it_is_as_loud_as_the_masked_mixture() -> None:
    mixture = noise(3.0, 24000, 0.05)
    state = separation(mixture, mixture.with_waveform(0.2 * mixture.waveform), mask=0.5)
    expected = integrated_lufs(mixture.with_waveform(0.5 * mixture.waveform))
    result = Loudness()(state)
    assert expected is not None
    assert integrated_lufs(result.speech) == pytest.approx(expected, abs=0.05)
    assert result.gain == pytest.approx(2.5, rel=0.01)


def test_the_residual_holds_no_voice_at_another_level() -> None:
    mixture = noise(3.0, 24000, 0.05)
    assert level_db(Loudness(-14.0)(separation(mixture, mixture)).residual.waveform) < -120


@pytest.mark.parametrize("ceiling", [-1.0, -6.0])
def test_a_gain_never_pushes_over_the_ceiling(ceiling: float) -> None:
    audio = noise(2.0, 24000, 0.1)
    peak = true_peak_dbtp(Loudness(-5.0, ceiling)(separation(audio, audio)).speech)
    assert peak == pytest.approx(ceiling, abs=0.1)


def test_a_hot_mixture_does_not_lift_the_ceiling_of_a_target() -> None:
    hot = tone(997, 2.0, 48000, level=0.999)
    state = separation(hot, hot.with_waveform(0.5 * hot.waveform))
    peak = true_peak_dbtp(Loudness(-1.0, ceiling_dbtp=-3.0)(state).speech)
    assert peak == pytest.approx(-3.0, abs=0.1)


def test_a_hot_mixture_keeps_its_level() -> None:
    hot = tone(997, 2.0, 48000, level=0.999)
    assert Loudness()(separation(hot, hot)).gain == pytest.approx(1.0, abs=1e-3)


def between_samples(dbtp: float, seconds: float = 2.0) -> Audio:
    """A sine at a quarter of the rate whose samples all miss its crests by 3 dB: a sound that no
    sample tells to be too hot."""
    sine = 0.5**0.5 * torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(round(seconds * 12000))
    fade = torch.ones(len(sine))
    fade[:4800], fade[-4800:] = torch.linspace(0, 1, 4800), torch.linspace(1, 0, 4800)
    return Audio((10 ** (dbtp / 20) * fade * sine)[None].repeat(2, 1), 48000)


@pytest.mark.parametrize("ceiling", [-1.0, -3.0])
def test_the_ceiling_holds_whatever_comes_in(ceiling: float, tmp_path: Path) -> None:
    hot = between_samples(2.7)
    assert float(hot.waveform.abs().max()) < 1
    assert true_peak_dbtp(hot) == pytest.approx(2.7, abs=0.02)
    state = separation(hot, hot)
    assert true_peak_dbtp(Loudness()(state).speech) == pytest.approx(2.7, abs=0.02), "as it was"
    result = Loudness(None, ceiling, ceiling_always=True)(state)
    peak = true_peak_dbtp(result.speech)
    assert peak is not None
    assert ceiling - 0.01 < peak <= ceiling
    assert result.gain == pytest.approx(10 ** ((ceiling - 2.7) / 20), rel=0.005)
    assert level_db(result.residual.waveform) < -120, "what was turned down is no residual"
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        written = load(save(result.speech, tmp_path / "out.wav", subtype))
        for oversampling in (4, 16):
            found = true_peak_dbtp(written, oversampling)
            assert found is not None
            assert found <= ceiling


def test_rounding_stays_under_the_ceiling(tmp_path: Path) -> None:
    for seed in range(5):
        hot = noise(1.0, 24000, 0.4, seed=seed)
        result = Loudness(ceiling_always=True)(separation(hot, hot))
        peak = true_peak_dbtp(load(save(result.speech, tmp_path / "out.wav")))
        assert peak is not None
        assert -1.01 < peak <= -1


def test_below_the_ceiling_a_level_is_kept() -> None:
    state = separation(noise(2.0, level=0.02), noise(2.0, level=0.01))
    assert Loudness(ceiling_always=True)(state).gain == Loudness()(state).gain


def test_a_click_without_a_loudness_is_turned_down_too() -> None:
    click = torch.zeros(1, 48000)
    click[0, 24000] = 1.5
    state = separation(Audio(click, 48000), Audio(click, 48000))
    always = Loudness(ceiling_always=True)
    assert always.gain_for(None, 3.5, None, 3.5) == pytest.approx(-4.5, abs=0.01)
    assert always.gain_for(None, -20.0, None, -20.0) == 0
    assert Loudness().gain_for(None, 3.5, None, 3.5) == 0
    peak = true_peak_dbtp(always(state).speech)
    assert peak is not None
    assert peak <= -1


def test_what_was_nearly_silent_is_not_blown_up() -> None:
    faint = noise(2.0, 24000, 1e-3)
    assert Loudness(-16.0, max_gain_db=12.0).gain_db(separation(faint, faint)) == 12.0


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: BetaWiener(-1.0), "beta"),
        (lambda: BetaWiener(window_s=9.0), "window_s"),
        (lambda: BetaWiener(eps=0.0), "eps"),
        (lambda: Loudness(target_lufs=3.0), "target_lufs"),
        (lambda: Loudness(ceiling_dbtp=1.0), "ceiling_dbtp"),
        (lambda: Loudness(max_gain_db=-1.0), "max_gain_db"),
    ],
)
def test_bad_arguments(build: object, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        build()  # type: ignore[operator]
