"""The judges: small convolutional classifiers that no generative model shares a weight with."""

from torch import Tensor, nn


class DigitClassifier(nn.Module):
    """Four convolutions and a 128-dimensional feature layer, for 28×28 digits.

    No batch norm: its running statistics are those of the training images, and a classifier trained on samples would
    fail on real digits for their brightness rather than their shape.
    """

    def __init__(self, classes: int = 10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(),  # → 16×14×14
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),  # → 32×14×14
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),  # → 64×7×7
            nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU(),  # → 64×4×4
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 128), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images N×1×28×28 in [0, 1] to class logits N×classes."""
        return self.head(self.features(x))


class FaceClassifier(nn.Module):
    """Five convolutions and a 128-dimensional feature layer, for square colour images; one logit per attribute.

    ``side`` is a multiple of 16. Batch norm is what lets it learn attributes in a few epochs.
    """

    def __init__(self, attributes: int, side: int = 64):
        super().__init__()
        low = side // 16
        self.features = nn.Sequential(
            *block(3, 24, 4, 2),  # → 24×side/2×side/2
            *block(24, 48, 4, 2),  # → 48×side/4×side/4
            *block(48, 96, 3, 2),  # → 96×side/8×side/8
            *block(96, 96, 3, 1),
            *block(96, 128, 3, 2),  # → 128×low×low
            nn.Flatten(),
            nn.Linear(128 * low * low, 128), nn.BatchNorm1d(128), nn.ReLU(),  # without it half of the features die
        )  # fmt: skip
        self.head = nn.Linear(128, attributes)

    def forward(self, x: Tensor) -> Tensor:
        """Images N×3×side×side in [0, 1] to one logit per attribute, N×attributes."""
        return self.head(self.features(x))


def block(channels: int, wider: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, wider, kernel, stride, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
