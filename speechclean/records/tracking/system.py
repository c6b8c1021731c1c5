"""CPU, memory and GPU while a run goes, under the names that MLflow's own page of them knows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .run import Run

log = logging.getLogger(__name__)


@contextmanager
def watched(run: Run, every_s: float) -> Iterator[None]:
    """Look every so many seconds for the length of the block; 0 for never."""
    monitors = _monitors() if every_s else []
    if not monitors:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        step = 0
        while not ended.wait(every_s):
            _look(run, monitors, step)
            step += 1

    thread = threading.Thread(target=watch, name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def _look(run: Run, monitors: list[Any], step: int) -> None:
    """One look; a machine that cannot be asked is no reason to stop."""
    try:
        for monitor in monitors:
            monitor.collect_metrics()
            run.metrics(
                {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()},
                step,
            )
            monitor.clear_metrics()
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        log.debug("system metrics: %s", error)


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    monitors: list[Any] = [CPUMonitor()]
    try:
        monitors.append(GPUMonitor())
    except Exception as error:  # noqa: BLE001 - no driver, no GPU: mlflow raises one thing or another
        log.debug("no GPU to watch (%s)", error)
    return monitors
