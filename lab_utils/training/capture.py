"""Whole training steps as one CUDA graph: the device is told once what a step is, and afterwards only to repeat it.

A step of a small model launches a hundred kernels that each take microseconds; launching them is then what takes the
time. A graph is launched at once (PyTorch's notes on CUDA semantics, "CUDA graphs").
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lab_utils import run
from lab_utils.training.step import Scalars, Step

WARM_UP = 3  # steps before the capture: libraries choose their kernels, optimisers make their state
WORTHWHILE = 50  # steps that are worth a capture
REGISTERS_ITSELF = (2, 14)  # the version of torch from which on a graph finds the random streams of its step


def captured(step: Step, name: str) -> Step:
    """``step``, repeated from a CUDA graph after its first calls, with the same results.

    All of a step is in the graph, the optimiser included, so every batch has one shape and the step must not wait for
    the device. The random streams of :func:`lab_utils.run.rng` go on as they would without. A step that cannot
    be captured goes on as it is, with one line that says so.
    """
    calls, take, drawn = 0, None, []

    def take_step(*batch: Tensor) -> Scalars:
        nonlocal calls, take, drawn
        calls += 1
        if calls <= WARM_UP:
            before = states()
            scalars = on_side_stream(step, batch)
            drawn = [stream for stream, state in before.items() if not torch.equal(state, stream.get_state())]
            return scalars
        if take is None:
            take = graph_or_eager(step, batch, name, drawn)
        return take(*batch)

    return take_step


def states() -> dict[torch.Generator, Tensor]:
    """Where the streams on the GPU are; that is known without waiting for it."""
    return {stream: stream.get_state() for stream in run.streams()}


def graph_or_eager(step: Step, batch: tuple[Tensor, ...], name: str, drawn: Sequence[torch.Generator]) -> Step:
    """The step as a graph, or as it is where it cannot be captured. It draws from the streams ``drawn``."""
    before = states()
    try:
        return graph_of(step, batch, drawn)
    except RuntimeError as error:
        for stream, state in before.items():  # the graph that failed still holds them
            stream.graphsafe_set_state(torch.Generator(stream.device))
            stream.set_state(state)
        cause = first_of(error)
        if not isinstance(cause, Exception):  # an interrupt, after which the capture could not be ended
            raise cause from None
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        print(f"{name}: runs step by step, for its step cannot be captured as a CUDA graph ({reason})")
        return step


def first_of(error: BaseException) -> BaseException:
    """What went wrong first: that a capture could not be ended says nothing."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def on_side_stream(step: Step, batch: tuple[Tensor, ...]) -> Scalars:
    """One step on a CUDA stream of its own, where a step that is to be captured takes its first ones."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        scalars = step(*batch)
    torch.cuda.current_stream().wait_stream(side)
    return scalars


def graph_of(step: Step, batch: tuple[Tensor, ...], drawn: Sequence[torch.Generator]) -> Step:
    """Capture a step, without taking it, for batches of this shape. RuntimeError if that cannot be done."""
    held = tuple(t.clone() for t in batch)
    graph = torch.cuda.CUDAGraph()
    if torch.__version__ < REGISTERS_ITSELF:
        for stream in drawn:
            graph.register_generator_state(stream)
    # The outer context makes this stream current again where the capture fails, which the inner one does not.
    with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
        scalars = step(*held)
        values = torch.stack([value.float() for value in scalars.values()])

    def replay(*batch: Tensor) -> Scalars:
        for place, new in zip(held, batch, strict=True):
            place.copy_(new)
        graph.replay()
        return dict(zip(scalars, values.clone().unbind(), strict=True))  # the next replay overwrites them

    return replay
