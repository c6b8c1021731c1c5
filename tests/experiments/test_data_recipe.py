"""The data recipe: banks, splits, crops, composed music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments.embedded_models import (
    activity,
    attributions,
    compose,
    data,
    everything,
    mixing,
    oscillators,
    shaping,
    textures,
    voices,
)
from experiments.embedded_models.pools import Pool, make_pools

Banks = dict[str, data.Bank]


@pytest.fixture
def banks(tmp_path: Path) -> Banks:
    """Two voices and two tracks of 6 s, and a noise, decoded into banks."""
    rng = np.random.default_rng(0)
    time = np.arange(6 * 16_000) / 16_000
    for name, hz in (("v0", 180), ("v1", 240), ("m0", 500), ("m1", 700), ("n0", 0)):
        wave = (
            np.sin(2 * np.pi * hz * time) * (0.3 + 0.2 * np.sin(6 * time))
            if hz
            else 0.1 * rng.standard_normal(len(time))
        )
        soundfile.write(tmp_path / f"{name}.wav", wave, 16_000)
    for kind, names in (("speech", ("v0", "v1")), ("music", ("m0", "m1")), ("noise", ("n0",))):
        data.write_bank(
            tmp_path / "banks", kind, [(tmp_path / f"{n}.wav", n, n, "made") for n in names]
        )
    return {kind: data.read_bank(tmp_path / "banks", kind) for kind in ("speech", "music", "noise")}


def test_a_bank_gives_back_what_was_decoded(banks: Banks) -> None:
    clip = banks["speech"].clips[1]
    wave = banks["speech"].read(clip, 0, clip.length)
    assert clip.source_rate == 16_000
    assert clip.length == 6 * data.SAMPLE_RATE
    assert np.abs(wave).max() == pytest.approx(0.89, abs=1e-3)
    assert not banks["speech"].read(clip, clip.length - 10, 100)[10:].any()


def test_a_file_that_cannot_be_read_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    data.write_bank(tmp_path, "speech", [(tmp_path / "bad.wav", "bad.wav", "v", "made")])
    assert "bad.wav" in capsys.readouterr().out
    assert (tmp_path / "speech.i16").stat().st_size == 0
    assert len((tmp_path / "speech.csv").read_text().splitlines()) == 1, "the head alone"


def test_the_split_hangs_on_the_name_alone() -> None:
    split = [data.split_of(f"voice{i}") for i in range(2000)]
    assert split == [data.split_of(f"voice{i}") for i in range(2000)]
    assert 0.05 < split.count("valid") / 2000 < 0.11


def pools(banks: Banks) -> dict[str, Pool]:
    everything = {
        kind: data.Bank(b.samples, [data.Clip(**{**vars(c), "split": "train"}) for c in b.clips])
        for kind, b in banks.items()
    }
    return make_pools(everything, "train", 1.0)


def test_the_same_seed_gives_the_same_crop_and_another_seed_another(banks: Banks) -> None:
    first, again, other = (
        mixing.batch(np.random.default_rng(s), pools(banks), 2, 24_000, mixing.Recipe())
        for s in (1, 1, 2)
    )
    assert first.shape == (2, 2, 24_000)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_crop_has_the_snr_that_was_asked_for(banks: Banks) -> None:
    plain = mixing.Recipe(
        snr_db=(5, 5), speech_alone=0, music_alone=0, two_musics=0, noise=0, fade=0, cut=0
    )
    one = mixing.crop(np.random.default_rng(3), pools(banks), 48_000, plain)
    on = activity.active(one.speech)
    ratio = (
        activity.frame_energy(one.speech)[on].mean() / activity.frame_energy(one.music)[on].mean()
    )
    assert 10 * np.log10(ratio) == pytest.approx(5, abs=0.1)


def test_speech_alone_and_music_alone_leave_the_other_silent(banks: Banks) -> None:
    alone = mixing.crop(
        np.random.default_rng(4), pools(banks), 24_000, mixing.Recipe(speech_alone=1.0)
    )
    assert not alone.music.any()
    assert alone.speech.any()
    music = mixing.crop(
        np.random.default_rng(4),
        pools(banks),
        24_000,
        mixing.Recipe(speech_alone=0, music_alone=1.0),
    )
    assert not music.speech.any()
    assert music.music.any()


def test_the_low_pass_passes_below_and_stops_above_its_cutoff() -> None:
    gain = shaping.low_pass(np.array([100.0, 3_800.0, 4_000.0, 8_000.0]), 4_000)
    assert gain == pytest.approx([1, 1, 0, 0], abs=1e-6)


def test_every_style_composes_and_ends_in_time() -> None:
    for style in compose.STYLES:
        notes, programs, tempo = compose.compose(5, 20.0, style)
        midi = compose.to_midi(notes, programs, tempo, 20.0)
        assert midi == compose.to_midi(*compose.compose(5, 20.0, style), 20.0)
        assert midi[:4] == b"MThd"
        assert midi.endswith(b"\xff\x2f\x00")
        assert all(0 <= note.pitch < 128 and note.start >= 0 for note in notes)
        assert len(notes) > 10


@pytest.mark.parametrize(
    ("value", "coded"), [(0, b"\x00"), (127, b"\x7f"), (128, b"\x81\x00"), (16_383, b"\xff\x7f")]
)
def test_variable_length_quantities_by_hand(value: int, coded: bytes) -> None:
    assert compose.varint(value) == coded


def test_texts_start_with_a_letter_since_engines_take_dashes_for_options() -> None:
    for seed in range(200):
        assert voices.text(np.random.default_rng(seed))[0].isalpha()


@pytest.mark.parametrize("kind", textures.KINDS)
def test_a_texture_is_the_same_from_its_seed_and_never_clips(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(textures, "SECONDS", 5.0)
    one, again, other = (
        textures.piece(kind, 3, 1),
        textures.piece(kind, 3, 1),
        textures.piece(kind, 3, 2),
    )
    assert one.shape == (5 * data.SAMPLE_RATE,)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.abs(one).max() == pytest.approx(0.708, abs=1e-3)
    assert np.sqrt(np.mean(one**2)) > 0.01


def test_no_partial_is_folded_back() -> None:
    """Of twelve partials of 3 kHz the three below 10.8 kHz sound, and nothing else."""
    wave = oscillators.oscillator(3000.0, 1.0, np.random.default_rng(0), 12)
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    wanted = sum(power[n * 3000 - 5 : n * 3000 + 6].sum() for n in (1, 2, 3))
    assert wanted / power.sum() > 0.999


def test_ducked_music_steps_back_under_the_voice_and_comes_back() -> None:
    speech = np.zeros(4 * data.SAMPLE_RATE, np.float32)
    speech[data.SAMPLE_RATE : 2 * data.SAMPLE_RATE] = 0.1 * np.sin(np.arange(data.SAMPLE_RATE) / 10)
    gain = 20 * np.log10(mixing.ducked(np.random.default_rng(1), speech))
    rate = data.SAMPLE_RATE
    assert gain[: rate // 2].max() == pytest.approx(0, abs=0.1)
    assert -14 <= gain[2 * rate - 100] <= -3.5
    assert gain[-1] > -1
    assert np.abs(np.diff(gain)).max() < 0.02, "no clicks"


def test_a_coded_voice_keeps_its_length_and_stays_itself(tmp_path: Path) -> None:
    time = np.arange(24_000) / 24_000
    voice = 0.3 * np.sin(2 * np.pi * 300 * time)
    soundfile.write(tmp_path / "v.wav", voice, 24_000)
    voices.through_codec(tmp_path / "v.wav", np.random.default_rng(0))
    coded, rate = soundfile.read(tmp_path / "v.wav")
    assert (len(coded), rate) == (24_000, 24_000)
    assert not np.array_equal(coded, voice)
    spectrum = np.abs(np.fft.rfft(coded[4000:20_000] * np.hanning(16_000)))
    assert spectrum.argmax() == pytest.approx(200, abs=1), "300 Hz, still"


def test_the_whole_training_is_a_list_of_commands_that_goes_on_where_it_was(tmp_path: Path) -> None:
    planned = everything.steps(tmp_path, tmp_path / "train", 0.01, "cpu")
    names = [step.name for step in planned]
    assert (
        names.index("banks")
        < names.index("hdemucs")
        < names.index("htdemucs")
        < names.index("remains")
        < names.index("denoiser")
    )
    (training,) = [step for step in planned if step.name == "hdemucs"]
    assert "resume=true" not in training.line()
    (tmp_path / "hdemucs").mkdir()
    (tmp_path / "hdemucs" / "last.pt").touch()
    assert "resume=true" in training.line()


def test_credits_name_every_clip_that_is_used_of_both_kinds_of_folder(tmp_path: Path) -> None:
    repositories, packages = tmp_path / "a", tmp_path / "b"
    for folder, name, text in (
        (
            repositories,
            "sources.tsv",
            "file\trepo\tpath\tcommit\tlicence\tattribution_note\n"
            "speech/x.ogg\tsome/voices\ta.wav\tc0ffee\tCC0-1.0\tread by X\n"
            "music_vocal/sung.ogg\tsome/songs\ts.wav\tc0ffee\tCC0-1.0\tnot used\n",
        ),
        (
            packages,
            "sources.tsv",
            "package\tversion\tlicence_summary\nzaz-data\t1.0.1-1\tvarious\n",
        ),
        (
            packages,
            "manifest.tsv",
            "file\tpackage\tlicence\n"
            "music/zaz/b.opus\tzaz-data\tCC-BY-SA-3.0\n"
            "music/zaz/a.opus\tzaz-data\tCC-BY-SA-3.0\n",
        ),
    ):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    out = tmp_path / "credits.tsv"
    attributions.main(["--source", str(repositories), str(packages), "--out", str(out)])
    heading, repository, package = (line.split("\t") for line in out.read_text().splitlines())
    assert heading[-1] == "files"
    assert repository == [
        "https://github.com/some/voices", "c0ffee", "CC0-1.0", "read by X", "speech/x.ogg"
    ]  # fmt: skip
    assert package[:3] == ["Debian package zaz-data", "1.0.1-1", "CC-BY-SA-3.0"]
    assert package[-1] == "music/zaz/a.opus music/zaz/b.opus"


def test_a_crop_of_digital_silence_leaves_the_music_as_it_is() -> None:
    """No ratio to silence can be had; a NaN would be every sample of a mixture, and of a step."""
    music = np.random.default_rng(0).normal(size=24000).astype(np.float32)
    silent = np.zeros(24000, np.float32)
    assert activity.gain_for(silent, music, 5.0) == 1
    assert np.isfinite(activity.gain_for(music, silent, 5.0))
