"""Files through the pipeline in threads, so that the models never wait.

Readers decode ahead; on a CPU every core takes a file of its own through the models, on a GPU one
thread packs what has been read into common passes; finishers measure, write and hash behind them.
On the samples none of it has any influence.
"""

from __future__ import annotations

import logging
import queue
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.experiment.clean import Batching, Outcome, read, screened, stream
from speechclean.experiment.config.schema import Config, Experiment, bare, build
from speechclean.experiment.load_networks import load
from speechclean.experiment.outputs import OutputOptions
from speechclean.records import provenance
from speechclean.system import parallel

from . import memory_errors
from .entry_writer import EntryWriter
from .shared_lock import SharedLock
from .task import Entry, Input, Task

log = logging.getLogger(__name__)

READERS = 2


@dataclass
class _Job:
    """A task on its way through the threads."""

    task: Task
    future: Future[Entry]
    started: float = 0.0
    input: Input | None = None
    sound: Audio | LongAudio | None = None
    reason: str = ""
    large: bool = False


class Worker:
    """A pipeline that takes files as they come.

    config: a run's resolved one; folder: where outputs go
    signature, weights: hashes for the entries of the ledger
    pack: whether files share forward passes; None: on a GPU, where that is faster
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        signature: str,
        weights: str,
        pack: bool | None = None,
    ) -> None:
        cfg = OmegaConf.merge(OmegaConf.structured(Config), _own(config, folder))
        assert isinstance(cfg, DictConfig)
        self._experiment: Experiment = build(cfg)
        load(self._experiment)
        options = OutputOptions(
            folder, cfg.output.ab_seconds, cfg.output.plots, fingerprint=bool(cfg.output.marks)
        )
        self._writer = EntryWriter(self._experiment, options, signature, weights)
        self._batching = Batching(1, cfg.batch_seconds, cfg.stream_above_s, folder, marks=False)
        self._threads, self._gate = torch.get_num_threads(), SharedLock()
        self._pack = self._experiment.pipeline.device.type != "cpu" if pack is None else pack
        self._side_by_side = 1 if self._pack else parallel.at_once()
        self._read: queue.Queue[_Job | None] = queue.Queue()
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._finishers = ThreadPoolExecutor(
            max(2, parallel.at_once()), "finisher", torch.set_num_threads, (1,)
        )
        self._models = [
            Thread(target=self._compute, name=f"models-{n}", daemon=True)
            for n in range(self._side_by_side)
        ]
        for thread in self._models:
            thread.start()

    @property
    def window(self) -> int:
        """How many files a worker should hold for all its threads to have work."""
        return 3 * self._side_by_side if not self._pack else 128

    def submit(self, task: Task) -> Future[Entry]:
        """What becomes of a file; the future never raises."""
        future: Future[Entry] = Future()
        self._readers.submit(self._take_in, _Job(task, future))
        return future

    def close(self) -> None:
        """Wait for what is at work."""
        self._readers.shutdown()
        for _ in self._models:
            self._read.put(None)
        for thread in self._models:
            thread.join()
        self._finishers.shutdown()

    def _take_in(self, job: _Job) -> None:
        """Reader: the sound and its identity."""
        job.started = time.monotonic()
        log.info("begun: %s", job.task.alias)
        path = Path(job.task.path)
        try:
            facts = path.stat()
            # a pipe would be waited for
            digest = provenance.file_hash(path) if stat.S_ISREG(facts.st_mode) else None
            job.input = Input(digest, facts.st_size, facts.st_mtime_ns)
        except OSError:
            job.input = Input(None, None, None)
        try:
            job.sound, job.reason = read(path, self._batching.stream_above_s)
            weight = job.sound.samples * job.sound.channels if job.sound else 0
            share = self._batching.batch_seconds / self._side_by_side
            job.large = job.task.alone or weight > share * 48000 or isinstance(job.sound, LongAudio)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
            job.reason = f"{path}: {type(error).__name__}: {error}"
        if job.sound is None:
            self._finishers.submit(self._finish, job, Outcome(job.task.track(), reason=job.reason))
        else:
            self._read.put(job)

    def _compute(self) -> None:
        """Models' thread: jobs as they are read, until there are no more."""
        while (job := self._read.get()) is not None:
            # of the whole process; a thread of our own knows nothing of it
            torch.set_num_threads(self._threads)
            jobs = [job, *(self._more(job) if self._pack and not job.large else [])]
            if job.large:
                self._alone(job)
                continue
            with self._gate.shared(), parallel.among(self._side_by_side):
                outcomes = self._clean(jobs)
            for one, outcome in zip(jobs, outcomes, strict=True):
                if memory_errors.is_memory(
                    outcome.reason
                ):  # others took theirs beside it: once more by itself
                    log.warning("%s, trying it alone", outcome.reason)
                    self._alone(one)
                else:
                    self._finishers.submit(self._finish, one, outcome)

    def _more(self, first: _Job) -> Iterator[_Job]:
        """What else has been read, for a common pass: up to `batch_seconds` of sound."""
        seconds = _seconds(first)
        while seconds < self._batching.batch_seconds:
            try:
                job = self._read.get_nowait()
            except queue.Empty:
                return
            if job is None or job.large or seconds + _seconds(job) > self._batching.batch_seconds:
                self._read.put(job)
                return
            seconds += _seconds(job)
            yield job

    def _clean(self, jobs: Sequence[_Job]) -> list[Outcome]:
        """An outcome for each job, whatever happens."""
        batch = [(job.task.track(), job.sound) for job in jobs if isinstance(job.sound, Audio)]
        try:
            return list(
                screened(batch, self._experiment.pipeline, False, self._experiment.screening)
            )
        except Exception as error:
            log.exception("%s", jobs[0].task.path)
            return [
                Outcome(
                    job.task.track(), reason=f"{job.task.path}: {type(error).__name__}: {error}"
                )
                for job in jobs
            ]

    def _alone(self, job: _Job) -> None:
        """A large file, on all cores; a streamed one is written before its stream is closed."""
        pipeline, screening = self._experiment.pipeline, self._experiment.screening
        with self._gate.alone():
            torch.set_num_threads(self._threads)
            try:
                if isinstance(job.sound, LongAudio):
                    for outcome in stream(
                        job.task.track(), job.sound, pipeline, self._batching, screening
                    ):
                        self._finish(job, outcome)
                else:
                    self._finish(job, *self._clean([job]))
            except Exception as error:  # noqa: BLE001 (as above)
                self._finish(
                    job,
                    Outcome(
                        job.task.track(), reason=f"{job.task.path}: {type(error).__name__}: {error}"
                    ),
                )

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        """Finisher: outputs and the line of the ledger."""
        streamed = isinstance(job.sound, LongAudio)
        entry = self._writer.write(job.task, outcome, job.input, job.started, streamed)
        job.sound = None
        if not job.future.done():
            job.future.set_result(entry)


def _own(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What of a run's config a worker needs: no data set, no store, no executor."""
    return bare(config) | {"output": {**config["output"], "dir": str(folder)}}


def _seconds(job: _Job) -> float:
    return job.sound.seconds if isinstance(job.sound, Audio) else 0.0
