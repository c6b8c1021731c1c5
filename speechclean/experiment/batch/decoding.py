"""A job's sound and its input's identity, read from the disk."""

from __future__ import annotations

import logging
import stat
import time
from contextlib import suppress
from pathlib import Path

from speechclean.audio.stream import LongAudio
from speechclean.experiment.clean import Batching, read
from speechclean.records import provenance

from .jobs import Job, with_path
from .task import Input

log = logging.getLogger(__name__)


def decode(job: Job, batching: Batching, side_by_side: int) -> None:
    """Read a job's file; a job that has no sound afterwards has a reason.

    side_by_side: how many files go through the models at a time
    """
    job.started = time.monotonic()
    log.info("begun: %s", job.task.alias)
    path = Path(job.task.path)
    with suppress(OSError):
        facts = path.stat()
        # a pipe would be waited for
        digest = provenance.file_hash(path) if stat.S_ISREG(facts.st_mode) else None
        job.input = Input(digest, facts.st_size, facts.st_mtime_ns)
    try:
        job.sound, job.reason = read(path, batching.stream_above_s)
        share = batching.batch_seconds / side_by_side
        job.large = job.task.alone or job.weight > share * 48000 or isinstance(job.sound, LongAudio)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
        job.sound, job.reason = None, with_path(path, error)
