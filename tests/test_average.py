"""The moving average of weights: torch's own, to the bit, without a wait for the device."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lab_utils.models.average import Average
from lab_utils.models.gan import Generator


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(6, width=4, side=16)


def moved(model):
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(torch.randn(value.shape) if value.is_floating_point() else 1)


def test_it_is_torchs_own_to_the_bit(generator):
    ours, theirs = Average(generator, 0.9), AveragedModel(
        generator, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
    )  # fmt: skip
    for _ in range(4):
        moved(generator)
        ours.update(generator)
        theirs.update_parameters(generator)
        for name, value in theirs.module.state_dict().items():
            # Torch averages whole numbers, too, rounding each time; ours are those of the network.
            expected = value if value.is_floating_point() else generator.state_dict()[name]
            assert torch.equal(ours.module.state_dict()[name], expected), name
    counts = [value for value in ours.module.state_dict().values() if not value.is_floating_point()]
    assert counts
    assert all(value == 4 for value in counts)


def test_it_draws_as_its_copy_does_and_learns_nothing(generator):
    ours, z = Average(generator, 0.9).eval(), torch.randn(3, 6)
    assert torch.equal(ours(z), generator.eval()(z))
    assert not any(weight.requires_grad for weight in ours.parameters())
    before = copy.deepcopy(generator.state_dict())
    ours.update(generator)
    assert all(map(torch.equal, generator.state_dict().values(), before.values()))


def test_its_state_goes_on(generator):
    first = Average(generator, 0.9)
    first.update(generator)
    second = Average(generator, 0.9)
    second.load_state_dict(first.state_dict())
    for one in (first, second):
        torch.manual_seed(1)
        other = copy.deepcopy(generator)
        moved(other)
        one.update(other)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


def test_one_operation_and_no_number_of_the_device_is_asked_for(generator):
    ours = Average(generator, 0.9)
    ours.update(generator)
    with torch.profiler.profile(acc_events=True) as profile:
        ours.update(generator)
    names = [event.name for event in profile.events()]
    assert names.count("aten::_foreach_lerp_") == 1
    assert not {"aten::item", "aten::is_nonzero", "aten::_local_scalar_dense"} & set(names)
