"""A packed pipeline as an MLflow pyfunc model.

`mlflow models serve` answers a base64 sound with the base64 cleaned wav, or with the error.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from speechclean.system.resources import PACKAGE
from speechclean.system.secrets import masked

#: The model as code: nothing of it is pickled. It stands on the copy of this package that travels
#: with it.
_CODE = """\
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from speechclean.experiment.serving import answer, unpacked


class SpeechCleaner(PythonModel):
    def load_context(self, context):
        self.cleaner = unpacked(Path(context.artifacts["pipeline"]))

    def predict(self, context, model_input, params=None):
        return [answer(self.cleaner, text) for text in model_input["wav"]]


set_model(SpeechCleaner())
"""


@contextmanager
def saved_model(pipeline: Path) -> Iterator[Path]:
    """A folder with the model of a packed pipeline (`serving.pack`).

    The model has its code, signature and pinned packages.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "model.py"
        code.write_text(_CODE)
        made = Path(scratch) / "model"
        package = _package(Path(scratch))
        asked = Schema([ColSpec("string", "wav")])
        answered = Schema(
            [ColSpec("string", "wav", required=False), ColSpec("string", "error", required=False)]
        )
        mlflow.pyfunc.save_model(
            made,
            python_model=str(code),
            artifacts={"pipeline": str(pipeline)},
            code_paths=[str(path) for path in (package, *_denoiser())],
            pip_requirements=_requirements(),
            signature=ModelSignature(asked, answered),
        )
        yield made


def _package(scratch: Path) -> Path:
    """Copy the package, with its configs inside, as an installed wheel has them.

    In a checkout they lie beside the package.
    """
    own = PACKAGE
    copy = Path(
        shutil.copytree(own, scratch / "speechclean", ignore=shutil.ignore_patterns("__pycache__"))
    )
    if not (copy / "conf").is_dir():
        shutil.copytree(own.parent / "conf", copy / "conf")
    for path in (copy / "conf").rglob("*.yaml"):  # a choice of one's own may hold a password
        text = path.read_text(encoding="utf-8")
        if masked(text) != text:
            path.write_text(masked(text), encoding="utf-8")
    return copy


def _denoiser() -> list[Path]:
    """The package `denoiser`, which travels as code.

    Its own requirements name a Hydra of 2020, and no installer would take both.
    """
    found = importlib.util.find_spec("denoiser")
    return [Path(found.origin).parent] if found and found.origin else []


def _requirements() -> list[str]:
    """What this package stands on, and what that stands on in turn, pinned to what is installed."""
    pinned: dict[str, str] = {}
    # Of what is optional, a pipeline may stand on RoFormers, and whoever serves it on MLflow.
    waiting = [("speechclean", extra) for extra in ("", "roformer", "tracking")]
    while waiting:
        name, extra = waiting.pop()
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate({"extra": extra}):
                continue
            try:
                version = metadata.version(needed.name)
            except metadata.PackageNotFoundError:  # an option that is not there
                continue
            known = canonicalize_name(needed.name)
            if known not in pinned:
                pinned[known] = f"{needed.name}=={version}"
                waiting += [(needed.name, one) for one in ("", *needed.extras)]
    return sorted(pinned.values(), key=str.lower)
