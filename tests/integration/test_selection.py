"""`selection=best_of` as a whole command: what it keeps is what a run with that fusion makes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from speechclean.stages.datasets.manifest import Pilot
from tests.integration.conftest import environment
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow
ALIKE = (
    "separators=[embedded_htdemucs,embedded_hdemucs_q]",
    "dataset=manifest",
    "dataset.path=set.csv",
    "tracking=none",
    "output.plots=false",
    "output.ab_seconds=0",
    "metrics=[words_lost,music_residual_db]",
    "cache.enabled=true",
    "cache.dir=cache",
)
SELECTION = (
    "selection=best_of",
    "~selection.candidates.soft",
    "selection.candidates.deep={fusion: min_mask, exponent: 2, separators: null}",  # merged into it
)


def run(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "speechclean", *ALIKE, *arguments],
        cwd=cwd,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return {row["alias"]: row for row in csv.DictReader(file)}


def test_of_each_file_the_best_fusion_is_written_by_a_run_and_by_a_batch(tmp_path: Path) -> None:
    tracks = Pilot().tracks()[:3]
    with (tmp_path / "set.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "transcript", "language", "alias"])
        writer.writerows([[one.path, one.transcript, "en", one.alias] for one in tracks])
    run(tmp_path, "hydra.run.dir=own")
    run(tmp_path, "hydra.run.dir=deep", "fusion=min_mask")
    run(tmp_path, "hydra.run.dir=best", *SELECTION)
    assert "Fusions kept: " in (tmp_path / "best/summary.md").read_text()
    run(tmp_path, "batch=local", "batch.out=batch", *SELECTION, ALIKE[6])

    best, batch = rows(tmp_path / "best"), rows(tmp_path / "batch")
    alone = {name: rows(tmp_path / name) for name in ("own", "deep")}
    for track in tracks:
        measured = {
            name: tuple(
                float(found[track.alias][f"{metric}_cleaned"] or "inf")
                for metric in ("words_lost", "music_residual_db")
            )
            for name, found in alone.items()
        }
        kept = min(measured, key=measured.__getitem__)
        assert best[track.alias]["selected"].startswith(f"{kept}: words_lost ")
        assert batch[track.alias]["selected"] == best[track.alias]["selected"]
        for column in ("words_lost_cleaned", "music_residual_db_cleaned"):
            assert best[track.alias][column] == alone[kept][track.alias][column]
        expected = (tmp_path / f"{kept}/cleaned/{track.alias}.wav").read_bytes()
        for name in ("best", "batch"):
            assert (tmp_path / f"{name}/cleaned/{track.alias}.wav").read_bytes() == expected
    # The same command finds nothing to do: what was kept is in the ledger.
    again = json.loads((tmp_path / "batch/metrics.json").read_text())
    run(tmp_path, "batch=local", "batch.out=batch", *SELECTION, ALIKE[6])
    assert json.loads((tmp_path / "batch/metrics.json").read_text())["means"] == again["means"]
