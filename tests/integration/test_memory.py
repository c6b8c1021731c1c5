"""Long files do not take more memory than short ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import environment
from tests.support.peak_memory import run


@pytest.mark.slow
@pytest.mark.timeout(3600)  # six minutes of two cores, on a machine that may have other work
def test_memory_is_flat(tmp_path: Path) -> None:
    """Six and twelve minutes of stereo through the whole default pipeline: at most 1.5 GiB, and the
    same within a tenth."""
    short, long = (run(tmp_path, minutes, environment())["peak_rss_mb"] for minutes in (6, 12))
    assert long <= 1536
    assert long <= 1.1 * short
