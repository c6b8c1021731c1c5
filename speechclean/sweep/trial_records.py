"""The runs of a study's trials in the tracking store; trials whose worker died, settled by them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechclean.records.tracking import Record, Records, Run, TrackingError

from .study import Study
from .trial import NUMBER_TAG, STATE_TAG, STUDY_TAG, value_names

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialRecords:
    """The runs below the `parent` run of one study; `tracking` is the config's tracker."""

    study: Study
    tracking: Any
    parent: Run

    def finished(self) -> dict[int, Record]:
        """Runs that ended well, by the number of their trial."""
        if self.parent.id is None:
            return {}
        try:
            children = Records(self.tracking.uri).children(self.parent.id)
        except TrackingError as error:
            log.warning("%s", error)
            return {}
        return {
            int(one.tags[NUMBER_TAG]): one
            for one in children
            if one.tags.get(STUDY_TAG) == self.study.id
            and one.status == "FINISHED"
            and one.tags.get(NUMBER_TAG, "").isdecimal()
            and self._says_all(one)
        }

    def settle_orphaned_trials(self) -> None:
        """End the trials whose worker died.

        Where the run of such a trial had finished, the trial gets its values from there; the others
        are withdrawn, and their points tried again.
        """
        if not self.study.orphaned():
            return
        with self.study.exclusive():  # another worker may settle them too
            orphaned, finished = self.study.orphaned(), self.finished()
            for trial in orphaned:
                if trial.number in finished:
                    self._complete(trial, finished[trial.number])
                else:
                    self.study.withdraw(
                        trial, "its process ended without a word (killed, or no power)"
                    )
                    log.warning(
                        "trial %d was left by a process that died; its point is tried again",
                        trial.number,
                    )
        self.tracking.prepare()  # the runs of those processes are marked as failed there

    def _says_all(self, record: Record) -> bool:
        """Whether a run says how its trial ended, and its values where it was not stopped early."""
        state = record.tags.get(STATE_TAG)
        goals = self.study.goals
        constraints = [f"constraint.{index + 1}" for index in range(len(goals.constraints))]
        needed = [*value_names(goals), *constraints]
        return state == "PRUNED" or (state == "COMPLETE" and set(needed) <= set(record.metrics))

    def _complete(self, trial: FrozenTrial, record: Record) -> None:
        """End an orphaned trial with the values that its run has recorded."""
        import optuna

        if record.tags[STATE_TAG] == "PRUNED":
            self.study.study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
            return
        handle = self.study.handle(trial.number)
        for index, one in enumerate(self.study.goals.constraints):
            if one.text not in trial.constraints:
                handle.set_constraint(one.text, record.metrics[f"constraint.{index + 1}"])
        values = [record.metrics[name] for name in value_names(self.study.goals)]
        self.study.study.tell(trial.number, values)
