"""The allocator's setting is taken where there is one to take, and can be refused."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from speechclean.system import allocator


def page_faults(setting: str) -> int:
    """How often the kernel had to give a fresh process a page while it filled 20 tensors of 64 MB,
    one after the other."""
    code = (
        "import resource, torch; from speechclean.system import allocator\n"
        "allocator.keep_freed_memory()\n"
        "for _ in range(20): torch.full((16_000_000,), 1.0)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    )
    command = [sys.executable, "-c", code]
    env = {
        allocator.ALLOCATOR_VARIABLE: setting,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": ":".join(sys.path),
    }
    return int(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_used_again_unless_opted_out() -> None:
    pages = 64_000_000 // 4096
    # 19 of the 20 tensors could lie where the one before lay; where other blocks are in between,
    # the heap grows instead.
    assert page_faults("system") - page_faults("keep") > 4 * pages


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
@pytest.mark.parametrize(("width", "shared"), [(10, False), (4000, True)])
def test_threads_of_a_large_network_share_an_arena_those_of_a_small_one_do_not(
    width: int, shared: bool
) -> None:
    code = (
        "import ctypes, threading, torch; from speechclean.system import allocator\n"
        f"allocator.allow(); allocator.suit(torch.nn.Linear({width}, {width}))\n"
        "work = lambda: torch.full((10_000,), 1.0)\n"
        "threads = [threading.Thread(target=work) for _ in range(3)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "ctypes.CDLL(None).malloc_stats()"
    )
    env = {"OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    ).stderr
    assert (told.count("Arena") == 1) is shared


def test_another_libc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator.keep_freed_memory.cache_clear()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    assert allocator.keep_freed_memory() is False
    allocator.keep_freed_memory.cache_clear()


def test_a_library_that_loads_a_network_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_allowed", False)
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda **_: pytest.fail("set"))
    assert allocator.suit(torch.nn.Linear(2, 2)) is False
