"""Reading a worker's next file: its sound, and what its ledger entry says of the input."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from speechclean.audio.stream import LongAudio
from speechclean.experiment.read import read
from speechclean.records import provenance

from .jobs import Job, named
from .task import Input

log = logging.getLogger(__name__)


def read_input(
    job: Job, stream_above_s: float, max_decoded_gb: float | None, largest_weight: float
) -> None:
    """Read a job's file into it; a file that cannot be read leaves a reason in place of a sound.

    stream_above_s: length in seconds above which a sound stays on the disk
    max_decoded_gb: what a file may hold as 32-bit floats; None: whatever it does
    largest_weight: samples of all channels above which the models take it alone
    """
    job.started = time.monotonic()
    log.info("begun: %s", job.task.alias)
    path = Path(job.task.path)
    with suppress(OSError):
        facts = path.stat()
        job.input = Input(provenance.file_hash(path), facts.st_size, facts.st_mtime_ns)
    try:
        job.sound, job.reason = read(path, stream_above_s, max_decoded_gb)
        job.large = (
            job.task.alone or job.weight > largest_weight or isinstance(job.sound, LongAudio)
        )
    except Exception as error:  # noqa: BLE001 (of whatever kind, it fails this file alone)
        job.sound, job.reason = None, named(path, error)
