"""What a notebook shows and measures: one page object, made in its first cell.

It carries the settings and the device, loads the data, keeps every number by name and shows figures, tables, readings
and sources so that the report can take them up (:mod:`lab_utils.handover`).
"""

import inspect
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor, nn

from lab_utils import clock, config, figures, handover, run, sources
from lab_utils.config import LabError
from lab_utils.data import batches, cards
from lab_utils.labs import LABS
from lab_utils.labs.spec import Values, values_of
from lab_utils.metrics import control
from lab_utils.metrics.estimate import Estimate, mean_estimate
from lab_utils.training import checkpoint, judges
from lab_utils.words import number

LIMITS = ("train_images", "test_images", "train_digits", "test_digits")  # settings of which data may have fewer
DEFAULTS = {"eps=1e-05", "momentum=0.1", "affine=True", "bias=True", "track_running_stats=True", "stride 1"}


class Faces(NamedTuple):
    """A split of faces on the device."""

    images: Tensor  # uint8, N×3×S×S
    attributes: Tensor  # float32 0 and 1, N×K


class Digits(NamedTuple):
    """A split of digits on the device."""

    images: Tensor  # uint8, N×1×28×28
    labels: Tensor  # int64, N


class Page:
    """The page of one notebook.

    ``settings`` are those of the profile with the reader's ``changes``, ``run`` is where it computes, ``values`` what a
    reading decides from: settings, notes and metrics by name.
    """

    def __init__(self, name: str, profile: str, seed: int, changes: Mapping[str, Any], split: str = "test"):
        self.began = time.monotonic()
        self.lab = LABS[name]
        self.profile = config.resolve_profile(profile)
        self.settings = self.lab.settings(self.profile, changes)
        self.changes, self.split = dict(changes), split
        self.run = run.start(seed)
        checkpoint.use(self.settings.checkpoint_every)
        self.data: dict[str, dict[str, Any]] = {}  # what metrics files say of each kind of data
        self.loaded: dict[str, Any] = {}  # both splits of each kind, on the device, and what judges are trained on
        self.anchors: dict[str, dict[str, float]] = {}  # FCD of real images made worse, by kind
        self.measured: dict[str, dict[str, Any]] = {}
        self.values = Values(asdict(self.settings) | {"profile": self.profile})
        print(f"profile {self.profile}, seed {seed}, {run.device_name(self.run.device)}")
        rows = [
            (key, str(value) if isinstance(value, tuple) else f"{'at most ' if key in LIMITS else ''}{value:,}")
            for key, value in asdict(self.settings).items()
        ]
        self.table(pd.DataFrame(rows, columns=["setting", "value"]), "Settings of this run.")

    # Data

    @clock.spend("data")
    def faces(self, data_dir: str, choice: str) -> tuple[Faces, Faces]:
        """Training and test faces, as many and as large as the settings say; ``attributes`` names the columns.

        LabError as for :func:`lab_utils.data.faces.load`, and if they are not those that the report found.
        """
        from lab_utils.data import faces

        drawn = config.AVATARS[self.profile]
        loaded = faces.load(config.data_dir(data_dir), choice, avatars_drawn=drawn, split=self.split)
        side, limits = getattr(self.settings, "side", None), (self.settings.train_images, self.settings.test_images)
        train, test = (
            Faces(*batches.faces_to_device(split, self.run.device, limit, side))
            for split, limit in zip((loaded.train, loaded.test), limits, strict=True)
        )
        self.attributes = list(loaded.train.attributes)
        self._loaded("faces", loaded, faces.describe(loaded), train, test)
        return train, test

    @clock.spend("data")
    def digits(self, data_dir: str, train_images: int, test_images: int) -> tuple[Digits, Digits]:
        """The first so many training and test digits.

        LabError as for :func:`lab_utils.data.digits.load`, and if they are not those that the report found.
        """
        from lab_utils.data import digits

        loaded = digits.load(config.data_dir(data_dir), split=self.split)
        train = Digits(*batches.to_device(loaded.train, self.run.device, train_images))
        test = Digits(*batches.to_device(loaded.test, self.run.device, test_images))
        self._loaded("digits", loaded, digits.describe(loaded), train, test)
        return train, test

    def _loaded(self, kind: str, loaded: Any, described: dict[str, Any], train: Any, test: Any) -> None:
        checkpoint.check_data(kind, described["sha256"])
        self.loaded[kind] = loaded, train, test
        self.data[kind] = described | {"train": len(train.images), "test": len(test.images)}
        self.note(**{kind: described["source"]})
        side = "×".join(map(str, train.images.shape[2:]))
        used = f"Used here: {len(train.images):,} training and {len(test.images):,} test images of {side} pixels."
        attributes = f" Attributes: {', '.join(self.attributes)}." if kind == "faces" else ""
        display(Markdown(f"**Data in this run:** {loaded.note} {used}{attributes}"))

    # The judge

    def judge(self, kind: str) -> nn.Module:
        """The judge of ``digits`` or ``faces``, shown with its accuracy and with what its distances mean.

        Notes, for readings: ``judge_accuracy`` on test images, of faces the mean over attributes; ``judge_majority``,
        what always giving the more frequent answer would reach; ``judge_balanced``, of faces; ``real_fcd``, that of
        training images. On a page of both kinds those of digits begin with ``digit_``.
        """
        loaded, train, test = self.loaded[kind]
        examples = judges.examples(loaded, kind, train.images, self.profile)
        judge = judges.judge(self.run, kind, *examples, self.profile)
        scores = judges.scores(judge, kind, *test)
        anchors = judges.anchors(self.run, judge, train.images, test.images)
        prefix = "digit_" if kind == "digits" and "faces" in self.loaded else ""
        self.note(**{f"{prefix}judge_{name}": value for name, value in scores.items()})
        self.note(**{f"{prefix}real_fcd": next(iter(anchors.values()))})
        _show(pd.DataFrame({"real images": list(anchors), "FCD": list(anchors.values())}), digits=None)
        caption = (  # which needs no scale beside it: this is the scale
            f"What a distance means: the judge of {kind}, which reads {scores['accuracy']:.1%} of the "
            f"{'labels' if kind == 'digits' else 'attributes'} of {len(test.images):,} test images right (always the "
            f"more frequent answer: {scores['majority']:.1%}), compares them with training images, as they are and "
            f"made worse. It learnt from {len(examples[0]):,} "
            "training images that validation does not hold out, with a seed and a recipe that never change."
        )
        display(Markdown(f"*{caption}*"))
        self.anchors[kind] = anchors
        return judge

    @clock.spend("metrics")
    def card(self, kind: str, judge: nn.Module, data_dir: str = "") -> None:
        """The data card of ``digits`` or ``faces``: what the source is, its balance, and how a judge reads it."""
        (_, train, test), source = self.loaded[kind], self.data[kind]["source"]
        beside = cards.said_beside(config.data_dir(data_dir), kind) if source == "photographs" else ""
        display(Markdown(cards.card_text(source, beside)))
        if kind == "digits":
            table = control.by_digit(judge, train.labels, test.images, test.labels)
        else:
            table = control.by_attribute(judge, train.attributes, test.images, test.attributes, self.attributes)
        self.table(
            table,
            "How often each is set, and how often the judge reads it right on test images (of attributes the balanced "
            "accuracy): a ceiling for whatever is read with it.",
            digits=3,
        )

    def scale(self, name: str) -> dict[str, float]:
        """What the FCD of this name means: that of real images, as they are and made worse; empty without a judge."""
        of_digits = "digit" in name or "faces" not in self.anchors
        return self.anchors.get("digits" if of_digits else "faces", {})

    # Numbers

    def measure(self, name: str, value: Tensor | float, n: int | None = None, **about: Any) -> float:
        """Record a metric of the lab; returns its value.

        One value per image (a tensor N) becomes its mean with a 95 % interval; a single number, or an Estimate with
        its interval, wants ``n``, how many images or points it is of. ``about`` joins the record. LabError if the lab
        does not list the metric or n lacks.
        """
        if name not in self.lab.metrics:
            raise LabError(f"{name}: {self.lab.name} has no such metric; list it in lab_utils/labs")
        if isinstance(value, Tensor) and value.ndim:
            entry = mean_estimate(value)
        elif n is None:
            raise LabError(f"{name}: say with n= of how many images or points it is")
        else:
            entry = {"value": value.item() if hasattr(value, "item") else value, "n": n}
            if isinstance(value, Estimate):
                entry |= {"value": float(value), "interval": value.interval}
        if name.endswith("fcd") and (scale := self.scale(name)):
            about["anchors"] = scale
        self.measured[name] = _plain(entry | about)
        self.values |= values_of({name: self.measured[name]})
        return entry["value"]

    def note(self, **values: Any) -> None:
        """Keep what a reading quotes and no metric holds, by name; tensors and numpy's numbers become Python's."""
        self.values |= {name: _plain(value) for name, value in values.items()}

    # What is shown

    @property
    def photographs(self) -> bool:
        """Whether the faces of this page are photographs, and not avatars."""
        return self.data["faces"]["source"] != "avatars"

    @property
    def budget(self) -> str:
        """Profile, data, device and seed, as a caption ends."""
        return self.budget_of(self.data)

    def budget_of(self, kinds: Iterable[str], seeds: int = 1) -> str:
        """The same for what is of some kinds of data only, none for a toy, or of several seeds."""
        of = [
            f"{self.data[kind]['source']} {kind}" if kind == "digits" else self.data[kind]["source"] for kind in kinds
        ]
        changed = [f"changed: {self.changes}"] if self.changes else []
        held = ["judged on held-out training images"] if self.split == "validation" and of else []
        last = self.run.seed + seeds - 1
        where = [self.run.device.type, f"seeds {self.run.seed} to {last}" if seeds > 1 else f"seed {last}"]
        parts = [f"{self.profile.capitalize()} profile", *of, *where, *held, *changed]
        return f"{', '.join(parts)}."

    @clock.spend("figures")
    def figure(self, fig: Figure, caption: str, alt: str, of: Iterable[str] | None = None, seeds: int = 1) -> None:
        """Show a figure with its alt text and, under it, its caption (Markdown), which ends with the budget.

        ``of`` names the kinds of data that it is of, if not all: none for a toy; ``seeds`` says how many it is of. One
        with FCDs says there what they mean.
        """
        caption = self._with_scale(caption, [text.get_text() for text in fig.findobj(Text)])
        display(figures.image(fig, alt))
        display(Markdown(f"*{caption} {self.budget_of(self.data if of is None else of, seeds)}*"))

    def table(self, frame: pd.DataFrame, caption: str = "", digits: int | None = 2) -> None:
        """Show a table and its caption: numbers to the right, reals with so many digits, or as a number is quoted.

        One with FCDs says beside them what they mean.
        """
        _show(frame, digits)
        if caption := self._with_scale(caption, (*frame.columns, *frame.iloc[:, 0])):
            display(Markdown(f"*{caption.strip()}*"))

    def compare(
        self, rows: Mapping[str, Mapping[str, Tensor | float]], caption: str, of: str = "images"
    ) -> dict[str, dict[str, float]]:
        """Show measures as a table, a row for each of what is compared: single numbers, or means of one per image.

        ``of`` stands above the names of the rows. Returns what the table says.
        """
        means = {
            name: {title: torch.as_tensor(value, dtype=torch.float64).mean().item() for title, value in row.items()}
            for name, row in rows.items()
        }
        self.table(pd.DataFrame([{of: name, **row} for name, row in means.items()]), caption, digits=None)
        return means

    def _with_scale(self, caption: str, shown: Iterable[Any]) -> str:
        """A caption that says what the FCDs among what is shown mean, if there are any."""
        if not any("FCD" in str(text) for text in shown) or not (scale := self.scale("")):
            return caption
        return f"{caption} FCD of real images: {handover.scale_in_words(scale)}."

    def layers(self, model: nn.Module, *inputs: Tensor, caption: str) -> None:
        """Show the layers that ``model(*inputs)`` runs through, with shapes (N for the batch) and parameters."""
        parameters = sum(p.numel() for p in model.parameters())
        self.table(layer_table(model, *inputs), f"{caption} N images in a batch; {parameters:,} parameters.")

    def source(self, *objects: Any) -> None:
        """Show the source of functions or classes from ``lab_utils``: what is read is what runs."""
        for item in objects:
            text = f"```python\n{sources.text_of(item.__module__, item.__qualname__)}```"
            payload = {"module": item.__module__, "name": item.__qualname__}
            display({handover.SOURCE: payload, "text/markdown": text, "text/plain": inspect.getsource(item)}, raw=True)

    def reading(self, name: str) -> None:
        """Say what the numbers say: the sentences of the lab's reading that are true of them."""
        text = self.lab.readings[name].say(self.values)
        payload = {"name": name, "values": dict(self.values)}
        display({handover.READING: payload, "text/markdown": text, "text/plain": text}, raw=True)

    def comparison(self, name: str) -> None:
        """Show numbers of this notebook beside those of others, which the report fills in when it makes the page."""
        asked = self.lab.comparisons[name]
        own, sha256 = self.lab.name, self.data[asked.kind]["sha256"]
        head, rows = handover.compared(asked, own, sha256, {own: {"metrics": self.measured}}, LABS)
        note = f"The report (make report) fills in what other notebooks measured on the same {asked.kind}."
        html = f"{handover.table(head, rows)}<p>{note}</p>"
        payload = {"name": name, "sha256": sha256}
        display(handover.bundle(handover.COMPARISON, payload, html, handover.plain(head, rows)), raw=True)

    # The end

    def metrics(self) -> None:
        """Show all metrics beside targets and reference figures. LabError if one of the lab was not measured."""
        if missing := sorted(set(self.lab.metrics) - set(self.measured)):
            raise LabError(f"{self.lab.name}: {', '.join(missing)} not measured; measure what the lab lists")
        record = {"data": self.data, "device": self.run.device.type, "seed": self.run.seed, "profile": self.profile}
        rows = handover.metric_rows(self.lab, self.measured, self.profile, self.data)
        html = handover.table(handover.METRIC_HEAD, rows)
        payload = record | {"metrics": self.measured}
        display(handover.bundle(handover.METRICS, payload, html, handover.plain(handover.METRIC_HEAD, rows)), raw=True)

    def end(self) -> None:
        """Show what identifies the run, and hand the report where its time went."""
        facts = run.provenance(self.run, self.profile, self.settings, self.data)
        rows = handover.provenance_rows(facts)
        html, text = handover.table(("what", "value"), rows), handover.plain(("what", "value"), rows)
        display(handover.bundle(handover.PROVENANCE, facts, html, text), raw=True)
        spent = clock.spent()
        other = time.monotonic() - self.began - sum(spent.values())
        display({handover.SPENT: spent | {"other": max(0.0, other)}, "text/plain": ""}, raw=True)


