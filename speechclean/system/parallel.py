"""How work shares the cores of a CPU: several pieces at once, each on its own thread, the same bits
whatever runs beside them.

Left to torch, all threads share every single operation and wait for one another after it; on
networks of many small
operations a good part of the time goes into waiting. And a sum that is split over threads is
rounded as they split it: with one thread for each piece of work, the samples depend neither on the
number of cores (up to `AT_ONCE`) nor on what else is at work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

#: Pieces of work at once, at most, since each takes memory of its own (mdx_extra_q: 2 GB); more
#: cores than that share pieces.
AT_ONCE = 8


class _Here(threading.local):
    """What a thread knows of itself: among how many pieces of work its own is one."""

    beside = 1


_here = _Here()
_lock = threading.Lock()
_depth, _threads = 0, 1  # of `_alone`; torch's threads outside of it


def at_once() -> int:
    """How many pieces of work the cores take side by side."""
    return min(torch.get_num_threads(), AT_ONCE)


def beside() -> int:
    """How many pieces of work share the time that passes in this thread; 1 outside of any."""
    return _here.beside


@contextmanager
def among(count: int) -> Iterator[None]:
    """Within it the calling thread is one of `count` pieces of work side by side: what it does, it
    does alone, on its share of torch's threads. For threads of one's own that stand in for those of
    `ordered`; the samples are the same.
    """
    _still_blas()
    before = _here.beside, torch.get_num_threads()
    _here.beside = count
    torch.set_num_threads(max(1, before[1] // count))
    try:
        yield
    finally:
        _here.beside = before[0]
        torch.set_num_threads(before[1])


def ordered(
    work: Callable[[T], R], items: Iterable[T], parallel: bool = True
) -> Iterator[tuple[T, R]]:
    """Each item with `work(item)`, in order; several at once, a few ahead of what is asked for,
    unless not `parallel`.

    Items are drawn in the caller's thread. What an item raises is raised where its answer is due.
    """
    if not parallel or _here.beside > 1:
        for item in items:
            yield item, work(item)
        return
    with _alone() as count:
        if count == 1:
            for item in items:
                yield item, work(item)
            return
        waiting: deque[tuple[T, Future[R]]] = deque()
        try:
            for item in items:
                waiting.append((item, _submit(count, work, item)))
                if len(waiting) > count + 1:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
            for _, future in waiting:
                # nobody's answer any more, but it has to end in here
                future.cancelled() or future.exception()


def _submit(count: int, work: Callable[[T], R], item: T) -> Future[R]:
    inference = torch.is_inference_mode_enabled()  # known to a thread alone

    def piece() -> R:
        _here.beside = count
        with torch.inference_mode(inference):
            return work(item)

    return _pool(count, torch.get_num_threads()).submit(piece)


@cache
def _pool(count: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "cores", torch.set_num_threads, (threads,))


@contextmanager
def _alone() -> Iterator[int]:
    """Within it each operation of torch takes its share of the threads only; yields how many pieces
    that leaves room for.
    """
    global _depth, _threads
    _still_blas()
    with _lock:
        if not _depth:
            _threads = torch.get_num_threads()
            torch.set_num_threads(_threads // at_once())
        _depth += 1
        count = min(_threads, AT_ONCE)
    try:
        yield count
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                torch.set_num_threads(_threads)


@cache
def _still_blas() -> None:
    """One thread for numpy's and scipy's BLAS: more of them wait for work at full speed, which
    takes a seventh of a core from forward passes, and the little that there is for them to do is
    done as fast without them.
    """
    import scipy.linalg  # noqa: F401  which brings its own library
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
