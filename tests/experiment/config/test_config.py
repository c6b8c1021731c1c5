"""Whatever is wrong with a config is said before any work, all at once, in the user's words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from speechclean.experiment.config.build import build
from speechclean.experiment.config.command_line import problems_of
from speechclean.experiment.config.compose import choice, composed
from speechclean.experiment.config.errors import ConfigError
from speechclean.networks.weights import EMBEDDED
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.system.resources import conf_dir

HERE = "output.dir=."


def problems(overrides: list[str]) -> str:
    """Everything that stands between these overrides and a run, as the command line would print
    it."""
    found = problems_of(overrides)
    if not found:
        with pytest.raises(ConfigError) as raised:
            build(composed([*overrides, HERE]))
        found = raised.value.problems
    return "\n".join(found)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_mean_has_a_weight_for_every_separator() -> None:
    """So that fusion.weights={name:2} and fusion.weights.name=2 are keys that there are."""
    weights = choice("fusion", "mean_mask")["weights"]
    separators = {path.stem for path in (conf_dir() / "separators").glob("*.yaml")}
    assert set(weights) == separators


def test_the_default_builds_without_loading_a_network() -> None:
    experiment = build(composed([HERE]))
    chosen = ["embedded_hdemucs24", "deepfilternet3", "spleeter"]
    assert list(experiment.pipeline.separators) == chosen
    assert len(experiment.tracks) == 6
    listening = {"dnsmos p835", "dnsmos p808", "distillmos", "resemblyzer"}
    assert listening < set(experiment.weights)
    embedded = [path for path in experiment.weights.values() if path.parent == EMBEDDED]
    assert len(embedded) == 1, "the denoiser is off"
    for separator in experiment.pipeline.separators.values():
        assert "_networks" not in vars(separator)


def test_stages_are_objects_with_their_fields() -> None:
    cfg = composed(
        ["separators=[embedded_htdemucs]", "shifts=3", "fusion.weights={embedded_htdemucs:2}", HERE]
    )
    pipeline = build(cfg).pipeline
    separator = pipeline.separators["embedded_htdemucs"]
    assert isinstance(separator, DemucsSeparator)
    assert separator.shifts == 3
    weights = pipeline.fusion.weights  # type: ignore[attr-defined]
    assert weights["embedded_htdemucs"] == 2
    assert weights["deepfilternet3"] == 3, "as the file of the rule has it"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["shfts=3"], "there is no key 'shfts'; did you mean shifts?"),
        (["postprocess.beta_wiener.btea=1"], "did you mean postprocess.beta_wiener.beta?"),
        (
            ["+postprocess.beta_wiener.btea=1"],
            "postprocess.beta_wiener.btea: there is no such key; did you mean",
        ),
        (
            ["postprocess.beta_wiener.beta=abc"],
            "postprocess.beta_wiener.beta=abc: Value 'abc' of type 'str'",
        ),
        (["overlap=wide"], "Value 'wide' of type 'str' could not be converted to Float"),
        (
            ["separators.embedded_hdemucs24.overlap=2"],
            "separators.embedded_hdemucs24.overlap=2 must be at least 0 and below 1",
        ),
        (["fusion=maxmask"], "there is no 'maxmask' in fusion; did you mean max_mask?"),
        (["metrics=[si_sdr,foo]"], "there is no 'foo' in metrics; the choices are bandwidth_hz"),
        (["hydra/launcher=jobli"], "did you mean joblib?; the choices are basic, joblib, slurm"),
        (["separators=[]"], "leaves nothing to separate with"),
        (
            ["batch=local", "guard=fallback", "metrics=[music_to_speech_db,level_change_db,lufs]"],
            "guard: it would be blind, since nothing that hears the voice",
        ),
        (["guard=fallback", "metrics=[]"], "none is among the metrics"),
        (["+verdict.limit.stio=1"], "verdict.limit.stio: there is no metric 'stio'; did you mean"),
        (["dataset=folder"], "dataset.pattern is missing"),
        (["dataset=folder", "dataset.pattern="], "pattern is empty"),
        (
            ["dataset=folder", "dataset.pattern=nix/*.wav"],
            "dataset.pattern='nix/*.wav' matches no sound file",
        ),
        (["dataset=manifest", "dataset.path=gone.csv"], "dataset.path=gone.csv: no such file"),
        (["device=tpu9"], "is not a device torch knows"),
        (["audio_in_memory_s=0"], "audio_in_memory_s=0.0 must be above 0"),
        (["enhancement.wet=7"], "enhancement.wet=7 must be between 0 and 1"),
        (["fusion.window_s=null"], "fusion.window_s=None"),
        (["fusion._target_=os.system"], "only classes that the files of conf/fusion/ name"),
        (
            ["fusion._target_=speechclean.networks.weights.sha256"],
            "only classes that the files of conf/fusion/ name",
        ),
        (
            ["fusion._target_=speechclean.stages.guard.NoGuard"],
            "only classes that the files of conf/fusion/ name",
        ),
        (
            ["+fusion.weights.x._target_=speechclean.records.checkout.git_state"],
            "fusion.weights.x._target_: a section names one class, and none inside of it",
        ),
        (
            ["+verdict.harm.stio=0.1"],
            "verdict.harm.stio: there is no metric 'stio'; did you mean stoi?",
        ),
        (
            ["+verdict.gain.loveliness=1"],
            "verdict.gain.loveliness: there is no metric 'loveliness'; the choices are",
        ),
        (["hydra.run.dir=/proc/nowhere/x"], "cannot be written"),
        (["tracking.uri=http://127.0.0.1:9"], "127.0.0.1:9"),
        (
            ["experiment=best_pipeline", "dataset=pilot"],
            "htdemucs_ft: 4 published weights files are missing",
        ),
    ],
)
def test_one_problem(
    overrides: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("SPEECHCLEAN_WEIGHTS", raising=False)
    assert expected in problems(overrides)


def test_all_problems_at_once(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("file\nx.wav\n")
    overrides = [
        "shfts=3",
        "metrics=[si_sdr,foo]",
        "postprocess.beta_wiener.beta=abc",
        "separators.embedded_hdemucs24.overlap=2",
        "dataset=manifest",
        "dataset.path=set.csv",
        "hydra.run.dir=/proc/nowhere/x",
    ]
    text = problems(overrides)
    for expected in (
        "'shfts'",
        "'foo'",
        "beta=abc",
        "overlap=2",
        "no column 'path'",
        "/proc/nowhere/x",
    ):
        assert expected in text
    assert list(tmp_path.iterdir()) == [tmp_path / "set.csv"] or not (tmp_path / "outputs").exists()


def test_sweeps_and_questions_are_left_to_hydra() -> None:
    assert problems_of(["-m", "shifts=1,2"]) == []
    assert problems_of(["--help"]) == []


@pytest.mark.parametrize(
    "name", [path.stem for path in Path(conf_dir(), "experiment").glob("*.yaml")]
)
def test_recipes_compose_and_the_command_line_wins(name: str) -> None:
    cfg = composed([f"experiment={name}", "fusion=min_mask", "shifts=7"])
    assert cfg.name == name
    assert cfg.fusion._target_.endswith("MinMask")
    assert cfg.shifts == 7


def test_the_heavy_recipe_says_what_the_user_chose() -> None:
    cfg = composed(["experiment=best_pipeline"])
    assert list(cfg.separators) == ["htdemucs_ft", "mdx_extra_q"]
    assert cfg.separators.htdemucs_ft.segment_s == 6
    assert cfg.separators.htdemucs_ft.shifts == 4
    assert cfg.fusion._target_.endswith("MaxMask")
    assert cfg.enhancement.model == "dns64"
    assert list(cfg.postprocess) == ["beta_wiener", "loudness"]


@pytest.mark.parametrize(
    ("given", "advised"),
    [
        ("epoch=9-step=8,a.wav", """'dataset.pattern="my dir/epoch=9-step=8,a.wav"'"""),
        ("(take 1) [2].wav", """'dataset.pattern="my dir/(take 1) [2].wav"'"""),
        ("it's.wav", """'dataset.pattern="my dir/it'"'"'s.wav"'"""),
    ],
)
def test_a_value_that_hydra_takes_apart_is_shown_quoted(
    tmp_path: Path, given: str, advised: str
) -> None:
    (tmp_path / "my dir").mkdir()
    (tmp_path / "my dir" / given).touch()
    (said,) = problems_of(["dataset=folder", f"dataset.pattern=my dir/{given}", "tracking=none"])
    assert said.endswith(f"quote it, for Hydra and for the shell: {advised}")
    (override,) = shlex.split(advised)
    assert problems_of(["dataset=folder", override, "tracking=none"]) == [], "what is advised works"


def test_a_dollar_that_hydra_takes_for_its_own_is_told() -> None:
    said = problems(["dataset=folder", "dataset.pattern=cost ${x}.wav", "tracking=none"])
    assert "'x' not found; where ${ is meant as it is written, quote it by a backslash" in said
