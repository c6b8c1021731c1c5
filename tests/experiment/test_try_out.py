"""Files cleaned to be heard: limits, refusals, names, words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from speechclean.audio import decoding, reading
from speechclean.audio.sound_files import load, probe, save
from speechclean.experiment import try_out
from speechclean.experiment.try_out import Limits, TryOut
from speechclean.networks.weights import MissingWeights
from speechclean.stages.metrics.words_lost import WordsLost
from speechclean.stages.types import Separation, Track
from tests.conftest import noise

SMALL = ["separators=[embedded_hdemucs_q]", "enhancement=identity"]


@pytest.fixture(scope="module")
def tried() -> TryOut:
    return TryOut(Limits(mb=0.2, minutes=0.05), "cpu", SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_a_file_keeps_its_name_rate_and_form(tried: TryOut, folder: Path, tmp_path: Path) -> None:
    path = save(noise(0.5, 22050, channels=2), tmp_path / "a b <i>.flac", "PCM_24")
    found = tried.clean("balanced", path, folder)
    assert (found.name, found.reason, found.note) == ("a b <i>.flac", "", "")
    assert found.output == folder / "a b <i>.flac"
    assert probe(found.output) == probe(path)
    assert found.seconds == pytest.approx(0.5)
    assert found.page is not None
    page = found.page.read_text()
    assert "<i>" not in page, "a name is text"
    assert page.count('"mp3"') == 3


def test_others_become_a_wav_and_networks_are_loaded_once(
    tried: TryOut, folder: Path, tmp_path: Path
) -> None:
    sound = noise(0.5)
    path = tmp_path / "take.ogg"
    soundfile.write(path, sound.waveform.T.numpy(), sound.sample_rate)
    found = tried.clean("balanced", path, folder)
    assert found.output == folder / "take.wav"
    assert tried.cleaner("balanced") is tried.cleaner("balanced")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("large.wav", "large.wav: too large, 0.3 MB where 0.2 MB are the most"),
        ("long.wav", "long.wav: too long, 0.1 minutes where 0.05 minutes are the most"),
        ("text.wav", "text.wav: not a sound file"),
        ("empty.wav", "empty.wav: the file is empty"),
    ],
)
def test_what_is_refused(name: str, said: str, tried: TryOut, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if name == "large.wav":
        save(noise(2.0, 48000, channels=2), path, "PCM_24")
        path.write_bytes(path.read_bytes()[:300_044])
    elif name == "long.wav":
        save(noise(4.0, 8000), path)
    else:
        path.write_text("" if name == "empty.wav" else "no sound")
    found = tried.clean("balanced", path, folder)
    assert found.reason.startswith(said), found.reason
    assert str(tmp_path) not in found.reason
    assert (found.output, found.page) == (None, None)
    assert not list(folder.iterdir())


def test_a_length_is_counted_where_the_header_says_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(noise(4.0, 8000), tmp_path / "a.wav")
    short = probe(save(noise(1.0, 8000), tmp_path / "b.wav"))
    monkeypatch.setattr(try_out, "probe", lambda _: short)
    assert "too long, longer than its header says" in Limits(1, 0.05).refusal(path)
    assert Limits(1, 0.07).refusal(path) == ""


def test_a_length_that_its_header_says_truly_costs_no_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counted(path: Path, *more: Any) -> Iterator[Any]:
        decoded.append(path)
        return decoding.decoded(path, *more)

    monkeypatch.setattr(reading, "decoded", counted)
    wav = save(noise(1.0, 8000), tmp_path / "a.wav")
    assert Limits(1, 1).refusal(wav) == ""
    assert decoded == []
    sound = noise(1.0, 8000)
    ogg = tmp_path / "b.ogg"
    soundfile.write(ogg, sound.waveform.T.numpy(), sound.sample_rate)
    assert Limits(1, 1).refusal(ogg) == ""
    assert decoded == [ogg]


def test_an_error_that_nobody_foresaw_costs_its_file(
    tried: TryOut, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("nobody foresaw it")

    path = save(noise(0.5), tmp_path / "a.wav")
    with monkeypatch.context() as patched:
        patched.setattr(try_out, "write_snippets", breaks)
        found = tried.clean("balanced", path, folder)
    assert found.reason == "a.wav: RuntimeError: nobody foresaw it"


def test_words_that_are_lost(
    tried: TryOut, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(noise(0.5), tmp_path / "a.wav")

    def texts(_: WordsLost, separation: Separation, track: Track) -> tuple[str, str] | None:
        if not track.transcript or "x" in track.transcript:
            return None
        if "gone" in track.transcript:
            raise MissingWeights("speechclean weights fetch it")
        before = separation.speech is separation.mixture
        return "one 2 three", "one 2" if before else "one too three"

    monkeypatch.setattr(WordsLost, "texts", texts)
    words = tried.clean("balanced", path, folder, "One two three.").words
    assert words is not None
    assert list(words.said) == ["one", "2", "three"]
    assert (list(words.lost_in_mixture), list(words.lost_in_cleaned)) == ([2], [1])
    assert tried.clean("balanced", path, folder, "x").note == "there is no word in the text"
    found = tried.clean("balanced", path, folder, "gone")
    assert found.note == "the words could not be heard: speechclean weights fetch it"
    assert found.output is not None
    assert load(found.output).samples == 12000
