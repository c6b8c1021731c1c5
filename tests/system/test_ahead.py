"""Items made in a thread, ahead of who asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from speechclean.system.ahead import ahead


def test_order_and_end() -> None:
    assert list(ahead(range(100), 3)) == list(range(100))
    assert list(ahead([], 3)) == []
    assert list(ahead(range(5), 0)) == list(range(5))


def test_items_are_made_before_they_are_asked_for_but_not_all() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for item in range(10):
            made.append(item)
            if item == 3:
                third.set()
            yield item

    asked = ahead(items(), 2)
    assert next(asked) == 0
    assert third.wait(10), "one is waiting to be put, two are in the queue, one was taken"
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]
    assert list(asked) == list(range(1, 10))


def test_an_error_is_raised_where_its_item_is_due() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    asked = ahead(items(), 5)
    assert next(asked) == 1
    assert next(asked) == 2
    with pytest.raises(OSError, match="gone"):
        next(asked)


def test_who_leaves_early_leaves_no_thread() -> None:
    def items() -> Iterator[int]:
        yield from range(10**9)

    before = threading.active_count()
    asked = ahead(items(), 2)
    assert next(asked) == 0
    asked.close()
    assert threading.active_count() == before
