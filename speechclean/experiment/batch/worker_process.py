"""`python -m speechclean.experiment.batch.worker_process`: the main function of a worker process.

Messages are lines of JSON on two pipes. In: the set-up, then tasks, then `{"end": true}`. Out:
`{"ready": window}`, or `{"config_problems": [...]}`, or `{"start_problem": reason}`; then an entry
for each task; and at any time `{"alive": true}` (`heartbeat`). The process dies with its parent, so
that nothing is written into a folder whose lock is gone.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock, Thread
from typing import Any, TextIO

from speechclean.system.secrets import MaskingFormatter

from .heartbeat import HEARTBEAT_S, Heartbeat

#: prctl's option by which the kernel sends a signal when the parent dies (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read the set-up, then clean what is sent until the end."""
    output = _message_channel()
    # Ctrl-C in a terminal reaches all of its processes: the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setup = json.loads(sys.stdin.readline() or "null")
    if setup is None:
        return
    _die_with(setup["parent"])
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("[%(asctime)s][%(name)s][%(levelname)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    lock = Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(message), file=output, flush=True)

    Thread(target=_beat, args=(send,), name="heartbeat", daemon=True).start()
    from speechclean.experiment.config.errors import ConfigError
    from speechclean.experiment.process import set_up_process

    from .worker import Worker

    set_up_process(setup["threads"])
    try:
        worker = Worker(
            setup["config"], Path(setup["folder"]), setup["signature"], setup["weights"]
        )
    except ConfigError as error:
        send({"config_problems": error.problems})
        return
    except Exception as error:
        logging.exception("the worker cannot start")
        send({"start_problem": f"{type(error).__name__}: {error}"})
        return
    send({"ready": worker.window})

    def send_entry(future: Future[Any]) -> None:
        send({"entry": future.result().to_json()})

    from .task import Task

    for line in sys.stdin:
        message = json.loads(line)
        if "end" in message:
            worker.close()
            return
        worker.submit(Task(**message["task"])).add_done_callback(send_entry)
    os._exit(1)  # the pipe is closed, but nobody said so: the parent is gone


def _beat(send: Callable[[dict[str, Any]], None]) -> None:
    """Send heartbeats while this process is at work."""
    heartbeat = Heartbeat()
    while True:
        time.sleep(HEARTBEAT_S)
        if heartbeat():
            send({"alive": True})


def _message_channel() -> TextIO:
    """Standard output for messages alone: what any library prints goes to the log."""
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return channel


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


if __name__ == "__main__":
    main()
