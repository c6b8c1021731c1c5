"""A packed pipeline as an MLflow pyfunc model: `mlflow models serve` answers a base64 sound with the base64 cleaned wav."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from .client import quieten

#: The model as code: nothing of it is pickled. It stands on the copy of this package that travels with it.
_CODE = """\
import base64
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from speechclean.serving import Cleaner


class SpeechCleaner(PythonModel):
    def load_context(self, context):
        self.cleaner = Cleaner(Path(context.artifacts["pipeline"]))

    def predict(self, context, model_input, params=None):
        sounds = (base64.b64decode(text, validate=True) for text in model_input["wav"])
        return [{"wav": base64.b64encode(self.cleaner(sound)).decode()} for sound in sounds]


set_model(SpeechCleaner())
"""


@contextmanager
def saved_model(pipeline: Path) -> Iterator[Path]:
    """A folder with the model of a packed pipeline (`serving.pack`), its code, signature and pinned packages."""
    quieten()
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "model.py"
        code.write_text(_CODE)
        made = Path(scratch) / "model"
        schema = Schema([ColSpec("string", "wav")])
        mlflow.pyfunc.save_model(
            made,
            python_model=str(code),
            artifacts={"pipeline": str(pipeline)},
            code_paths=[str(path) for path in _code()],
            pip_requirements=_requirements(),
            signature=ModelSignature(schema, schema),
        )
        yield made


def _code() -> list[Path]:
    """This package, and denoiser's: that one's own requirements name a Hydra of 2020, and no installer would take both."""
    found = [Path(__file__).parents[1]]
    denoiser = importlib.util.find_spec("denoiser")
    return found + ([Path(denoiser.origin).parent] if denoiser and denoiser.origin else [])


def _requirements() -> list[str]:
    """What this package requires, pinned to what is installed; of what is optional, what a pipeline may stand on."""
    lines = metadata.requires("speechclean") or []
    required = [_name(line) for line in lines if "extra ==" not in line]
    installed = {one.metadata["Name"] for one in metadata.distributions()}
    optional = [
        name for name in (_name(line) for line in lines if re.search(r"extra == .roformer.", line)) if name in installed
    ]
    return [f"{name}=={metadata.version(name)}" for name in (*required, *optional)]


def _name(requirement: str) -> str:
    return re.split(r"[ ;<>=!~\[(]", requirement, maxsplit=1)[0]
