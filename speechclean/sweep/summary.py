"""What a study has come to: a table, plots and a preset, with the sweep's parent run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from speechclean.experiment.config.errors import PromotionError
from speechclean.experiment.config.preset import preset, promote
from speechclean.records.run_folder import write_text
from speechclean.records.tracking import NOTE_TAG, Run
from speechclean.records.tracking.address import RecordError
from speechclean.system.plain_text import printable

from . import tables
from .current import IS_CURRENT, current_trial
from .page import Listening, write_page
from .plots import write_figures
from .ranking import best_trial, leaders, pareto_front
from .study import Study
from .trial import REUSE
from .trial_records import TrialRecords

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
#: So many of the best trials are shown.
BEST = 3
#: Files that a sweep leaves in its folder and with its parent run.
TABLE, SUMMARY, PRESET, PAGE = "trials.csv", "summary.md", "best.yaml", "study.html"


@dataclass(frozen=True)
class Summary:
    """Of one study; written into `folder` and handed to the parent `run`.

    limit: how many trials the study shall have; None where time alone ends it
    """

    study: Study
    folder: Path
    run: Run
    records: TrialRecords
    limit: int | None

    def best(self) -> FrozenTrial | None:
        """The best trial so far; None where there are several objectives."""
        return best_trial(self.study.trials(), self.study.goals)

    def leading(self) -> str:
        """The best so far in words, or how many trials are on the front; "" before there is one."""
        trials, goals = self.study.trials(), self.study.goals
        if len(goals.objectives) > 1:
            front = pareto_front(trials, goals)
            return f" · {len(front)} on the front" if front else ""
        best = self.best()
        return f" · best {best.values[0]:.3f} in {best.number}" if best else ""

    def log_progress(self, trial: FrozenTrial) -> None:
        """Add a trial to the parent's curves: the best so far, forwards computed and reused."""
        values = {
            name: value
            for name, value in trial.user_attrs.get(REUSE, {}).items()
            if name.startswith("reuse.")
        }
        best = self.best()
        self.run.metrics(values | ({"best": best.values[0]} if best else {}), step=trial.number)

    def shown(self, count: int) -> list[FrozenTrial]:
        """The config as it stands, where that was tried, and so many of the best trials."""
        trials = self.study.trials()
        current = current_trial(trials)
        begun = [current] if current and current.state.name == "COMPLETE" else []
        return [*begun, *leaders(trials, self.study.goals, count)]

    def is_drawn(self) -> bool:
        """Whether the page is there, of these very trials."""
        return bool(self._drawn(tables.trials_csv(self.study.trials(), self.study.goals)))

    def write(self, console: Console, listening: Listening | None = None) -> None:
        """Write all there is so far, and print a few lines.

        A plot or a preset that cannot be made is left out.

        listening: for the page, the best settings to be heard
        """
        trials, goals = self.study.trials(), self.study.goals
        text = tables.summary(self.study.settings.study, trials, goals, self.limit)
        table = tables.trials_csv(trials, goals)
        files = [
            *(self._drawn(table) or self._plots(trials, text, listening)),
            write_text(table, self.folder / TABLE),  # last: it says of which trials the plots are
            write_text(text, self.folder / SUMMARY),
            *self._preset(console),
        ]
        for path in files:
            self.run.file(path)
        self.run.tags({NOTE_TAG: text})
        counts = {
            f"trials_{state.lower()}": float(count)
            for state, count in tables.by_state(trials).items()
        }
        self.run.metrics(counts | tables.reuse_totals(trials))
        for lines in (
            text.partition("\n\n## ")[0],
            f"Look in {self.folder}: {SUMMARY}, {TABLE}, {PAGE}",
        ):
            console.print(printable(lines), markup=False, highlight=False, soft_wrap=True)

    def _drawn(self, table: str) -> list[Path]:
        """The plots, if there are any and they are of these very trials.

        The importances of 2,000 trials take half a minute, also in a sweep with nothing to do.
        """
        before, page = self.folder / TABLE, self.folder / PAGE
        if page.is_file() and before.is_file() and before.read_text(errors="replace") == table:
            return [page, *sorted(self.folder.glob("*.png"))]
        return []

    def _plots(
        self, trials: Sequence[FrozenTrial], text: str, listening: Listening | None
    ) -> list[Path]:
        goals = self.study.goals
        best = self.shown(BEST)
        marked = [trial.number for trial in best]
        found = {
            "The best settings": tables.settings_table(best, goals),
            "All trials": tables.trials_table(trials, goals, marked),
        }
        title, *lines = [line for line in text.partition("\n\n## ")[0].splitlines() if line]
        lines = [line for line in lines if not line.startswith("|") and not line.endswith(":")]
        lines.append(f"{self.folder} · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        try:
            names = [one.name for one in goals.objectives]
            plots, pictures = write_figures(self._finished_trials(trials), names, self.folder)
            heading = title.removeprefix("# ")
            page = write_page(self.folder / PAGE, heading, lines, found, plots, listening)
            return [page, *pictures]
        except Exception as error:  # noqa: BLE001 (the figures are there without their plots)
            log.warning("the plots could not be written (%s: %s)", type(error).__name__, error)
            (self.folder / PAGE).unlink(missing_ok=True)  # of other trials than the table
            return []

    def _finished_trials(self, trials: Sequence[FrozenTrial]) -> Any:
        """The study in memory, without what was withdrawn, as plots want it."""
        import optuna

        directions: list[Any] = [one.direction for one in self.study.goals.objectives]
        copy = optuna.create_study(study_name=self.study.settings.study, directions=directions)
        # The config as it stands has no values of the knobs that plots could show.
        copy.add_trials([one for one in trials if one.state.is_finished() and one.params])
        return copy

    def _preset(self, console: Console) -> list[Path]:
        """The best config as a preset; nothing where its run was not recorded."""
        best, wanted = self.best(), self.study.settings.preset
        record = self.records.finished().get(best.number) if best else None
        if record is None:
            return []
        if best and best.user_attrs.get(IS_CURRENT):
            console.print("Nothing that was tried is better than the config as it stands")
        name = wanted or f"{self.study.settings.study}_best"
        try:
            path = write_text(preset(record, name)[0], self.folder / PRESET)
            if wanted:
                made = promote(record, wanted, overwrite=True)
                for line in (
                    f"{made.path}; use it:",
                    f"  speechclean clean folder/ -o cleaned/ --preset {wanted}",
                    f"  speechclean experiment={wanted} dataset=folder dataset.pattern=folder",
                ):
                    console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
        except (OSError, PromotionError, RecordError) as error:
            log.warning("no preset of the best trial: %s", error)
            return []
        return [path]
