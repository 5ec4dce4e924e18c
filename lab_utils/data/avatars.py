"""Cartoon faces with exactly known attributes, the data of the face notebooks where there are no photographs.

The package dicebear assembles each face as SVG from drawings in the style Avataaars by Pablo Stanley (a remix, "free
for personal and commercial use", https://avataaars.com), and resvg rasterises it. Every option is decided here, by
numbers from a seed, and none by the libraries, so the attributes are what is drawn and the bytes are the same in
every run. Nothing here imports torch.

How the attributes depend on one another, all others being independent:

- Hat is 1 in a fifth of the pictures, and a hat covers the hair: Long_Hair and the hair colours are 0 under it.
- Without a hat, Long_Hair is 1 in half of the pictures and exactly one of the four hair colours is 1.
- Pale_Skin (0.3) and Dark_Skin (0.3) exclude one another; both are 0 for the shades between.
- Eyeglasses and Beard are 1 in two fifths of the pictures, Smiling in half. A beard has the colour of the hair, under
  a hat too.
"""

import functools
import hashlib
import importlib.metadata
import importlib.resources
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

NOTE = (
    "NOT photographs: cartoon faces with exactly known attributes, drawn from a seed by dicebear, "
    "a remix of “Avataaars” by Pablo Stanley (free for personal and commercial use)."
)

SEED = 20_240_607  # of the faces, not of a run: every run has the same data
SPLITS = ("train", "test", "validation")  # their places are part of the seed: a new one goes last
PACKAGES = ("dicebear-core", "dicebear-styles", "resvg-py")

# Palettes in RGB, so far apart that hair, skin and background never blend at 64×64.
HAIR = {
    "Black_Hair": ("1e1410", "0f1016"),
    "Brown_Hair": ("b0601c", "a04e16"),
    "Blond_Hair": ("f0cb45", "dfae2c"),
    "Gray_Hair": ("8f9499", "b5b8bc"),
}
SKIN = {
    "Pale_Skin": ("ffdbb4", "ffe0cc", "fbd3bd"),
    "Dark_Skin": ("754c38", "6b4332", "7f5743"),
    None: ("d08b5b", "dda06d", "d9986f", "e0a878"),
}
BACKGROUNDS = ("a8d8f0", "b9e4b0", "c9b6f2", "f4f4f0")
HAT_COLORS = ("5199e4", "25557c", "ff488e", "d63c3c", "2f8f5b")
GLASSES_COLORS = ("000000", "1d5fc4", "d0164a")
CLOTHES_COLORS = ("5199e4", "25557c", "3c4f5c", "65c9ff", "2f8f5b", "ff488e", "d63c3c", "ffffb1", "e6e6e6")

# Names of the style's drawings. Left out are those that show no clear attribute: hair tied up or shaved at the sides,
# moustaches, an eyepatch, a turban.
HATS = ("hat", "winterHat1", "winterHat02", "winterHat03", "winterHat04")
LONG_HAIR = (
    "bob", "curly", "curvy", "dreads", "longButNotTooLong", "miaWallace", "straight01", "straight02",
    "straightAndStrand",
)  # fmt: skip
SHORT_HAIR = (
    "dreads01", "dreads02", "frizzle", "shaggy", "shortCurly", "shortFlat", "shortRound", "shortWaved", "theCaesar",
    "theCaesarAndSidePart",
)  # fmt: skip
SMILES = ("smile", "default", "twinkle")
OTHER_MOUTHS = ("serious", "sad", "concerned", "disbelief")
EYES = ("default", "happy", "side", "squint", "surprised", "closed", "wink")
EYEBROWS = (
    "default", "defaultNatural", "flatNatural", "raisedExcited", "raisedExcitedNatural", "sadConcerned", "upDown",
    "angryNatural",
)  # fmt: skip
GLASSES = ("prescription01", "prescription02", "round", "sunglasses", "wayfarers")
BEARDS = ("beardLight", "beardMedium", "beardMajestic")
CLOTHES = (
    "blazerAndShirt", "blazerAndSweater", "collarAndSweater", "hoodie", "overall", "shirtCrewNeck", "shirtScoopNeck",
    "shirtVNeck",
)  # fmt: skip

