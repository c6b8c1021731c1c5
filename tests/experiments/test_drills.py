"""What `experiments/reliability` does to batches, on a few files: killed, interrupted, without room
on the disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experiments.reliability import drills, process_drills
from experiments.reliability.site import Site
from tests.integration.conftest import SMALL, environment
from tests.support import batch_folder

#: One separator, little sound: a few seconds of work beside the start of Python.
FAST = ["tracking=none", "batch=local", SMALL[0], SMALL[1]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all drills: their inputs and the batch that nothing happens to are made once."""
    folder = tmp_path_factory.mktemp("drills")
    site = Site(folder, count=34, kills=1, few=34, arguments=FAST, startup_s=6, sparse_s=400)
    yield site
    site.end()


@pytest.fixture
def site(made: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    yield made
    made.end()


@pytest.mark.slow
def test_a_batch_ends_well_killed_or_not(site: Site) -> None:
    """All good files, all bad ones named; the same bytes after kill -9; the same command again does
    nothing."""
    text, fine = process_drills.uninterrupted(site)
    assert fine, text
    text, fine = process_drills.kills(site)
    assert fine, text
    out = site.folder / "killed"
    lines = len(batch_folder.ledger(out))
    assert site.run(out, site.inputs()[0]) == 1, "some files failed, in whatever session"
    assert len(batch_folder.ledger(out)) == lines
    assert "0 to clean" in site.said(out)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(drills.DRILLS))
def test_drills(name: str, site: Site) -> None:
    site.count, site.few, site.kills, site.sparse_s = 130, 60, 5, 3000
    row = drills.drill(name, site)
    if row["fine"] is None:
        pytest.skip(str(row["found"]))
    assert row["fine"], row["found"]
