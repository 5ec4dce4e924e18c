"""What InfoGAN adds to the game: codes beside the noise, and a head Q that reads them back (Chen et al. 2016)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor

from lab_utils.data.augment import noisy
from lab_utils.data.batches import to_unit
from lab_utils.metrics.clusters import code_information
from lab_utils.metrics.control import logits_of
from lab_utils.metrics.pca import centred, fit_linear_generator, fit_pca
from lab_utils.models.linear import LinearGenerator
from lab_utils.run import Run
from lab_utils.training.classifier import FACE_READER, Kind, fit_classifier, train_classifier
from lab_utils.training.conditions import Condition, Logits
from lab_utils.training.gan import Gan, samples, with_noise


def codes(
    sizes: Sequence[int],
    continuous: int,
    rng: torch.Generator,
    weight: float,
    continuous_weight: float,
) -> Condition:
    """InfoGAN's condition: uniform categorical codes of the given sizes, then continuous ones in [−1, 1].

    Chen et al. 2016. The head gives logits of each categorical code and the mean of each continuous one, whose
    variance is fixed: −log Q(c|x) is a cross-entropy for the former and a squared error for the latter. Only fake
    images have codes, so only they teach the head.
    """

    def draw(images: Tensor, *_: Tensor) -> Tensor:
        return draw_codes(len(images), sizes, continuous, rng)

    def read(logits: Logits, c: Tensor) -> dict[str, Tensor]:
        read_parts, true_parts = (t.split([*sizes, continuous], dim=1) for t in (logits["code"], c))
        entropy = sum(F.cross_entropy(r, t) for r, t in zip(read_parts[:-1], true_parts[:-1], strict=True))
        terms = {"entropy": weight * entropy}
        if continuous:
            terms["error"] = continuous_weight * (read_parts[-1] - true_parts[-1]).square().mean()
        return terms

    return Condition(sum(sizes) + continuous, draw, read, on_fakes=True, rng=rng)


def draw_codes(n: int, sizes: Sequence[int], continuous: int, rng: torch.Generator) -> Tensor:
    """n codes as the generator is told them, n×(sum of sizes + continuous): one-hot, then uniform in [−1, 1]."""
    device = rng.device
    categorical = [F.one_hot(torch.randint(k, (n,), generator=rng, device=device), k).float() for k in sizes]
    return torch.cat([*categorical, 2 * torch.rand(n, continuous, generator=rng, device=device) - 1], dim=1)


def clustered(images: Tensor, sizes: Sequence[int], components: int, run: Run) -> list[Tensor]:
    """For each size the cluster of each image (uint8 N×C×S×S) among so many, N (int64): codes to begin with.

    k-means of the principal components, each code of what those before it leave open. It is to a categorical code what
    principal components are to noise: it looks for the code from which images are rebuilt best in squared error, each
    by the mean of its cluster.
    """
    mean, basis = fit_pca(images, components, run.rng("clusters"))
    rest, found = torch.cat([centred(part, mean) @ basis for part in images.split(1000)]).cpu(), []
    for size in sizes:
        labels = KMeans(size, n_init=3, random_state=run.seed).fit_predict(rest.numpy())
        found.append(torch.from_numpy(labels).long().to(images.device))
        means = torch.stack([rest[labels == k].mean(0) for k in range(size)])
        rest = rest - means[labels]
    return found


def linear_start(
    images: Tensor, noise: int, groups: Sequence[Tensor], sizes: Sequence[int], continuous: int, rng: torch.Generator
) -> LinearGenerator:
    """The linear generator of noise, categorical codes and continuous ones, from groups of training images.

    A value of a categorical code begins as the mean of its group (``groups``, int64 N each). Continuous codes begin as
    the largest principal components of what is left, with the deviation that a uniform code in [−1, 1] gives them;
    noise as the next ones.
    """
    told = torch.cat([F.one_hot(group, size).float() for group, size in zip(groups, sizes, strict=True)], dim=1)
    start = fit_linear_generator(images, continuous + noise, rng, told)
    first, rest, means = start.directions.split([continuous, noise, told.shape[1]])
    return start._replace(directions=torch.cat([rest, means, math.sqrt(3) * first]))


def sampled(gan: Gan, codes: Tensor, rng: torch.Generator) -> Tensor:
    """Images N×C×S×S in [0, 1] for codes N×width, the noise beside them drawn from ``rng``."""
    return samples(gan, with_noise(codes, gan.generator.inputs, rng))


def code_sheet(gan: Gan, noise: int, sizes: Sequence[int], which: int, draws: int, rng: torch.Generator) -> Tensor:
    """Images in [0, 1] for each draw of noise, and of the other codes, under every value of one: draws×K×C×S×S.

    ``noise`` is the number of its dimensions, ``which`` says which of the categorical codes runs through its values.
    """
    size = sizes[which]
    told = draw_codes(draws, sizes, 0, rng).repeat_interleave(size, 0).split(list(sizes), dim=1)
    values = torch.eye(size, device=rng.device).repeat(draws, 1)
    parts = [values if i == which else one for i, one in enumerate(told)]
    z = torch.randn(draws, noise, generator=rng, device=rng.device).repeat_interleave(size, 0)
    return samples(gan, torch.cat([z, *parts], dim=1)).unflatten(0, (draws, size))


def strip(gan: Gan, noise: Tensor, values: Tensor, which: int, span: Tensor) -> Tensor:
    """Images in [0, 1] of one draw of noise, 1×d: a row for each categorical value (one-hot, K×K), a column for each
    value of one of two continuous codes along ``span``; the other is 0.
    """
    continuous = torch.zeros(len(values), len(span), 2, device=noise.device)
    continuous[:, :, which] = span
    told = values.repeat_interleave(len(span), 0), continuous.flatten(0, 1)
    return samples(gan, torch.cat([noise.expand(len(told[0]), -1), *told], dim=1))


def information_bound(
    run: Run, name: str, images: Tensor, codes: Tensor, steps: int, kind: Kind, **arguments: Any
) -> Tensor:
    """A lower bound on I(c; x), in nats, from a fresh reader Q′ that took no part in the game: its terms, one an image.

    Q′ learns to read the codes (int64, N) of the last five sixths of the images (uint8, N×C×S×S); the bound is taken
    on the first sixth, with noise in every pixel of both. ``arguments`` are those of the reader's network.
    """
    held = len(images) // 6
    reader = train_classifier(run, name, images[held:], codes[held:], steps, kind, **arguments)
    x = noisy(to_unit(images[:held]), run.rng(f"{name} test"))
    return code_information(logits_of(reader, x), codes[:held])


def continuous_bound(
    run: Run, name: str, images: Tensor, codes: Tensor, steps: int, kind: Kind, **arguments: Any
) -> Tensor:
    """The same for continuous codes, N×C in [−1, 1] and uniform: nats for each code, C.

    Q′ is a Gaussian whose mean a fresh reader gives and whose variance is its squared error e on held-out samples: I ≥
    ln 2 − ½ ln(2πe·e), and 0 for a reader that does no better than that.
    """
    held = len(images) // 6
    kind = replace(kind, criterion=F.mse_loss)
    reader = train_classifier(run, name, images[held:], codes[held:], steps, kind, **arguments)
    x = noisy(to_unit(images[:held]), run.rng(f"{name} test"))
    error = (logits_of(reader, x) - codes[:held]).square().mean(0)
    return (math.log(2) - 0.5 * (2 * math.pi * math.e * error).log()).clamp_min(0)


def curves_of_readers(
    run: Run, images: Tensor, codes: Tensor, steps: int, side: int
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Steps and losses of two readers of a code of two values (int64, N), which differ in one mistake.

    ``from logits`` is as it should be. ``from probabilities`` gives the cross-entropy what the softmax has made of the
    logits, so that it applies the softmax once more. The same network, images (uint8, N×3×S×S), order and noise.
    """
    criteria = {
        "from logits": F.cross_entropy,
        "from probabilities": lambda logits, c: F.cross_entropy(logits.softmax(1), c),  # the mistake
    }
    found = {}
    for name, criterion in criteria.items():
        kind = replace(FACE_READER, criterion=criterion)
        _, log = fit_classifier(run, "floor", images, codes, steps, kind, log_every=1, attributes=2, side=side)
        found[name] = log.curve["step"], log.curve["loss"]
    return found
