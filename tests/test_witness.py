"""The witness finds real faces, fewer the worse they are shown, and none in noise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from lab_utils.metrics import witness
from tests.conftest import SHARED

IMAGES = sorted((SHARED / "faces" / "test").glob("*.jpg"))[:60]
needs_photographs = pytest.mark.skipif(len(IMAGES) < 60, reason="no photographs of faces here")


@pytest.fixture(scope="module")
def photographs():
    return torch.from_numpy(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in IMAGES])).permute(
        0, 3, 1, 2
    )


def resized(images, side):
    return F.interpolate(images.float(), size=side, mode="area" if side < images.shape[-1] else "bicubic")


def shuffled(images, block=16):
    """Each image cut into blocks that lie in another order."""
    n, _, side, _ = images.shape
    blocks = F.unfold(images.float(), block, stride=block)
    orders = [torch.randperm(blocks.shape[2], generator=torch.Generator().manual_seed(i)) for i in range(n)]
    mixed = torch.stack([one[:, order] for one, order in zip(blocks, orders, strict=True)])
    return F.fold(mixed, (side, side), block, stride=block).byte()


@needs_photographs
def test_it_falls_as_real_faces_are_degraded(photographs):
    def share(images):
        return witness.faces_found(images).mean().item()

    blurred = {side: resized(resized(photographs, side), 64).clamp(0, 255).byte() for side in (12, 6)}
    shares = [share(photographs), share(blurred[12]), share(blurred[6]), share(shuffled(photographs))]
    assert shares[0] >= 0.95
    assert shares == sorted(shares, reverse=True)
    assert 0.7 < shares[1] < shares[0]
    assert shares[3] < 0.25


@needs_photographs
def test_a_face_is_found_at_half_the_side_and_in_floats(photographs):
    few = photographs[:20]
    assert witness.faces_found(resized(few, 32).round().byte()).mean() >= 0.9
    assert torch.equal(witness.faces_found(few), witness.faces_found(few / 255))


def test_there_is_no_face_in_noise():
    noise = torch.randint(0, 256, (20, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = witness.faces_found(noise, n=12)
    assert found.tolist() == 12 * [0.0]
