"""An address with a password becomes the name of a variable, whatever is written around it."""

from __future__ import annotations

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from speechclean.cli.typed_secrets import as_variables

URI = "http://me:hunter2@127.0.0.1:5000"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (f"tracking.uri={URI}", "tracking.uri=${oc.env:SPEECHCLEAN_TRACKING_URI}"),
        (f"++tracking.uri='{URI}'", "++tracking.uri=${oc.env:SPEECHCLEAN_TRACKING_URI}"),
        (f'tracking.uri="{URI}"', "tracking.uri=${oc.env:SPEECHCLEAN_TRACKING_URI}"),
        (
            "sweep.storage=postgresql://h/db?user=u&password=hunter2",
            "sweep.storage=${oc.env:SPEECHCLEAN_SWEEP_STORAGE}",
        ),
        (f"+x={{a: {URI}, b: 1}}", "+x={a: ${oc.env:SPEECHCLEAN_X}, b: 1}"),
        ("tracking.uri=http://host:5000", "tracking.uri=http://host:5000"),
        ("tracking.uri='http://host:5000'", "tracking.uri='http://host:5000'"),
        ("--cfg", "--cfg"),
    ],
)
def test_what_is_written_has_a_name_for_it(typed: str, given: str) -> None:
    assert as_variables([typed, "shifts=2"]) == [given, "shifts=2"]
    if "=" in given:
        OverridesParser.create().parse_override(given)


def test_the_value_is_what_was_typed_and_two_addresses_have_two_names() -> None:
    typed = "postgresql://u:two words, hunter2@h/db"
    (given,) = as_variables([f"sweep.storage='{typed}'"])
    assert OmegaConf.from_dotlist([given]).sweep.storage == typed
    (several,) = as_variables(["tracking.uri=http://u:one@h,http://u:two@h"])
    assert several == (
        "tracking.uri=${oc.env:SPEECHCLEAN_TRACKING_URI},${oc.env:SPEECHCLEAN_TRACKING_URI_2}"
    )
    assert os.environ["SPEECHCLEAN_TRACKING_URI_2"] == "http://u:two@h"
