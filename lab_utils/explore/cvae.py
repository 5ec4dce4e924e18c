"""03: the plane of a two-dimensional z, and one u as ten digits by way of the prior of the label."""

import torch
from torch import Tensor, nn

from lab_utils.explore.exhibit import Draw, network, noise_of, show
from lab_utils.explore.layers import flow_of
from lab_utils.explore.stored import stored_layers
from lab_utils.page import Page


def show_labels(page: Page, plane: nn.Module, codes: Tensor, labels: Tensor, conv: nn.Module, prior: nn.Module) -> None:
    """An exhibit of two CVAEs: one with a 2-D z, codes of test digits, N×2, and labels, N; one with a label prior."""
    ten, rng = torch.eye(10, device=page.run.device), page.run.rng("exhibit labels")

    def given(latent: int) -> Draw:
        normal = noise_of(page.run, latent)

        def draw(n: int) -> Tensor:
            return torch.cat([normal(n), ten[torch.randint(10, (n,), generator=rng, device=rng.device)]], dim=1)

        return draw

    networks = {
        "plane": network(page, plane, given(plane.latent), "plane"),
        "conv": network(page, conv, given(conv.latent), "20-D"),
    }
    arrays = {"codes": codes, "labels": labels.float(), "means": prior.means, "roots": prior.root}
    flow = [{"order": one["order"], "layers": stored_layers(one["layers"])} for one in flow_of(prior)]
    show(page, "cvae", networks, arrays, flow=flow)
