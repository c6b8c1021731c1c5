"""The disk cache is exact, bounded and never torn, whoever writes into it and however they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from speechclean.cli.cache import cleared, main, stats
from speechclean.networks.cache import Cost, DiskCache, NoCache
from tests.support.waiting import wait_for

COST = Cost(3, 1.5)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", 10**8)


def test_what_was_put_is_there(cache: DiskCache) -> None:
    cache.put("separator", {"input": "a", "offset": 1}, torch.arange(9.0), COST)
    again = DiskCache(cache.folder, 10**8)
    assert torch.equal(again.get("separator", {"offset": 1, "input": "a"}), torch.arange(9.0))  # type: ignore[arg-type]
    assert again.get("separator", {"input": "a", "offset": 2}) is None
    assert again.get("denoiser", {"input": "a", "offset": 1}) is None


def test_both_ways_are_counted(cache: DiskCache) -> None:
    for one in (cache, NoCache()):
        one.put("separator", {"input": "a"}, torch.ones(4), COST)
        assert one.tally.forwards == {"separator": 3}
        assert one.tally.missed == 1
    cache.get("separator", {"input": "a"})
    assert cache.tally.spared == {"separator": 3}
    assert cache.tally.saved_s == 1.5
    assert (
        cache.tally.told()
        == "1 of 2 estimates reused: 3 forward passes computed, 3 spared, 1.5 s saved"
    )


def test_a_torn_entry_is_none(cache: DiskCache) -> None:
    cache.put("separator", {"input": "a"}, torch.ones(400), COST)
    path = cache.path("separator", {"input": "a"})
    path.write_bytes(path.read_bytes()[:-3])
    assert cache.get("separator", {"input": "a"}) is None
    assert not path.exists(), "it is made anew"


def test_the_least_recently_used_goes(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 100_000)
    for index in range(40):
        cache.put("separator", {"input": index}, torch.rand(1000), COST)  # about 3.3 kB each
        path = cache.path("separator", {"input": index})
        os.utime(path, (index, index))
        cache.get("separator", {"input": 0})
    assert sum(stat.st_size for _, stat in cache.entries()) <= 100_000
    assert cache.get("separator", {"input": 0}) is not None, "it was used all along"
    assert cache.get("separator", {"input": 1}) is None
    assert cache.get("separator", {"input": 39}) is not None


def test_what_is_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)
    cache.put("separator", {"input": 0}, torch.rand(1000), COST)
    assert not list(cache.entries())


def test_a_folder_that_cannot_be_written_costs_no_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache", 10**8)
    cache.put("separator", {"input": 0}, torch.ones(4), COST)
    cache.put("separator", {"input": 1}, torch.ones(4), COST)
    assert len([record for record in caplog.records if "cache.dir" in record.message]) == 1


def _worker(folder: Path, seed: int) -> None:
    """Puts, gets and evicts; every entry says itself what it must hold."""
    cache = DiskCache(folder, 60_000)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(150):
        index = int(torch.randint(20, (1,), generator=generator))
        found = cache.get("separator", {"input": index})
        if found is None:
            cache.put("separator", {"input": index}, torch.full((1500,), float(index)), COST)
        else:
            assert (found == index).all()
        cache.evict(30_000)


def test_processes_share_it(tmp_path: Path) -> None:
    # Not forks of this process: a lock that one of its threads holds at that moment would be held
    # in them for ever.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    workers = [
        context.Process(target=_worker, args=(tmp_path, seed), daemon=True) for seed in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4


WRITER = """
import sys, torch
from pathlib import Path
from speechclean.networks.cache import Cost, DiskCache
cache = DiskCache(Path(sys.argv[1]), 10**9)
print("ready", flush=True)
index = 0
while True:
    value = float(index % 50)
    cache.put("separator", {"input": index % 50}, torch.full((200_000,), value), Cost(1, 1.0))
    index += 1
"""


def test_killed_while_writing_nothing_torn_is_read(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    wait_for(lambda: any(DiskCache(tmp_path, 10**9).entries()), writer)
    time.sleep(0.4)  # into the middle of some later one
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    cache = DiskCache(tmp_path, 10**9)
    found = [(index, cache.get("separator", {"input": index})) for index in range(50)]
    whole = [(index, tensor) for index, tensor in found if tensor is not None]
    assert whole, "it wrote nothing at all"
    assert all((tensor == index).all() for index, tensor in whole)


def test_the_command(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.put("separator", {"input": 0}, torch.ones(400), COST)
    cache.put("denoiser", {"input": 0}, torch.ones(400), Cost(1, 0.5))
    monkeypatch.setattr(sys, "argv", ["speechclean cache", "stats", f"cache.dir={cache.folder}"])
    main()
    told = capsys.readouterr().out
    assert "separator        1 entries" in told
    assert "3 forwards" in told
    assert "0 entries removed" in cleared(cache, 3600)
    assert "2 entries removed" in cleared(cache, None)
    assert stats(cache) == [f"{cache.folder}: 0.000 GB"]
    monkeypatch.setattr(sys, "argv", ["speechclean cache", "clean"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
