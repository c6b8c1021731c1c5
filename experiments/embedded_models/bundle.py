r"""Take a training to a machine that is lent for a quarter of an hour, and bring it back.

    python -m experiments.embedded_models.bundle pack --source ../shared/data/train \
        --source ../shared/data/train2 --voices $SPEECH --out $PIECES --limit_mb 60
    python -m experiments.embedded_models.bundle unpack $PIECES --banks $W/banks      # there
    python -m experiments.embedded_models.bundle split $W/net/last.pt --out $BACK     # there
    python -m experiments.embedded_models.bundle join $BACK --out $W/net/last.pt      # here

`pack` writes code.tar.gz, what the last commit holds, and pieces of less than the limit, each a
fair sample of all kinds: mono Opus at 24 kHz, 27 kbit/s for speech and 17 for the rest. `unpack`
decodes all pieces of a folder on all cores into the banks that a training reads. `split` writes a
checkpoint in half precision (the optimiser's momentum in bfloat16) in parts; what `join` makes of
them can be resumed, or exported.
"""

import argparse
import csv
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from rich.progress import track
from torch import Tensor

from experiments.embedded_models.data import (
    SAMPLE_RATE,
    decode,
    from_folder,
    from_manifest,
    write_decoded,
)

KINDS = ("speech", "music", "noise")
#: libsndfile's compression level of Opus, 0 to 1; what it comes to in kbit/s is in the text above.
LEVELS = {"speech": 0.92, "voices": 0.92, "music": 0.96, "noise": 0.96}
COLUMNS = ("member", "kind", "file", "id", "origin", "source_rate")


@dataclass(frozen=True)
class Wanted:
    """A clip to take along, and how much of it at most."""

    path: Path
    kind: str
    file: str
    id: str
    origin: str
    share: float


def wanted(sources: Sequence[Path], voices: Path | None, most_s: float) -> list[Wanted]:
    """All clips of the folders, in an order that mixes them, and no more than `most_s` of an id.

    Many voices and tracks for a minute each teach more than a few for long.
    """
    found = [(kind, *row) for source in sources for kind in KINDS for row in _rows(source, kind)]
    found += [("voices", *row) for row in (from_folder(voices) if voices else [])]
    lengths: dict[tuple[str, str], float] = {}
    for kind, path, _, identity, _ in found:
        lengths[kind, identity] = lengths.get((kind, identity), 0) + soundfile.info(path).duration
    order = np.random.default_rng(len(found)).permutation(len(found))
    return [
        Wanted(path, kind, file, identity, origin, min(1.0, most_s / lengths[kind, identity]))
        for kind, path, file, identity, origin in (found[index] for index in order)
    ]


def _rows(source: Path, kind: str) -> list[tuple[Path, str, str, str]]:
    return [
        (path, f"{source.name}/{file}", identity, origin)
        for path, file, identity, origin in from_manifest(source, kind)
    ]


def encode(clip: Wanted, seed: int = 0) -> tuple[bytes, int]:
    """A clip as Opus, cut to its share from a random place, and the rate that it was stored at."""
    samples, rate = decode(clip.path)
    kept = int(len(samples) * clip.share)
    start = int(np.random.default_rng((seed, len(samples))).integers(len(samples) - kept + 1))
    content = io.BytesIO()
    soundfile.write(
        content,
        samples[start : start + kept],
        SAMPLE_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=LEVELS[clip.kind],
    )
    return content.getvalue(), rate


def pack(clips: Sequence[Wanted], out: Path, limit: int, workers: int | None) -> list[Path]:
    """Pieces of at most `limit` bytes with all clips."""
    out.mkdir(parents=True, exist_ok=True)
    pieces: list[Path] = []
    members: list[tuple[bytes, dict[str, Any]]] = []
    size = 0
    with ProcessPoolExecutor(workers) as pool:
        encoded = pool.map(encode, clips, chunksize=4)
        for clip, (content, rate) in zip(
            clips, track(encoded, "packing", total=len(clips)), strict=True
        ):
            cost = len(content) + 2048  # its header in the tar, padding, its row
            if members and size + cost > limit:
                pieces.append(_write(out / f"piece_{len(pieces):02}.tar", members))
                members, size = [], 0
            row = dict(
                zip(COLUMNS[1:], (clip.kind, clip.file, clip.id, clip.origin, rate), strict=True)
            )
            members.append((content, row | {"member": f"{len(members):05}.opus"}))
            size += cost
    return [*pieces, _write(out / f"piece_{len(pieces):02}.tar", members)]


