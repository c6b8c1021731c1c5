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
from speechclean.system import onednn, parallel
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
parallel.afresh(lambda: convolved(1))  # the first thread has been made while there was room
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


def test_a_new_thread_computes_as_the_callers_does() -> None:
    with parallel.among(3), torch.inference_mode():
        here = (parallel.beside(), torch.get_num_threads(), torch.is_inference_mode_enabled())
        there = parallel.afresh(
            lambda: (parallel.beside(), torch.get_num_threads(), torch.is_inference_mode_enabled())
        )
    assert here == there == (3, 1, True)


def test_only_that_failure_spends_a_thread() -> None:
    def failing(words: str) -> None:
        raise RuntimeError(words)

    def in_the_same_thread() -> list[bool]:
        found = []
        for words in ("of another kind", onednn.NO_PRIMITIVE):
            found.append(onednn.able(threading.get_ident) == threading.get_ident())
            with pytest.raises(RuntimeError, match=words):
                onednn.able(partial(failing, words))
        return [*found, onednn.able(threading.get_ident) == threading.get_ident()]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_the_same_thread).result() == [True, True, False]
