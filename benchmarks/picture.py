"""The picture of a benchmark."""

from pathlib import Path
from typing import Any

from lab_utils import figures
from lab_utils.show import png


def draw(found: dict[str, Any], goals: dict[str, float], path: Path) -> None:
    """How many times as fast as the usual loop each model trains, with each repetition and the goals."""
    if "speed" not in found:
        return
    names = {"cvae_mlp": "MLP CVAE", "cvae_conv": "conv CVAE", "vae": "face VAE", "dcgan": "DCGAN", "acgan": "AC-GAN",
             "infogan": "InfoGAN"}  # fmt: skip
    rows = {names[case]: row["ratios"] for case, row in found["speed"].items()}
    machine = found["machine"]
    title = f"images/s of this project over the usual loop\n{machine['device']}, {machine['precision']}"
    fig = figures.ratios(rows, {names[case]: goals[case] for case in names if case in goals}, title, alt=title)
    path.write_bytes(png(fig).data)
