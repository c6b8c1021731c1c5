"""A memo hears each sound once, whatever asks at the same time, and only one if it has to."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

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


def test_other_sounds_do_not_wait() -> None:
    """Two listeners that end only together."""
    memo: Memo[int] = Memo(one_at_a_time=False)
    together = threading.Barrier(2, timeout=30)

    def listen(key: int) -> int:
        together.wait()
        return key

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda key: memo(key, lambda: listen(key)), [1, 2, 1, 2]))
    assert answers == [1, 2, 1, 2]


def test_those_who_wait_for_what_fails_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    memo: Memo[int] = Memo(one_at_a_time=False)
    begun, waiting = threading.Event(), threading.Event()

    class Watched(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            waiting.set()
            return super().result(timeout)

    monkeypatch.setattr("speechclean.stages.metrics.memo.Future", Watched)

    def fail() -> int:
        begun.set()
        assert waiting.wait(60)
        raise ValueError("deaf")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo, "a", fail)
        assert begun.wait(60)
        second = pool.submit(memo, "a", lambda: 1)
        for answer in (first, second):
            with pytest.raises(ValueError, match="deaf"):
                answer.result()
