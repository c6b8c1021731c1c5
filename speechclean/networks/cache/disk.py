"""Cache entries on the disk: written and read atomically, the least recently used evicted first.

There is a file per entry, named by the sha256 of its key. Processes share a folder without a lock:
an entry appears by a rename, and every read checks its checksum. So nothing has to be synced to the
disk (an entry that a power cut tears counts as a miss), and two processes that make the same entry
write the same bytes. Only eviction takes a lock.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from torch import Tensor

from speechclean.system.atomic_files import written_whole
from speechclean.system.paths import home

from .packing import TornError, pack, unpack
from .tally import Cost, Tally

log = logging.getLogger(__name__)

Key = Mapping[str, Any]
SUFFIX = ".est"
#: As shares of the bound: how much a process writes before it looks at the folder's size again, and
#: what eviction leaves.
LOOK, LEAVE = 0.02, 0.9
#: Temporary files of killed processes are removed after this many seconds.
ORPHANED_S = 3600.0


class Cache(Protocol):
    """Keeps tensors by kind and key, gives them back bit by bit, and counts hits and misses."""

    tally: Tally

    def get(self, kind: str, key: Key) -> Tensor | None:
        """The tensor that was put under a key; None for a miss."""

    def put(self, kind: str, key: Key, tensor: Tensor, cost: Cost) -> None:
        """Keep a float32 tensor, and what it took to compute it."""


@dataclass
class NoCache:
    """Keeps nothing, and counts what is computed."""

    tally: Tally = field(default_factory=Tally)

    def get(self, kind: str, key: Key) -> Tensor | None:  # noqa: ARG002
        """Always a miss."""
        return None

    def put(self, kind: str, key: Key, tensor: Tensor, cost: Cost) -> None:  # noqa: ARG002
        """Count the computation."""
        self.tally.computed(kind, cost)


@dataclass
class DiskCache:
    """Entries below `folder`, up to about `max_bytes` in all.

    Each process may exceed the bound by 2 % until it looks at the folder's size again. A disk that
    is full or gone costs a warning and the hits, but no run fails because of it.
    """

    folder: Path
    max_bytes: int
    tally: Tally = field(default_factory=Tally)
    _since_look: float = field(default=float("inf"), repr=False)
    _warned: bool = field(default=False, repr=False)

    def get(self, kind: str, key: Key) -> Tensor | None:
        """The tensor that was put under a key; None for a miss, and for a torn entry."""
        path = self.path(kind, key)
        try:
            head, tensor = unpack(path.read_bytes())
            cost = _cost(head)
        except FileNotFoundError:
            return None
        except (OSError, TornError) as error:
            self._warn(f"{path}: cannot be reused, it is computed again ({error})")
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # the time of its last use, which eviction goes by
        self.tally.reused(kind, cost)
        return tensor

    def put(self, kind: str, key: Key, tensor: Tensor, cost: Cost) -> None:
        """Keep a tensor and what it took to compute."""
        self.tally.computed(kind, cost)
        packed = pack({"kind": kind, "key": dict(key), "cost": vars(cost)}, tensor)
        if len(packed) > self.max_bytes:
            return
        try:
            self._make_room(len(packed))
            with written_whole(self.path(kind, key)) as temporary:
                temporary.write_bytes(packed)
        except OSError as error:
            self._warn(
                f"{self.folder}: nothing more is kept for reuse ({error}); "
                "cache.dir=… names another folder"
            )

    def path(self, kind: str, key: Key) -> Path:
        """The file of an entry, whether it exists or not."""
        name = hashlib.sha256(
            json.dumps(key, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()
        return self.folder / kind / name[:2] / f"{name[2:]}{SUFFIX}"

    def entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every entry, with its size and the time of its last use."""
        for path in self.folder.glob(f"*/??/*{SUFFIX}"):
            with suppress(OSError):  # another process has just removed it
                yield path, path.stat()

    def evict(self, max_bytes: int) -> int:
        """Remove the least recently used entries until `max_bytes` are left; returns what is left.

        One process at a time does it for all of them; the others do not wait.
        """
        entries = sorted(self.entries(), key=lambda entry: entry[1].st_mtime)
        left = sum(stat.st_size for _, stat in entries)
        try:
            with FileLock(self.folder / ".evicting", blocking=False):
                self._remove_orphaned()
                for path, stat in entries:
                    if left <= max_bytes:
                        break
                    with suppress(OSError):
                        path.unlink()
                    left -= stat.st_size
        except Timeout:
            pass
        return left

    def _make_room(self, coming: int) -> None:
        self._since_look += coming
        if self._since_look <= LOOK * self.max_bytes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        size = sum(stat.st_size for _, stat in self.entries())
        if size + coming + LOOK * self.max_bytes > self.max_bytes:
            self.evict(int(LEAVE * self.max_bytes) - coming)
        self._since_look = 0.0

    def _remove_orphaned(self) -> None:
        for path in self.folder.glob("*/??/.writing-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > ORPHANED_S:
                    path.unlink()

    def _warn(self, message: str) -> None:
        if not self._warned:
            log.warning("%s", message)
        self._warned = True


def _cost(head: Mapping[str, Any]) -> Cost:
    """What an entry says that it took. Raises `TornError` for anything else."""
    try:
        return Cost(int(head["cost"]["forwards"]), float(head["cost"]["seconds"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise TornError("it does not say what it took") from error


def default_dir() -> Path:
    """The folder named by SPEECHCLEAN_CACHE, or `speechclean` in the user's cache folder."""
    own = os.environ.get("SPEECHCLEAN_CACHE")
    return (
        Path(own)
        if own
        else Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "speechclean"
    )
