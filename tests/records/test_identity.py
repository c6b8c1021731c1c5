"""Every key of the real config flipped, one by one: the signature changes with those that can
change the sound, with no other.

A key that is new in conf/ counts until somebody says here, and in `provenance.SILENT`, that it
cannot change a sample.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.audio.waveform import Audio
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.records.provenance import signature
from tests.conftest import noise

#: What a listener cannot hear: written here by hand, not taken from the code that is tested.
UNHEARD = re.compile(
    r"name|device|batch_size|audio_in_memory_s|stream_above_s|max_decoded_gb|(output|tracking|dataset|batch|delivery|cache|sweep)(\..+)?"
    r"|separators\.\w+\.(device|batch_size|repo|path|config)|enhancement\.device|screening\.device|weights\.dir"
    r"|guard\.refuse_blind"
)
#: Nor these, unless a guard acts on them.
HEARD_BY_A_GUARD = re.compile(r"(metrics|verdict)(\..+)?")


def resolved(overrides: list[str]) -> dict[str, Any]:
    cfg = composed(overrides)
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = "outputs", "run"
    found: Any = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(found, dict)
    return found


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield from (
            leaves(value, f"{prefix}{key}.")
            if isinstance(value, dict) and value
            else [f"{prefix}{key}"]
        )


def flipped(config: dict[str, Any], path: str) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *parents, last = path.split(".")
    node = changed
    for parent in parents:
        node = node[parent]
    value = node[last]
    node[last] = (
        not value
        if isinstance(value, bool)
        else value + 1
        if isinstance(value, int | float)
        else f"{value} flipped"
    )
    return changed


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["experiment=best_pipeline"],
        [
            "dataset=folder",
            "dataset.pattern=a",
            "tracking=none",
            "enhancement=identity",
            "fusion=median_mask",
        ],
        ["guard=fallback", "screening=music"],
        ["batch=local", "delivery=zip"],
    ],
    ids=["default", "best_pipeline", "others", "guarded", "batch"],
)
def test_every_key_goes_its_way(overrides: list[str]) -> None:
    config = resolved(overrides)
    before = signature(config, {}, {})
    keys = list(leaves(config))
    assert len(keys) > 40
    changing = {key for key in keys if signature(flipped(config, key), {}, {}) != before}
    silent = set(keys) - changing
    guarded = "guard=fallback" in overrides

    def unheard(key: str) -> bool:
        return bool(UNHEARD.fullmatch(key) or (not guarded and HEARD_BY_A_GUARD.fullmatch(key)))

    assert {key for key in silent if not unheard(key)} == set(), (
        "these can change the sound and do not count"
    )
    assert {key for key in changing if unheard(key)} == set(), (
        "these cannot change the sound and count"
    )
    assert {
        "shifts",
        "overlap",
        "seed",
        "fusion.window_s",
    } <= changing or "fusion.window_s" not in keys


def test_keys_that_do_not_count_do_not_change_a_sample() -> None:
    """The pipeline of the default config with every unheard knob turned."""
    sounds = [
        noise(seconds, 24000, level=0.2, seed=seed) for seed, seconds in enumerate((0.7, 1.3, 0.9))
    ]
    small = ["separators=[embedded_hdemucs_q]", "tracking=none", "metrics=[]"]

    def cleaned(overrides: list[str], order: list[int]) -> list[Audio]:
        cfg = composed([*small, *overrides])
        cfg.output.dir, cfg.name = "outputs", "run"
        answers = build(cfg).pipeline([sounds[index] for index in order])
        return [answers[order.index(index)].speech for index in range(len(sounds))]

    turned = [
        "device=cpu",
        "batch_size=7",
        "audio_in_memory_s=1",
        "output.plots=false",
        "metrics=[lufs]",
    ]
    plain, other = cleaned([], [0, 1, 2]), cleaned(turned, [2, 0, 1])
    for one, two in zip(plain, other, strict=True):
        assert one.waveform.equal(two.waveform)


def test_where_weights_lie_does_not_count_but_which_they_are_does() -> None:
    config = resolved(
        [
            "separators=[local]",
            "separators.local.path=models",
            "separators.local.name=one",
            "enhancement=dns64",
        ]
    )
    before = signature(config, {}, {})
    moved = copy.deepcopy(config)
    moved["separators"]["local"]["path"] = "/elsewhere/models"
    assert signature(moved, {}, {}) == before
    names = []
    for path in ("dns64.th", "/a/dns64.th", "b/dns64.th", "b/dns48.th"):
        moved["enhancement"]["model"] = path
        names.append(signature(moved, {}, {}))
    assert names[0] == names[1] == names[2]
    assert len({before, *names}) == 3


def test_what_is_read_and_with_what_counts(tmp_path: Path) -> None:
    config = resolved([])
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "w").write_bytes(b"2")
    before = signature(config, {"a": tmp_path / "a"}, {"w": tmp_path / "w"})
    for name in "aw":
        kept = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(kept + b"!")
        assert signature(config, {"a": tmp_path / "a"}, {"w": tmp_path / "w"}) != before
        (tmp_path / name).write_bytes(kept)
    assert signature(config, {"other": tmp_path / "a"}, {"w": tmp_path / "w"}) == before
