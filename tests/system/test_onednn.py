"""oneDNN without memory fails for good in a thread, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from speechclean.system import onednn, parallel
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

STARVED = """
import resource, torch
from speechclean.system import onednn
torch.set_num_threads(1)
kernel = torch.randn(64, 64, 3, 3)
sounds = [torch.randn(1, 64, size, size) for size in range(20, 60)]

def convolved(number):
    with torch.inference_mode():
        return torch.conv2d(sounds[number], kernel).shape

def tried(work):
    try:
        return str(work())
    except RuntimeError as error:
        return str(error)

onednn.able(lambda: convolved(0))
before = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (1, before[1]))  # 0 is none to the kernel
for number in range(2, len(sounds) - 1):  # the first ones may find room in what is free
    starved = tried(lambda: onednn.able(lambda: convolved(number)))
    if onednn.NO_PRIMITIVE in starved:
        break
resource.setrlimit(resource.RLIMIT_DATA, before)
print(starved)
print(tried(lambda: convolved(-1)))
print(tried(lambda: onednn.able(lambda: convolved(-1))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the Linux kernel's")
def test_after_want_of_memory_the_next_pass_finds_a_thread_that_can(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARVED],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=LIMIT_S, check=True,
    )  # fmt: skip
    starved, plain, able = done.stdout.splitlines()
    if onednn.NO_PRIMITIVE not in starved:
        pytest.skip(f"this torch has no oneDNN that runs out of memory: {starved}")
    assert "torch.Size" in able
    if "torch.Size" in plain:
        pytest.fail("oneDNN forgets by itself by now: onednn.able is not needed any more")


def test_another_thread_computes_as_the_callers_does() -> None:
    with ThreadPoolExecutor(1) as pool, parallel.among(3), torch.inference_mode():
        here = (parallel.beside(), torch.get_num_threads(), torch.is_inference_mode_enabled())
        there = parallel.passed_on(
            lambda: (parallel.beside(), torch.get_num_threads(), torch.is_inference_mode_enabled()),
            pool,
        )
    assert here == there == (3, 1, True)


def test_only_that_failure_spends_a_thread() -> None:
    def failing(words: str) -> None:
        raise RuntimeError(words)

    def threads() -> list[int]:
        """Those of each pass, after a failure of its own each."""
        found = [threading.get_ident()]
        for words in ("of another kind", *2 * [onednn.NO_PRIMITIVE]):
            found += [onednn.able(threading.get_ident) for _ in range(2)]
            with pytest.raises(RuntimeError, match=words):
                onednn.able(partial(failing, words))
        return [*found, onednn.able(threading.get_ident)]

    with ThreadPoolExecutor(1) as pool:
        own, *seen = pool.submit(threads).result()
    assert seen[:4] == 4 * [own], "another failure changes nothing"
    first, again, last = seen[4:]
    assert first == again != own
    assert last not in (own, first)
