"""Whisper as it is: what it hears on the pilot's voices, and that it hears everything the same.

Its weights are here once `make setup` has run; where they are missing, the error says how to get
them.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.metrics import recogniser as module
from speechclean.stages.metrics.alignment import align, normalise
from speechclean.stages.metrics.recogniser import RATE, WINDOW, Recogniser, whisper_device
from speechclean.stages.metrics.wer import WordErrorRate
from speechclean.system import parallel
from tests.stages.metrics.conftest import PILOT
from tests.support import real_weights


@pytest.fixture(scope="module")
def base() -> Recogniser:
    return Recogniser("base", "cpu", 1, 2)


@pytest.fixture(scope="module")
def clips() -> list[tuple[str, Audio]]:
    """The pilot's clean English voices and what they say."""
    with (PILOT / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["language"] == "en"]
    return [(row["transcript"], load(PILOT / row["reference"])) for row in rows]


def test_understands_clean_voices(base: Recogniser, clips: list[tuple[str, Audio]]) -> None:
    for transcript, clip in clips[:3]:
        found = align(normalise(transcript), normalise(base.hear(clip, "en")))
        assert found.lost + found.insertions <= 1, transcript


def test_understands_spanish(base: Recogniser) -> None:
    """Of the pilot's tracks, whose manifest says so."""
    (track,) = [one for one in Pilot().tracks() if one.language == "es"]
    assert track.reference is not None
    found = align(
        normalise(track.transcript or "", "es"), normalise(base.hear(track.reference, "es"), "es")
    )
    assert found.lost + found.insertions <= 1
    assert base.language(track.reference) == "es"


def test_the_small_model_hears_english_only(clips: list[tuple[str, Audio]]) -> None:
    real_weights.use("whisper_tiny_en_ct2")  # no part of what a set-up brings
    tiny = Recogniser("tiny.en", "cpu", 1, 1)
    transcript, clip = clips[0]
    assert align(normalise(transcript), normalise(tiny.hear(clip, "en"))).rate <= 0.1
    assert tiny.language(clip) == "en"
    with pytest.raises(ValueError, match=r"does not know the language 'de'; model=base does"):
        tiny.hear(clip, "de")


def test_the_language_is_heard(base: Recogniser, clips: list[tuple[str, Audio]]) -> None:
    assert base.language(clips[0][1]) == "en"
    with pytest.raises(ValueError, match="does not know the language 'xx'"):
        base.hear(clips[0][1], "xx")


def test_level_rate_and_channels_do_not_count(
    base: Recogniser, clips: list[tuple[str, Audio]]
) -> None:
    clip = resample(clips[0][1].mono(), RATE)
    words = normalise(base.hear(clip, "en"))
    assert words
    assert normalise(base.hear(clip.with_waveform(clip.waveform / 4), "en")) == words
    assert normalise(base.hear(clip.with_waveform(clip.waveform.repeat(3, 1)), "en")) == words


@pytest.mark.parametrize("samples", [1, 500, 16000])
def test_silence_has_no_words(base: Recogniser, samples: int) -> None:
    assert base.hear(Audio(torch.zeros(2, samples), 16000), "en") == ""
    assert base.hear(Audio(torch.full((1, samples), float("nan")), 16000), "en") == ""
    assert base.language(Audio(torch.zeros(1, samples), 16000)) == "en"


def test_silence_loses_every_word(separation: Any, track: Any) -> None:
    silent = separation(torch.zeros(2, 16000), mask=torch.ones(2, 257, 1))
    assert WordErrorRate(device="cpu")(silent, track(transcript="anything at all")) == 1


def test_threads_hear_the_same_side_by_side(
    base: Recogniser, clips: list[tuple[str, Audio]]
) -> None:
    """One network for all threads, whose own number of torch's threads nobody touches."""
    alone = [base.hear(clip, "en") for _, clip in clips[:2]]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda clip: base.hear(clip[1], "en"), clips[:2]))
    assert beside == alone
    assert torch.get_num_threads() == threads
    assert base._network() is Recogniser("base", "cpu", 1, 2)._network()


