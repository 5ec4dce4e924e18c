"""What the tests share: a small run on the CPU in float32, and a few made-up digits."""

import pytest
import torch

from lab_utils import repro


@pytest.fixture
def run() -> repro.Run:
    return repro.Run(seed=0, device=torch.device("cpu"), precision=torch.float32)


@pytest.fixture(scope="session")
def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    """200 images (uint8, 200×1×28×28) whose label is where a bright bar lies, and the labels."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10
    images = torch.randint(0, 40, (200, 1, 28, 28), generator=stream, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label + 2 : 2 * label + 5] = 220
    return images, labels
