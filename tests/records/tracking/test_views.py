"""An experiment's saved view has the five rows as columns, once and for all."""

from __future__ import annotations

import json
from pathlib import Path

from speechclean.records.results.headline import ROWS
from speechclean.records.tracking import MlflowTracker, views


def bare(column: str) -> str:
    return column.removesuffix("_cleaned")


def test_every_row_is_a_column_in_their_order() -> None:
    rows = [
        next(row for row, choices in ROWS.items() if bare(name) in choices)
        for name in views.METRICS
    ]
    assert list(dict.fromkeys(rows)) == list(ROWS)
    assert {next(iter(choices)) for choices in ROWS.values()} <= set(map(bare, views.METRICS))


def test_an_experiment_made_before_gets_it_and_what_is_removed_stays_so(tmp_path: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", experiment="new")
    client, new, _ = tracker._opened
    old = client.create_experiment("old")

    def tags(experiment: str) -> dict[str, str]:
        return dict(client.get_experiment(experiment).tags)

    view = json.loads(tags(new)[views.VIEW_TAG])
    assert view["name"] == views.NAME
    MlflowTracker(tracker.uri, experiment="old").prepare()
    assert json.loads(tags(old)[views.VIEW_TAG])["state"] == view["state"]
    client.delete_experiment_tag(old, views.VIEW_TAG)
    MlflowTracker(tracker.uri, experiment="old").prepare()
    assert views.VIEW_TAG not in tags(old)
