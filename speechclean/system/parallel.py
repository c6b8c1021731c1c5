"""How work shares the cores of a CPU: several pieces at once, with the same bits on one or many.

Left to torch, all threads share every single operation and wait for one another after it; on
networks of many small operations a good part of the time goes into waiting. And a sum that is split
over threads is rounded as they split it. With one thread for each piece of work, the samples depend
neither on the number of cores (up to `AT_ONCE`) nor on what else is at work.

Only the threads of this module and the caller's compute with another number of threads, and the
caller's gets its own back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

#: Pieces of work at once, at most, since each takes memory of its own (mdx_extra_q: 2 GB); more
#: cores than that share pieces.
AT_ONCE = 8


class _Here(threading.local):
    """What a thread knows of itself."""

    #: Among how many pieces of work its own is one.
    beside = 1
    #: The threads of which it is one.
    cores: _Cores | None = None
    #: How many calls of `ordered` it is in the middle of, and torch's threads outside of them.
    depth, threads = 0, 1


_here = _Here()
_default_lock = threading.Lock()


def use_threads(count: int) -> None:
    """Let torch split the calling thread's operations over `count` threads, and no other's.

    `torch.set_num_threads` also changes the default for threads that have not used torch yet, which
    may not be ours: a thread that does nothing else puts that back.
    """
    with _default_lock:
        if count == torch.get_num_threads():
            return
        default = _in_a_thread(torch.get_num_threads)
        torch.set_num_threads(count)
        _in_a_thread(lambda: torch.set_num_threads(default))


def _in_a_thread(work: Callable[[], R]) -> R:
    answers: list[R] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within it torch splits the calling thread's operations over `count` threads."""
    before = torch.get_num_threads()
    use_threads(count)
    try:
        yield
    finally:
        use_threads(before)


def at_once() -> int:
    """How many pieces of work the cores take side by side."""
    return min(torch.get_num_threads(), AT_ONCE)


def beside() -> int:
    """How many pieces of work share the time that passes in this thread; 1 outside of any."""
    return _here.beside


@contextmanager
def among(count: int) -> Iterator[None]:
    """Within it the calling thread does one of `count` pieces of work side by side.

    It computes on its share of torch's threads. For threads of one's own that stand in for those of
    `ordered`; the samples are the same.
    """
    before = _here.beside
    _here.beside = count
    try:
        with threads(max(1, torch.get_num_threads() // count)):
            yield
    finally:
        _here.beside = before


def ordered(
    work: Callable[[T], R], items: Iterable[T], parallel: bool = True
) -> Generator[tuple[T, R]]:
    """Each item with `work(item)`, in order.

    With `parallel`, several are worked on at once, a few ahead of what is asked for. Items are
    drawn in the caller's thread. What an item raises is raised where its answer is due.
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
        cores = _cores(count, torch.get_num_threads())
        try:
            for item in items:
                waiting.append((item, cores.submit(partial(work, item))))
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
                # Nobody wants its answer any more, but it has to end before this function does.
                future.cancelled() or future.exception()


def both(first: Callable[[], T], second: Callable[[], R]) -> tuple[T, R]:
    """`first()` and `second()`: within a piece of `ordered`, beside one another if a core is idle.

    Otherwise one after the other, in the calling thread. What either raises is raised once
    neither is at work.
    """
    beside = _here.cores.if_idle(second) if _here.cores else None
    if beside is None:
        return first(), second()
    try:
        answer = first()
    finally:
        wait([beside])
    return answer, beside.result()


class _Cores:
    """`count` threads, each of which splits its operations over `threads` of torch's."""

    def __init__(self, count: int, threads: int) -> None:
        self._pool = ThreadPoolExecutor(count, "cores", use_threads, (threads,))
        # Reentrant: a future that has ended already calls back at once.
        self._count, self._unfinished, self._lock = count, 0, threading.RLock()

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """`work()` in one of them, as soon as it has nothing else to do."""
        with self._lock:
            return self._submit(work)

    def if_idle(self, work: Callable[[], R]) -> Future[R] | None:
        """The same, only if one has nothing to do: nothing waits for who waits for it."""
        with self._lock:
            return self._submit(work) if self._unfinished < self._count else None

    def _submit(self, work: Callable[[], R]) -> Future[R]:
        inference = torch.is_inference_mode_enabled()  # known to a thread alone

        def piece() -> R:
            _here.beside, _here.cores = self._count, self
            with torch.inference_mode(inference):
                return work()

        future = self._pool.submit(piece)
        self._unfinished += 1
        future.add_done_callback(self._finished)
        return future

    def _finished(self, _: Future[Any]) -> None:
        with self._lock:
            self._unfinished -= 1


@cache
def _cores(count: int, threads: int) -> _Cores:
    return _Cores(count, threads)


def renew() -> None:
    """Let later calls of `ordered` have new threads; what is at work ends in the old ones."""
    _cores.cache_clear()


def passed_on(work: Callable[[], R], pool: ThreadPoolExecutor) -> R:
    """`work()` in another thread, which computes as the calling one does."""
    inference, count, among_ = torch.is_inference_mode_enabled(), torch.get_num_threads(), beside()

    def piece() -> R:
        use_threads(count)
        _here.beside = among_
        with torch.inference_mode(inference):
            return work()

    return pool.submit(piece).result()


@contextmanager
def _alone() -> Iterator[int]:
    """Within it each operation of the calling thread is split over a share of torch's threads only.

    Yields how many pieces of work that leaves room for.
    """
    if not _here.depth:
        _here.threads = torch.get_num_threads()
        use_threads(_here.threads // at_once())
    _here.depth += 1
    try:
        yield min(_here.threads, AT_ONCE)
    finally:
        _here.depth -= 1
        if not _here.depth:
            use_threads(_here.threads)


def limit_blas() -> None:
    """Keep numpy's and scipy's BLAS to one thread, for the whole process.

    More of them wait for work at full speed, which takes a seventh of a core from forward passes,
    and the little that there is for them to do is done as fast without them. Not called by anything
    in the library: it is for processes that do nothing else (`experiment.process`).
    """
    import scipy.linalg  # noqa: F401  which brings its own library
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
