"""A signature changes with whatever changes the sound, and with nothing else; provenance never
stands in a run's way."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from speechclean.networks.weights.search_path import sha256
from speechclean.records import checkout
from speechclean.records.checkout import git_state, patch
from speechclean.records.provenance import collect, signature

#: Inputs and weights.
Files = tuple[dict[str, Path], dict[str, Path]]

CONFIG: dict[str, Any] = {
    "name": "pilot",
    "shifts": 1,
    "device": "cpu",
    "batch_size": 1,
    "separators": {
        "a": {"_target_": "A", "shifts": 1, "batch_size": 1, "device": "cpu"},
        "b": {"_target_": "B", "shifts": 1, "batch_size": 1, "device": "cpu"},
    },
    "fusion": {"window_s": 0.085},
    "enhancement": {"wet": 0.5, "device": "cpu"},
    "postprocess": {"beta_wiener": {"beta": 0.5}, "loudness": {"target_lufs": None}},
    "metrics": {"stoi": {}},
    "dataset": {"pattern": "a/*.wav"},
    "tracking": {"uri": "sqlite:///mlflow.db"},
    "output": {"dir": "outputs/1"},
    "hydra": {"run": {"dir": "."}},
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in ("one", "two", "model"):
        (tmp_path / name).write_bytes(name.encode())
    return {"a": tmp_path / "one", "b": tmp_path / "two"}, {"net": tmp_path / "model"}


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("fusion.exponent", 2.0, True),
        ("fusion.exponent", 2, True),
        ("fusion.exponent", 1.0, False),
        ("postprocess.floor", {"floor_db": None, "hold_s": 0.3}, True),
        ("postprocess.floor", {"floor_db": -20.0, "hold_s": 0.3}, False),
        ("postprocess.floor", {"floor_db": 0.0}, False),
        ("postprocess.edges", {"rise_db": None, "edge_s": 0.2}, True),
        ("postprocess.edges", {"rise_db": 3.0}, False),
        ("enhancement.exponent", 2.0, False),
        ("selection", {}, True),
        ("selection", {"candidates": {"a": {"fusion": "min_mask"}}}, False),
    ],
)
def test_what_later_code_can_do_counts_once_it_is_done(
    files: Files, path: str, value: Any, same: bool
) -> None:
    """A config from before such a knob, and one of today that leaves it alone, are one run."""
    assert (signature(changed(path, value), *files) == signature(CONFIG, *files)) is same


@pytest.mark.parametrize(
    "path",
    [
        "name",
        "device",
        "batch_size",
        "separators.a.batch_size",
        "separators.b.device",
        "enhancement.device",
        "metrics.wer",
        "dataset.pattern",
        "tracking.uri",
        "output.dir",
        "hydra.run.dir",
        "audio_in_memory_s",
    ],
)
def test_what_cannot_change_the_sound_does_not_count(files: Files, path: str) -> None:
    assert signature(changed(path, "other"), *files) == signature(CONFIG, *files)


@pytest.mark.parametrize(
    "path",
    [
        "shifts",
        "separators.a.shifts",
        "separators.a._target_",
        "fusion.window_s",
        "enhancement.wet",
        "postprocess.beta_wiener.beta",
        "postprocess.loudness.target_lufs",
        "seed",
        "separators.c",
        "fusion.name",
    ],
)
def test_what_can_change_the_sound_counts(files: Files, path: str) -> None:
    assert signature(changed(path, 0.75), *files) != signature(CONFIG, *files)


def test_the_order_of_work_counts_and_the_order_of_keys_does_not(files: Files) -> None:
    backwards = dict(reversed(CONFIG.items()))
    assert signature(backwards, *files) == signature(CONFIG, *files)
    other = {**CONFIG, "postprocess": dict(reversed(CONFIG["postprocess"].items()))}
    assert signature(other, *files) != signature(CONFIG, *files)


def test_contents_count_and_names_of_inputs_do_not(files: Files, tmp_path: Path) -> None:
    inputs, weights = files
    before = signature(CONFIG, inputs, weights)
    moved = {"z": inputs["b"].rename(tmp_path / "elsewhere"), "y": inputs["a"]}
    assert signature(CONFIG, moved, weights) == before
    assert signature(CONFIG, {"y": inputs["a"]}, weights) != before
    (tmp_path / "model").write_bytes(b"modeL")
    assert signature(CONFIG, moved, weights) != before
    (tmp_path / "model").write_bytes(b"model")
    assert signature(CONFIG, moved, weights) == before
    (tmp_path / "one").write_bytes(b"one!")
    assert signature(CONFIG, moved, weights) != before


def test_weights_changing_places_count(files: Files) -> None:
    inputs, _ = files
    there = {"first": inputs["a"], "second": inputs["b"]}
    back = {"first": inputs["b"], "second": inputs["a"]}
    assert signature(CONFIG, inputs, there) != signature(CONFIG, inputs, back)


def test_collect_is_json_and_complete(files: Files, tmp_path: Path) -> None:
    inputs, weights = files
    found = json.loads(json.dumps(collect({**inputs, "gone": tmp_path / "gone"}, weights, seed=3)))
    assert found["seed"] == 3
    assert found["inputs"]["a"]["sha256"] == sha256(inputs["a"])
    assert found["inputs"]["gone"]["sha256"] is None
    assert found["weights"]["net"]["sha256"] == sha256(weights["net"])
    assert found["packages"]["torch"].startswith("2.")
    assert found["cpu"]["threads"] >= 1
    assert found["cpu"]["capability"]
    assert len(found["code"]["sha256"]) == 64


def test_the_sha256_is_the_one_of_the_contents(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert (
        sha256(tmp_path / "empty")
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_git_state_tells_commit_and_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "speechclean"
    package.mkdir()
    (package / "__init__.py").write_text("1\n")
    (tmp_path / "diary.txt").write_text("not code")
    monkeypatch.setattr(checkout, "PACKAGE", package)
    assert git_state() is None, "no repository"

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    git("init", "-q")
    assert git_state() is None, "installed inside somebody else's repository"
    git("add", "speechclean")
    git("commit", "-qm", "first")
    clean = git_state()
    assert clean
    assert len(clean["commit"]) == 40
    assert not clean["dirty"], "files that are no code do not count"
    (package / "__init__.py").write_text("2\n")
    (package / "new.py").touch()
    dirty = git_state()
    assert dirty
    assert dirty["dirty"]
    assert dirty["changed"] == [" M speechclean/__init__.py", "?? speechclean/new.py"]
    assert "__init__.py" in dirty["diff_stat"]
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)))  # no code: not in it
    (package / "net.th").write_bytes(bytes(range(256)))
    made = patch()
    assert "new.py" in untracked(tmp_path), "the user's index is as it was"
    clone = tmp_path / "clone"
    git("clone", "-q", str(tmp_path), str(clone))
    subprocess.run(["git", "apply", "--binary"], cwd=clone, input=made, check=True)
    there = {path.name: path.read_bytes() for path in (clone / "speechclean").iterdir()}
    assert there == {path.name: path.read_bytes() for path in package.iterdir()}
    assert not (clone / "weights.bin").exists()
    monkeypatch.setattr(checkout, "LARGEST_PATCH", 100)
    with pytest.raises(ValueError, match="commit large files"):
        patch()


def untracked(folder: Path) -> str:
    line = ["git", "ls-files", "--others"]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_without_git_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert git_state() is None
    assert collect({}, {}, 0)["code"]["git"] is None
