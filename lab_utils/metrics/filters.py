"""What single filters of a convolution look at and answer to."""

from torch import Tensor


def share_on_first_channel(weight: Tensor) -> Tensor:
    """Share of each filter's squared weights that lies on the first input channel, in [0, 1], one for each filter.

    Weights are filters×channels×height×width; spread evenly over the channels the share is 1 / channels.
    """
    energy = weight.detach().square().sum((2, 3))
    return energy[:, 0] / energy.sum(1)


def share_of_best_label(responses: Tensor, labels: int = 10) -> Tensor:
    """Of each filter's mean squared response, the share under the label that moves it most, one for each filter.

    Responses are (draws·labels)×filters×H×W, each draw under every label in turn. 1 / labels for a filter that answers
    to all labels alike, 1 for one that answers to a single label.
    """
    by_label = responses.square().mean((2, 3)).unflatten(0, (-1, labels)).mean(0)
    return (by_label / by_label.sum(0)).amax(0)
