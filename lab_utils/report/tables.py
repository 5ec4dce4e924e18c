"""Tables as HTML, and the table that sets numbers of several notebooks side by side."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lab_utils.catalogue import Notebook, number

COMPARISON = "application/vnd.lab.comparison+json"


def markup(head: Sequence[Any], rows: Sequence[Sequence[Any]], sides: Sequence[str]) -> str:
    """A table of escaped cells, each column aligned to its side."""

    def line(tag: str, cells: Sequence[Any]) -> str:
        aligned = zip(sides, cells, strict=True)
        return "".join(f'<{tag} style="text-align: {side}">{escape(str(cell))}</{tag}>' for side, cell in aligned)

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def titles(catalogue: Mapping[str, Notebook]) -> dict[str, str]:
    """Number and title of each notebook, by its full name."""
    return {name: f"{name.split('_')[0]} {entry.title}" for name, entry in catalogue.items()}


def compared(
    asked: dict[str, Any], records: Mapping[str, dict], named: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a comparison.

    ``asked`` is what ``show.comparison`` hands over: ``notebook``, its ``measured``, the ``kind`` of data and its
    ``sha256``, and ``rows``, pairs of words and {notebook: metric}. ``records`` are the metrics files and ``named``
    the titles, by notebook. What cannot stand beside this notebook's numbers is "not run".
    """
    names = notebooks_of(asked)
    head = ["measured", *(named.get(name, name) for name in names)]
    return head, [[words, *(cell(asked, records, name, wanted) for name in names)] for words, wanted in asked["rows"]]


def notebooks_of(asked: dict[str, Any]) -> list[str]:
    """The notebooks of a comparison, in the same order on every page."""
    return sorted({name for _, wanted in asked["rows"] for name in wanted})


def cell(asked: dict[str, Any], records: Mapping[str, dict], name: str, wanted: dict[str, str]) -> str:
    if name not in wanted:
        return ""
    found = measurements(asked, records.get(name), name).get(wanted[name])
    return quoted(found) if found else "not run"


def measurements(asked: dict[str, Any], record: dict[str, Any] | None, name: str) -> dict[str, dict]:
    """What a notebook measured, as far as it can be compared."""
    if name == asked["notebook"]:
        return asked["measured"]
    return {} if obstacle(asked, record) else record["metrics"]


def obstacle(asked: dict[str, Any], record: dict[str, Any] | None) -> str:
    """Why the numbers of another notebook cannot stand beside these; empty if they can."""
    if record is None:
        return "not run in this report"
    if record["status"] != "ok":
        return f"not run to its end ({record['status']})"
    theirs = record["data"].get(asked["kind"], {})
    if theirs.get("sha256") != asked["sha256"]:
        return f"not run on the {asked['kind']} of this page, but on others ({theirs.get('source', 'none')})"
    return ""


def quoted(measured: dict[str, Any]) -> str:
    """As in ``0.983 fraction (95 %: 0.980 to 0.986; n 10,000)``."""
    details = []
    if measured.get("interval"):
        details.append("95 %: " + " to ".join(map(number, measured["interval"])))
    if measured.get("seeds"):
        details.append(f"{measured['seeds']} seeds")
    if measured.get("n"):
        details.append(f"n {measured['n']:,}")
    value = f"{number(measured['value'])} {measured['unit']}".strip()
    return f"{value} ({'; '.join(details)})" if details else value


def filled(asked: dict[str, Any], records: Mapping[str, dict], named: Mapping[str, str]) -> str:
    """A comparison as HTML, and under it where each notebook's numbers come from, or why they are not there."""
    head, rows = compared(asked, records, named)
    origins = " ".join(origin(asked, records.get(name), name, named.get(name, name)) for name in notebooks_of(asked))
    return f"{markup(head, rows, ['left'] * len(head))}<p>{origins}</p>"


def origin(asked: dict[str, Any], record: dict[str, Any] | None, name: str, title: str) -> str:
    """One sentence on a notebook of a comparison, with a link to its page if there is one."""
    said = obstacle(asked, record)
    if not said:
        said = f"seed {record['seed']}, {record['device'] or 'device not stated'}"
        wanted = {row[name] for _, row in asked["rows"] if name in row}
        if lacking := sorted(wanted - set(record["metrics"])):
            said += f", but its record holds no {', '.join(lacking)}"
    if name == asked["notebook"]:
        return f"{escape(title)} (this page): {escape(said)}."
    link = f'<a href="{escape(name)}.html">{escape(title)}</a>' if record else escape(title)
    return f"{link}: {escape(said)}."
