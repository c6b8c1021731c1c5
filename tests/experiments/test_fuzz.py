"""A few damaged inputs of every kind, the same in each run; a reader that breaks its promise is
found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.reliability import fuzz
from experiments.reliability.fuzzing.mutations import mutated
from experiments.reliability.fuzzing.target import Target
from speechclean.networks.cache import packing


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_readers_give_what_is_right_or_refuse(name: str) -> None:
    found = fuzz.Found()
    fuzz.round_of(fuzz.TARGETS[name], found, seed=0, count=40)
    assert not found.fault, f"{found.fault}: {found.smallest[:200]!r}"
    assert found.inputs >= 40


def test_a_broken_promise_is_found_and_made_small() -> None:
    def check(content: bytes, folder: Path) -> None:  # noqa: ARG001 (the type's)
        if content[:4] != b"RIFF":
            raise KeyError("no RIFF")

    target = Target("planted", "a fault", mutated([b"RIFF" + bytes(100)]), check)
    found = fuzz.Found()
    fuzz.round_of(target, found, seed=0)
    assert found.fault == "KeyError: 'no RIFF'"
    assert not found.smallest.startswith(b"RIFF")


@pytest.mark.parametrize("content", [b"", packing.MAGIC, packing.MAGIC + bytes(60)])
def test_a_forged_checksum_opens_nothing(content: bytes, tmp_path: Path) -> None:
    fuzz.TARGETS["cache"].check(content, tmp_path)