class Network:
    """Stands in for a network: texts by the length of the window, and how sure it was."""

    supported_languages = ("en",)

    def __init__(self, **sure: float) -> None:
        self.sure = {"avg_logprob": -0.3, "compression_ratio": 1.2, "no_speech_prob": 0.0} | sure
        self.heard: list[tuple[int, list[float]]] = []

    def transcribe(self, window: Any, *, temperature: list[float], **_: Any) -> Any:
        self.heard.append((len(window), temperature))
        return [SimpleNamespace(text=f" {len(window)} ", **self.sure)], None


def test_windows_are_heard_in_order_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network()
    monkeypatch.setattr(Recogniser, "_network", lambda _: network)
    sound = Audio(torch.ones(1, 2 * WINDOW + 5000), RATE)
    one = Recogniser("base", "cpu", 1, None)
    assert one.hear(sound, "en") == f"{WINDOW} {WINDOW} 5000"
    with parallel.threads(2):
        assert one.hear(sound, "en") == f"{WINDOW} {WINDOW} 5000", "in threads of their own too"
    assert one.hear(Audio(torch.ones(1, WINDOW + 10), RATE), "en") == f"{WINDOW}", "no word in it"


@pytest.mark.parametrize(
    ("sure", "again"),
    [
        ({}, False),
        ({"compression_ratio": 3.0}, True),  # a loop
        ({"avg_logprob": -1.5}, True),
        ({"avg_logprob": -1.5, "no_speech_prob": 0.9}, False),  # silence
    ],
)
def test_what_loops_is_heard_again_from_one_seed(
    monkeypatch: pytest.MonkeyPatch, sure: dict[str, float], again: bool
) -> None:
    shared, fresh, seeds = Network(**sure), Network(), []
    monkeypatch.setattr(Recogniser, "_network", lambda _: shared)
    monkeypatch.setattr(Recogniser, "_key", ("cpu", ()))

    def loaded(*_: Any, seed: int) -> Network:
        seeds.append(seed)
        return fresh

    monkeypatch.setattr(module, "_loaded", loaded)
    Recogniser("base", "cpu", 1, None).hear(Audio(torch.ones(1, RATE), RATE), "en")
    assert shared.heard == [(RATE, [0.0])]
    assert fresh.heard == ([(RATE, module.TEMPERATURES)] if again else [])
    assert seeds == ([module.SEED] if again else [])


@pytest.mark.slow
def test_sampling_is_repeatable(
    base: Recogniser, monkeypatch: pytest.MonkeyPatch, clips: list[tuple[str, Audio]]
) -> None:
    """Every answer counts as a loop, so that Whisper samples at its highest temperature."""
    monkeypatch.setattr(module, "_is_doubtful", lambda _: True)
    monkeypatch.setattr(module, "TEMPERATURES", [1.0])
    clip = clips[0][1]
    short = clip.with_waveform(clip.waveform[:, : 2 * clip.sample_rate])
    assert base.hear(short, "en") == base.hear(short, "en")


def test_missing_and_damaged_weights_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: Recogniser
) -> None:
    config = base.files["whisper_base_ct2/config.json"].read_bytes()
    for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path / "mine"))
    with pytest.raises(MissingWeights, match=r"(?s)148 MB.*weights fetch whisper_base_ct2"):
        WordErrorRate().weight_files()
    folder = tmp_path / "mine" / "whisper_base_ct2"
    folder.mkdir(parents=True)
    for file, path in base.files.items():
        (tmp_path / "mine" / file).symlink_to(path)
    assert len(WordErrorRate().weight_files()) == 4
    (folder / "config.json").unlink()
    (folder / "config.json").write_bytes(bytes([config[0] ^ 1]) + config[1:])
    with pytest.raises(CheckpointError, match=r"config\.json: damaged"):
        WordErrorRate().weight_files()


def test_a_gpu_without_its_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "_has_cublas", lambda: False)
    assert whisper_device("auto") == "cpu"
    with pytest.raises(ValueError, match=r"libcublas\.so\.12.*pip install"):
        whisper_device("cuda")
    monkeypatch.setattr(module, "_has_cublas", lambda: True)
    assert whisper_device("auto") == "cuda"
