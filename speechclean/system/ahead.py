"""An iterator that is worked through in a thread of its own, some items ahead of who asks."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
#: Seconds after which a full queue is looked at again: has the asker gone?
LOOK_S = 0.1


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    pass


def ahead(items: Iterable[T], count: int) -> Generator[T]:
    """The same items in the same order, up to `count` of them made before they are asked for.

    What `items` raises is raised where its item is due. Whoever closes the generator waits until
    the item that is being made is done. With 0 the items are made where they are asked for.
    """
    if not count:
        yield from items
        return
    queue: Queue[T | _Failed | _End] = Queue(count)
    gone = Event()
    maker = Thread(target=_Maker(items, queue, gone).work, name="ahead", daemon=True)
    maker.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        gone.set()
        while maker.is_alive():
            try:
                queue.get(timeout=LOOK_S)
            except Empty:
                maker.join(LOOK_S)


class _Maker(Generic[T]):
    def __init__(self, items: Iterable[T], queue: Queue[T | _Failed | _End], gone: Event) -> None:
        self._items, self._queue, self._gone = items, queue, gone

    def work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 (raised where the item is due)
            self._put(_Failed(error))
            return
        self._put(_End())

    def _put(self, item: T | _Failed | _End) -> bool:
        """Whether it was put there; not where nobody asks any more."""
        while not self._gone.is_set():
            try:
                self._queue.put(item, timeout=LOOK_S)
            except Full:
                continue
            return True
        return False
