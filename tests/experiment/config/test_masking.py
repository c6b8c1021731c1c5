"""Passwords of a composed config are masked in place, whatever its flags, and nothing else is."""

from __future__ import annotations

import pickle

from omegaconf import OmegaConf

from speechclean.experiment.config.masking import mask


def test_secrets_are_masked_and_the_rest_stays() -> None:
    plain = {
        "tracking": {"uri": "http://me:hunter2@host", "experiment": "x"},
        "several": [{"a": "postgresql://u:hunter2@h/db"}, 2, None],
        "api_key": "hunter2",
        "rate": 0.5,
        "same": "${tracking.experiment}",
        "from": "${oc.env:SOME_URI}",
    }
    config = OmegaConf.create(plain)
    OmegaConf.set_readonly(config, True)
    OmegaConf.set_struct(config, True)
    mask(config)
    assert config.tracking.uri == "http://me:***@host"
    assert config.several[0].a == "postgresql://u:***@h/db"
    assert config.api_key == "***"
    assert (config.rate, config.same, list(config.several)[1:]) == (0.5, "x", [2, None])
    assert "${oc.env:SOME_URI}" in OmegaConf.to_yaml(config)
    assert b"hunter2" not in pickle.dumps(config)
    assert OmegaConf.is_readonly(config)
