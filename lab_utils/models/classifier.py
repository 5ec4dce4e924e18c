"""The judge: a small convolutional classifier of digits that no generative model shares a weight with."""

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
