"""Every command says what it does, and that is no error."""

from __future__ import annotations

import importlib
import sys

import pytest

COMMANDS = {
    "speechclean.cli.reproduce": ("run_id=RUN", "--checkout", "Exit status"),
    "speechclean.cli.compare": ("RUN RUN", "tracking.uri"),
    "speechclean.cli.promote": ("RUN NAME", "conf/experiment"),
    "speechclean.cli.evaluate": ("mixtures/", "set.csv", "speechclean --help"),
    "speechclean.cli.sync": ("sync", "pending=", "Exit status"),
    "speechclean.cli.weights": ("list", "fetch", "--experiment", "Exit status"),
}


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("module", COMMANDS)
def test_help(
    module: str, flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, flag])
    status = None
    try:
        importlib.import_module(module).main()
    except SystemExit as ended:
        status = ended.code
    assert not status
    said = capsys.readouterr()
    assert not said.err
    for word in COMMANDS[module]:
        assert word in said.out


@pytest.mark.parametrize(
    "module", ["speechclean.cli.reproduce", "speechclean.cli.compare", "speechclean.cli.promote"]
)
def test_an_option_that_is_not_there(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "--no-such-thing"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code == 2
    assert "--no-such-thing: there is no such option" in capsys.readouterr().err
