"""The page to play with: every network that the notebooks handed over, in one file that computes their pictures."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.labs.spec import Lab
from lab_utils.report.html import CSS, environment

SOURCES = Path(__file__).with_name("templates") / "explore"
SCRIPTS = ("network.js", "controls.js", "exhibits.js", "start.js")
LARGEST = 8_000_000  # bytes of the page


@dataclass(frozen=True)
class Words:
    """What stands beside an exhibit."""

    short: str
    title: str
    look: str
    network: str = "“{}”"  # how one of its networks is called


EXHIBITS: Mapping[str, Words] = {
    "vae": Words(
        "VAE",
        "A face and the directions of its code",
        "Which sliders change one thing, and which change several at once? Where between two faces is a third person? "
        "Are draws from N(0, I) as good as those from twenty Gaussians?",
    ),
    "kl": Words(
        "KL term",
        "One z, three weights of the KL term",
        "At weight 100 nothing that you do to z changes the picture. At weight 0 faces come only from codes of faces: "
        "draw z from N(0, I) and see what is left of them.",
        "“KL × {}”",
    ),
    "cvae": Words(
        "CVAE",
        "The plane of z, and one handwriting for ten digits",
        "Drag through the plane and watch the slant; then change the label and keep z. Below, one u under all ten "
        "labels: what stays is the handwriting.",
    ),
    "gan": Words(
        "GAN",
        "Walks through noise",
        "Turn the circle slowly: every picture on the way is a face. Make the noise short, and faces become one mean "
        "face; make it long, and they become bold, then torn.",
    ),
    "acgan": Words(
        "AC-GAN",
        "An attribute switched for the same noise",
        "Grey means that nothing changed. What comes along although nobody asked for it? The list says how often "
        "a judge saw it in pairs of this run.",
    ),
    "infogan": Words(
        "InfoGAN",
        "What does this code do?",
        "Press the values of one code one after the other and look at all eight at once: what do they have in common? "
        "For digits, slide: which code is the slant, which the weight of the pen?",
    ),
}  # fmt: skip


def render_explore(exhibits: Mapping[str, Mapping[str, Any]], labs: Mapping[str, Lab]) -> str:
    """The page as HTML; ``exhibits`` are what notebooks handed over, by notebook, with ``id`` and ``budget``."""
    script = "\n".join((SOURCES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n{script}'
    return environment().get_template("explore/explore.html.j2").render(
        css=CSS, style=(SOURCES / "explore.css").read_text(encoding="utf-8"), script=script, policy=policy(script),
        exhibits=[shown(name, one, labs[name]) for name, one in exhibits.items()],
    )  # fmt: skip


def policy(script: str) -> str:
    """Nothing but this script runs, and nothing is fetched."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def shown(name: str, exhibit: Mapping[str, Any], lab: Lab) -> dict[str, Any]:
    words = EXHIBITS[exhibit["id"]]
    said = [in_words(words.network.format(title), one) for title, one in exhibit["networks"].items()]
    return {
        "id": exhibit["id"], "notebook": name, "number": lab.number, "budget": exhibit["budget"], "networks": said,
        "short": words.short, "title": words.title, "look": words.look, "data": packed(exhibit),
    }  # fmt: skip


def in_words(title: str, network: Mapping[str, Any]) -> str:
    """How far the pictures of the page are from those of the network."""
    apart = f"{255 * network['mean_apart']:.2f} of 255 on average, at most {255 * network['most_apart']:.0f}"
    if network["weights"] == network["of"]:
        return f"Network {title}: {network['of']:,} weights, stored in 8 and 16 bits; pictures differ by {apart}."
    return (
        f"Network {title}: a smaller copy, {network['weights']:,} of {network['of']:,} weights, trained to draw what "
        f"the network draws; its pictures differ by {apart}."
    )


# What the page carries: the length of some JSON, the JSON, and the numbers, in one; small, and as text


def packed(exhibit: Mapping[str, Any]) -> str:
    numbers = bytearray()
    head = json.dumps(apart(exhibit, numbers), ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-(4 + len(head)) % 4)  # so that the numbers begin at a multiple of four
    whole = len(head).to_bytes(4, "little") + head + bytes(numbers)
    return base64.b64encode(gzip.compress(whole, 9, mtime=0)).decode()


def apart(value: Any, numbers: bytearray) -> Any:
    """The same with the places of numbers where their text was; the numbers join ``numbers``."""
    if isinstance(value, list):
        return [apart(one, numbers) for one in value]
    if not isinstance(value, Mapping):
        return value
    if "bits" not in value:
        return {name: apart(one, numbers) for name, one in value.items()}
    entry = {name: one for name, one in value.items() if name not in ("data", "scales")}
    for key, place in (("data", ""), ("scales", "scales_")):
        if key in value:
            content = base64.b64decode(value[key])
            entry |= {f"{place}at": len(numbers), f"{place}length": len(content)}
            numbers += content + bytes(-len(content) % 4)
    return entry
