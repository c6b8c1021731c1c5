"""A record was written by whoever can write to the store: what it may say is held against what a
run says, and what it asks of the user's files is asked of the user.

One store holds an honest run, and copies of it that somebody changed. The command runs in this
process, up to where it would start the repetition.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from speechclean.audio.sound_files import save
from speechclean.cli import compare, promote, reproduce
from speechclean.experiment.config.compose import composed
from speechclean.records import provenance, run_folder
from speechclean.records.tracking import MlflowTracker
from speechclean.reproduction import rerun
from speechclean.stages.types import Track
from tests.conftest import noise

Change = Callable[[Any], Any]
SMALL = ("separators=[embedded_hdemucs_q]", "enhancement=identity", "metrics=[lufs]")
#: A function of the package that starts a program.
GIT = {"_target_": "speechclean.records.checkout._git", "_args_": ["-c", "alias.x=!touch x", "x"]}

MEAN = "speechclean.stages.fusion.mean_mask.MeanMask"


class BegunError(BaseException):
    """The repetition would begin now; no command takes it for an error of its own."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlflow.db`, the input `in/a.wav` and, in `files/`, what an honest run keeps."""
    made = tmp_path_factory.mktemp("store")
    save(noise(0.5), made / "in" / "a.wav")
    save(noise(0.7, seed=1), made / "private" / "call.wav")
    MlflowTracker(f"sqlite:///{made}/mlflow.db").prepare()
    cfg = composed(list(SMALL))
    cfg.output.dir, cfg.name, cfg.tracking.uri = "out", "first", None
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    files = made / "files"
    run_folder.write_config(config, files)
    run_folder.write_json(provenance.collect({}, {}, 0), files / run_folder.PROVENANCE)
    row = run_folder.manifest_row(Track("a", made / "in" / "a.wav"))
    hashes = {"bytes": 1, "sha256": provenance.file_hash(made / "in" / "a.wav")}
    columns = run_folder.INPUT_COLUMNS
    run_folder.write_table(columns, [row | hashes], files / run_folder.INPUTS)
    run_folder.write_json({"rows": []}, files / run_folder.METRICS_JSON)
    return made


