"""How close images are to others: pixel errors of pairs, sets compared in a judge's features, sharpness."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

from lab_utils.clock import spend
from lab_utils.data.batches import by_parts, to_unit
from lab_utils.losses import squared_error
from lab_utils.metrics.estimate import Estimate, by_halves
from lab_utils.metrics.mmd import unbiased_mmd

SOME = 1000  # images between which distances are taken, at most
BT601 = (0.299, 0.587, 0.114)  # weights of red, green and blue in the luminance


class JudgeFeatures(nn.Module):
    """A judge's feature layer as torchmetrics wants a feature network: uint8 images N×C×H×W to features N×128."""

    def __init__(self, judge: nn.Module):
        super().__init__()
        self.features = judge.features
        self.num_features = judge.head.in_features

    def forward(self, images: Tensor) -> Tensor:
        return self.features(to_unit(images))


@spend("metrics")
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
            distance.update(as_bytes(part), real=is_real)
    distance.inception = nn.Identity()  # else the judge would move with it:
    return distance.cpu().compute().item()  # eigenvalues of a small matrix take long on a GPU


@spend("metrics")
def fcd_estimate(judge: nn.Module, images: Tensor, real: Tensor) -> Estimate:
    """:func:`fcd` with its interval over images."""
    features, real_features = judge_features(judge, images), judge_features(judge, real)
    return by_halves(frechet, (features,), (real_features,), value=fcd(judge, images, real))


def frechet(features: Tensor, real: Tensor) -> float:
    """Squared Fréchet distance of Gaussians fitted to features N×D and M×D (Heusel et al. 2017, equation 6)."""
    x, y = features.double().cpu(), real.double().cpu()
    covariances = x.T.cov(), y.T.cov()
    root = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    apart = (x.mean(0) - y.mean(0)).square().sum()
    return (apart + covariances[0].trace() + covariances[1].trace() - 2 * root).item()


def as_bytes(images: Tensor) -> Tensor:
    """Images as uint8; floats in [0, 1] are rounded, so that samples are as coarse as the real images."""
    return images if images.dtype == torch.uint8 else (images * 255).round().byte()


