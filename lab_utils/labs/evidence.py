"""How sure a verdict on a report's claim is: whether it would be the same with other seeds, and how long was trained.

With several seeds a verdict counts if each of them gives it. With one it counts if it is the same wherever the
metrics may end within their tolerances, which say how far another seed or machine moves them. Below a tenth of the
report's budget nothing is decided.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from lab_utils.labs.spec import UNDECIDED, Budget, Claim, MissingValueError, Tolerance, Values
from lab_utils.words import listed, plural

LEAST_BUDGET, LIKE_BUDGET = 0.1, 0.5  # of the report's: less decides nothing, more counts as the same
ENOUGH_SEEDS = 3
STRONG, FAIR, WEAK, NONE = "strong", "fair", "weak", "none"  # grades of evidence
WITHIN = 200  # points inside the box of tolerances that are tried beside its corners
MOST_CORNERS = 10  # metrics: of more the corners are drawn at random


@dataclass(frozen=True)
class Decision:
    """What is said of a claim: what was measured, the verdict, and what that rests on."""

    measured: str
    verdict: str
    evidence: str
    grade: str
    why: str = ""  # it is undecided, in a few words


def decide(
    claim: Claim, by_seed: Mapping[int, Values], tolerances: Mapping[str, Tolerance], settings: Any = None
) -> Decision:
    """Decide a claim from what each seed of a report measured, the report's own seed first.

    ``tolerances`` are those of the metrics, by the names that the values have; ``settings`` those of the lab in the
    profile. MissingValueError if the report's own seed lacks a number.
    """
    own, *_ = by_seed.values()
    measured, said = claim.decide(own)
    trained = budget_in_words(claim.budget, settings)
    share = claim.budget.share(settings) if isinstance(claim.budget, Budget) else None
    if share is not None and share < LEAST_BUDGET:
        why = f"{100 * share:.0f} % of the budget"
        return Decision(measured, UNDECIDED, f"{trained}: below a tenth of it nothing is decided", NONE, why)
    seeds, verdicts = possible(claim, list(by_seed.values()), tolerances)
    if set(verdicts) != {said}:
        why = "seeds disagree" if seeds > 1 else "one seed"
        return Decision(measured, UNDECIDED, f"{disagreement(seeds, verdicts)}; {trained}", NONE, why)
    if said == UNDECIDED:
        return Decision(measured, said, f"{plural(seeds, 'seed')}; {trained}", NONE, "a near-tie")
    alike = "all alike" if seeds > 1 else "the same all over its tolerances"
    return Decision(measured, said, f"{plural(seeds, 'seed')}, {alike}; {trained}", graded(seeds, share))


def disagreement(seeds: int, verdicts: Sequence[str]) -> str:
    if seeds == 1:
        return "one seed, and its tolerances allow another verdict"
    counted = Counter(verdicts).most_common()
    if len(counted) == 1:
        return f"each of {seeds} seeds says “{counted[0][0]}”, their mean does not"
    return f"{seeds} seeds disagree: {listed([f'“{verdict}” by {n}' for verdict, n in counted])}"


def graded(seeds: int, share: float | None) -> str:
    if seeds < ENOUGH_SEEDS:
        return WEAK
    return STRONG if share is not None and share >= LIKE_BUDGET else FAIR


def budget_in_words(budget: Budget | str, settings: Any) -> str:
    """As in ``10,500 of the report's 99,900 steps (11 %)``."""
    if isinstance(budget, str):
        return budget
    if settings is None:
        return f"steps not known, the report's {budget.report:,} ({budget.words})"
    here, batch = budget.here(settings), getattr(settings, budget.batch_setting)
    batches = f"in batches of {batch}" + (f", there of {budget.batch}" if batch != budget.batch else "")
    share = f"{100 * here / budget.report:.0f} %; {budget.words}"
    return f"{here:,} of the report's {budget.report:,} steps ({share}), {batches}"


# Other outcomes that the same report could have had


def possible(claim: Claim, by_seed: Sequence[Values], tolerances: Mapping[str, Tolerance]) -> tuple[int, list[str]]:
    """Over how many seeds a claim is decided, and the verdict of each, or of each point that one seed may move to."""
    used = deciding(claim, by_seed[0], tolerances)
    arms = min((len(by_seed[0].get(f"{name}.by_seed") or [0]) for name in used), default=1)
    if len(by_seed) > 1:
        return len(by_seed), [claim.decide(values)[1] for values in by_seed]
    if arms > 1:
        return arms, [claim.decide(of_arm(by_seed[0], used, arm))[1] for arm in range(arms)]
    return 1, [claim.decide(values)[1] for values in box(by_seed[0], used, tolerances)]


def deciding(claim: Claim, values: Values, tolerances: Mapping[str, Tolerance]) -> list[str]:
    """The metrics without which the rule of a claim says nothing."""
    return [name for name in tolerances if name in values and needs(claim, values, name)]


def needs(claim: Claim, values: Values, name: str) -> bool:
    try:
        claim.reading.outcomes(Values({key: value for key, value in values.items() if key != name}))
    except MissingValueError:
        return True
    return needs_seeds(claim, values, name)


def needs_seeds(claim: Claim, values: Values, name: str) -> bool:
    """Whether a rule asks for what single seeds of a metric gave, not for their mean."""
    key = f"{name}.by_seed"
    if key not in values:
        return False
    try:
        claim.reading.outcomes(Values({one: value for one, value in values.items() if one != key}))
    except MissingValueError:
        return True
    return False


def of_arm(values: Values, used: Sequence[str], arm: int) -> Values:
    """The same as if only one of the seeds over which the metrics are means had been trained."""
    found = Values(values)
    for name in used:
        one = values[f"{name}.by_seed"][arm]
        found[name], found[f"{name}.by_seed"] = one, [one]
    return found


def box(values: Values, used: Sequence[str], tolerances: Mapping[str, Tolerance]) -> Iterator[Values]:
    """The values; the corners of the box that the tolerances of the used metrics span about them; points within it,
    where all other metrics move, too, which a rule may ask for after another turn.
    """
    draw = random.Random(0)
    yield values
    if len(used) <= MOST_CORNERS:
        corners = list(product((-1.0, 1.0), repeat=len(used)))
    else:
        corners = [[draw.choice((-1.0, 1.0)) for _ in used] for _ in range(2**MOST_CORNERS)]
    for corner in corners:
        yield moved(values, dict(zip(used, corner, strict=True)), tolerances)
    every = [name for name in tolerances if values.get(name) is not None]
    for _ in range(WITHIN):
        yield moved(values, {name: draw.uniform(-1, 1) for name in every}, tolerances)


def moved(values: Values, along: Mapping[str, float], tolerances: Mapping[str, Tolerance]) -> Values:
    """The values with some metrics moved by a share, in [−1, 1], of their tolerance; their seeds move with them."""
    found = Values(values)
    for name, share in along.items():
        step = share * tolerances[name].around(values[name])
        found[name] = values[name] + step
        if values.get(f"{name}.by_seed"):
            found[f"{name}.by_seed"] = [one + step for one in values[f"{name}.by_seed"]]
    return found
