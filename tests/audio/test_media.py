"""Films and compressed sound that libsndfile does not know: whole, in place, or refused by name."""

from __future__ import annotations

import ast
import logging
import struct
from pathlib import Path
from uuid import UUID

import av
import numpy as np
import pytest

from speechclean.audio import boxes, ffmpeg, media
from speechclean.audio.sound_files import load, probe
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import AudioError
from tests.support.films import film, tones

RATE = 24000
SECONDS = 0.8765  # no number of frames of any codec
#: Codec, rate, channels, picture; then what of the sound the container keeps to the sample: the
#: place of its beginning, and how much longer it may be at its end.
KINDS = {
    "x.m4a": ("aac", 24000, 1, "", 0, 0),
    "stereo.m4a": ("aac", 44100, 2, "", 0, 0),
    "lossless.m4a": ("alac", 44100, 2, "", 0, 0),
    "x.3gp": ("aac", 16000, 1, "", 0, 0),
    "x.mp4": ("aac", 44100, 2, "mpeg4", 0, 0),
    "x.mov": ("pcm_s24le", 24000, 1, "", 0, 0),
    "x.webm": ("libopus", 48000, 1, "", 0, 0),
    "film.webm": ("libopus", 48000, 2, "libvpx", 0, 0),
    "x.mkv": ("aac", 24000, 1, "", 0, 1024),
    "lossless.mkv": ("flac", 24000, 1, "", 0, 0),
    "x.wv": ("wavpack", 44100, 1, "", 0, 0),
    # These know nothing of what an encoder puts in front, or ffmpeg's wma of what a decoder drops.
    "x.aac": ("aac", 24000, 1, "", 1024, 1024),
    "x.flv": ("aac", 44100, 1, "", 1024, 1024),
    "x.avi": ("mp3", 44100, 1, "", 1105, 1152),
    "x.wma": ("wmav2", 44100, 1, "", -2048, 2048),
}


def made(path: Path, seconds: float = SECONDS) -> tuple[bytes, np.ndarray]:
    """The file of a kind, and the sound that went into it."""
    codec, rate, channels, picture, _, _ = KINDS[path.name]
    sound = tones(seconds, rate, channels)
    return film(path, codec, sound, rate, picture=picture), sound


def streamed(path: Path) -> np.ndarray:
    sound = LongAudio.of(path)
    chunks = [chunk.numpy() for chunk in sound.chunks()]
    assert sum(chunk.shape[1] for chunk in chunks) == sound.samples
    return np.concatenate(chunks, 1)


def refused(path: Path, words: str) -> None:
    """Whether both ways of reading name the file and the reason."""
    for read in (load, LongAudio.of):
        with pytest.raises(AudioError, match=words) as raised:
            read(path)
        assert path.name in str(raised.value)


@pytest.mark.parametrize("name", KINDS)
def test_a_sound_is_whole_and_in_its_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _, sound = made(path)
    _, rate, channels, _, place, longer = KINDS[name]
    read = load(path)
    assert (read.sample_rate, read.channels) == (rate, channels)
    values = read.waveform.numpy()
    assert np.array_equal(values, streamed(path))
    assert np.array_equal(LongAudio.of(path).read(5000, 9000).numpy(), values[:, 5000:9000])
    assert 0 <= values.shape[1] - max(0, place) - sound.shape[1] - min(0, place) <= longer
    inside = slice(4096, 16384)
    there = values[:, inside.start + place : inside.stop + place]
    error = there - sound[:, inside]
    assert np.square(sound[:, inside]).sum() > 10**2.5 * np.square(error).sum(), "25 dB"


