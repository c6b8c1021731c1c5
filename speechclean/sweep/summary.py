"""What a sweep has found: trials settled that the dead left, the best and the front, a table,
plots, a preset; all of it with the parent run.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from speechclean.experiment.config.preset import PromotionError, preset, promote
from speechclean.records.results.summary_page import markdown
from speechclean.records.run_folder import write_text
from speechclean.records.tracking import NOTE_TAG, Record, Records, Run, TrackingError
from speechclean.system.atomic_files import csv_text

from .plots import write_figures
from .study import ID, REASON, Study
from .trial import MEANS, NUMBER_TAG, REUSE, SECONDS, STATE_TAG, STUDY_TAG, value_names

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
#: Files that a sweep leaves in its folder and with its parent run.
TABLE, SUMMARY, PRESET = "trials.csv", "summary.md", "best.yaml"


@dataclass
class Findings:
    """Of one study; written into `folder` and handed to the parent `run`."""

    study: Study
    folder: Path
    tracking: Any
    run: Run
    limit: int
    _children: dict[int, Record] = field(default_factory=dict)

    def settle_dead(self) -> None:
        """Trials whose workers died: one whose run was finished is taken from there, the others are
        given up.
        """
        if not self._dead():
            return
        with self.study.exclusive():  # another worker may be at it
            dead, finished = self._dead(), self._finished()
            for trial in dead:
                if trial.number in finished:
                    self._adopt(trial, finished[trial.number])
                else:
                    self.study.give_up(
                        trial, "its process ended without a word (killed, or no power)"
                    )
                    log.warning(
                        "trial %d was left by a process that died; its point is tried again",
                        trial.number,
                    )
        self.tracking.check()  # the runs of the dead are marked there too

    def _dead(self) -> list[FrozenTrial]:
        return [trial for trial in self.study.running() if self.study.owners.dead(trial)]

    def best(self) -> FrozenTrial | None:
        """Of one objective, the best trial that keeps to the constraints."""
        if len(self.study.goals.objectives) > 1:
            return None
        sign = 1 if self.study.goals.objectives[0].direction == "maximize" else -1
        return max(self._feasible(), key=lambda trial: sign * trial.values[0], default=None)

    def front(self) -> list[FrozenTrial]:
        """Trials that no other is better than in every objective, among those that keep to the
        constraints.
        """
        signs = [1 if one.direction == "maximize" else -1 for one in self.study.goals.objectives]
        there = self._feasible()
        points = [
            [sign * value for sign, value in zip(signs, trial.values, strict=True)]
            for trial in there
        ]
        return [there[index] for index in undominated(points)]

    def progress(self, trial: FrozenTrial) -> None:
        """The parent's curves: the best so far, forwards computed and spared."""
        values = {
            name: value
            for name, value in trial.user_attrs.get(REUSE, {}).items()
            if name.startswith("reuse.")
        }
        best = self.best()
        self.run.metrics(values | ({"best": best.values[0]} if best else {}), step=trial.number)

    def write(self, console: Console) -> None:
        """Everything there is so far, and a few lines for people. What a plot or a preset cannot be
        made of is left out.
        """
        trials = self.study.trials()
        files = [write_text(_table(trials, self.study), self.folder / TABLE)]
        summary = self._summary(trials)
        files.append(write_text(summary, self.folder / SUMMARY))
        try:
            files += write_figures(
                self._clean_copy(trials),
                [one.name for one in self.study.goals.objectives],
                self.folder,
                _html(summary),
            )
        except Exception as error:
            log.warning("the plots could not be written (%s: %s)", type(error).__name__, error)
        files += self._preset(console)
        for path in files:
            self.run.file(path)
        self.run.tags({NOTE_TAG: summary})
        self.run.metrics(
            {f"trials_{state.lower()}": float(count) for state, count in _states(trials).items()}
            | _reused(trials)
        )
        console.print(
            summary.partition("\n\n## ")[0], markup=False, highlight=False, soft_wrap=True
        )
        console.print(
            f"Look in {self.folder}: {SUMMARY}, {TABLE}, study.html",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def _feasible(self) -> list[FrozenTrial]:
        done = [trial for trial in self.study.trials() if trial.state.name == "COMPLETE"]
        return [
            trial
            for trial in done
            if all(violation <= 0 for violation in trial.constraints.values())
        ]

    def _finished(self) -> dict[int, Record]:
        """Runs of this study that ended well, by the number of their trial."""
        if self.run.id is None:
            return {}
        try:
            children = Records(self.tracking.uri).children(self.run.id)
        except TrackingError as error:
            log.warning("%s", error)
            return {}
        mine = [
            one for one in children if one.tags.get(STUDY_TAG) == self.study.study.user_attrs[ID]
        ]
        return {
            int(one.tags[NUMBER_TAG]): one
            for one in mine
            if one.status == "FINISHED" and STATE_TAG in one.tags
        }

    def _adopt(self, trial: FrozenTrial, record: Record) -> None:
        import optuna

        if record.tags[STATE_TAG] == "PRUNED":
            self.study.study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
            return
        handle = self.study.handle(trial.number)
        for index, one in enumerate(self.study.goals.constraints):
            if one.text not in trial.constraints:
                handle.set_constraint(one.text, record.metrics[f"constraint.{index + 1}"])
        self.study.study.tell(
            trial.number, [record.metrics[name] for name in value_names(self.study.goals)]
        )

    def _clean_copy(self, trials: list[FrozenTrial]) -> Any:
        """The study without what was withdrawn, as plots want it."""
        import optuna

        directions: list[Any] = [one.direction for one in self.study.goals.objectives]
        copy = optuna.create_study(study_name=self.study.settings.study, directions=directions)
        copy.add_trials([trial for trial in trials if trial.state.is_finished()])
        return copy

    def _preset(self, console: Console) -> list[Path]:
        best, wanted = self.best(), self.study.settings.preset
        record = self._finished().get(best.number) if best else None
        if record is None:
            return []
        name = wanted or f"{self.study.settings.study}_best"
        try:
            path = write_text(preset(record, name)[0], self.folder / PRESET)
            if wanted:
                console.print(
                    f"{promote(record, wanted, overwrite=True).path}: python -m speechclean experiment={wanted}"
                )
        except PromotionError as error:
            log.warning("no preset of the best trial: %s", error)
            return []
        return [path]

    def _summary(self, trials: list[FrozenTrial]) -> str:
        goals, states = self.study.goals, _states(trials)
        counted = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
        lines = [
            f"# {self.study.settings.study}: {len(trials)} of {self.limit} trials ({counted})",
            "",
            goals.told() + ".",
        ]
        if told := _told_reuse(trials):
            lines += ["", told]
        shown = (
            self.front() if len(goals.objectives) > 1 else [best] if (best := self.best()) else []
        )
        if shown:
            what = "The Pareto front" if len(goals.objectives) > 1 else "The best trial"
            head = ["trial", *shown[0].params, *(one.name for one in goals.objectives)]
            order = sorted(shown, key=lambda trial: trial.values)
            body = [
                [str(one.number), *map(str, one.params.values()), *(f"{v:.4g}" for v in one.values)]
                for one in order
            ]
            lines += ["", f"{what}:", "", *markdown(head, body)]
        failed = [trial for trial in trials if trial.state.name == "FAIL"]
        if failed:
            lines += [
                "",
                "## Failed",
                "",
                *(f"- {trial.number}: {trial.user_attrs.get(REASON, '')}" for trial in failed),
            ]
        return "\n".join(lines) + "\n"


def undominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Which points no other is at least as good as in every coordinate, larger being better; equal
    ones stand together.
    """

    def beaten(mine: Sequence[float]) -> bool:
        return any(
            other != mine and all(a >= b for a, b in zip(other, mine, strict=True))
            for other in points
        )

    return [index for index, mine in enumerate(points) if not beaten(mine)]


def _table(trials: list[FrozenTrial], study: Study) -> str:
    """trials.csv: a line per trial that counts."""
    rows = []
    for trial in trials:
        row: dict[str, Any] = {"trial": trial.number, "state": trial.state.name}
        row |= trial.params
        values = trial.values if trial.state.name == "COMPLETE" else None
        row |= {
            one.name: values[index] if values else None
            for index, one in enumerate(study.goals.objectives)
        }
        row |= {text: violation <= 0 for text, violation in trial.constraints.items()}
        row |= {
            "seconds": trial.user_attrs.get(SECONDS),
            "reason": trial.user_attrs.get(REASON, ""),
        }
        row |= trial.user_attrs.get(REUSE, {})
        rows.append(
            row
            | {
                key: value
                for key, value in trial.user_attrs.get(MEANS, {}).items()
                if key not in row
            }
        )
    return csv_text(list(dict.fromkeys(key for row in rows for key in row)), rows)


def _states(trials: list[FrozenTrial]) -> dict[str, int]:
    names = [trial.state.name for trial in trials]
    return {
        state: names.count(state)
        for state in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
        if state in names
    }


def _reused(trials: list[FrozenTrial]) -> dict[str, float]:
    """Sums of what trials computed and reused."""
    sums: dict[str, float] = {}
    for trial in trials:
        for name, value in trial.user_attrs.get(REUSE, {}).items():
            sums[name.replace("reuse.", "total.")] = (
                sums.get(name.replace("reuse.", "total."), 0.0) + value
            )
    return sums | {"total.seconds": sum(trial.user_attrs.get(SECONDS) or 0.0 for trial in trials)}


def _told_reuse(trials: list[FrozenTrial]) -> str:
    sums: Mapping[str, float] = _reused(trials)
    kinds = [
        name.removeprefix("total.").removesuffix("_forwards")
        for name in sums
        if name.endswith("_forwards")
    ]
    told = [
        f"{sums[f'total.{kind}_forwards']:.0f} {kind} forwards computed, {sums[f'total.{kind}_forwards_spared']:.0f} reused"
        for kind in kinds
    ]
    return (
        f"{'; '.join(told)}; {sums['total.saved_s']:.0f} s of them saved in {sums['total.seconds']:.0f} s of trials."
        if told
        else ""
    )


def _html(summary: str) -> str:
    return f"<pre>{html.escape(summary)}</pre>"
