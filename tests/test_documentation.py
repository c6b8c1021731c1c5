"""What is written about the code is true: places that are named are there, examples work."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from speechclean.audio.stream import LongAudio
from speechclean.cli import clean, tune, ui
from speechclean.cli.commands import COMMANDS
from speechclean.cli.run import SHORT
from speechclean.experiment.config.compose import composed
from speechclean.stages.types import Separation, Track
from tests.conftest import noise
from tests.stranger import TRIED
from tests.support.paths import ROOT
from tests.test_architecture import ROOMS

PAGE = ROOT / "docs" / "architecture.md"
#: What users read.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [*PAGES, *(ROOT / "tests").rglob("*.md")]
WRITTEN.append(ROOT / "speechclean" / "assets" / "models" / "MODEL_CARD.md")
WRITTEN += (ROOT / "experiments").rglob("*.md")
#: A path from the top of the checkout that is not a pattern.
PLACE = re.compile(
    r"(?<![\w/.-])(?:speechclean|conf|docs|experiments|tests)/[\w./-]*\w(?![\w{<*-])"
)
#: The page's examples: a file that is named, then the file.
EXAMPLE = re.compile(
    r"`((?:speechclean|conf)/[\w/]+\.(?:py|yaml))`(?:(?!```).)*```(?:python|yaml)\n(.*?)```",
    re.DOTALL,
)
EXAMPLES = dict(EXAMPLE.findall(PAGE.read_text()))
#: Places in other repositories, one that a study makes and removes, one whose name users choose.
ELSEWHERE = {
    "docs/pretrained_models.md",
    "speechclean/assets/pilot/two.csv",
    "conf/experiment/NAME.yaml",
}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_place_that_is_named_is_there(path: Path) -> None:
    named = set(PLACE.findall(path.read_text())) - EXAMPLES.keys() - ELSEWHERE
    missing = [one for one in named if not any((top / one).exists() for top in (ROOT, path.parent))]
    assert not missing


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


def test_the_config_reference_is_what_its_command_writes() -> None:
    """Of every file of conf/, and every group is there."""
    script = runpy.run_path(str(ROOT / "docs" / "config_reference.py"))
    assert (ROOT / "docs" / "config_reference.md").read_text() == script["page"](), (
        "run: python docs/config_reference.py"
    )
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}
    assert set(script["GROUPS"]) == groups - {"hydra"}


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 140


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of speechclean's on the pages: where it stands, and its words."""
    for path in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["python", "-m"] and words[2].startswith("speechclean"):
                    words = words[2].split(".")[:2] + words[3:]
                if words and words[0] == "speechclean":
                    yield f"{path.stem}: {line}", [word for word in words[1:] if word != "..."]


#: The commands whose words with `=` are keys of the config, and what parses the others.
PARSED = {"clean": clean.command_line, "tune": tune.command_line, "ui": ui.command_line}


@pytest.mark.parametrize(("line", "words"), list(commands()), ids=lambda one: str(one)[:60])
def test_every_command_is_one(line: str, words: list[str]) -> None:
    """Sub-commands exist, and overrides compose; whether files are there is not looked at."""
    if words and (parsed := PARSED.get(words[0])):
        settings = [word for word in words if "=" in word and not word.startswith("-")]
        given = [word for word in words[1:] if word not in settings]
        parsed().parse(given)
    elif words and "=" not in words[0] and not words[0].startswith("-"):
        assert words[0] in {*COMMANDS, "batches"}, line
        return
    else:
        settings = [SHORT.get(word, word) for word in words if "=" in word or word in SHORT]
    first = []
    for override in OverridesParser.create().parse_overrides(settings):
        value = (
            next(override.sweep_string_iterator())
            if override.is_discrete_sweep()
            else override.get_value_element_as_str()
        )
        first.append(f"{override.get_key_element()}={value}")
    if "experiment=my_preset" not in first:
        composed(first, with_hydra=True)


@pytest.mark.parametrize("place", TRIED.values())
def test_what_a_stranger_tries_has_its_test(place: str) -> None:
    path, _, name = place.partition("::")
    assert re.search(rf"^def {name or 'test_'}", (ROOT / path).read_text(), re.MULTILINE)


def test_the_rooms_are_those_of_the_code() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert named == [room for rooms in ROOMS for room in rooms]


def test_every_module_on_the_way_of_a_file_is_there() -> None:
    way = PAGE.read_text().split("\n## ")[1]
    steps = re.findall(r"^\d+\. `([\w/]+)`", way, re.MULTILINE)
    assert 5 < len(steps) <= 10
    for step in steps:
        place = ROOT / "speechclean" / step
        assert place.is_dir() or place.with_suffix(".py").is_file(), step


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[type, str]:
    """The class of an example's config, whose module is made of the page; and the config."""
    (config,) = (text for path, text in EXAMPLES.items() if path.endswith(f"{name}.yaml"))
    (place,) = (path for path in EXAMPLES if path.endswith(f"{name}.py"))
    module = ModuleType(place.removesuffix(".py").replace("/", "."))
    module.__package__ = module.__name__.rpartition(".")[0]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(EXAMPLES[place], place, "exec"), vars(module))
    target = re.search(r"_target_: (\S+)\.(\w+)$", config, re.MULTILINE)
    assert target is not None
    assert target[1] == module.__name__
    return getattr(module, target[2]), config


def test_the_separator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cls, config = example("mid_side", monkeypatch)
    assert config.startswith("# @package separators.mid_side\n")
    separator = cls(sample_rate=OmegaConf.create(config).sample_rate)
    mixture = noise(1.0, 48000, channels=2)
    (stems,) = separator([mixture])
    assert torch.allclose(stems.speech.waveform + stems.music.waveform, mixture.waveform, atol=1e-6)
    mixture.waveform.T.numpy().tofile(tmp_path / "long")
    long = LongAudio(tmp_path / "long", 48000, 2, 48000, raw=True)
    streamed = torch.cat(list(separator.stream(long)), dim=-1)
    assert torch.allclose(streamed[0], stems.speech.waveform, atol=1e-6)
    assert torch.allclose(streamed[1], stems.music.waveform, atol=1e-6)


def test_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    cls, config = example("crest_db", monkeypatch)
    assert config.startswith("# @package metrics.crest_db\n")
    square = noise(1.0).with_waveform(torch.ones(1, 1000).cumprod(1) * torch.tensor([-0.5]))
    track = Track("a", Path("a.wav"))
    mask = torch.ones(1, 1, 1)
    assert cls()(Separation(square, square, mask), track) == pytest.approx(0, abs=1e-6)
    silence = square.with_waveform(torch.zeros(1, 1000))
    assert cls()(Separation(silence, silence, mask), track) is None


def test_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    cls, config = example("core_each", monkeypatch)
    assert config.startswith("# @package _global_\n")
    assert OmegaConf.create(config).defaults == ["local", "_self_"]
    pool = cls(out="out", workers=3)
    with pool.opened(None) as opened:
        assert opened.count == 3
