"""A file's result: its line in a table is by hand, and comes back as the same result."""

from __future__ import annotations

from typing import Any

import pytest

from speechclean.records.file_result import HEAD, FileResult, Status

CLEANED = FileResult(
    "a", "in/a.wav", Status.CLEANED, "", 2.5, 24000, 2,
    {"wer_mixture": 0.5, "wer_cleaned": 0.25, "stoi_mixture": None, "stoi_cleaned": None},
    "passed through", 0.0, {"separators.x": 0.125, "fusion": 0.0},
)  # fmt: skip
FAILED = FileResult.failure("b", "in/b.wav", "in/b.wav: the file is empty (0 bytes)")


def test_the_line_of_a_file_that_was_passed_through() -> None:
    """A share of 0 and a time of 0 s are values; a metric that does not apply has empty cells."""
    assert CLEANED.row() == {
        "alias": "a", "path": "in/a.wav", "status": "cleaned", "reason": "",
        "seconds": 2.5, "sample_rate": 24000, "channels": 2,
        "wer_mixture": 0.5, "wer_cleaned": 0.25, "stoi_mixture": None, "stoi_cleaned": None,
        "verdict": "passed through", "wet": 0.0, "separators.x_s": 0.125, "fusion_s": 0.0,
    }  # fmt: skip
    assert tuple(CLEANED.row())[: len(HEAD)] == HEAD
    assert CLEANED.pair("wer") == (0.5, 0.25), "before and after"
    assert CLEANED.pair("stoi") is None


def test_the_line_of_a_file_that_failed() -> None:
    assert FAILED.row() == {
        "alias": "b", "path": "in/b.wav", "status": "failed", "reason": FAILED.reason,
    }  # fmt: skip
    assert (FAILED.failed, FAILED.cleaned, FAILED.numbers()) == (True, False, {})


@pytest.mark.parametrize("result", [CLEANED, FAILED], ids=["cleaned", "failed"])
def test_a_line_comes_back_as_the_result(result: FileResult) -> None:
    later: dict[str, Any] = {"a column of a later version": "x"}
    assert FileResult.from_row(result.row() | later) == result


def test_a_status_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="half"):
        FileResult.from_row(FAILED.row() | {"status": "half"})
