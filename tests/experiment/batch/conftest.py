"""Entries, and a config small enough for a worker in a test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.experiment.batch.task import Entry, Input
from speechclean.experiment.config.compose import composed
from speechclean.records.file_result import FileResult, Status

SMALL = [
    "separators=[embedded_hdemucs_q]",
    "enhancement=identity",
    "tracking=none",
    "batch=local",
    "metrics=[lufs]",
]


def entry(alias: str, status: Status = Status.CLEANED, **other: Any) -> Entry:
    """A line of a ledger; `other` are fields of it or of its result."""
    cleaned = status == Status.CLEANED
    fields: dict[str, Any] = {
        "path": f"/in/{alias}.wav",
        "seconds": 1.0 if cleaned else None,
        "output": f"cleaned/{alias}.wav",
    }
    own = {field.name for field in dataclasses.fields(FileResult)}
    fields |= {key: value for key, value in other.items() if key in own}
    values: dict[str, Any] = {
        "signature": "s",
        "weights": "w",
        "input": Input("0" * 64, 4, 5),
        "output_sha256": "1" * 64,
        "output_size": 4,
    }
    values |= {key: value for key, value in other.items() if key not in own}
    return Entry(FileResult(alias=alias, status=status, **fields), **values)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """The resolved config of a small batch into `tmp_path / "out"`."""
    cfg = composed(SMALL)
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = str(tmp_path / "out"), "batch"
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
