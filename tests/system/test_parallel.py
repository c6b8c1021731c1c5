"""Work side by side gives the answers, the order and the errors of work done one after the other,
and the same bits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from speechclean.networks import checkpoints
from speechclean.stages.separators import tuned
from speechclean.system import parallel
from tests.conftest import tiny_hdemucs, tiny_htdemucs


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The rest of the tests runs on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_order_and_the_callers_threads_are_kept(threads: int) -> None:
    answers = list(parallel.ordered(lambda item: (item * item, torch.get_num_threads()), range(9)))
    assert answers == [(item, (item * item, 1)) for item in range(9)]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_items(threads: int, count: int) -> None:  # noqa: ARG001
    assert [answer for _, answer in parallel.ordered(str, range(count))] == [
        str(item) for item in range(count)
    ]


def test_pieces_run_side_by_side(threads: int) -> None:
    """A barrier that all of them have to reach together."""
    meeting = threading.Barrier(threads, timeout=100)
    met = [
        answer
        for _, answer in parallel.ordered(
            lambda _: (meeting.wait() >= 0, parallel.beside()), range(threads)
        )
    ]
    assert met == [(True, threads)] * threads


def test_an_error_comes_where_its_answer_is_due_and_leaves_nothing_behind(threads: int) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    answers = parallel.ordered(work, range(6))
    assert [next(answers), next(answers)] == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match="two"):
        next(answers)
    assert torch.get_num_threads() == threads
    assert [answer for _, answer in parallel.ordered(work, [7, 8, 9])] == [7, 8, 9]


def test_a_caller_that_stops_early_gets_its_threads_back(threads: int) -> None:
    answers = parallel.ordered(lambda item: item, iter(range(1000)))
    assert next(answers) == (0, 0)
    answers.close()
    assert torch.get_num_threads() == threads


def test_drawn_only_a_few_ahead(threads: int) -> None:
    drawn = []

    def source() -> Iterator[int]:
        for item in range(100):
            drawn.append(item)
            yield item

    answers = parallel.ordered(lambda item: item, source())
    for _ in range(10):
        next(answers)
    answers.close()
    assert len(drawn) <= 10 + threads + 2


def test_work_within_work_does_not_wait_for_itself(threads: int) -> None:  # noqa: ARG001
    def outer(item: int) -> list[int]:
        return [answer for _, answer in parallel.ordered(lambda inner: 10 * item + inner, range(3))]

    assert [answer for _, answer in parallel.ordered(outer, range(4))] == [
        [10 * item + inner for inner in range(3)] for item in range(4)
    ]


@pytest.mark.parametrize("build", [tiny_htdemucs, tiny_hdemucs])
@pytest.mark.parametrize("tune", [False, True])
def test_bits_do_not_depend_on_the_number_of_cores(build: object, tune: bool) -> None:
    network = checkpoints.freeze(build())  # type: ignore[operator]
    if tune:
        tuned.tune(network)
    clips = [
        torch.randn(1, 1, 48_000, generator=torch.Generator().manual_seed(seed))
        for seed in range(3)
    ]
    before, heard = torch.get_num_threads(), {}
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                several = [answer for _, answer in parallel.ordered(network, clips)]
                ((_, lone),) = parallel.ordered(network, clips[:1])
            heard[threads] = [*several, lone]
    finally:
        torch.set_num_threads(before)
    for answers in heard.values():
        assert torch.equal(answers[0], answers[3])
        assert all(torch.equal(one, other) for one, other in zip(answers, heard[1], strict=True))


def test_blas_of_numpy_and_scipy_is_limited_by_the_process_alone() -> None:
    from threadpoolctl import ThreadpoolController

    def limits() -> set[int]:
        found = ThreadpoolController().info()
        return {one["num_threads"] for one in found if one["internal_api"] == "openblas"}

    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = limits()
        assert list(parallel.ordered(str, range(3))) == [(item, str(item)) for item in range(3)]
        assert limits() == before
        parallel.limit_blas()
        assert limits() == {1}


def test_threads_of_others_are_left_alone(threads: int) -> None:
    """Those that have used torch, and those that have not yet."""
    seen: dict[str, list[int]] = {"old": [], "new": []}
    ready, go_on = threading.Event(), threading.Event()

    def old() -> None:
        seen["old"].append(torch.get_num_threads())
        ready.set()
        go_on.wait(20)
        seen["old"].append(torch.get_num_threads())

    def new() -> None:
        seen["new"].append(torch.get_num_threads())

    def started(work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    other = started(old)
    assert ready.wait(20)
    with parallel.among(2):
        started(new).join()
    answers = parallel.ordered(str, range(9))
    next(answers)
    started(new).join()
    list(answers)
    started(new).join()
    go_on.set()
    other.join()
    assert seen == {"old": [threads] * 2, "new": [threads] * 3}


def test_two_callers_at_once_get_their_threads_back() -> None:
    """The second begins before the first has ended, and ends after it."""

    def call(inside: threading.Event, end: threading.Event) -> list[int]:
        torch.set_num_threads(2)
        answers = parallel.ordered(str, range(9))
        next(answers)
        inside.set()
        end.wait(20)
        list(answers)
        return [torch.get_num_threads()]

    events = [(threading.Event(), threading.Event()) for _ in range(2)]
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(call, *events[0])]
            events[0][0].wait(20)
            calls.append(pool.submit(call, *events[1]))
            events[1][0].wait(20)
            events[0][1].set()
            assert calls[0].result() == [2]
            events[1][1].set()
            assert calls[1].result() == [2]
    finally:
        torch.set_num_threads(before)


def test_both_parts_of_a_lone_piece_run_side_by_side(threads: int) -> None:
    """A barrier that both have to reach together, where there is a core for each."""
    meeting = threading.Barrier(min(threads, 2), timeout=100)

    def part() -> tuple[bool, int, int, bool]:
        met = meeting.wait() >= 0
        inference = torch.is_inference_mode_enabled()
        return met, torch.get_num_threads(), parallel.beside(), inference

    with torch.inference_mode():
        pieces = parallel.ordered(lambda _: parallel.both(part, part), [0])
        found = [answer for _, answer in pieces]
    assert found == [((True, 1, threads, True),) * 2]


def test_where_no_core_is_idle_the_parts_of_a_piece_stay_in_its_thread() -> None:
    torch.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=100)
    try:

        def piece(_: int) -> set[int]:
            meeting.wait()
            found = parallel.both(threading.get_ident, threading.get_ident)
            meeting.wait()
            return {threading.get_ident(), *found}

        found = [idents for _, idents in parallel.ordered(piece, range(2))]
    finally:
        torch.set_num_threads(1)
    assert [len(idents) for idents in found] == [1, 1]
    assert len(set(parallel.both(threading.get_ident, threading.get_ident))) == 1


def test_both_end_before_an_error_of_either_is_raised(threads: int) -> None:
    ended: list[int] = []

    def wrong() -> None:
        raise ValueError("wrong")

    def right() -> None:
        time.sleep(0.05)
        ended.append(1)

    with pytest.raises(ValueError, match="wrong"):
        list(parallel.ordered(lambda _: parallel.both(wrong, right), [0]))
    with pytest.raises(ValueError, match="wrong"):
        list(parallel.ordered(lambda _: parallel.both(right, wrong), [0]))
    assert len(ended) == (2 if threads > 1 else 1)
    # what has failed leaves no core taken
    test_both_parts_of_a_lone_piece_run_side_by_side(threads)
