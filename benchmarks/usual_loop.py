"""The training loops as tutorials write them, for the networks of this course: what ``fit`` is compared with.

A DataLoader over torchvision's dataset with ToTensor, eager float32, ``loss.item()`` at each step. Nothing is slowed
down on purpose: libraries' defaults throughout, and the faster number of workers.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import MNIST


class ImageFiles(Dataset):
    """Images in files with a table of attributes, decoded when they are asked for, as torchvision's CelebA does."""

    def __init__(self, files: list[Path], attributes: np.ndarray, transform):
        self.files, self.attributes, self.transform = files, torch.from_numpy(attributes).float(), transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.transform(Image.open(self.files[i]).convert("RGB")), self.attributes[i]


def digits(folder: Path, train: bool = True, signed: bool = False) -> Dataset:
    """MNIST's training or test split, in [0, 1], or in [−1, 1] for a GAN."""
    return MNIST(folder, train=train, transform=to_tensor(signed))


def to_tensor(signed: bool):
    steps = [transforms.ToTensor()] + ([transforms.Normalize(0.5, 0.5)] if signed else [])
    return transforms.Compose(steps)


def loader(dataset: Dataset, batch_size: int, workers: int, device: torch.device, train: bool = True) -> DataLoader:
    return DataLoader(
        dataset, batch_size, shuffle=train, num_workers=workers, drop_last=train, pin_memory=device.type == "cuda"
    )


def train_vae(model: nn.Module, batches: DataLoader, device: torch.device, epochs: int, learning_rate: float, evaluate):
    """Adam on the negative ELBO in nats/image; a model with a condition is told the label.

    ``evaluate(model)`` is called after each epoch. Returns the mean loss of each epoch.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    for _ in range(epochs):
        model.train()
        total = 0.0
        for x, labels in batches:
            loss = negative_elbo(model, x.to(device), labels.to(device)) / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(batches))
        evaluate(model)
    return losses


def negative_elbo(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy and KL divergence, summed over the batch, with one sample of z per image."""
    condition = [F.one_hot(labels, 10).float()] if getattr(model, "condition", 0) else []
    noise = torch.randn(len(x), model.latent, device=x.device)
    logits, mu, log_var = model(x, *condition, noise)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
    return cross_entropy + kl


@torch.no_grad()
def test_loss(model: nn.Module, batches: DataLoader, device: torch.device) -> float:
    """The negative ELBO over a test set, nats/image."""
    model.eval()
    total = sum(negative_elbo(model, x.to(device), labels.to(device)).item() for x, labels in batches)
    return total / len(batches.dataset)


def train_gan(generator, discriminator, batches: DataLoader, device: torch.device, epochs: int, rate: float, task: str):
    """DCGAN's loop (Radford et al. 2016): the discriminator on real, then on fake images, then the generator.

    ``task`` says what the discriminator's second head reads: ``"attributes"`` of real and of ordered images
    (AC-GAN), a ``"code"`` of ten values in fake ones (InfoGAN), or nothing.
    """
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=rate, betas=(0.5, 0.999))
    for _ in range(epochs):
        for real, labels in batches:
            real, labels = real.to(device), labels.to(device)
            n = len(real)
            ones, zeros = torch.ones(n, 1, device=device), torch.zeros(n, 1, device=device)
            told = condition(task, labels)

            discriminator.zero_grad()
            logits = discriminator(real)
            loss_real = F.binary_cross_entropy_with_logits(logits["real"], ones)
            if task == "attributes":
                loss_real = loss_real + F.binary_cross_entropy_with_logits(logits["attributes"], labels)
            loss_real.backward()
            noise = torch.randn(n, generator.inputs - told.shape[1], device=device)
            fake = generator(torch.cat([noise, told], dim=1))
            logits = discriminator(fake.detach())
            loss_fake = F.binary_cross_entropy_with_logits(logits["real"], zeros)
            if task == "code":
                loss_fake = loss_fake + F.cross_entropy(logits["code"], told)
            loss_fake.backward()
            optimizer_d.step()

            generator.zero_grad()
            logits = discriminator(fake)
            loss = F.binary_cross_entropy_with_logits(logits["real"], ones)
            if task == "attributes":
                loss = loss + F.binary_cross_entropy_with_logits(logits["attributes"], told[:, 1::2])
            if task == "code":
                loss = loss + F.cross_entropy(logits["code"], told)
            loss.backward()
            optimizer_g.step()
            _ = (loss_real + loss_fake).item(), loss.item()


def condition(task: str, labels: Tensor) -> Tensor:
    """What the generator is told beside the noise."""
    if task == "attributes":
        return torch.stack([1 - labels, labels], dim=2).flatten(1)
    if task == "code":
        return F.one_hot(torch.randint(10, (len(labels),), device=labels.device), 10).float()
    return labels.new_zeros(len(labels), 0, dtype=torch.float32)
