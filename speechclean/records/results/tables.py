"""A run's results as files: metrics.csv, metrics.json and summary.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechclean.records.file_result import FileResult
from speechclean.records.run_folder import (
    METRICS_JSON,
    SUMMARY,
    write_json,
    write_metrics_csv,
    write_text,
)

from . import summary_page
from .summary import Metric, lines


def write_all(
    results: Sequence[FileResult],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    folder: Path,
    config: Mapping[str, Any] | None = None,
    asked: Sequence[str] = (),
) -> list[Path]:
    """Write metrics.csv, metrics.json and summary.md; `config` is the resolved one.

    asked: the metrics that verdicts come of

    Raises `OSError` where they cannot be written.
    """
    written = [
        write_metrics_csv(results, folder),
        write_metrics_json(results, means, metrics, folder / METRICS_JSON),
    ]
    # The summary lists the files that are there.
    page = summary_page.summary_page(results, means, metrics, folder, config, asked)
    return [*written, write_text(page, folder / SUMMARY)]


def write_metrics_json(
    results: Sequence[FileResult],
    means: Mapping[str, float],
    metrics: Mapping[str, Metric],
    path: Path,
) -> Path:
    """`means`, the number of `files` under each, `units`, `higher_is_better`, and all `rows`."""
    content = {
        "means": dict(means),
        "files": {line.name: line.files for line in lines(results, means, metrics)},
        "units": {name: metric.unit for name, metric in metrics.items()},
        "higher_is_better": {name: metric.higher_is_better for name, metric in metrics.items()},
        "rows": [result.row() for result in results],
    }
    return write_json(content, path)
