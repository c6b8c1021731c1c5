"""A saved view of an experiment's runs: the five rows as columns and as charts.

MLflow keeps the columns that somebody chose in that browser alone, and saved views as tags of the
experiment: they are listed under "Views" above the table of runs, and have an address.
"""

from __future__ import annotations

import json
from typing import Any

#: The saved view; its address ends in `?viewStateShareKey=` and this.
KEY, NAME = "five-rows", "Five rows"
#: Where MLflow keeps it.
VIEW_TAG = f"mlflow.sharedViewState.{KEY}"
#: Says that an experiment was given the view: one that a user has removed does not come back.
MARK_TAG = "speechclean.views"

#: The metrics of the five rows that a run measures by default. Where they need a reference or a
#: transcript, what stands in for them without one comes next.
METRICS = (
    "words_lost_cleaned",
    "wer_vs_mixture_cleaned",
    "music_residual_db_cleaned",
    "dnsmos_ovrl_cleaned",
    "speaker_similarity_cleaned",
    "dnsmos_sig_cleaned",
    "level_change_db_cleaned",
)
#: What else tells runs apart: how many files failed, and what a second of sound took.
BESIDE = ("files_failed", "time.per_audio_second")
PARAMETERS = ("separators", "fusion", "enhancement.wet", "postprocess.beta_wiener.beta")
#: So many columns are as wide as their names.
_NAMED = len(METRICS) + len(BESIDE)
#: Runs in one chart.
_BARS = 20


def experiment_tags(now_ms: int) -> dict[str, str]:
    """The tags that give an experiment its view; `now_ms` is milliseconds since 1970."""
    view = {"name": NAME, "createdAt": now_ms, "updatedAt": now_ms, "state": _text(_state())}
    return {VIEW_TAG: _text(view), MARK_TAG: "1"}


def route(experiment_id: str) -> str:
    """Where the view is shown, below a server's address.

    >>> route("1")
    '/#/experiments/1/runs?viewStateShareKey=five-rows'
    """
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"


def _state() -> dict[str, Any]:
    """The view as MLflow's pages write it when one is saved by hand."""
    columns = [
        *(f"metrics.`{name}`" for name in (*METRICS, *BESIDE)),
        *(f"params.`{name}`" for name in PARAMETERS),
        "attributes.`Dataset`",
    ]
    charts = [
        {
            "type": "BAR",
            "uuid": f"{KEY}-{name}",
            "metricSectionId": KEY,
            "metricKey": name,
            "runsCountToCompare": _BARS,
            "deleted": False,
            "isGenerated": False,
        }
        for name in METRICS
    ]
    section = {"uuid": KEY, "name": NAME, "display": True, "isReordered": False}
    return {
        "selectedColumns": columns,
        "columnOrder": columns,
        # In pixels: by itself the page cuts the names off.
        "columnWidths": {column: 9 * len(column.split("`")[1]) + 20 for column in columns[:_NAMED]},
        "compareRunCharts": charts,
        "compareRunSections": [section],
    }


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