def _write(path: Path, members: Iterable[tuple[bytes, dict[str, Any]]]) -> Path:
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    with tarfile.open(path, "w") as tar:
        for content, row in members:
            writer.writerow(row)
            _add(tar, row["member"], content)
        _add(tar, "clips.csv", table.getvalue().encode())
    return path


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def unpack(folder: Path, banks: Path, workers: int | None = None) -> None:
    """Banks of everything that lies in the pieces of a folder."""
    rows: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
    for piece in sorted(folder.glob("piece_*.tar")):
        with tarfile.open(piece) as tar:
            content = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        for row in csv.DictReader(io.StringIO(content["clips.csv"].decode())):
            rows.setdefault(row["kind"], []).append((content[row["member"]], row))
    with ProcessPoolExecutor(workers) as pool:
        for kind, found in rows.items():
            waves = pool.map(_decoded, (content for content, _ in found), chunksize=8)
            told = ((row["file"], row["id"], row["origin"]) for _, row in found)
            rates = (int(row["source_rate"]) for _, row in found)
            write_decoded(banks, kind, zip(told, waves, rates, strict=True))


def _decoded(content: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(content), dtype="int16")[0]


def split(checkpoint: Path, out: Path, limit: int) -> list[Path]:
    """The checkpoint at half its size, in parts of at most `limit` bytes."""
    content = torch.load(checkpoint, "cpu", weights_only=True)
    for name, kind in (("model", torch.half), ("average", torch.half), ("muon", torch.bfloat16)):
        content[name] = _at(content[name], kind)
    whole = io.BytesIO()
    torch.save(content, whole)
    packed = whole.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    parts = []
    for number, start in enumerate(range(0, len(packed), limit)):
        parts.append(out / f"{checkpoint.stem}_{number:02}.part")
        parts[-1].write_bytes(packed[start : start + limit])
    return parts


def _at(value: Any, kind: torch.dtype) -> Any:
    """The same with every floating-point tensor of that type."""
    if isinstance(value, Tensor):
        return value.to(kind) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _at(one, kind) for key, one in value.items()}
    return [_at(one, kind) for one in value] if isinstance(value, list) else value


def join(folder: Path, out: Path) -> None:
    """The checkpoint whose parts lie in the folder."""
    parts = sorted(folder.glob("*.part"))
    if not parts:
        raise SystemExit(f"{folder}: no parts of a checkpoint in it")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    try:
        with zipfile.ZipFile(out) as archive:  # as which torch writes
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError) as error:  # a directory that points before the file
        raise SystemExit(f"{folder}: a part is missing ({error})") from error
    if damaged:
        raise SystemExit(f"{folder}: a part is damaged (in {damaged})")


def _code(out: Path) -> Path:
    path = out / "code.tar.gz"
    subprocess.run(["git", "archive", "--output", str(path), "HEAD"], check=True)
    return path


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    packing, unpacking, splitting, joining = map(
        steps.add_parser, ("pack", "unpack", "split", "join")
    )
    packing.add_argument("--source", type=Path, action="append", default=[])
    packing.add_argument("--voices", type=Path, help="synthetic speech, as voices.py names it")
    packing.add_argument("--most_s", type=float, default=60.0, help="of one voice or track")
    packing.add_argument("--workers", type=int)
    unpacking.add_argument("folder", type=Path)
    unpacking.add_argument("--banks", type=Path, required=True)
    splitting.add_argument("checkpoint", type=Path)
    joining.add_argument("folder", type=Path)
    for one, limit in ((packing, 60.0), (splitting, 15.0)):
        one.add_argument("--limit_mb", type=float, default=limit)
    for one in (packing, splitting, joining):
        one.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    if args.step == "pack":
        clips = wanted(args.source, args.voices, args.most_s)
        made = pack(clips, args.out, int(args.limit_mb * 1e6), args.workers)
        _tell([*made, _code(args.out)])
    elif args.step == "unpack":
        unpack(args.folder, args.banks)
    elif args.step == "split":
        _tell(split(args.checkpoint, args.out, int(args.limit_mb * 1e6)))
    else:
        join(args.folder, args.out)


def _tell(paths: Iterable[Path]) -> None:
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