def layer_table(model: nn.Module, *inputs: Tensor) -> pd.DataFrame:
    """The layers that ``model(*inputs)`` runs through, with output shapes (N for the batch) and parameter counts."""
    rows, hooks = [], []

    def note(name: str, layer: nn.Module):
        def hook(_module, args, output) -> None:
            rows.append(
                {
                    "layer": name,
                    "what": layer_in_words(layer),
                    "input": _shape(args[0]),
                    "output": _shape(output),
                    "parameters": sum(p.numel() for p in layer.parameters()),
                }
            )  # fmt: skip

        return hook

    for name, layer in model.named_modules():
        # A layer under spectral norm holds the norm as a child; it is still one layer.
        if "parametrizations" not in name and {*dict(layer.named_children())} <= {"parametrizations"}:
            hooks.append(layer.register_forward_hook(note(name, layer)))
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows)


def layer_in_words(layer: nn.Module) -> str:
    """A layer as in ``Conv2d(3, 32, 4×4, stride 2, padding 1)``, without what every layer of its kind has."""
    name, about = type(layer).__name__.removeprefix("Parametrized"), layer.extra_repr()
    about = re.sub(r"kernel_size=\((\d+), (\d+)\)", r"\1×\2", about)
    about = re.sub(r"(stride|padding)=\((\d+), \2\)", r"\1 \2", about)
    said = [part for part in about.split(", ") if part not in DEFAULTS]
    return f"{name}({', '.join(said)})" if about else name


def _shape(tensor: Tensor) -> str:
    return "×".join(["N", *map(str, tensor.shape[1:])])


def _show(frame: pd.DataFrame, digits: int | None) -> None:
    """Show a table: numbers to the right, reals with so many digits, or as a number is quoted."""
    sides = ["right" if pd.api.types.is_numeric_dtype(frame[name]) else "left" for name in frame]
    rows = [[_cell(row[name], digits) for name in frame] for row in frame.to_dict("records")]
    display(
        {"text/html": handover.table(list(frame), rows, sides), "text/plain": frame.to_string(index=False)}, raw=True
    )


def _cell(value: Any, digits: int | None) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return "–"  # there was nothing to count
        return number(value) if digits is None else f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else value


def _plain(value: Any) -> Any:
    """A value as JSON has it; None for a number that is not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
