"""Command lines as the README has them, and what is said of those that make no sense."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import pytest

from speechclean.cli import cache, compare, deliver, evaluate, promote, reproduce, sync, weights
from speechclean.cli.arguments import CommandLine

PARSERS = {
    "reproduce": reproduce,
    "compare": compare,
    "promote": promote,
    "deliver": deliver,
    "sync": sync,
    "cache": cache,
    "weights": weights,
}


def parsed(command: str, line: str) -> argparse.Namespace:
    parser: CommandLine = PARSERS[command].command_line()
    return parser.parse(line.split())


def test_reproduce() -> None:
    given = parsed(
        "reproduce",
        "run_id=RUN tracking.uri=http://tracking.example:5000 inputs.root=/data/tts "
        "weights.root=/models",
    )
    assert given.run_id == "RUN"
    assert given.tracking_uri == "http://tracking.example:5000"
    assert (given.inputs_root, given.weights_root) == ("/data/tts", "/models")
    assert (given.require, given.tolerance_db, given.threads) == ("tolerance", 60.0, None)
    assert (given.checkout, given.dry_run, given.changes) == (None, False, [])


def test_what_reproduce_does_not_know_changes_the_config() -> None:
    given = parsed(
        "reproduce", "batch_size=4 run_id=RUN --checkout shifts=2 require=1lsb --dry-run threads=2"
    )
    assert given.changes == ["batch_size=4", "shifts=2"]
    assert given.checkout == "", "the word after it is a change, and not its folder"
    assert (given.require, given.dry_run, given.threads) == ("1lsb", True, 2)
    assert parsed("reproduce", "run_id=R --checkout=there").checkout == "there"


def test_an_option_may_be_typed_in_three_ways_and_be_left_empty() -> None:
    for line in ("run_id=R", "--run_id=R", "--run_id R"):
        assert parsed("reproduce", line).run_id == "R"
    given = parsed("reproduce", "run_id=R tracking.uri= threads= tolerance_db=")
    assert (given.tracking_uri, given.threads, given.tolerance_db) == (None, None, 60.0)


def test_the_others() -> None:
    assert parsed("compare", "A tracking.uri=x B C").runs == ["A", "B", "C"]
    given = parsed("promote", "RUN my_preset")
    assert (given.run, given.name, given.overwrite) == ("RUN", "my_preset", False)
    assert parsed("promote", "RUN my_preset overwrite=true").overwrite
    given = parsed("deliver", "all.zip outputs/a-0-of-4 shard_mib=500 outputs/date=2024")
    assert given.target == Path("all.zip")
    assert given.folders == [Path("outputs/a-0-of-4"), Path("outputs/date=2024")]
    assert given.shard_mib == 500
    assert parsed("sync", "sync pending=FILE").pending == "FILE"
    assert parsed("cache", "clear older_than_days=7").older_than_days == 7
    assert parsed("cache", "stats cache.dir=PATH").cache_dir == "PATH"
    given = parsed("weights", "fetch htdemucs_ft --experiment best_pipeline")
    assert (given.names, given.experiment) == (["htdemucs_ft"], "best_pipeline")


def test_evaluate_is_a_run() -> None:
    assert evaluate.as_overrides(["set.csv", "--cfg", "job", "-m"]) == [
        "experiment=evaluate", "dataset.path='set.csv'", "-m", "--cfg", "job",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "line", "expected"),
    [
        ("reproduce", "--no-such-thing", "--no-such-thing: there is no such option"),
        ("compare", "--no-such-thing", "--no-such-thing: there is no such option"),
        ("promote", "--no-such-thing", "--no-such-thing: there is no such option"),
        ("reproduce", "run_id=R --dryrun", "did you mean --dry-run?"),
        ("reproduce", "run_id=R --checkuot=x", "did you mean --checkout?"),
        ("reproduce", "run_id=R threads=many", "threads=many: is no whole number"),
        ("reproduce", "run_id=R tolerance_db=-3", "tolerance_db=-3: must be above 0"),
        ("reproduce", "run_id=R require=perfect", "one of bit-exact, 1lsb, tolerance"),
        ("reproduce", "dry-run", "run_id=RUN is missing"),
        ("compare", "A B trackin.uri=x", "did you mean tracking.uri?"),
        ("compare", "A", "two runs or more"),
        ("promote", "RUN NAME overwrite=yes", "overwrite=yes: must be true or false"),
        ("promote", "RUN overwrit=true", "did you mean overwrite?"),
        ("deliver", "all.zip", "FOLDER"),
        ("deliver", "all.zip no/such shard_mb=3", "did you mean shard_mib?"),
        ("sync", "sync pendin=FILE", "did you mean pending?"),
        ("sync", "snc", "invalid choice: 'snc'"),
        ("cache", "stats older_than_days=7", "older_than_days is for clear"),
        ("cache", "clear older_than_day=7", "did you mean older_than_days?"),
        ("cache", "clear older_than_days=week", "older_than_days=week: is no number"),
        ("weights", "fetch", "name models"),
        ("weights", "list --experimnt=x", "did you mean --experiment?"),
        ("evaluate", "a b c d", "at most three folders"),
    ],
)
def test_nonsense_is_named_with_status_2(
    command: str,
    line: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [command, *line.split()])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"speechclean.cli.{command}").main()
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
