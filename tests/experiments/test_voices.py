"""Who may be heard by whom, what is said, and how music comes under it; without a synthesiser."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments.embedded_models.data import from_manifest
from experiments.pilot_data.make import TRACKS
from experiments.voices import phonemes, training_speech, transcribed_set
from experiments.voices.levels import active, energies, gain
from experiments.voices.split import for_training, held_out_ids, voices, voices_for

ESPEAK = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")


def test_no_voice_and_no_half_of_one_is_both_trained_on_and_held_out() -> None:
    heard = {part for voice in voices_for("training") for part in voice.styles}
    kept = {part for voice in voices() if voice.held_out for part in voice.styles}
    assert heard
    assert not heard & kept
    for voice in [*voices_for("transcribed"), *voices_for("pilot")]:
        assert voice.held_out
        own = {one.name: one for one in voices()}
        assert all(own[part].held_out for part in voice.styles), "halves have rows of their own"
    assert len({voice.name for voice in voices()}) == len(voices())
    assert len(voices_for("transcribed")) >= 12


@pytest.mark.parametrize("name", ["joe", "af_heart", "af_alloy+af_heart", "nobody"])
def test_a_held_out_voice_is_refused_to_a_training(name: str) -> None:
    with pytest.raises(ValueError, match="no training may hear"):
        for_training(["af_alloy", name])


def test_training_speech_is_said_by_voices_for_training() -> None:
    clips = [training_speech.clip(number, 17) for number in range(200)]
    kept = {part for voice in voices() if voice.held_out for part in voice.styles}
    assert not {part for clip in clips for part in clip.voice.styles} & kept
    assert sum("+" in clip.voice.name for clip in clips) > 40, "many are new voices"
    assert {clip.voice.language for clip in clips} >= {"en", "es", "it", "pt"}
    assert clips[7] == training_speech.clip(7, 17)
    assert clips[7] != training_speech.clip(7, 18)


def test_what_a_training_reads_leaves_out_held_out_voices(tmp_path: Path) -> None:
    held = sorted(held_out_ids())
    assert "piper_en_US_joe_medium" in held
    lines = [f"speech/{name}.ogg\tspeech\t{name}\ttts" for name in (held[0], "somebody")]
    (tmp_path / "manifest.tsv").write_text("\n".join(["file\tkind\tid\torigin", *lines]) + "\n")
    assert [row[2] for row in from_manifest(tmp_path, "speech")] == ["somebody"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small stand-in for the shared data: one clip with a transcript, three pieces."""
    rng = np.random.default_rng(3)
    (tmp_path / "dev/speech").mkdir(parents=True)
    (tmp_path / "dev/music").mkdir()
    clip = rng.normal(0, 0.1, 2 * 16_000) * np.repeat([0, 1, 1, 0], 8_000)
    soundfile.write(tmp_path / "dev/speech/one.flac", clip, 16_000)
    for name in "abc":
        soundfile.write(tmp_path / f"dev/music/{name}.flac", rng.normal(0, 0.1, (90_000, 2)), 8_000)
    (tmp_path / "dev/transcripts.tsv").write_text("file\ttext\nspeech/one.flac\tsome words\n")
    return tmp_path


def test_the_plan_is_even_over_bands_and_the_same_again(data: Path) -> None:
    items = transcribed_set.plan(data)
    assert items == transcribed_set.plan(data)
    assert items != transcribed_set.plan(data, seed=1)
    assert len({item.alias for item in items}) == len(items)
    said = [item for item in items if item.clip is None]
    assert len({item.text for item in said}) == len(said) == 84
    bands = Counter(
        (item.voice, sum(item.snr_db >= low for low, _ in transcribed_set.BANDS)) for item in items
    )
    assert len({voice for voice, _ in bands}) >= 12
    for voice in {item.voice for item in items}:
        assert len({bands[voice, band] for band in (1, 2, 3, 4)}) == 1, voice
    languages = Counter(item.language for item in said)
    assert languages["en"] > len(said) / 2
    assert len(languages) >= 4
    assert {item.stereo for item in items} == {True, False}
    assert {item.rate for item in said} == set(transcribed_set.RATES)


def test_a_mixture_has_its_level_its_lead_in_and_its_row(data: Path, tmp_path: Path) -> None:
    items = transcribed_set.plan(data)
    for number, item in enumerate(items):
        if item.clip is None:
            continue
        row = transcribed_set.make(number, item, data, tmp_path, seed=5)
        assert tuple(row) == transcribed_set.COLUMNS
        mixture, rate = soundfile.read(tmp_path / row["path"], always_2d=True)
        speech, _ = soundfile.read(tmp_path / row["reference"], always_2d=True)
        assert mixture.shape == speech.shape
        assert mixture.shape[1] == 1 + item.stereo
        on = active(speech, rate)
        music = mixture - speech
        snr = energies(speech, rate)[on].mean() / energies(music, rate)[on].mean()
        assert 10 * np.log10(snr) == pytest.approx(item.snr_db, abs=0.05)
        start, end = float(row["speech_start_s"]), float(row["speech_end_s"])
        lead, tail = start - 0.5, len(speech) / rate - end - 0.5  # half a second of the clip's own
        assert 0.47 <= lead <= 2.53
        assert 0.47 <= tail <= 2.53
        assert end - start == pytest.approx(1.0, abs=0.05)
        assert np.abs(mixture).max() <= transcribed_set.PEAK + 1e-4
        assert np.abs(speech[: int((start - 0.02) * rate)]).max() == 0
        assert np.abs(mixture[int(0.05 * rate) : int(start * rate)]).max() > 1e-3


def test_music_of_a_gain_is_that_far_below_the_speech() -> None:
    rng = np.random.default_rng(1)
    speech, music = rng.normal(size=(8000, 1)), 3 * rng.normal(size=(8000, 1))
    speech[:4000] = 0  # where nobody speaks does not count
    quiet = gain(speech, music, 8000, 6.0) * music
    assert 10 * np.log10((speech[4000:] ** 2).mean() / (quiet[4000:] ** 2).mean()) == pytest.approx(
        6.0, abs=0.1
    )


def test_sets_say_different_sentences() -> None:
    with transcribed_set.TEXTS.open(newline="", encoding="utf-8") as file:
        texts = {row["text"] for row in csv.DictReader(file, delimiter="\t")}
    assert not texts & {track.text for track in TRACKS}
    assert not texts & {training_speech.clip(number, 17).text for number in range(300)}


@ESPEAK
def test_phonemes_are_those_of_the_networks() -> None:
    assert phonemes.ipa("Go, now!", "en-us") == "ɡˈo^ʊ, nˈa^ʊ!"
    assert phonemes.for_kokoro("Go, now!", "en-us") == "ɡˈO, nˈW!"
    assert phonemes.for_kokoro("The judge stays.", "en-us") == "ðə ʤˈʌʤ stˈAz."
    assert phonemes.for_kokoro("go", "en-gb") == "ɡˈQ"
    assert "ː" not in phonemes.for_kokoro("a bird, a moon", "en-us")
    assert "ː" in phonemes.for_kokoro("a moon", "en-gb")
    assert phonemes.for_piper("un vin", "fr-fr").count("\u0303") == 2, "accents stand apart"
    assert phonemes.ipa("--version", "en-us"), "no option, whatever it begins with"