def test_integers_become_floats_as_libsndfile_makes_them(tmp_path: Path) -> None:
    steps = np.array([-(2**15), -1, 0, 1, 2**15 - 1] * 100) / 2**15
    for name, codec, subtype in [
        ("x.mov", "pcm_s16le", "PCM_16"),
        ("x.m4a", "alac", "PCM_16"),
        ("y.mov", "pcm_s24le", "PCM_24"),
        ("z.mov", "pcm_f32le", "FLOAT"),
        ("x.mkv", "pcm_f64le", "DOUBLE"),
    ]:
        film(tmp_path / name, codec, steps[None].astype(np.float32), RATE)
        assert np.array_equal(load(tmp_path / name).waveform[0].numpy(), steps), name
        assert probe(tmp_path / name).output_subtype == subtype
    film(tmp_path / "x.avi", "pcm_u8", steps[None].astype(np.float32), RATE)
    assert set(load(tmp_path / "x.avi").waveform[0].tolist()) == {-1.0, 0.0, 127 / 128}
    assert probe(tmp_path / "x.avi").output_subtype == "PCM_U8"
    film(tmp_path / "lossy.m4a", "aac", tones(0.2, RATE), RATE)
    assert probe(tmp_path / "lossy.m4a").output_subtype == "PCM_16"


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"stereo.m4a", "lossless.m4a"}))
def test_a_part_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole, _ = made(path)
    for part in (0.3, 0.6):
        path.write_bytes(whole[: int(part * len(whole))])
        refused(path, "truncated|breaks off")


def test_an_mp4_cut_between_two_packets_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.m4a"
    whole = film(path, "aac", tones(1, RATE), RATE, movflags="faststart")
    with av.open(str(path)) as container:
        ends = [entry.pos + entry.size for entry in container.streams.audio[0].index_entries]
    path.write_bytes(whole[: ends[-2]])
    refused(path, f"truncated, its index promises {ends[-1] - ends[-2]} more bytes")
    path.write_bytes(whole[: ends[3] + 5])
    refused(path, "truncated, its index promises")


