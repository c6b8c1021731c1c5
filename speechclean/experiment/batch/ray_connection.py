"""Connecting to a Ray cluster, or starting one in this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from . import WorkersLost

log = logging.getLogger(__name__)

#: Of the embedded cluster, in bytes: nothing but paths and lines goes through it.
OBJECT_STORE = 100 * 2**20
CONNECT_S = 5.0
#: A cluster's head gives the server that it starts for a new client half a minute, and refuses the
#: client when it was too busy for that.
CONNECT_TRIES = 5


def check_answers(address: str) -> None:
    """Raise `ConnectionError` if nobody answers at an address that names a port."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), CONNECT_S).close()
        except OSError as error:
            raise ConnectionError(
                f"batch.address={address}: nobody answers there ({error}); start or name one"
            ) from error


def connect(address: str | None, cpus: int) -> None:
    """Connect this process to the cluster at an address, or to a new one of so many cores.

    Raises `WorkersLost` if Ray cannot connect.
    """
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init(
            "local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            **quiet,
        )
        return
    try:
        tried(partial(ray.init, address, **quiet))
    except Exception as error:  # Ray's errors depend on the way of connecting
        raise WorkersLost(
            f"batch.address={address}: Ray cannot connect ({_brief(error)}); a cluster that asks "
            "for a token wants RAY_AUTH_MODE=token here too"
        ) from error


def tried(connect: Callable[[], object]) -> None:
    """Connect, again where a busy cluster refuses; other errors are raised at once."""
    for left in reversed(range(CONNECT_TRIES)):
        try:
            connect()
        except ConnectionAbortedError as error:
            if not left:
                raise
            log.warning("Ray: %s; trying again", _brief(error))
        else:
            return


def _brief(error: Exception) -> str:
    """What an error says first and last: what failed, and beneath a trace of the server's why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(dict.fromkeys((lines or [type(error).__name__])[:: max(1, len(lines) - 1)]))
