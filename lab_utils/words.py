"""How numbers, times, data and devices are written, on pages, in the index and in sentences."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """A value as pages and index write it: two decimals from 10 on, three below, three digits below 0.1, -6.8·10⁻⁵."""
    if value is None:
        return "not finite"
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 0.001:
        mantissa, power = f"{value:.2e}".split("e")
        return f"{mantissa}·10{str(int(power)).translate(RAISED)}"
    if abs(value) >= 10:
        return f"{value:,.2f}"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def plural(n: int, word: str) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{n:,} {word}{'s' * (n != 1)}"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def duration(seconds: float) -> str:
    """As in ``8 s`` or ``3 min 20 s``."""
    minutes, rest = divmod(round(round(seconds, 3)), 60)  # a sum in another order is the same duration
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def source_lines(data: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """As in ``digits: mnist (60,000 training, 10,000 test)``, a line for each kind of data."""
    return [f"{kind}: {one.get('source', '?')} ({counts(one)})" for kind, one in sorted(data.items())]


def counts(data: Mapping[str, Any]) -> str:
    """Sizes of the splits, as in ``60,000 training, 10,000 test``."""
    sizes = [(data.get("train"), "training"), (data.get("test"), data.get("split", "test"))]
    return ", ".join(f"{n:,} {what}" for n, what in sizes if isinstance(n, int)) or "sizes not stated"


def device_line(stated: Mapping[str, Any]) -> str:
    """The device as a run states it (its provenance), with its name, threads and precision where it gives them."""
    threads = stated.get("threads") if stated.get("device") == "cpu" else None
    parts = [
        stated.get("device_name") or stated.get("device"),
        plural(threads, "thread") if threads else "",
        stated.get("precision"),
    ]
    return ", ".join(str(part) for part in parts if part)


def nested(value: Any) -> str:
    """A nested dict as one line: ``torch 2.14.1, numpy 2.4.6``."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {nested(entry)}" for key, entry in value.items())
    return str(value)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A sentence with its numbers: ``{gan.fcd}`` is the value of that name as :func:`number` writes it.

    What stands after a colon is Python's format (``{gan.coverage:.0%}``), ``plural`` and a word
    (``{epochs:plural epoch}``), or ``list`` for names (``{unread:list}``). KeyError for a name without a value.
    """
    return _Sentence().vformat(template, (), values)


class _Sentence(string.Formatter):
    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name  # a dot is part of the name of a metric

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("plural "):
            return plural(value, format_spec.removeprefix("plural "))
        if format_spec == "list":
            return listed(list(value))
        if not isinstance(value, (int, float)):
            return format(value, format_spec)
        return (format(value, format_spec) if format_spec else number(value)).replace("-", "−")
