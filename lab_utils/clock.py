"""Where the time of a process goes: a clock that code starts and stops."""

import contextlib
import time
from collections.abc import Iterator

KINDS = ("data", "training", "metrics", "figures")

_spent = dict.fromkeys(KINDS, 0.0)
_running: list[str] = []  # the kind that is being counted, if any


@contextlib.contextmanager
def spend(kind: str) -> Iterator[None]:
    """Count the seconds inside towards a kind; also a decorator, ``@spend("metrics")``.

    The outermost counts: a judge that is trained in order to measure is measuring, and an evaluation after each epoch
    of a training is training.
    """
    if _running:
        yield
        return
    _running.append(kind)
    begun = time.monotonic()
    try:
        yield
    finally:
        _spent[kind] += time.monotonic() - begun
        _running.clear()


def spent() -> dict[str, float]:
    """The seconds so far, by kind."""
    return dict(_spent)