@pytest.fixture
def at_store(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(rerun, "run", _start)
    return folder


def _start(*_: Any) -> Any:
    raise BegunError


def logged(store: Path, changes: dict[str, Change], name: str = "hostile", tags: Any = None) -> str:
    """The id of a run that is the honest one, its files changed by functions of their texts."""
    client, experiment, _ = MlflowTracker(f"sqlite:///{store}/mlflow.db")._opened
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    for path in (store / "files").iterdir():
        text = path.read_text()
        client.log_text(run, changes.get(path.name, str)(text), path.name)
    client.set_terminated(run, "FINISHED")
    return str(run)


def command(module: Any, monkeypatch: pytest.MonkeyPatch, store: Path, *words: str) -> int:
    """The exit status of a command; `BegunError` passes."""
    uri = f"tracking.uri=sqlite:///{store}/mlflow.db"
    monkeypatch.setattr(sys, "argv", ["x", *words, uri])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def in_config(change: Callable[[dict[str, Any]], Any]) -> dict[str, Change]:
    def changed(text: str) -> str:
        config = yaml.safe_load(text)
        made = change(config)
        return made if isinstance(made, str) else yaml.safe_dump(config)

    return {"config.yaml": changed}


def in_provenance(*keys: str, value: Any) -> dict[str, Change]:
    def changed(text: str) -> str:
        whole = node = json.loads(text)
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        return json.dumps(whole)

    return {"provenance.json": changed}


def bomb(_: Any) -> str:
    """Ten lines that make a list of 10^9 items."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


FOREIGN = {
    "nested_target": (
        in_config(lambda c: c["fusion"].update(weights=GIT)),
        "fusion.weights._target_: no class is named here",
    ),
    "function_as_a_metric": (
        in_config(lambda c: c["metrics"].update(extra=GIT)),
        "metrics.extra._target_=speechclean.records.checkout._git: no choice of conf/metrics/",
    ),
    "class_of_another_group": (
        in_config(
            lambda c: c["guard"].update(_target_="speechclean.stages.fusion.mean_mask.MeanMask")
        ),
        f"guard._target_={MEAN}: no choice of conf/guard/",
    ),
    "list_for_a_mapping": (
        in_config(lambda c: c.update(separators=[c["separators"]])),
        "config.yaml says what no run of speechclean says",
    ),
    "section_of_hydra": (
        in_config(lambda c: c.update(hydra={"job_logging": {"version": 1}})),
        "hydra: there is no such key",
    ),
    "defaults": (in_config(lambda c: c.update(defaults=["/x"])), "defaults: there is no such key"),
    "interpolation": (
        in_config(lambda c: c.update(name="${oc.env:HOME}")),
        "name: '${oc.env:HOME}' is no plain value",
    ),
    "resolver_in_a_list": (
        in_config(lambda c: c["fusion"].update(weights=[1, "x${batch_name:{}}"])),
        "fusion.weights.1: 'x${batch_name:{}}' is no plain value",
    ),
    "key_of_another_form": (
        in_config(lambda c: c["separators"].update({"../../x": {"_target_": MEAN}})),
        "separators.../../x: no run has a key of this form",
    ),
    "date": (in_config(lambda _: "name: 2020-01-01"), "name is a date, no plain value"),
    "bomb": (in_config(bomb), "it has aliases (*name), which no run writes"),
    "list": (in_config(lambda _: "[1, 2]"), "it is no mapping"),
    "no_yaml": (in_config(lambda _: "a: [b"), "it is no yaml"),
    "deep": (in_config(lambda _: "a: " + "[" * 1000), "its config.yaml is not what a run writes"),
    "huge": (in_config(lambda _: "# " + "x" * 2**20), "it has more than 1 MiB"),
    "wrong_type": (in_config(lambda c: c.update(shifts="many")), "'many'"),
    "no_fusion": (in_config(lambda c: [c.pop("fusion")]), "fusion: is missing"),
    "text_of_threads": (in_provenance("cpu", "threads", value="2; x"), "cpu.threads should be"),
    "many_threads": (in_provenance("cpu", "threads", value=10**9), "is no number of threads"),
    "list_of_packages": (in_provenance("packages", value=[1]), "packages should be a mapping"),
    "number_as_code": (in_provenance("code", value=3), "code should be a mapping"),
    "no_json": ({"provenance.json": lambda _: "{"}, "its provenance.json is not what a run writes"),
    "deep_json": ({"provenance.json": lambda _: "[" * 10**5}, "its provenance.json is not what"),
    "alias_that_leads_away": (
        {"inputs.csv": lambda text: text.replace(",a,", ",../../a,")},
        "line 2: '../../a' is no name for a file",
    ),
    "hash_of_another_form": (
        {"inputs.csv": lambda text: text.replace(",1,", ",1,x")},
        "line 2: sha256 is no sha256 in hex",
    ),
    "no_columns": ({"inputs.csv": lambda _: "path\n/x\n"}, "should be a text"),
    "long_cell": ({"inputs.csv": lambda text: text + '"' + "a" * 200_000}, "its inputs.csv is not"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_no_run_says_is_named_and_nothing_is_done(
    what: str, at_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, told = FOREIGN[what]
    run = logged(at_store, changes)
    assert command(reproduce, monkeypatch, at_store, f"run_id={run}") == 2
    said = capsys.readouterr()
    assert told in said.err
    assert f"hostile ({run})" in said.err
    assert not list(Path.cwd().iterdir())
    if "config.yaml" in changes:
        assert command(promote, monkeypatch, at_store, run, "a_preset") == 2
        assert told in capsys.readouterr().err


def test_an_honest_run_is_repeated(at_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = logged(at_store, {})
    with pytest.raises(BegunError):
        command(reproduce, monkeypatch, at_store, f"run_id={run}")


def test_of_a_record_the_repetition_takes_no_places(
    at_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tracker, its cache and its sweep name files and addresses of whoever wrote it."""

    def away(config: dict[str, Any]) -> None:
        config["tracking"].update(artifacts="s3://theirs", pending="/home/me/thesis.db")
        config["cache"].update(enabled=True, dir="/home/me", max_gb=1e-9)
        config["sweep"] = {"storage": "sqlite:////home/me/x.db"}

    planned: list[Any] = []

    def keep(plan: Any, *_: Any) -> None:
        planned.append(plan)
        raise BegunError

    monkeypatch.setattr(rerun, "run", keep)
    run = logged(at_store, in_config(away), name="a ${oc.env:HOME}\x1b[31m")
    with pytest.raises(BegunError):
        command(reproduce, monkeypatch, at_store, f"run_id={run}")
    cfg = planned[0].cfg
    written = OmegaConf.to_yaml(cfg)
    assert "/home/me" not in written
    assert "theirs" not in written
    assert cfg.name == "reproduction of a $ {oc.env:HOME}\\x1b[31m"


def with_row(**cells: str) -> dict[str, Change]:
    def changed(text: str) -> str:
        head = text.splitlines()[0]
        return head + "\n" + ",".join(cells.get(name, "") for name in head.split(",")) + "\n"

    return {"inputs.csv": changed}


@pytest.mark.parametrize("sha256", ["", "0" * 64])
def test_files_that_the_record_does_not_know_are_asked_for(
    sha256: str,
    at_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    private = at_store / "private" / "call.wav"
    run = logged(at_store, with_row(path=str(private), alias="a", sha256=sha256))
    assert command(reproduce, monkeypatch, at_store, f"run_id={run}") == 2
    said = capsys.readouterr()
    assert f"unproven input a: {private}" in said.out
    assert "--yes takes these as they are" in said.err
    assert not list(Path.cwd().iterdir())


def test_who_is_asked_may_say_yes(
    at_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    private = at_store / "private" / "call.wav"
    run = logged(at_store, with_row(path=str(private), alias="a"))
    assert command(reproduce, monkeypatch, at_store, f"run_id={run}", "--dry-run") == 0
    with pytest.raises(BegunError):
        command(reproduce, monkeypatch, at_store, f"run_id={run}", "--yes")
    monkeypatch.setattr(sys, "stdin", _Terminal("n\n"))
    assert command(reproduce, monkeypatch, at_store, f"run_id={run}") == 2
    assert (
        f"upload what comes of them to sqlite:///{at_store}/mlflow.db?" in capsys.readouterr().err
    )
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    with pytest.raises(BegunError):
        command(reproduce, monkeypatch, at_store, f"run_id={run}")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_reference_without_a_hash_is_asked_for_too_and_a_changed_input_below_the_root_is_not(
    at_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    private = str(at_store / "private" / "call.wav")
    known = str(provenance.file_hash(at_store / "in" / "a.wav"))
    row = {"path": str(at_store / "in" / "a.wav"), "alias": "a", "sha256": known}
    run = logged(at_store, with_row(**row, reference=private))
    assert command(reproduce, monkeypatch, at_store, f"run_id={run}") == 2
    assert f"{private} (reference): the record has no hash" in capsys.readouterr().out
    run = logged(at_store, with_row(path="/gone/call.wav", alias="a", sha256="0" * 64))
    root = f"inputs.root={at_store}/private"
    with pytest.raises(BegunError):
        command(reproduce, monkeypatch, at_store, f"run_id={run}", root)


def test_what_a_record_says_is_shown_and_not_obeyed(
    at_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    escape = "\x1b]0;pwned\x07[bold]"
    named = in_config(lambda c: c["fusion"].update(weights=escape))
    first, second = logged(at_store, {}), logged(at_store, named, name=escape)
    assert command(reproduce, monkeypatch, at_store, f"run_id={second}") == 2
    monkeypatch.setattr(
        sys, "argv", ["x", first, second, f"tracking.uri=sqlite:///{at_store}/mlflow.db"]
    )
    compare.main()
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\\x1b]0;pwned\\x07[bold]" in said.out
    assert "\\x1b]0;pwned\\x07[bold]" in said.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.json", '{"rows": [{"alias": "a", "status": "cleaned", "lufs_cleaned": "x"}]}'),
        ("metrics.json", '{"rows": [{"alias": 1, "status": "cleaned"}]}'),
        ("metrics.json", '{"rows": {"a": 1}}'),
        ("metrics.json", '{"rows": [{"alias": "a", "status": "eaten"}]}'),
        ("metrics.json", '{"rows": [{"alias": "a", "status": "cleaned", "b_cleaned": 1e999}]}'),
        ("metrics.json", "[]"),
        ("config.yaml", "a: *b"),
    ],
)
def test_a_comparison_names_a_record_of_another_form(
    name: str,
    text: str,
    at_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = logged(at_store, {}), logged(at_store, {name: lambda _: text})
    assert command(compare, monkeypatch, at_store, first, second) == 2
    assert f"hostile ({second}): its {name} is not what a run writes" in capsys.readouterr().err
