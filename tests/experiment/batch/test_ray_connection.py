"""A cluster that is busy is tried again; one that refuses for another reason is not."""

from __future__ import annotations

import pytest

from speechclean.experiment.batch.ray_connection import CONNECT_TRIES, tried

BUSY = "Initialization failure from server:\nTraceback ...\n  in Init\nTimeoutError: no server"


@pytest.mark.parametrize("times", [0, 1, CONNECT_TRIES - 1, CONNECT_TRIES])
def test_a_busy_cluster_is_tried_again(times: int, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[None] = []

    def connect() -> None:
        asked.append(None)
        if len(asked) <= times:
            raise ConnectionAbortedError(BUSY)

    if times < CONNECT_TRIES:
        tried(connect)
        assert len(asked) == times + 1
    else:
        with pytest.raises(ConnectionAbortedError):
            tried(connect)
        assert len(asked) == CONNECT_TRIES
    if times:
        assert "failure from server: TimeoutError: no server" in caplog.text


def test_another_refusal_is_not() -> None:
    asked: list[None] = []

    def connect() -> None:
        asked.append(None)
        raise ConnectionError("wrong token")

    with pytest.raises(ConnectionError, match="token"):
        tried(connect)
    assert len(asked) == 1
