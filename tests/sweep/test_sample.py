"""A sample has files of every class, and is the same for whoever asks again."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import Audio
from speechclean.stages.datasets.manifest import Manifest
from speechclean.stages.types import Track
from speechclean.sweep.sample import Heard, candidates, heard, stratified, table
from tests.conftest import noise


def some(count: int) -> list[Heard]:
    """Twelve files: most with little music; the loud ones are those with odd numbers."""
    levels = [-30.0 + (n if n > 8 else n / 10) for n in range(count)]
    return [
        Heard(Track(f"{n:02d}", Path(f"{n}.wav")), level, -30.0 + 9 * (n % 2))
        for n, level in enumerate(levels)
    ]


def test_every_class_of_music_and_loudness_is_there() -> None:
    found = some(12)
    taken = {int(track.alias) for track in stratified(found, 6, 0)}
    assert len(taken) == 6
    for level in (range(4), range(4, 8), range(8, 12)):
        assert sorted(n % 2 for n in taken & set(level)) == [0, 1], "a loud one and a soft one"
    assert [one.alias for one in stratified(found, 6, 0)] == [
        one.alias for one in stratified(found[::-1], 6, 0)
    ]
    assert len(stratified(found, 50, 0)) == 12, "no more than there are"
    assert len({track.alias for track in stratified(some(40), 24, 0)}) == 24


def test_what_can_be_no_sample_is_left_out(tmp_path: Path) -> None:
    save(noise(1.0), tmp_path / "good.wav")
    save(Audio(torch.zeros(1, 24000), 24000), tmp_path / "silent.wav")
    save(Audio(noise(1.0, 8000).waveform.repeat(1, 130), 8000), tmp_path / "long.wav")
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    tracks = [Track(path.stem, path) for path in sorted(tmp_path.glob("*.wav"))]
    judged: list[int] = []

    def music_db(sound: Audio) -> float:
        judged.append(sound.samples)
        return -math.inf if sound.samples == 1 else -12.0

    found = {track.alias: one for track, one in heard(tracks, music_db)}
    assert [name for name, one in found.items() if one] == ["good"]
    assert found["good"] is not None
    assert found["good"].music_db == -12.0
    assert len(candidates(tracks, 1, 0)) == 4
    assert candidates(tracks, 1, 3) == candidates(tracks[::-1], 1, 3)


def test_a_table_reads_back(tmp_path: Path) -> None:
    path, reference = save(noise(0.1), tmp_path / "a b.wav"), save(noise(0.1), tmp_path / "r.wav")
    first = Track("one", path, reference, 'He said: "no, never"', language="en")
    (tmp_path / "sample.csv").write_text(table([first, Track("two", path)]))
    back = Manifest(str(tmp_path / "sample.csv")).tracks()
    assert [
        (one.alias, one.path, one.reference_path, one.transcript, one.language) for one in back
    ] == [
        ("one", path, reference, 'He said: "no, never"', "en"),
        ("two", path, None, None, None),
    ]