CHOICES = 21  # uniform numbers for each picture, one for each decision in _options
# The same in every picture. The head fills the frame: enlarged, moved down so that no hat is cut, the chest cut.
FIXED = {
    "seed": "", "topProbability": 100, "noseVariant": "default", "scale": 1.2, "rotate": 0, "translateX": 0,
    "translateY": 10, "flip": "none", "borderRadius": 0, "idRandomization": False,
}  # fmt: skip


def tasks(split: str, n: int) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """What to draw for the first ``n`` pictures of one of SPLITS, and their attributes.

    Returns ``n`` tasks for ``paint``, each a dict of dicebear's options, and a table of uint8 0/1 with a row for each
    picture and a column for each attribute. Task i depends on the split and i alone, so fewer are a prefix of more.
    The splits have streams of their own; two equal drawings are a coincidence, and with 18,000, 2,000 and 2,000
    pictures there is none.
    """
    options = _options(np.random.default_rng([SEED, SPLITS.index(split)]).random((n, CHOICES)))
    return [FIXED | row for row in options.to_dict("records")], _attributes(options)


def paint(task: dict[str, Any], size: int) -> np.ndarray:
    """The picture of one task: uint8, 3×``size``×``size``, RGB on an opaque background."""
    import resvg_py
    from dicebear import Avatar

    svg = Avatar(_style(), task).to_string()
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as image:
        # RGBA without a transparent pixel, for the background is part of the drawing.
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy()


def facts() -> dict[str, str]:
    """What decides the pixels besides the number of pictures and their size: package versions and this file."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return versions | {"source": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}


def _options(uniform: np.ndarray) -> pd.DataFrame:
    """Options by name, a row for each row of ``uniform`` (N×CHOICES, in [0, 1)), one column for each decision."""
    columns = iter(uniform.T)

    def chance(probability: float) -> np.ndarray:
        return next(columns) < probability

    def pick(pool: Sequence[str]) -> np.ndarray:
        return np.array(pool)[(next(columns) * len(pool)).astype(int)]

    hair = np.where(chance(0.5), pick(LONG_HAIR), pick(SHORT_HAIR))
    hair_color = pick(sum(HAIR.values(), ()))
    return pd.DataFrame(
        {
            "topVariant": np.where(chance(0.2), pick(HATS), hair),
            "hatColor": pick(HAT_COLORS),
            "hairColor": hair_color,
            "facialHairProbability": 100 * chance(0.4),
            "facialHairVariant": pick(BEARDS),
            "facialHairColor": hair_color,
            "accessoriesProbability": 100 * chance(0.4),
            "accessoriesVariant": pick(GLASSES),
            "accessoriesColor": pick(GLASSES_COLORS),
            "mouthVariant": np.where(chance(0.5), pick(SMILES), pick(OTHER_MOUTHS)),
            "skinColor": pick(sum(SKIN.values(), ())),
            "eyesVariant": pick(EYES),
            "eyebrowsVariant": pick(EYEBROWS),
            "clothesVariant": pick(CLOTHES),
            "clothesColor": pick(CLOTHES_COLORS),
            "backgroundColor": pick(BACKGROUNDS),
        }
    )


def _attributes(options: pd.DataFrame) -> pd.DataFrame:
    """The attributes that a face with these options shows."""
    hat = options["topVariant"].isin(HATS)
    attributes = {
        "Long_Hair": options["topVariant"].isin(LONG_HAIR),
        "Eyeglasses": options["accessoriesProbability"] == 100,
        "Beard": options["facialHairProbability"] == 100,
        "Smiling": options["mouthVariant"].isin(SMILES),
        "Hat": hat,
    }
    attributes |= {name: options["hairColor"].isin(shades) & ~hat for name, shades in HAIR.items()}
    attributes |= {name: options["skinColor"].isin(shades) for name, shades in SKIN.items() if name}
    return pd.DataFrame(attributes).astype(np.uint8)


@functools.cache
def _style() -> Any:
    # Imported here, for the import takes a second that a page with cached pictures need not wait.
    from dicebear import Style

    return Style.from_json((importlib.resources.files("dicebear_styles") / "avataaars.json").read_text("utf-8"))
