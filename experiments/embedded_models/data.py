"""Decode a folder of audio once into flat int16 banks that training can crop from without waiting.

A *bank* is three files in one folder: `<name>.i16` (all clips of one kind, mono, `SAMPLE_RATE`,
joined end to end), `<name>.csv` (one row per clip: where it lies and what it is) and nothing else,
so that a memory map of it is the whole data set. Clips are split into train and valid by `id`
(voice or track), so that no voice is heard in both.

    python -m experiments.embedded_models.data --source ../shared/data/train --banks /tmp/banks
"""

import argparse
import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from experiments.voices.split import held_out_ids
from speechclean.experiment.config.errors import ConfigError

SAMPLE_RATE = 24_000
VALID_SHARE = 0.08


@dataclass(frozen=True)
class Clip:
    """One decoded clip.

    `start` and `length` are in samples of its bank, `source_rate` is in Hz before resampling.
    """

    file: str
    id: str
    origin: str
    source_rate: int
    start: int
    length: int
    split: str


@dataclass(frozen=True)
class Bank:
    """All clips of one kind: `samples` is int16 `[total]`, full scale 32767."""

    samples: np.ndarray
    clips: list[Clip]

    def of(self, split: str) -> list[Clip]:
        return [clip for clip in self.clips if clip.split == split]

    def read(self, clip: Clip, offset: int, length: int) -> np.ndarray:
        """Float32 `[length]` from `offset` within the clip, zero-padded behind its end."""
        stop = min(offset + length, clip.length)
        out = np.zeros(length, np.float32)
        out[: stop - offset] = self.samples[clip.start + offset : clip.start + stop]
        return out / 32768.0


def split_of(identity: str, share: float = VALID_SHARE) -> str:
    """Train or valid, decided by the name alone.

    So it is the same on every machine, whatever else is in the folder.
    """
    draw = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big") / 2**32
    return "valid" if draw < share else "train"


def decode(path: Path) -> tuple[np.ndarray, int]:
    """A file as mono int16 `[samples]` at `SAMPLE_RATE`, and the rate that it was stored at.

    Its peak is at -1 dBFS.
    """
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = wave.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    peak = float(np.abs(mono).max(initial=0.0))
    mono = mono * (0.89 / peak) if peak > 0 else mono
    return np.round(mono * 32767).astype(np.int16), rate


#: What a bank is told of a clip: its label, its id, its origin.
Told = tuple[str, str, str]


def write_bank(folder: Path, name: str, files: Iterable[tuple[Path, str, str, str]]) -> None:
    """Decode files `(path, label, id, origin)` in order.

    A file that cannot be read is named and left out.
    """
    write_decoded(folder, name, _readable(files))


def _readable(
    files: Iterable[tuple[Path, str, str, str]],
) -> Iterator[tuple[Told, np.ndarray, int]]:
    for path, *told in files:
        try:
            samples, rate = decode(path)
        except soundfile.SoundFileError as error:
            print(f"left out {told[0]}: {error}")
            continue
        label, identity, origin = told
        yield (label, identity, origin), samples, rate


def write_decoded(folder: Path, name: str, clips: Iterable[tuple[Told, np.ndarray, int]]) -> None:
    """A bank of clips in order: what is told of each, its samples, the rate it was stored at."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, position = [], 0
    with (folder / f"{name}.i16.part").open("wb") as out:
        for (label, identity, origin), samples, rate in clips:
            samples.tofile(out)
            rows.append(
                Clip(label, identity, origin, rate, position, len(samples), split_of(identity))
            )
            position += len(samples)
    rows = _both_splits(rows)
    (folder / f"{name}.i16.part").rename(folder / f"{name}.i16")
    with (folder / f"{name}.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(Clip)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    print(f"{name}: {len(rows)} clips, {position / SAMPLE_RATE / 60:.1f} min")


def _both_splits(rows: list[Clip]) -> list[Clip]:
    """The clips, with some in both splits.

    Of a few voices all may fall into one split; then the last by its hash moves.
    """
    identities = sorted(
        {row.id for row in rows}, key=lambda one: hashlib.sha256(one.encode()).digest()
    )
    if len(identities) == 1:
        return [replace(row, split="train") for row in rows]
    missing = {"train", "valid"} - {row.split for row in rows}
    if not missing or not rows:
        return rows
    return [
        replace(row, split=missing.copy().pop()) if row.id == identities[-1] else row
        for row in rows
    ]


def read_bank(folder: Path, name: str) -> Bank:
    """Open a bank as a memory map; nothing is read before it is cropped."""
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    clips = [
        Clip(
            r["file"],
            r["id"],
            r["origin"],
            int(r["source_rate"]),
            int(r["start"]),
            int(r["length"]),
            r["split"],
        )
        for r in rows
    ]
    return Bank(np.memmap(folder / f"{name}.i16", np.int16, "r"), clips)


def from_manifest(source: Path, kind: str) -> list[tuple[Path, str, str, str]]:
    """The files of one kind that `source/manifest.tsv` lists (columns file, kind, id, origin).

    Voices that no training may hear (`experiments/voices/voices.tsv`) are left out.
    """
    with (source / "manifest.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == kind]
    rows = [row for row in rows if row["id"] not in held_out_ids()]
    return [(source / r["file"], r["file"], r["id"], r["origin"]) for r in rows]


def from_folder(folder: Path) -> list[tuple[Path, str, str, str]]:
    """Rendered files named `<id>__<n>.wav|ogg`.

    What stands before the double underscore is the voice or tune.
    """
    paths = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in (".wav", ".ogg", ".flac", ".mp3")
    )
    return [(p, p.name, p.stem.split("__")[0], "synthetic") for p in paths]


def bank_folders(banks: Path, folders: Mapping[str, Path]) -> None:
    """Banks from folders of one's own, by kind.

    Raises `ConfigError` for a folder without two voices or tracks: one must be held out.
    """
    problems = []
    for kind, folder in folders.items():
        found = from_folder(folder)
        if len({identity for _, _, identity, _ in found}) < (1 if kind == "noise" else 2):
            problems.append(
                f"data.{kind}={folder}: needs sound files of two voices or tracks at least, to "
                "hold one out"
            )
    if problems:
        raise ConfigError(problems)
    for kind, folder in folders.items():
        write_bank(banks, kind, from_folder(folder))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, default=Path("../shared/data/train"), help="folder with manifest.tsv"
    )
    parser.add_argument(
        "--banks",
        type=Path,
        required=True,
        help="where the decoded banks go (outside the repository)",
    )
    parser.add_argument("--voices", type=Path, help="folder of synthetic speech made by voices.py")
    parser.add_argument("--composed", type=Path, help="folder of rendered music made by render.py")
    args = parser.parse_args(argv)
    if args.voices or args.composed:
        for name, folder in (("voices", args.voices), ("composed", args.composed)):
            if folder:
                write_bank(args.banks, name, from_folder(folder))
        return
    for kind in ("speech", "music", "noise"):
        write_bank(args.banks, kind, from_manifest(args.source, kind))


if __name__ == "__main__":
    main()
