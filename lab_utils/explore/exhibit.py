"""What a notebook hands the page to play with: its networks as layers, and the numbers that sliders move along.

An exhibit is plain JSON: ``networks`` and ``arrays`` by name, and ``about``, what the page says and how it is set.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from IPython.display import display
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.explore import EXHIBIT
from lab_utils.explore.layers import layers_of, multiplications, run, weights
from lab_utils.explore.small import small_enough
from lab_utils.explore.stored import as_stored, stored, stored_layers
from lab_utils.page import Page
from lab_utils.run import Run

Draw = Callable[[int], Tensor]  # n inputs of a network, N×inputs, as the page will give them
STEPS = {"smoke": 2, "quick": 300, "long": 600, "full": 2000}  # that teach the small copy of a large network
TRIED = 100  # random inputs on which what is stored is held against the network


def show(page: Page, id: str, networks: Mapping[str, Any], arrays: Mapping[str, Tensor], **about: Any) -> None:
    """Hand over an exhibit, which the page to play with has at ``#id``."""
    kept = {name: stored(one) for name, one in arrays.items()}
    payload = {"id": id, "budget": page.budget, "networks": networks, "arrays": kept, "about": about}
    said = "The report (make report) puts these networks into explore.html, a page to play with."
    display({EXHIBIT: payload, "text/html": f"<p>{said}</p>", "text/plain": said}, raw=True)


@spend("training")
def network(page: Page, module: nn.Module, draw: Draw, name: str) -> dict[str, Any]:
    """A network as the page has it, with how far its pictures are from the module's own, of a range of 1."""
    full = layers_of(module)
    small = small_enough(page.run, full, draw, STEPS[page.profile], name)
    kept, x = as_stored(small), draw(TRIED).cpu()
    apart = (run(full, x) - run(kept, x)).abs()
    return {
        "layers": stored_layers(small), "inputs": x.shape[1], "shape": [*run(kept, x[:1]).shape[1:]],
        "weights": weights(small), "of": weights(full), "multiplications": multiplications(small, x.shape[1]),
        "mean_apart": apart.mean().item(), "most_apart": apart.max().item(),
    }  # fmt: skip


def noise_of(run_: Run, inputs: int, purpose: str = "exhibit") -> Draw:
    """Standard normal inputs, n×inputs, of a stream of their own."""
    rng = run_.rng(purpose)
    return lambda n: torch.randn(n, inputs, generator=rng, device=rng.device)
