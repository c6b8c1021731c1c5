"""Which files of a batch are to be done, and in which order."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechclean.audio.sound_files import probe
from speechclean.audio.waveform import AudioError
from speechclean.records import provenance
from speechclean.records.run_folder import cleaned_path
from speechclean.stages.types import Track

from .task import Entry, Task

#: Which files `batch.only` may name.
ONLY = ("all", "failed")
#: Threads that read headers and hash inputs, most of the time waiting for the disk.
READERS = 8
#: So many files are looked at before it is said how many there were.
AT_ONCE = 500


@dataclass(frozen=True)
class Identity:
    """What an output depends on besides its input: hashes of the config and of the weights."""

    signature: str
    weights: str


@dataclass(frozen=True)
class Plan:
    """The tasks to be done, in the order of work, and the entries kept from before, by alias."""

    todo: list[Task]
    kept: Mapping[str, Entry]


def plan(
    tracks: Sequence[Track],
    entries: Mapping[str, Entry],
    identity: Identity,
    output: Mapping[str, Any],
    stream_above_s: float,
    only: str,
    force: bool,
    looked_at: Callable[[int], None] = lambda _count: None,
) -> Plan:
    """Keep what was cleaned, or failed, by the same config and weights from the same input.

    A cleaned file must still be there. The rest is to be done.

    output: the config's node
    stream_above_s: files longer than this many seconds come last
    only: `failed` cleans those again that failed, and no others
    force: whether everything is cleaned anew
    looked_at: called now and then with the number of files that were looked at
    """
    outputs = {track.alias: cleaned_path(track, output) for track in tracks}
    folder = Path(output["dir"])

    def is_done(track: Track) -> bool:
        entry = entries.get(track.alias)
        if only == "failed":
            return entry is None or not entry.result.failed
        if (
            force
            or entry is None
            or (entry.signature, entry.weights) != (identity.signature, identity.weights)
        ):
            return False
        return _is_there(entry, folder, outputs[track.alias]) and _same_input(track.path, entry)

    def look(track: Track) -> Task | None:
        return None if is_done(track) else _task(track, outputs[track.alias])

    looked = _each(look, tracks, looked_at)
    tasks = [task for task in looked if task is not None]
    kept = {
        track.alias: entries[track.alias]
        for track, task in zip(tracks, looked, strict=True)
        if task is None and track.alias in entries
    }
    # Files of like length share a GPU's batches well, and at the end no core waits long for
    # another. Streamed files come last: each takes all cores, and a kill costs the whole of it.
    return Plan(
        sorted(tasks, key=lambda task: (task.seconds > stream_above_s, -task.seconds, task.alias)),
        kept,
    )


def _each(
    look: Callable[[Track], Task | None],
    tracks: Sequence[Track],
    looked_at: Callable[[int], None],
) -> list[Task | None]:
    """What `look` says of each track; an interruption waits for those at work, not for all."""
    found: list[Task | None] = []
    pool = ThreadPoolExecutor(READERS)
    try:
        for start in range(0, len(tracks), AT_ONCE):
            found += pool.map(look, tracks[start : start + AT_ONCE])
            looked_at(len(found))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def _is_there(entry: Entry, folder: Path, output: str) -> bool:
    """Whether a cleaned file is where it belongs, as it was written."""
    if not entry.result.cleaned:
        return True
    try:
        now = (folder / output).stat()
        if entry.result.output != output or now.st_size != entry.output_size:
            return False
        if entry.output_mtime_ns in (None, now.st_mtime_ns):  # None in older ledgers
            return True
        # Touched, copied, or edited since: the content tells.
        return provenance.file_hash(folder / output) == entry.output_sha256
    except OSError:
        return False


def _same_input(path: Path, entry: Entry) -> bool:
    """Whether an input is unchanged: by size and time, or else by content.

    So a copy of the data set is the same data set.
    """
    try:
        now = path.stat()
    except OSError:
        return entry.input.sha256 is None
    if not stat.S_ISREG(now.st_mode):  # a pipe would be waited for
        return entry.input.sha256 is None
    if (now.st_size, now.st_mtime_ns) == (entry.input.size, entry.input.mtime_ns):
        return True
    return now.st_size == entry.input.size and provenance.file_hash(path) == entry.input.sha256


def _task(track: Track, output: str) -> Task:
    """A task, with the length by its header; a bad header is for the worker to report."""
    try:
        info = probe(track.path)
        seconds, weight = info.samples / info.sample_rate, info.samples * info.channels
    except (AudioError, OSError):
        seconds, weight = 0.0, 0
    # Absolute: a worker of another machine, or of a process started elsewhere, has another current
    # folder.
    reference = str(track.reference_path.absolute()) if track.reference_path else None
    path = str(track.path.absolute())
    return Task(
        track.alias,
        path,
        output,
        reference,
        track.transcript,
        track.relative,
        seconds,
        weight,
        language=track.language,
    )
