"""The share of the time in which a GPU computes."""

from __future__ import annotations

import threading

import torch

from speechclean.system.device_busy import DeviceBusy, utilisation

CPU = torch.device("cpu")


def test_the_mean_of_what_was_seen() -> None:
    shares, seen = iter((90.0, 30.0, None)), threading.Event()

    def ask(device: torch.device) -> float | None:
        assert device == CPU
        share = next(shares)
        if share is None:
            seen.set()
        return share

    with DeviceBusy(CPU, 0.001, ask) as busy:
        assert seen.wait(10)
    assert busy.percent == 60
    assert busy.metrics() == {"device_busy_percent": 60}
    assert busy.told() == "device busy 60 %"


def test_nobody_can_tell_of_a_cpu() -> None:
    assert utilisation(CPU) is None
    with DeviceBusy(CPU, 0.001) as busy:
        pass
    assert busy.percent is None
    assert busy.metrics() == {}
    assert busy.told() == ""
