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
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.experiment.clean import Batching, Outcome, read, screened, stream
from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.build import build
from speechclean.experiment.config.schema import Config, bare
from speechclean.experiment.load_networks import load
from speechclean.experiment.outputs import OutputOptions
from speechclean.records import provenance
from speechclean.system import parallel

from .entry_writer import EntryWriter
from .jobs import Job, named
from .memory_errors import is_memory
from .shared_lock import SharedLock
from .task import Entry, Input, Task

log = logging.getLogger(__name__)

READERS = 2


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
        self._read: queue.Queue[Job | None] = queue.Queue()
        # drawn, and too much for that pass: they begin the next one
        self._early: deque[Job | None] = deque()
        self._open: dict[Future[Entry], Job] = {}  # jobs whose future has no entry yet
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
        """What becomes of a file; the future never raises. Raises `RuntimeError` once the worker is
        closed.
        """
        job = Job(task)
        self._open[job.future] = job
        job.future.add_done_callback(self._open.pop)
        try:
            self._readers.submit(self._take_in, job)
        except RuntimeError:
            job.future.cancel()
            raise
        return job.future

    def close(self) -> None:
        """Wait for what is at work. Every future has its entry afterwards, whatever happened on the
        way.
        """
        try:
            self._readers.shutdown()
            for _ in self._models:
                self._read.put(None)
            for thread in self._models:
                thread.join()
            self._finishers.shutdown()
        finally:
            for job in list(self._open.values()):
                self._fail(job, "the worker ended before this file did")

    def _take_in(self, job: Job) -> None:
        """Reader: the sound and its identity, for the models or, where there is no sound, for a
        finisher.
        """
        try:
            self._decode(job)
            if job.sound is None:
                self._finish_behind(job, Outcome(job.task.track(), reason=job.reason))
            else:
                self._read.put(job)
        # libraries raise SystemExit too, and nobody looks at what a pool's thread dies of
        except BaseException as error:
            self._fail(job, error)

    def _decode(self, job: Job) -> None:
        job.started = time.monotonic()
        log.info("begun: %s", job.task.alias)
        path = Path(job.task.path)
        with suppress(OSError):
            facts = path.stat()
            # a pipe would be waited for
            digest = provenance.file_hash(path) if stat.S_ISREG(facts.st_mode) else None
            job.input = Input(digest, facts.st_size, facts.st_mtime_ns)
        try:
            job.sound, job.reason = read(path, self._batching.stream_above_s)
            share = self._batching.batch_seconds / self._side_by_side
            job.large = (
                job.task.alone or job.weight > share * 48000 or isinstance(job.sound, LongAudio)
            )
        except Exception as error:
            job.sound, job.reason = None, named(path, error)

    def _compute(self) -> None:
        """Models' thread: jobs as they are read, until there are no more. No job ends it."""
        while (job := self._next()) is not None:
            jobs = [job]
            try:
                # of the whole process; a thread of our own knows nothing of it
                torch.set_num_threads(self._threads)
                if job.large:
                    self._alone(job)
                else:
                    jobs.extend(self._more(job) if self._pack else ())
                    self._together(jobs)
            except BaseException as error:
                for one in jobs:
                    self._fail(one, error)

    def _next(self) -> Job | None:
        """The next job in the order of reading; None once there are no more."""
        return self._early.popleft() if self._early else self._read.get()

    def _together(self, jobs: Sequence[Job]) -> None:
        """One pass, and its outcomes to the finishers."""
        with self._gate.shared(), parallel.among(self._side_by_side):
            outcomes = self._clean(jobs)
        for one, outcome in zip(jobs, outcomes, strict=True):
            if is_memory(outcome.reason):  # others took theirs beside it: once more by itself
                log.warning("%s, trying it alone", outcome.reason)
                self._alone(one)
            else:
                self._finish_behind(one, outcome)

    def _more(self, first: Job) -> Iterator[Job]:
        """What else has been read, for a common pass: up to `batch_seconds` of sound."""
        seconds = first.seconds
        while seconds < self._batching.batch_seconds:
            try:
                job = self._read.get_nowait()
            except queue.Empty:
                return
            if job is None or job.large or seconds + job.seconds > self._batching.batch_seconds:
                self._early.append(job)  # the queue's end is behind the last of all
                return
            seconds += job.seconds
            yield job

    def _clean(self, jobs: Sequence[Job]) -> list[Outcome]:
        """An outcome for each job, whatever happens."""
        batch = [(job.task.track(), job.sound) for job in jobs if isinstance(job.sound, Audio)]
        try:
            return list(
                screened(batch, self._experiment.pipeline, False, self._experiment.screening)
            )
        except Exception as error:
            log.exception("%s", jobs[0].task.path)
            return [Outcome(job.task.track(), reason=named(job.task.path, error)) for job in jobs]

    def _alone(self, job: Job) -> None:
        """A large file, on all cores; a streamed one is written before its stream is closed."""
        pipeline, screening = self._experiment.pipeline, self._experiment.screening
        try:
            with self._gate.alone():
                torch.set_num_threads(self._threads)
                if isinstance(job.sound, LongAudio):
                    for outcome in stream(
                        job.task.track(), job.sound, pipeline, self._batching, screening
                    ):
                        self._finish(job, outcome)
                else:
                    self._finish(job, *self._clean([job]))
            self._fail(job, "nothing came of it")
        except Exception as error:
            self._finish(job, Outcome(job.task.track(), reason=named(job.task.path, error)))
        except BaseException as error:
            self._fail(job, error)

    def _finish_behind(self, job: Job, outcome: Outcome) -> None:
        """Leave the rest to a finisher, while the models go on."""
        try:
            self._finishers.submit(self._finish, job, outcome)
        except RuntimeError as error:  # none of them could be started
            self._fail(job, error)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        """Finisher: outputs and the line of the ledger."""
        streamed = isinstance(job.sound, LongAudio)
        try:
            entry = self._writer.write(job.task, outcome, job.input, job.started, streamed)
            entry.to_json()  # an entry that cannot be sent would be waited for
        except BaseException as error:  # noqa: BLE001 (whatever it is, the future needs an entry)
            self._fail(job, error)
        else:
            job.settle(entry)

    def _fail(self, job: Job, why: BaseException | str) -> None:
        """The entry of a file that no other can be had of; nothing where it has one."""
        if job.future.done():
            return
        reason = f"{job.task.path}: {why}" if isinstance(why, str) else named(job.task.path, why)
        log.error("%s", reason, exc_info=None if isinstance(why, str) else why)
        job.settle(self._writer.failed(job.task, reason, job.input, job.started))


def _own(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What of a run's config a worker needs: no data set, no store, no executor."""
    return bare(config) | {"output": {**config["output"], "dir": str(folder)}}
