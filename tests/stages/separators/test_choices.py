"""The choices in conf/separators: most share a base, which does not show in the composed config."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.experiment.config.compose import composed
from tests.support.paths import ROOT

DEMUCS = "speechclean.stages.separators.demucs.DemucsSeparator"
SHARED = ("batch_size", "seed", "device", "precision")
#: Where its networks lie, and its accompaniment.
FAMILY = {
    "embedded_hdemucs24": ("embedded", "stems"),
    "embedded_hdemucs36": ("embedded", "stems"),
    "embedded_hdemucs_q": ("embedded", "stems"),
    "embedded_htdemucs": ("embedded", "stems"),
    "hdemucs_high": (None, "residual"),
    "hdemucs_mmi": (None, "residual"),
    "htdemucs": (None, "residual"),
    "htdemucs_ft": (None, "residual"),
    "mdx_extra": (None, "residual"),
    "mdx_extra_q": (None, "residual"),
}
#: Those with tensors so large that passes of many lengths would leave a CPU's memory in pieces.
LARGE = {"hdemucs_high", "hdemucs_mmi", "mdx_extra", "mdx_extra_q"}
CHOICES = sorted(path.stem for path in (ROOT / "conf" / "separators").glob("*.yaml"))


def node(name: str) -> list[tuple[str, Any]]:
    separators = composed([f"separators=[{name}]"]).separators
    assert list(separators) == [name]
    return list(OmegaConf.to_container(separators, resolve=False)[name].items())  # type: ignore[index, call-overload, union-attr]


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_composes_to_the_same_keys_in_the_same_order(name: str) -> None:
    repo, accompaniment = FAMILY[name]
    assert node(name) == [
        ("_target_", DEMUCS),
        ("name", name),
        ("repo", repo),
        ("shifts", "${shifts}"),
        ("overlap", "${overlap}"),
        ("edge_context_s", "${edge_context_s}"),
        ("segment_s", None),
        ("length_step_s", f"${{length_step:${{device}}{',0.5' if name in LARGE else ''}}}"),
        ("accompaniment", accompaniment),
        *((key, f"${{{key}}}") for key in SHARED),
        ("fast_layers", True),
    ]


def test_every_choice_of_that_class_is_of_the_family() -> None:
    assert {name for name in CHOICES if dict(node(name))["_target_"] == DEMUCS} == set(FAMILY)


@pytest.mark.parametrize("name", CHOICES)
def test_what_all_separators_share_is_taken_from_the_root(name: str) -> None:
    knobs = dict(node(name))
    for key in {"shifts", "overlap", "edge_context_s", *SHARED} & set(knobs):
        assert knobs[key] == f"${{{key}}}", key


def test_several_choices_do_not_mix() -> None:
    two = ["mdx_extra_q", "embedded_htdemucs"]
    cfg = composed([f"separators=[{','.join(two)}]"])
    assert [cfg.separators[name].name for name in cfg.separators] == two
    assert [cfg.separators[name].repo for name in two] == [None, "embedded"]


def test_the_base_is_no_choice() -> None:
    from speechclean.experiment.config.command_line import _in_plain_words

    try:
        composed(["separators=[htdemucs_f]"])
    except Exception as error:  # noqa: BLE001 (Hydra's own kinds are many)
        message = _in_plain_words("separators=[htdemucs_f]", error, [])
    assert "did you mean htdemucs" in message
    assert "base" not in message.partition("the choices are")[2]
