"""Models that several notebooks need: trained once by whoever comes first, and kept by what they depend on."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from lab_utils.files import write_whole
from lab_utils.training import checkpoint


def made_once(path: Path, make: Callable[[], bytes]) -> bool:
    """See that ``path`` is there, by writing what ``make()`` gives if it is not; whether it had been there.

    Processes that want the same one at the same time wait for the first.
    """
    if there(path):
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.stem}.lock")):
        if there(path):  # which another process may have made meanwhile
            return True
        write_whole(path, make())
    return False


def there(path: Path) -> bool:
    """Whether a file is there that may be loaded."""
    return path.exists() and not checkpoint.made_before(path)
