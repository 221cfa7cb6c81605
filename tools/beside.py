"""Work that a process does beside what it is for: one thread, and what is too much for it is dropped."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Hands things to ``write``, some at a time, in a thread of its own. ``put`` never waits."""

    def __init__(self, name: str, write: Callable[[list[T]], None], *, most: int, batch: int) -> None:
        self._name = name
        self._write = write
        self._batch = batch
        self._waiting: queue.Queue[T] = queue.Queue(most)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, one: T) -> bool:
        """Whether it is taken; not where too much waits."""
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait(one)
        except queue.Full:
            return False
        return True

    def flush(self) -> None:
        """Wait until everything that was taken is done."""
        self._waiting.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name=self._name, daemon=True)
                self._thread.start()

    def _write_all(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < self._batch and not self._waiting.empty():
                batch.append(self._waiting.get())
            try:
                self._write(batch)
            finally:
                for _ in batch:
                    self._waiting.task_done()