@spend("metrics")
def judge_features(judge: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Images N×C×H×W, uint8 or float in [0, 1], in the feature layer of ``judge``, N×D; seen as bytes, as by FCD."""
    features = JudgeFeatures(judge)
    return by_parts(lambda part: features(as_bytes(part)), images, size=batch)


@spend("metrics")
def kid(features: Tensor, real: Tensor) -> float:
    """Kernel distance between features N×D and M×D of two sets: squared MMD, kernel (x·y/D + 1)³, unbiased.

    The formula is that of the kernel Inception distance (Bińkowski et al. 2018), over all images rather than subsets
    of them; in a judge's features, so that KIDs of others cannot be compared. Unlike FCD its mean does not depend on
    how many images there are. Near 0 for equal distributions, and may then fall below it.
    """
    return unbiased_mmd(features, real, lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3)


@spend("metrics")
def density_and_coverage(features: Tensor, real: Tensor, k: int = 5) -> tuple[Tensor, Tensor]:
    """How densely real images surround each sample, N, and 1 for each real image with a sample nearby, else 0, M.

    Features N×D of samples and M×D of more than k real images. Nearby is closer to a real image than its k-th nearest
    other real image. The means are density and coverage (Naeem et al. 2020, section 3.2). A sample's density is the
    number of real images it is nearby, over k. For equal distributions density is 1 on average, and may exceed it;
    coverage is about 1 − 2⁻ᵏ for N = M and grows with N, so compare at equal numbers.
    """
    # Each row's smallest distance is to the image itself.
    radii = torch.cat([rows.topk(k + 1, largest=False).values[:, k] for rows in distances(real, real)])
    density, covered = [], torch.zeros_like(radii, dtype=torch.bool)
    for rows in distances(features, real):
        nearby = rows < radii
        density.append(nearby.sum(1) / k)
        covered |= nearby.any(0)
    return torch.cat(density), covered.float()


@spend("metrics")
def mean_distance(judge: nn.Module, images: Tensor, n: int = SOME) -> float:
    """Mean Euclidean distance between two of the first ``n`` images in the features of ``judge``.

    Over that of real images it is their diversity: below 1 for samples that are more alike.
    """
    return torch.pdist(judge_features(judge, images[:n])).mean().item()


def relative_distance(features: Tensor, real: Tensor) -> float:
    """Mean Euclidean distance between two rows of N×D over that between two of M×D."""
    return (torch.pdist(features).mean() / torch.pdist(real).mean()).item()


@spend("metrics")
def nearest(features: Tensor, others: Tensor, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """Euclidean distance to, and index of, the nearest of ``others`` (M×D) for each row of N×D: N and N (int64)."""
    index = torch.cat([rows.argmin(1) for rows in distances(features, others, batch)])
    return (features - others[index]).norm(dim=1), index  # computed anew: 0 for a copy


def distances(features: Tensor, others: Tensor, batch: int = 1000) -> Iterator[Tensor]:
    """Euclidean distances between rows of N×D and M×D, at most batch×M at once, in float64.

    In float32 the products they are computed by would cancel for neighbours.
    """
    others = others.double()
    for rows in features.double().split(batch):
        yield torch.cdist(rows, others)


@spend("metrics")
def laplacian_variance(images: Tensor, batch: int = 500) -> Tensor:
    """Variance over the pixels of each image of the Laplacian of its luminance, N (float64): larger is sharper.

    Images N×1×H×W or N×3×H×W, uint8 or float in [0, 1], seen as bytes and computed in [0, 1]; the luminance of colours
    is that of ITU-R BT.601. The border, where the Laplacian is not defined, is left out. Noise counts as sharpness.
    """
    return by_parts(lambda part: laplacian(luminance(part)).var((1, 2, 3), correction=0), images, size=batch)


def sharpness_ratio(samples: Tensor, real: Tensor) -> float:
    """Mean :func:`laplacian_variance` of samples over that of real images: below 1 blurred, above 1 noisy."""
    return (laplacian_variance(samples).mean() / laplacian_variance(real).mean()).item()


@spend("metrics")
def log_spectrum(images: Tensor) -> Tensor:
    """Log of the mean power of the luminance at each spatial frequency, S/2 values for 1 to S/2 waves across the side.

    Images N×C×S×S, uint8 or float in [0, 1], each less its mean and under a Hann window, without which the step from
    one edge to the opposite one would count as detail. Power is averaged over images and over directions: frequencies
    are taken together that round to the same number of waves.
    """
    side = images.shape[-1]
    window = torch.hann_window(side, periodic=False, dtype=torch.float64, device=images.device)
    power = 0
    for part in images.split(500):
        x = luminance(part)[:, 0]
        x = (x - x.mean((1, 2), keepdim=True)) * window * window[:, None]
        power = power + torch.fft.fft2(x).abs().square().sum(0)
    waves = torch.fft.fftfreq(side, d=1 / side, dtype=torch.float64, device=images.device)
    ring = torch.hypot(waves, waves[:, None]).round().clamp_max(side // 2)  # the corners, finest of all, in the last
    return torch.stack([(power[ring == k] / len(images)).mean().log() for k in range(1, side // 2 + 1)])


def spectrum_distance(images: Tensor, real: Tensor) -> float:
    """Mean absolute difference of two sets' :func:`log_spectrum`, in nats: 0.7 is half or twice the power.

    Blur lowers the high frequencies, grain and checkerboards raise them; either counts.
    """
    return (log_spectrum(images) - log_spectrum(real)).abs().mean().item()


def beside(judge: nn.Module, images: Tensor, real: Tensor) -> dict[str, Tensor | float]:
    """Images N×C×H×W beside real ones, M×C×H×W, in several measures; uint8 or float in [0, 1].

    In the features of ``judge``: ``kid``, ``fcd``, ``density`` (N), ``coverage`` (M), and ``diversity``, the mean
    distance between two images over that between two real ones; the first two and the last with intervals over images.
    In pixels: ``sharpness_ratio``.
    """
    features, real_features = judge_features(judge, images), judge_features(judge, real)
    density, coverage = density_and_coverage(features, real_features)
    both, some = ((features,), (real_features,)), ((features[:SOME],), (real_features[:SOME],))
    return {
        "kid": by_halves(kid, *both),
        "fcd": by_halves(frechet, *both, value=fcd(judge, images, real)),
        "density": density,
        "coverage": coverage,
        "diversity": by_halves(relative_distance, *some),
        "sharpness_ratio": sharpness_ratio(images, real),
    }


def chroma(images: Tensor) -> float:
    """The largest of red, green and blue less the smallest, mean over all pixels, in [0, 1]: 0 for grey.

    Images N×3×H×W, uint8 or float in [0, 1]. Over that of real images: below 1 for paler colours.
    """
    x = to_unit(images) if images.dtype == torch.uint8 else images
    return (x.amax(1) - x.amin(1)).mean().item()


@spend("metrics")
def by_pixels(images: Tensor, real: Tensor, n: int = 500) -> dict[str, float]:
    """What the pixels of the first ``n`` images say beside those of as many real ones; images as :func:`chroma` has.

    ``sharpness_ratio``, ``chroma_ratio``, and ``variety``: the mean Euclidean distance between two images, each over
    that of real images.
    """
    both = [x[:n] for x in (images, real)]
    apart = [torch.pdist((to_unit(x) if x.dtype == torch.uint8 else x).flatten(1)).mean().item() for x in both]
    colours = [chroma(x) for x in both]
    ratios = {"sharpness_ratio": sharpness_ratio(*both), "chroma_ratio": colours[0] / colours[1]}
    return ratios | {"variety": apart[0] / apart[1]}


def luminance(images: Tensor) -> Tensor:
    """Luminance N×1×H×W in [0, 1], float64, of one or three channels, N×C×H×W, uint8 or float in [0, 1]."""
    x = as_bytes(images).double() / 255
    return x if x.shape[1] == 1 else (x * x.new_tensor(BT601).view(3, 1, 1)).sum(1, keepdim=True)


def laplacian(x: Tensor) -> Tensor:
    """The sum of the four neighbours less four times the pixel, N×1×(H−2)×(W−2), of N×1×H×W."""
    return F.conv2d(x, x.new_tensor([[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]]))


def mse(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of each image over its pixels and channels, N; inputs N×C×H×W in [0, 1]."""
    return squared_error(x_hat, x) / x[0].numel()


def psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, N, in dB, for a peak of 1."""
    return -10 * mse(x_hat, x).log10()


@spend("metrics")
def ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Structural similarity of each image, N, at most 1 (Wang et al. 2004); inputs N×C×H×W in [0, 1]."""
    return structural_similarity_index_measure(x_hat, x, data_range=1.0, reduction="none")
