"""How busy a GPU was: the share of the time in which it computed, by its driver's own count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Self

import torch

log = logging.getLogger(__name__)
#: Seconds between two questions; the driver's answer is about the last 0.17 to 1 s.
EVERY_S = 0.25


def utilisation(device: torch.device) -> float | None:
    """Per cent of the driver's last sample period in which a kernel ran; None without a GPU."""
    if device.type != "cuda":
        return None
    try:
        return float(torch.cuda.utilization(device))
    except Exception as error:  # noqa: BLE001 - no pynvml, no right to ask: it is only a figure
        log.debug("how busy the GPU is cannot be found out (%s)", error)
        return None


class DeviceBusy:
    """Within it, a thread asks every `every_s` seconds how busy a device is.

    `utilisation` says so in per cent, or None where nobody can tell, which ends the questions.
    """

    def __init__(
        self,
        device: torch.device,
        every_s: float = EVERY_S,
        ask: Callable[[torch.device], float | None] = utilisation,
    ) -> None:
        self._device, self._every_s, self._ask = device, every_s, ask
        self._seen: list[float] = []
        self._over = Event()
        self._thread = Thread(target=self._watch, name="device busy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def percent(self) -> float | None:
        """The mean of what was seen; None where there was nothing to see."""
        return sum(self._seen) / len(self._seen) if self._seen else None

    def metrics(self) -> Mapping[str, float]:
        """`device_busy_percent`, where it is known."""
        return {} if self.percent is None else {"device_busy_percent": self.percent}

    def told(self) -> str:
        """A sentence; empty where nothing is known."""
        return "" if self.percent is None else f"device busy {self.percent:.0f} %"

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            seen = self._ask(self._device)
            if seen is None:
                return
            self._seen.append(seen)
