"""Work side by side gives the answers, the order and the errors of work done one after the other,
and the same bits."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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


def test_blas_of_numpy_and_scipy_keeps_to_one_thread_beside_forward_passes() -> None:
    from threadpoolctl import threadpool_info

    assert list(parallel.ordered(lambda item: item, range(3))) == [
        (item, item) for item in range(3)
    ]
    assert {
        one["num_threads"] for one in threadpool_info() if one["internal_api"] == "openblas"
    } == {1}
