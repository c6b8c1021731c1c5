"""What is asked for and not installed is refused before any work, with what to do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from speechclean.cli.needed_weights import needed_models
from speechclean.experiment.config.command_line import problems_of
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.networks.cache.code import closure
from speechclean.records.tracking import Records, TrackingError
from speechclean.system import extras
from tests.support.paths import ROOT

METRICS = sorted(path.stem for path in (ROOT / "conf" / "metrics").glob("*.yaml"))
OPTIONAL = {package: name for table in extras.table().values() for package, name in table.items()}
IMPORTED = re.compile(r"^\s*(?:import|from) (\w+)|_of\(\"(\w+)\"", re.MULTILINE)
PLAIN = "si_sdr,lsd,lufs"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_there", lambda name: name not in OPTIONAL)


ONE = {
    "tracking=mlflow metrics=[]": (
        "tracking: mlflow and psutil are not installed; pip install 'speechclean[tracking]', "
        "or tracking=none"
    ),
    f"tracking=none metrics=[{PLAIN},pesq]": (
        "metrics.pesq: pesq is not installed; pip install 'speechclean[metrics]', "
        f"or 'metrics=[{PLAIN}]'"
    ),
    "tracking=none metrics=[wer_whisper]": (
        "metrics.wer_whisper: openai-whisper is not installed; "
        "pip install 'speechclean[whisper]', or 'metrics=[]'"
    ),
    "tracking=none metrics=[] separators=[roformer,embedded_htdemucs]": (
        "separators.roformer: bs-roformer-infer and melband-roformer-infer are not installed; "
        "pip install 'speechclean[roformer]', or 'separators=[embedded_htdemucs]'"
    ),
    "tracking=none metrics=[] enhancement.wet=0.5": (
        "enhancement: denoiser is not installed; pip install --no-deps denoiser==0.1.5, "
        "or enhancement=identity"
    ),
    "tracking=none metrics=[] batch=ray": (
        "batch=ray: ray is not installed; pip install 'speechclean[ray]', or use batch=local"
    ),
    "-m sweep=optuna": (
        "sweep=optuna: optuna and plotly are not installed; pip install 'speechclean[sweep]', "
        "or leave it out: a sweep of listed values needs neither"
    ),
    "-m hydra/launcher=joblib overlap=0.1,0.2": (
        "hydra/launcher=joblib: hydra-joblib-launcher is not installed; "
        "pip install 'speechclean[sweep]'"
    ),
    "-m hydra/launcher=slurm overlap=0.1,0.2": (
        "hydra/launcher=slurm: hydra-submitit-launcher and submitit are not installed; "
        "pip install 'speechclean[slurm]'"
    ),
}


@pytest.mark.parametrize("words", ONE)
@pytest.mark.usefixtures("core_alone")
def test_each_is_refused_with_its_extra(words: str) -> None:
    assert problems_of(words.split()) == [ONE[words]]


@pytest.mark.usefixtures("core_alone")
def test_a_plain_run_says_what_to_get_and_how_to_go_without(tmp_path: Path) -> None:
    (problem,) = problems_of([])
    first, get, _, without, *_ = problem.splitlines()
    assert "packages are not installed" in first
    assert get.strip() == "pip install 'speechclean[all]'"
    assert without.startswith("    tracking=none 'metrics=[si_sdr,")
    for name in ("mlflow", "pesq", "openai-whisper", "silero-vad"):
        assert f" {name}" in problem
    typed = [word.strip("'") for word in without.split()]
    assert problems_of(typed) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("core_alone")
def test_everything_that_is_wrong_is_said_with_it() -> None:
    found = problems_of(["audio_in_memory_s=0", "metrics=[pesq]", "tracking=none"])
    assert any("audio_in_memory_s=0" in one for one in found)
    assert any("pip install 'speechclean[metrics]'" in one for one in found)


@pytest.mark.usefixtures("core_alone")
def test_models_for_metrics_that_cannot_be_measured_are_not_needed() -> None:
    needed = needed_models(None)
    assert {"deepfilternet3", "spleeter_2stems", "distillmos"} <= set(needed)
    assert not {"whisper_base_ct2", "dnsmos"} & set(needed)


def test_a_store_without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """For commands that read what was recorded: compare, reproduce, promote."""
    monkeypatch.setattr(extras, "_is_there", lambda name: name != "mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", None)
    with pytest.raises(TrackingError, match=r"mlflow is not installed.*speechclean\[tracking\]"):
        Records("sqlite:///mlflow.db").get("some run")


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_names_what_it_imports(name: str) -> None:
    """By what its modules import in truth; a checkpoint alone may ask for denoiser."""
    problems, components = instantiate_components(
        composed([f"metrics=[{name}]", "tracking=none", "enhancement=identity"])
    )
    assert not problems
    metric = components[f"metrics.{name}"]
    sources = closure(type(metric).__module__).files.values()
    text = "\n".join(path.read_text() for path in sources if path.suffix == ".py")
    found = {name for pair in IMPORTED.findall(text) for name in pair}
    imported = found & OPTIONAL.keys() - {"denoiser"}
    assert set(getattr(metric, "needs_packages", ())) == imported
