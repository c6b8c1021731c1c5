"""Where a run's files lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speechclean.records.run_folder import cleaned_file, cleaned_path, output_of
from speechclean.stages.types import Track

TRACK = Track("a_b", Path("a/b.mp3"), relative="a/b")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({}, "cleaned/a_b.wav"),  # a config of before the two keys
        ({"layout": "tree"}, "cleaned/a/b.wav"),
        ({"layout": "flat", "format": "flac"}, "cleaned/a_b.flac"),
        ({"layout": "tree", "format": "flac"}, "cleaned/a/b.flac"),
    ],
)
def test_where_a_cleaned_file_lies(output: dict[str, Any], expected: str) -> None:
    assert cleaned_path(TRACK, output) == expected


@pytest.mark.parametrize("config", [{}, {"output": None}, {"output": ["flac"]}])
def test_a_record_that_says_nothing_of_outputs(config: dict[str, Any]) -> None:
    assert cleaned_file("a", output_of(config)) == "cleaned/a.wav"


def test_a_format_of_a_record_leads_nowhere_else() -> None:
    assert cleaned_file("a", {"format": "/../../../etc/passwd"}) == "cleaned/a.wav"
