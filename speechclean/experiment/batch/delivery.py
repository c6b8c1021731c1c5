"""A batch in archives: the cleaned files, manifest.csv, metrics.csv and checksums.sha256.

The same content gives the same bytes: names in order, dates and owners fixed, nothing in it of
paths, times or machines. `sha256sum -c checksums.sha256` checks what was unpacked.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from speechclean.records.provenance import file_hash
from speechclean.records.run_folder import (
    DELIVERY_FOLDER,
    DELIVERY_ZIP,
    METRICS_CSV,
)
from speechclean.system.atomic_files import written_whole
from speechclean.system.csv_tables import csv_text

from . import BatchError
from .task import Entry

#: 1 January 1980, the earliest date that a zip can hold; the seconds of it for tar.
ZIP_DATE, TAR_SECONDS = (1980, 1, 1, 0, 0, 0), 315532800
#: A finished file: the batch's folder and its entry.
Delivered = tuple[Path, Entry]
MANIFEST = (
    "file",
    "alias",
    "status",
    "reason",
    "seconds",
    "sample_rate",
    "channels",
    "sha256",
    "sha256_of_input",
)


@dataclass(frozen=True)
class Zip:
    """One zip, stored without compression.

    Sound gains nothing by it, and the bytes of the archive would depend on the version of zlib.

    path: None is `delivery.zip` in the batch's folder
    """

    path: str | None = None

    def pack(self, files: Sequence[Delivered]) -> list[Path]:
        """The archive.

        Raises `OSError` where there is no room, `BatchError` for what is not as it was written.
        """
        _check(files)
        target = Path(self.path) if self.path else files[0][0] / DELIVERY_ZIP
        with written_whole(target) as temporary:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name, content in _contents(files):
                    info = zipfile.ZipInfo(name, ZIP_DATE)
                    info.external_attr = 0o644 << 16
                    size = len(content) if isinstance(content, bytes) else content.stat().st_size
                    info.file_size = size  # tells the writer whether it needs 64 bits
                    with archive.open(info, "w") as member:
                        if isinstance(content, bytes):
                            member.write(content)
                        else:
                            with content.open("rb") as source:
                                while chunk := source.read(2**20):
                                    member.write(chunk)
            _sync(temporary)
        return [target]


@dataclass(frozen=True)
class Tar:
    """Shards of at most `shard_mib` MiB, each with the tables of its own files.

    A file that is larger gets a shard for itself.

    path: a folder; None is `delivery` in the batch's folder. Shards are called `00000.tar` and so
        on.
    """

    path: str | None = None
    shard_mib: int = 1000

    def __post_init__(self) -> None:
        if self.shard_mib < 1:
            raise ValueError(f"shard_mib={self.shard_mib} must be 1 or more")

    def pack(self, files: Sequence[Delivered]) -> list[Path]:
        """The shards; those of an earlier, longer delivery are removed.

        Raises `OSError` where there is no room, `BatchError` for what is not as it was written.
        """
        _check(files)
        target = Path(self.path) if self.path else files[0][0] / DELIVERY_FOLDER
        written = []
        for number, some in enumerate(_shards(files, self.shard_mib * 2**20)):
            with written_whole(target / f"{number:05d}.tar") as temporary:
                with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
                    for name, content in _contents(some):
                        info = tarfile.TarInfo(name)
                        info.mtime, info.mode = TAR_SECONDS, 0o644
                        if isinstance(content, bytes):
                            info.size = len(content)
                            archive.addfile(info, io.BytesIO(content))
                        else:
                            info.size = content.stat().st_size
                            with content.open("rb") as source:
                                archive.addfile(info, source)
                _sync(temporary)
            written.append(target / f"{number:05d}.tar")
        for old in target.glob("[0-9][0-9][0-9][0-9][0-9].tar"):
            if old not in written:
                old.unlink()
        return written


def _check(files: Sequence[Delivered]) -> None:
    """Raise `BatchError` that names the cleaned files that are not the ledger's, or lie elsewhere.

    Their hashes are promised in the archive. Raises `OSError` for those that are gone.
    """
    wrong = []
    for folder, entry in files:
        path = folder / entry.result.output
        if not entry.result.cleaned:
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            wrong.append(f"{path} leads out of its folder")
        elif path.stat() and file_hash(path) != entry.output_sha256:
            wrong.append(f"{path} is not as it was written")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise BatchError(
            f"nothing is packed: {'; '.join(wrong[:5])}{more}. The batch's command cleans such "
            "files again"
        )


def _shards(files: Sequence[Delivered], most: int) -> Iterator[list[Delivered]]:
    shard: list[Delivered] = []
    size = 0
    for folder, entry in sorted(files, key=lambda one: one[1].result.output):
        if shard and size + (entry.output_size or 0) > most:
            yield shard
            shard, size = [], 0
        shard.append((folder, entry))
        size += entry.output_size or 0
    if shard:
        yield shard


def _contents(files: Sequence[Delivered]) -> Iterator[tuple[str, bytes | Path]]:
    """Names and contents in order: tables, their checksums, the cleaned files."""
    files = sorted(files, key=lambda one: (one[1].result.output, one[1].alias))
    entries = [entry for _, entry in files]
    cleaned = [(folder, entry) for folder, entry in files if entry.result.cleaned]
    tables = {"manifest.csv": _manifest(entries), METRICS_CSV: _metrics(entries)}
    sums = [(sha256(content).hexdigest(), name) for name, content in tables.items()]
    sums += [(str(entry.output_sha256), entry.result.output) for _, entry in cleaned]
    yield "checksums.sha256", "".join(f"{digest}  {name}\n" for digest, name in sums).encode()
    yield from tables.items()
    for folder, entry in cleaned:
        yield entry.result.output, folder / entry.result.output


def _manifest(entries: Sequence[Entry]) -> bytes:
    rows = []
    for entry in entries:
        row: dict[str, Any] = {
            "alias": entry.alias,
            "status": str(entry.result.status),
            "sha256_of_input": entry.input.sha256,
        }
        if entry.result.cleaned:
            row |= {"file": entry.result.output, "sha256": entry.output_sha256}
            row |= {
                key: getattr(entry.result, key) for key in ("seconds", "sample_rate", "channels")
            }
        else:
            folder, name = os.path.split(entry.result.path)
            row["reason"] = entry.result.reason.replace(entry.result.path, name).replace(folder, "")
        rows.append(row)
    return _table(MANIFEST, rows)


def _metrics(entries: Sequence[Entry]) -> bytes:
    """Rows of metrics.csv without paths and timings."""
    rows = [
        {key: value for key, value in entry.result.row().items() if _is_measure(key)}
        for entry in entries
    ]
    columns = ["alias", *sorted({key for row in rows for key in row if key != "alias"})]
    return _table(columns, rows)


def _is_measure(key: str) -> bool:
    return key not in ("path", "reason") and not key.endswith("_s")


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    return csv_text(columns, rows).encode(errors="backslashreplace")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
