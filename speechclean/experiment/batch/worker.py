"""Files through the pipeline in threads, so that the models never wait.

Readers decode ahead. On a CPU every core takes a file of its own through the models; on a GPU one
thread packs what has been read into common passes. Writers measure, write and hash what has been
cleaned. None of this has any influence on the samples.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio
from speechclean.experiment.clean import Batching, Outcome, screened, stream
from speechclean.experiment.config.assemble import Experiment
from speechclean.experiment.config.build import build
from speechclean.experiment.config.schema import Config, bare
from speechclean.experiment.load_networks import load
from speechclean.experiment.outputs import OutputOptions
from speechclean.system import parallel

from .entry_writer import EntryWriter
from .job_queue import JobQueue
from .jobs import Job, named
from .memory_errors import is_memory
from .reading import read_input
from .shared_lock import SharedLock
from .task import Entry, Task

log = logging.getLogger(__name__)

#: Threads that decode.
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
        cfg = OmegaConf.merge(OmegaConf.structured(Config), _worker_config(config, folder))
        assert isinstance(cfg, DictConfig)
        self._experiment: Experiment = build(cfg)
        load(self._experiment)
        options = OutputOptions(
            folder,
            cfg.output.ab_seconds,
            cfg.output.plots,
            fingerprint=bool(cfg.output.fingerprints),
        )
        self._entry_writer = EntryWriter(self._experiment, options, signature, weights)
        self._batching = Batching(
            1,
            cfg.audio_in_memory_s,
            cfg.stream_above_s,
            folder,
            max_decoded_gb=cfg.max_decoded_gb,
        )
        # held alone by a job that takes all cores, shared by all others
        self._threads, self._cores = torch.get_num_threads(), SharedLock()
        self._pack = self._experiment.pipeline.device.type != "cpu" if pack is None else pack
        self._side_by_side = 1 if self._pack else parallel.at_once()
        self._decoded = JobQueue()
        self._unfinished: dict[Future[Entry], Job] = {}  # jobs whose future has no entry yet
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._writers = ThreadPoolExecutor(
            max(2, parallel.at_once()), "writer", torch.set_num_threads, (1,)
        )
        self._model_threads = [
            Thread(target=self._run_models, name=f"models-{n}", daemon=True)
            for n in range(self._side_by_side)
        ]
        for thread in self._model_threads:
            thread.start()

    @property
    def window(self) -> int:
        """How many files a worker should have in flight for all its threads to have work."""
        return 3 * self._side_by_side if not self._pack else 128

    def submit(self, task: Task) -> Future[Entry]:
        """The entry of a file, once it is there; the future never raises.

        Raises `RuntimeError` once the worker is closed.
        """
        job = Job(task)
        self._unfinished[job.future] = job
        job.future.add_done_callback(self._unfinished.pop)
        try:
            self._readers.submit(self._read, job)
        except RuntimeError:
            job.future.cancel()
            raise
        return job.future

    def close(self) -> None:
        """Wait for what is at work.

        Every future has its entry afterwards, whatever happened on the way.
        """
        try:
            self._readers.shutdown()
            self._decoded.end(len(self._model_threads))
            for thread in self._model_threads:
                thread.join()
            self._writers.shutdown()
        finally:
            for job in list(self._unfinished.values()):
                self._fail(job, "the worker ended before this file did")

    def _read(self, job: Job) -> None:
        """Read a job's file for the models; a job without sound goes to a writer at once.

        Runs in a reader thread.
        """
        try:
            batching = self._batching
            share = batching.audio_in_memory_s / self._side_by_side
            read_input(job, batching.stream_above_s, batching.max_decoded_gb, share * 48000)
            if job.sound is None:
                self._submit_write(job, Outcome(job.task.track(), reason=job.reason))
            else:
                self._decoded.put(job)
        # libraries raise SystemExit too, and nobody looks at what a pool's thread dies of
        except BaseException as error:  # noqa: BLE001
            self._fail(job, error)

    def _run_models(self) -> None:
        """Clean jobs as they are read, until there are no more; no job ends the thread."""
        while (job := self._decoded.take()) is not None:
            jobs = [job]
            try:
                # A new thread starts with torch's default, not with the number that main set.
                torch.set_num_threads(self._threads)
                if job.large:
                    self._clean_alone(job)
                else:
                    limit_s = self._batching.audio_in_memory_s
                    jobs.extend(self._decoded.more(job, limit_s) if self._pack else ())
                    self._clean_together(jobs)
            except BaseException as error:  # noqa: BLE001 (whatever it is, other jobs wait behind)
                for one in jobs:
                    self._fail(one, error)

    def _clean_together(self, jobs: Sequence[Job]) -> None:
        """Clean jobs in one pass, beside other threads; their outcomes go to writers."""
        with self._cores.shared(), parallel.among(self._side_by_side):
            outcomes = self._clean(jobs)
        for one, outcome in zip(jobs, outcomes, strict=True):
            if is_memory(outcome.reason):  # others took theirs beside it: retried alone
                log.warning("%s, trying it alone", outcome.reason)
                self._clean_alone(one)
            else:
                self._submit_write(one, outcome)

    def _clean_alone(self, job: Job) -> None:
        """Clean a job on all cores; a streamed one is written before its stream is closed."""
        pipeline, screening = self._experiment.pipeline, self._experiment.screening
        try:
            with self._cores.alone():
                torch.set_num_threads(self._threads)
                if isinstance(job.sound, LongAudio):
                    for outcome in stream(
                        job.task.track(), job.sound, pipeline, self._batching, screening
                    ):
                        self._write(job, outcome)
                else:
                    self._write(job, *self._clean([job]))
            self._fail(job, "nothing came of it")
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
            self._write(job, Outcome(job.task.track(), reason=named(job.task.path, error)))
        except BaseException as error:  # noqa: BLE001 (the future needs an entry)
            self._fail(job, error)

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

    def _submit_write(self, job: Job, outcome: Outcome) -> None:
        """Leave the rest to a writer, while the models go on."""
        try:
            self._writers.submit(self._write, job, outcome)
        except RuntimeError as error:  # none of them could be started
            self._fail(job, error)

    def _write(self, job: Job, outcome: Outcome) -> None:
        """Write a job's outputs; its future gets its entry for the ledger."""
        try:
            entry = self._entry_writer.write(job, outcome)
            entry.to_json()  # an entry that cannot be sent would be waited for
        except BaseException as error:  # noqa: BLE001 (whatever it is, the future needs an entry)
            self._fail(job, error)
        else:
            job.settle(entry)

    def _fail(self, job: Job, why: BaseException | str) -> None:
        """Give a job's future the entry of a failure, unless it has one already."""
        if job.future.done():
            return
        path = job.task.path
        reason = f"{path}: {why}" if isinstance(why, str) else named(path, why)
        log.error("%s", reason, exc_info=None if isinstance(why, str) else why)
        job.settle(self._entry_writer.failed(job.task, reason, job.input, job.started))


def _worker_config(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What of a run's config a worker needs: no data set, no store, no executor."""
    return bare(config) | {"output": {**config["output"], "dir": str(folder)}}
