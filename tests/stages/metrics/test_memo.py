"""A memo hears one sound at a time, each once, whatever asks at the same time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from speechclean.stages.metrics.memo import Memo


def test_threads_wait_for_one_another_and_each_sound_is_heard_once() -> None:
    memo: Memo[int] = Memo()
    inside, most, heard = 0, 0, []

    def listen(key: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.002)
        heard.append(key)
        inside -= 1
        return 10 * key

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda index: memo(index % 5, lambda: listen(index % 5)), range(80))
        )
    assert answers == [10 * (index % 5) for index in range(80)]
    assert most == 1
    assert sorted(heard) == list(range(5))


def test_what_fails_is_told_and_tried_again() -> None:
    memo: Memo[int] = Memo()

    def fail() -> int:
        raise ValueError("deaf")

    with pytest.raises(ValueError, match="deaf"):
        memo("a", fail)
    assert memo("a", lambda: 3) == 3
