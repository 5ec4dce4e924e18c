"""How close images are to others: pixel errors between pairs, and distances between sets in a judge's features."""

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

from lab_utils.data.batches import to_unit
from lab_utils.losses import squared_error


class JudgeFeatures(nn.Module):
    """A judge's feature layer as torchmetrics wants a feature network: uint8 images N×C×H×W to features N×128."""

    def __init__(self, judge: nn.Module):
        super().__init__()
        self.features = judge.features
        self.num_features = judge.head.in_features

    def forward(self, images: Tensor) -> Tensor:
        return self.features(to_unit(images))


@torch.no_grad()
def fcd(judge: nn.Module, images: Tensor, real: Tensor, batch: int = 500) -> float:
    """Fréchet classifier distance between two sets of images, in the features of ``judge``.

    Both N×C×H×W, float in [0, 1] or uint8; compared as bytes. The formula is that of the FID (Heusel et al. 2017,
    equation 6), the features are not: values of different judges, and FIDs, cannot be compared. It is biased upwards
    for few images, so compare at equal numbers.
    """
    distance = FrechetInceptionDistance(JudgeFeatures(judge)).to(real.device)
    for sheet, is_real in ((images, False), (real, True)):
        for part in sheet.split(batch):
            distance.update(part if part.dtype == torch.uint8 else (part * 255).round().byte(), real=is_real)
    return distance.compute().item()


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of each image over its pixels and channels, N; inputs N×C×H×W in [0, 1]."""
    return squared_error(x_hat, x) / x[0].numel()


def psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, N, in dB, for a peak of 1."""
    return -10 * mse(x_hat, x).log10()


def ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Structural similarity of each image, N, at most 1 (Wang et al. 2004); inputs N×C×H×W in [0, 1]."""
    return structural_similarity_index_measure(x_hat, x, data_range=1.0, reduction="none")