@pytest.mark.parametrize("lost", [3, 2000])
def test_an_mp4_in_fragments_is_read_or_named(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "x.mp4"
    flags = "frag_keyframe+empty_moov+default_base_moof"
    whole = film(path, "aac", tones(1, RATE), RATE, movflags=flags, frag_duration="300000")
    assert load(path).samples == 1024 + RATE  # it has no place to tell of the delay
    path.write_bytes(whole[:-lost])
    refused(path, r"truncated, its header promises \d+ more bytes")


def test_a_webm_of_a_recorder_is_read_and_held_against_its_duration(tmp_path: Path) -> None:
    """A recorder leaves the segment's length open; what mends that writes a duration alone."""
    path = tmp_path / "x.webm"
    whole = film(path, "libopus", tones(1, 48000), 48000)
    segment = whole.index(b"\x18\x53\x80\x67") + 4
    whole = whole[:segment] + b"\x01" + b"\xff" * 7 + whole[segment + 8 :]
    path.write_bytes(whole)
    assert load(path).samples == 48000
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, r"truncated, 0\.\d of 1\.0 s are there")
    live = film(path, "libopus", tones(1, 48000), 48000, live="1")
    assert load(path).samples == 48000
    path.write_bytes(live[: len(live) // 2])
    refused(path, r"truncated, 0\.\d s are there")


def test_what_is_all_there_is_read_whatever_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "x.m4a"
    whole, sound = made(path)
    path.write_bytes(whole[:-3])  # of a tag
    assert load(path).samples == sound.shape[1]


@pytest.mark.parametrize("entry", [b"drms", b"enca"])
def test_protected_sound_is_refused(tmp_path: Path, entry: bytes) -> None:
    path = tmp_path / "x.m4a"
    path.write_bytes(made(path)[0].replace(b"mp4a", entry))
    refused(path, r"is encrypted \(DRM\)")


def test_encrypted_packets_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    film(
        path, "aac", tones(0.3, RATE), RATE, encryption_scheme="cenc-aes-ctr",
        encryption_key="0" * 31 + "1", encryption_kid="0" * 31 + "2",
    )  # fmt: skip
    refused(path, r"is encrypted \(DRM\)")


def test_a_protected_wma_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wma"
    whole, _ = made(path)
    size, count = struct.unpack("<QI", whole[16:28])
    protection = UUID("2211B3FB-BD23-11D2-B4B7-00A0C955FC6E").bytes_le
    added = protection + struct.pack("<Q", 40) + bytes(16)
    head = whole[:16] + struct.pack("<QI", size + len(added), count + 1) + whole[28:30]
    path.write_bytes(head + added + whole[30:])
    refused(path, r"is encrypted \(DRM\)")


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", "aac", tones(0.3, RATE), RATE, sounds=0, picture="mpeg4")
    refused(tmp_path / "x.mp4", r"holds no sound \(video alone\)")


def test_of_several_sounds_the_first_is_read_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, sound = tmp_path / "x.mp4", tones(0.5, RATE)
    film(path, "aac", sound, RATE, sounds=2, picture="mpeg4")
    read = load(path).waveform.numpy()
    assert abs(read).max() == pytest.approx(abs(sound).max(), rel=0.1)  # not the quieter one
    assert caplog.messages == [f"{path}: holds 2 sounds, of which number 1 is read"]


def test_a_sound_that_begins_after_the_picture_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, sound = tmp_path / "x.mkv", tones(0.5, RATE)
    film(path, "flac", sound, RATE, picture="mpeg4", late_s=0.4)
    assert load(path).samples == sound.shape[1]
    assert caplog.messages[0].startswith(f"{path}: its sound begins 0.40 s after its picture")


def test_joined_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.aac"
    one, two = (film(path, "aac", tones(0.4, rate), rate) for rate in (24000, 16000))
    path.write_bytes(one + one)
    assert load(path).samples == 2 * 11264
    path.write_bytes(one + two)
    refused(path, "changes after 0.. s from 1 channels at 24000 Hz to 1 channels at 16000 Hz")


def test_an_aac_behind_a_players_tag_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.aac"
    whole = film(path, "aac", tones(0.4, RATE), RATE)
    before = load(path).waveform
    path.write_bytes(b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + whole)
    assert bool((load(path).waveform == before).all())


def test_limits_hold(tmp_path: Path) -> None:
    film(tmp_path / "x.mov", "pcm_s16le", tones(1, 500), 500)
    refused(tmp_path / "x.mov", "a sample rate of 500 Hz")
    path = tmp_path / "x.m4a"
    film(path, "aac", np.zeros((2, 2 * RATE), np.float32), RATE)
    assert LongAudio.of(path, 0.00039).samples == 2 * RATE
    with pytest.raises(AudioError, match=r"decodes to more than 0\.00038 GB"):
        LongAudio.of(path, 0.00038)
    not_finite = np.full((1, 4000), np.nan, np.float32)
    film(tmp_path / "nan.mov", "pcm_f32le", not_finite, RATE)
    refused(tmp_path / "nan.mov", "holds NaN or infinity")


def test_warnings_have_the_files_name_and_nothing_else_is_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mkv"
    whole = film(path, "flac", tones(8, RATE), RATE, cluster_time_limit="1000")
    cluster = whole.index(b"\x1f\x43\xb6\x75", len(whole) // 2)
    path.write_bytes(whole[:cluster] + b"\0" * 8 + whole[cluster + 8 :])
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    with caplog.at_level(logging.WARNING):
        load(path)
    assert any(line.startswith(f"{path}: ") for line in caplog.messages)
    assert capfd.readouterr().err == ""
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before


@pytest.mark.parametrize(
    ("head", "demuxer"),
    [
        (b"Yes, free of charge", ""),
        (b"\0\0\0\x20ftypisom....", "mov"),
        (b"RIFF\0\0\0\0WAVEfmt ", ""),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"\xff\xfb\x90\x64" + bytes(12), ""),
        (b"#EXTM3U\nhttp://x", ""),
        (b"ffconcat version", ""),
        (b"", ""),
    ],
)
def test_the_bytes_tell_the_container(head: bytes, demuxer: str) -> None:
    assert boxes.demuxer_of(head) == demuxer


def test_what_only_looks_like_a_film_is_refused(tmp_path: Path) -> None:
    for name, head in {
        "a.mkv": b"\x1a\x45\xdf\xa3",
        "a.aac": b"\xff\xf1",
        "a.amr": b"#!AMR\n",
    }.items():
        (tmp_path / name).write_bytes(head + bytes(range(256)) * 8)
        refused(
            tmp_path / name, "not a sound file|breaks off|truncated|without any samples|no sound"
        )


def test_a_header_that_leads_where_no_file_goes_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.wma"
    whole, _ = made(path)
    for at in (39, 44, 45, 148, 189, 194, 294, 408):
        path.write_bytes(whole[:at] + (2**63 - 1).to_bytes(8, "little") + whole[at + 8 :])
        with pytest.raises(AudioError, match=r"x\.wma"):
            load(path)
    assert capfd.readouterr().err == "", "nothing is printed past everybody's log"


def test_pyav_is_imported_where_it_is_needed_alone() -> None:
    for module in (ffmpeg, media):
        for node in ast.parse(Path(module.__file__ or "").read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "av" not in ast.unparse(node).split()
