"""Entries, and a config small enough for a worker in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.experiment.batch.task import CLEANED, Entry, Input
from speechclean.experiment.config.compose import composed

SMALL = [
    "separators=[embedded_hdemucs_q]",
    "enhancement=identity",
    "tracking=none",
    "batch=local",
    "metrics=[lufs]",
]


def entry(alias: str, status: str = CLEANED, **other: Any) -> Entry:
    """A line of a ledger."""
    row = {
        "alias": alias,
        "path": f"/in/{alias}.wav",
        "status": status,
        "reason": other.get("reason", ""),
        "seconds": 1.0,
    }
    values: dict[str, Any] = {
        "alias": alias, "path": f"/in/{alias}.wav", "status": status, "reason": "", "output": f"cleaned/{alias}.wav",
        "signature": "s", "weights": "w", "input": Input("0" * 64, 4, 5), "output_sha256": "1" * 64, "output_size": 4,
        "row": row,
    }  # fmt: skip
    return Entry(**{**values, **other})


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """The resolved config of a small batch into `tmp_path / "out"`."""
    cfg = composed(SMALL)
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = str(tmp_path / "out"), "batch"
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
