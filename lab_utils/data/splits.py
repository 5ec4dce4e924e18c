"""What the loaders of digits and of faces share: which split is asked for, and what is said of what was found."""

from typing import Any

from lab_utils import config
from lab_utils.config import LabError

VALIDATION_NOTE = (
    "{note} SPLIT=validation: judged on {judged_on}. The test split is not read for any number here; where the page "
    "says “test” it means the validation images."
)


def check(split: str) -> None:
    """LabError if there is no such split."""
    if split not in config.SPLITS:
        raise LabError(f"SPLIT={split!r}: choose one of {', '.join(config.SPLITS)}")


def validation_note(note: str, judged_on: str) -> str:
    """The note of data for validation: ``note``, that of the whole, then which images a run is judged on."""
    return VALIDATION_NOTE.format(note=note, judged_on=judged_on)


def describe(loaded: Any) -> dict[str, Any]:
    """What metrics files say about loaded digits or faces.

    ``source``, ``split`` ("test" or "validation"), image counts ``train`` and ``test`` (what is judged on, test or
    validation images), ``sha256``.
    """
    return {
        "source": loaded.source,
        "split": loaded.split,
        "train": len(loaded.train.images),
        "test": len(loaded.test.images),
        "sha256": loaded.sha256,
    }
