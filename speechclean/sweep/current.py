"""The config as it stands, as the first trial of a study: what the others are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .settings import StudyError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: Attributes of a trial: that it is this one, what was measured in it, why it failed.
IS_CURRENT, MEANS, REASON = "current", "means", "reason"


def current_trial(trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """That trial among others."""
    return next((trial for trial in trials if trial.user_attrs.get(IS_CURRENT)), None)


def means_of(current: FrozenTrial | None) -> dict[str, float]:
    """What was measured in it. Raises `StudyError` where that is not known."""
    if current is None or current.state.name != "COMPLETE":
        reason = current.user_attrs.get(REASON, "") if current else "it was not tried"
        raise StudyError(
            "the config as it stands, with which the others would be compared, failed: "
            f"{reason or 'it did not come to its end'}"
        )
    return dict(current.user_attrs.get(MEANS, {}))
