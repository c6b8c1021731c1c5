"""What somebody tries who has never seen this program, and the test of each.

python -m tests.stranger    all of them, each with its outcome
"""

from __future__ import annotations

import sys

import pytest

README = "tests/integration/test_readme.py"
REPORT = "tests/integration/test_report_page.py"
RUN, ENDS = "tests/integration/test_run.py", "tests/cli/test_exit_status.py"
TRIED = {
    "the first run": f"{RUN}::test_the_pilot_keeps_its_promises",
    "every command of the README": f"{README}::test_it_does_what_it_says",
    "its lines of Python": f"{README}::test_the_lines_of_python_too",
    "one file": "tests/cli/test_clean.py::test_a_file",
    "a folder, and again after a stop": "tests/cli/test_clean.py::test_a_folder_and_again",
    "a pattern in quotes, and a file that is not there": "tests/cli/test_clean.py::"
    "test_a_pattern_in_quotes_and_files_that_are_not_there",
    "sound of a telephone, or of a film": "tests/cli/test_clean.py::"
    "test_a_film_and_a_sound_of_a_telephone",
    "every format": "tests/audio/test_media.py",
    "a pipe": "tests/cli/test_clean.py::test_a_pipe",
    "other words for a command": "tests/cli/test_clean.py::test_what_a_new_user_mistypes",
    "what only a run does, of a cleaner": "tests/experiment/test_cleaner.py::"
    "test_what_cannot_be_is_told_at_once",
    "--help": "tests/cli/test_help.py::test_help",
    "a key with a letter less": "tests/integration/test_refusals.py",
    "all mistakes at once": f"{RUN}::test_config_errors_come_before_any_work",
    "files that are no sound": "tests/integration/test_hostile_files.py",
    "Ctrl-C": f"{ENDS}::test_a_run_that_is_stopped_says_so_without_a_traceback",
    "| head": "tests/cli/test_endings.py::test_a_reader_that_goes_away_stops_nothing",
    "no network": "tests/cli/test_weights.py::test_without_a_network",
    "sounds side by side": f"{REPORT}::test_switches_at_once_at_the_same_place",
    "a blind test": f"{REPORT}::test_blind_test_follows_its_seed_and_keeps_its_answers",
    "the report on a telephone": f"{REPORT}::test_on_a_telephone_nothing_sticks_out",
    "the page to try it on, in a browser": "tests/integration/test_ui_page.py",
    "the notebook": "tests/integration/test_python_notebook.py",
    "a setting for one's own files": "tests/integration/test_tune.py",
    "a sweep": f"{RUN}::test_a_sweep_makes_a_run_for_each_value",
    "a study that was killed": "tests/sweep/test_command.py",
    "two runs compared": "tests/reproduction/test_comparison.py",
    "a run of yesterday again": "tests/integration/test_reproduce.py::"
    "test_another_process_folder_and_batch_size_are_bit_exact_and_both_runs_say_so",
    "a store that is down": "tests/integration/test_tracked_run.py",
    "a thousand files": "tests/integration/test_batch.py::"
    "test_failures_are_fed_back_mended_and_delivered_in_one_run_each",
    "threads that share one cleaner": "tests/experiment/test_cleaner.py::test_threads_share_one",
}


class Outcomes:
    """Counts what became of the tests of each thing."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {thing: {} for thing in TRIED}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a test that passed, its call tells; of another, whatever part did not."""
        if report.when != "call" and report.passed:
            return
        for thing, place in TRIED.items():
            if report.nodeid.startswith(place):
                counts = self.counts[thing]
                counts[report.outcome] = counts.get(report.outcome, 0) + 1


def main() -> int:
    """Try all of it; the exit status is pytest's."""
    outcomes = Outcomes()
    chosen = [*dict.fromkeys(TRIED.values()), "-m", "not services", "-n0"]
    status = pytest.main([*chosen, *sys.argv[1:]], plugins=[outcomes])
    for thing, counts in outcomes.counts.items():
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "not run"
        print(f"{'✓' if set(counts) == {'passed'} else '✗'} {thing}: {words}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
