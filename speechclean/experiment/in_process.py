"""Files cleaned in this process: an ordinary run, a trial of a sweep, an evaluation."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from speechclean.experiment.config.assemble import Experiment
from speechclean.networks.cache import NoCache
from speechclean.records.file_result import FileResult
from speechclean.records.results import html_report
from speechclean.records.run_folder import CLIPS, PLOTS, cleaned_path
from speechclean.records.run_record import RunRecord
from speechclean.records.tracking import Run
from speechclean.stages.types import Track
from speechclean.system import parallel
from speechclean.system.ahead import ahead

from .already_cleaned import read_pairs
from .clean import Batching, Outcome, clean
from .executor import Executor
from .outputs import OutputOptions, write_outputs
from .run_params import pipeline_in_words

log = logging.getLogger(__name__)
#: Files that a GPU may be ahead of those that are measured and written.
GPU_AHEAD = 64


@dataclass(frozen=True)
class InProcess(Executor):
    """The executor of an ordinary run: batches of files through the pipeline, in order.

    The files of a batch are measured and written side by side, each on a thread of its own. Files
    that are already cleaned are only read. `ahead` is how many files may be separated before it is
    their turn to be written: what keeps a GPU at work meanwhile. `naming` is the config's `output`,
    which says where a cleaned file lies.
    """

    experiment: Experiment
    batching: Batching
    options: OutputOptions
    naming: Mapping[str, Any] = field(default_factory=dict)
    ahead: int = 0

    def results(self, tracks: Sequence[Track]) -> Iterator[FileResult | None]:
        """A result for each track, in their order."""
        reuses = not isinstance(self.experiment.pipeline.cache, NoCache)
        outcomes = ahead(self._outcomes(tracks), self.ahead)
        for (outcome, _), result in parallel.ordered(self._complete, outcomes):
            if outcome.long is not None and reuses:
                log.warning(
                    "%s: too long to be reused, it is computed in every run (stream_above_s)",
                    outcome.track.alias,
                )
            yield result

    def _outcomes(self, tracks: Sequence[Track]) -> Iterator[tuple[Outcome, FileResult | None]]:
        """Outcomes, with their results where those had to be written at once."""
        experiment = self.experiment
        outcomes = (
            read_pairs(tracks)
            if any(track.cleaned_path for track in tracks)
            else clean(tracks, experiment.pipeline, self.batching, experiment.screening)
        )
        for outcome in outcomes:
            # A long separation is gone when the next outcome is asked for.
            yield outcome, self._write(outcome) if outcome.long is not None else None

    def _complete(self, item: tuple[Outcome, FileResult | None]) -> FileResult:
        outcome, result = item
        return result or self._write(outcome)

    def _write(self, outcome: Outcome) -> FileResult:
        """`write_outputs`; a file whose outputs cannot be written is one that failed."""
        output = cleaned_path(outcome.track, self.naming)
        try:
            return write_outputs(outcome, self.experiment, self.options, output)
        except Exception as error:
            path = str(outcome.track.path)
            words = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            reason = f"{path}: its outputs cannot be written ({words})"
            log.debug("%s", reason, exc_info=error)
            log.error("%s", reason)
            return FileResult.failure(outcome.track.alias, path, reason, output)


@dataclass(frozen=True)
class OrdinarySession:
    """A run in this process: nothing is known of earlier, and every file is recorded.

    config: the resolved one
    """

    experiment: Experiment
    config: Mapping[str, Any]
    executor: InProcess
    console: Console
    earlier: Mapping[str, FileResult] = field(default_factory=dict)
    by_file: bool = True

    @classmethod
    @contextmanager
    def opened(
        cls, experiment: Experiment, config: Mapping[str, Any], console: Console
    ) -> Iterator[OrdinarySession]:
        """A session of an experiment whose networks are loaded."""
        output = config["output"]
        folder = Path(output["dir"])
        batching = Batching(
            _files_at_once(experiment.pipeline.device),
            config["audio_in_memory_s"],
            config["stream_above_s"],
            folder,
            output["fingerprints"],
            config.get("max_decoded_gb"),
        )
        options = OutputOptions(folder, output["ab_seconds"], output["plots"], output["cleaned"])
        separated_ahead = 0 if experiment.pipeline.device.type == "cpu" else GPU_AHEAD
        executor = InProcess(experiment, batching, options, output, separated_ahead)
        yield cls(experiment, config, executor, console)

    @property
    def tracks(self) -> Sequence[Track]:
        """The data set."""
        return self.experiment.tracks

    def begin(self, record: RunRecord) -> None:
        """Record everything that the run is made from, its inputs included."""
        inputs = {track.alias: track.path for track in self.tracks}
        record.begin(self.config, inputs, self.experiment.weights)
        record.inputs(self.config, self.tracks)

    def results(self) -> Iterator[FileResult]:
        """Results in the order of the tracks, under a bar of progress."""
        columns = (TextColumn("cleaning"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
        left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, *left, console=self.console) as progress:
            task = progress.add_task("cleaning", total=len(self.tracks))
            for result in self.executor.results(self.tracks):
                if result is not None:
                    yield result
                    progress.advance(task)

    def counts(self, results: Sequence[FileResult]) -> Mapping[str, float]:  # noqa: ARG002
        """None besides the means' own."""
        return {}

    def write_reports(
        self, results: Sequence[FileResult], means: Mapping[str, float]
    ) -> Sequence[Path]:
        """report.html; all else is there without it, so that its failure costs nothing else."""
        if not self.config["output"]["report"]:
            return []
        folder, metrics = self.executor.options.folder, self.experiment.metrics
        name, seed = self.config["name"], self.config["seed"]
        now = datetime.now().astimezone()
        origin = f"{folder.absolute()} · {now:%Y-%m-%d %H:%M %Z} · {pipeline_in_words(self.config)}"
        try:
            asked = self.experiment.verdict.asked
            page = html_report.write_page(
                results, means, metrics, folder, name, seed, asked, origin
            )
            return [page]
        except Exception as error:  # noqa: BLE001 (see above)
            log.warning("report.html could not be written (%s: %s)", type(error).__name__, error)
            return []

    def record_end(self, run: Run, results: Sequence[FileResult]) -> None:  # noqa: ARG002
        """What was reused, A/B clips and pictures."""
        run.metrics(self.experiment.pipeline.cache.tally.metrics())
        for name in (CLIPS, PLOTS):
            folder = self.executor.options.folder / name
            if folder.is_dir():
                run.folder(folder, name)

    def concluding(self) -> AbstractContextManager[None]:
        """Nothing to add: what cannot be written ends the run."""
        return nullcontext()

    def close(self) -> None:
        """Say what was reused."""
        tally = self.experiment.pipeline.cache.tally
        if tally.found and (summary := tally.told()):
            self.console.print(summary, highlight=False)


def _files_at_once(device: torch.device) -> int:
    """So many files that every core has work until the end.

    A GPU takes as many as `audio_in_memory_s` allows.
    """
    return 4 * parallel.at_once() if device.type == "cpu" else sys.maxsize
