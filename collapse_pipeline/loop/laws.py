"""Laws that a loop on its own output must obey, and how what was found is held to them.

A law is a closed form, which repetitions must equal on average, or a direction, which they must
show. Both are judged by the standard error over repetitions, never by a chosen number. Here are
the laws with a closed form, on data drawn from nothing but a seed; those on text are in
`laws_of_text`.

Source:
    Gerstgrasser et al. 2024 (arXiv:2404.01413) for the regression; Feng et al. 2024
    (arXiv:2406.07515) for the verifier.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatVector
from collapse_pipeline.records import derived_seed

MISTAKES = 0.01  # chance that any law which is true is refused, shared out over all findings
FEATURES, ROWS = 10, 111  # of the regression, as in the source
GENERATIONS = (1, 4, 10)  # at which it is looked at
VERIFIERS = ((0.9, 0.3), (0.6, 0.4), (1.0, 1.0))  # keep rates of right and of wrong labels
APART = 0.1  # how far from the threshold a teacher is taken, in accuracy

Relation = Literal["equals", "above", "below", "at most"]


@dataclass(frozen=True)
class Finding:
    """What repetitions found of one law."""

    law: str
    case: str
    relation: Relation  # in which the mean over repetitions stands to `expected`
    expected: float
    found: FloatVector  # (n_repetitions,)


class Verdict(NamedTuple):
    """One finding, judged."""

    law: str
    case: str
    relation: Relation
    expected: float
    found: float  # mean over repetitions
    tolerance: float  # of that mean: its standard error times a quantile of Student's t
    repetitions: int
    held: bool


def verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    """Judges findings together.

    "equals" holds within the tolerance, "at most" until it is passed by more than that. A
    direction, "above" or "below", must be shown: it holds once it is clear of the tolerance.

    Raises:
        TooFewSamplesError: When a finding has fewer than two repetitions.
    """
    from scipy.stats import t

    judged = []
    for finding in findings:
        count = len(finding.found)
        if count < 2:
            raise TooFewSamplesError("2 repetitions of a law or more", str(count), "repeat it")
        quantile = t.ppf(1 - MISTAKES / len(findings) / 2, count - 1)
        tolerance = float(quantile * finding.found.std(ddof=1) / np.sqrt(count))
        gap = float(finding.found.mean()) - finding.expected
        held = {
            "equals": abs(gap) <= tolerance,
            "above": gap > tolerance,
            "below": gap < -tolerance,
            "at most": gap <= tolerance,
        }[finding.relation]
        said = (finding.law, finding.case, finding.relation, finding.expected)
        judged.append(Verdict(*said, finding.expected + gap, tolerance, count, held))
    return judged


def replace_error(features: int, rows: int, noise: float, generations: int) -> float:
    """Expected test error of a regression that learns from the one before it only.

    Each generation adds the same: sigma^2 d / (T - d - 1).

    Args:
        features: d, independent and standard normal.
        rows: T, drawn anew each generation; at least d + 2.
        noise: Standard deviation sigma of the noise on every answer.
        generations: How many have been fitted; the first learns from the truth.

    Raises:
        BadInputError: With too few rows for an expectation to exist.
    """
    return noise**2 * features / _spare(features, rows) * generations


def accumulate_error(features: int, rows: int, noise: float, generations: int) -> float:
    """Expected test error of a regression that learns from the rows of all generations.

    Generation i adds sigma^2 d / (i (i T - d - 1)): exact for the features of `replace_error`,
    whose arguments these are. The source gives a bound on it, `accumulate_bound`.
    """
    _spare(features, rows)
    steps = np.arange(1, generations + 1)
    return float(noise**2 * features * (1 / (steps * (steps * rows - features - 1))).sum())


def accumulate_bound(features: int, rows: int, noise: float, generations: int) -> float:
    """The source's form: `replace_error` with n replaced by the sum of 1 / i^2, at most pi^2 / 6.

    It is what `accumulate_error` tends to with many rows, from above, and equal at generation 1.
    """
    steps = np.arange(1, generations + 1)
    return noise**2 * features / _spare(features, rows) * float((1 / steps**2).sum())


def regression_errors(
    accumulate: bool,
    features: int,
    rows: int,
    noise: float,
    generations: int,
    repetitions: int,
    seed: int,
) -> FloatVector:
    """Test errors of fitted regressions, each generation learning from the one before it.

    The error is that of a prediction without noise, averaged over new rows: for standard normal
    features it is the squared distance of the weights from the true ones.

    Args:
        accumulate: Whether rows of earlier generations stay, each with the answer it was given.
        features: Independent and standard normal.
        rows: Drawn anew each generation.
        noise: Standard deviation of the noise on every answer.
        generations: How many are fitted, one after the other.
        repetitions: Each with true weights, features and noise of its own.
        seed: Of all that is drawn.

    Returns:
        (n_repetitions, n_generations)
    """
    rng = np.random.default_rng(derived_seed("regression", seed))
    truth = rng.standard_normal((repetitions, features))
    weights = truth
    gram = np.zeros((repetitions, features, features))
    moment = np.zeros((repetitions, features))
    errors = np.empty((repetitions, generations))
    for generation in range(generations):
        if not accumulate:
            gram, moment = np.zeros_like(gram), np.zeros_like(moment)
        x = rng.standard_normal((repetitions, rows, features))
        y = np.einsum("rtd,rd->rt", x, weights) + noise * rng.standard_normal((repetitions, rows))
        gram += x.swapaxes(1, 2) @ x
        moment += np.einsum("rtd,rt->rd", x, y)
        weights = _solved(gram, moment)
        errors[:, generation] = ((weights - truth) ** 2).sum(axis=1)
    return errors


def verifier_threshold(keep_right: float, keep_wrong: float) -> float:
    """The accuracy above which a teacher's verified labels are right more often than wrong.

    Args:
        keep_right: phi, the share of rightly labelled rows that the verifier keeps.
        keep_wrong: psi, the share of wrongly labelled rows that it keeps.

    Returns:
        1 / (1 + phi / psi), in [0, 1).

    Raises:
        BadInputError: When no rightly labelled row is kept.
    """
    if keep_right <= 0:
        raise BadInputError("a verifier that keeps right rows", str(keep_right), "raise it above 0")
    return keep_wrong / (keep_right + keep_wrong)


def verified_accuracies(
    right: float, keep_right: float, keep_wrong: float, repetitions: int, seed: int
) -> FloatVector:
    """Accuracy of linear classifiers trained on a teacher's labels that a verifier let pass.

    Two classes of normal rows in `FEATURES` dimensions, their means two standard deviations
    apart; 400 rows before the verifier, least squares on those behind it.

    Args:
        right: Share of the teacher's labels that are right.
        keep_right: Share of rightly labelled rows that the verifier keeps.
        keep_wrong: Share of wrongly labelled rows that it keeps.
        repetitions: Each with rows of its own.
        seed: Of all that is drawn.

    Returns:
        (n_repetitions,), each exact for its classifier; 0.84 at best, 0.5 is guessing.
    """
    from scipy.special import ndtr

    rng = np.random.default_rng(derived_seed("verifier", seed))
    shape = (repetitions, 400)
    classes = rng.choice([-1.0, 1.0], shape)
    x = rng.standard_normal((*shape, FEATURES))
    x[..., 0] += classes
    good = rng.random(shape) < right
    kept = rng.random(shape) < np.where(good, keep_right, keep_wrong)
    answers = np.where(good, classes, -classes) * kept
    gram = np.einsum("rtd,rt,rte->rde", x, kept, x, optimize=True)
    moment = np.einsum("rtd,rt->rd", x, answers)
    weights = _solved(gram, moment)
    accuracies: FloatVector = ndtr(weights[:, 0] / np.linalg.norm(weights, axis=1))
    return accuracies


def closed_forms(repetitions: int, seed: int) -> list[Finding]:
    """The regression under both regimes, and verifiers below, at and above their threshold."""
    sizes = (FEATURES, ROWS, 1.0)
    found: Mapping[bool, FloatVector] = {
        accumulate: regression_errors(accumulate, *sizes, max(GENERATIONS), repetitions, seed)
        for accumulate in (False, True)
    }
    forms: Sequence[tuple[str, Relation, Callable[[int, int, float, int], float], bool]] = (
        ("replace", "equals", replace_error, False),
        ("accumulate", "equals", accumulate_error, True),
        ("accumulate, bound", "at most", accumulate_bound, True),
    )
    sides: Mapping[Relation, float] = {"below": -APART, "equals": 0.0, "above": APART}
    findings = []
    for n in GENERATIONS:
        for name, relation, form, accumulate in forms:
            case, errors = f"{name}, generation {n}", found[accumulate][:, n - 1]
            findings.append(Finding("linear regression", case, relation, form(*sizes, n), errors))
    for keep in VERIFIERS:
        for relation, step in sides.items():
            right = verifier_threshold(*keep) + step
            accuracies = verified_accuracies(right, *keep, repetitions, seed)
            case = f"keeps {keep[0]:g} and {keep[1]:g}, teacher right {right:.3f}"
            findings.append(Finding("verifier's threshold", case, relation, 0.5, accuracies))
    return findings


def _solved(gram: FloatVector, moment: FloatVector) -> FloatVector:
    """The weights of each repetition, (n_repetitions, n_features)."""
    return np.asarray(np.linalg.solve(gram, moment[..., None])[..., 0], dtype=np.float64)


def _spare(features: int, rows: int) -> int:
    """Rows beyond what the inverse of a Gram matrix needs for its expectation to exist."""
    if rows < features + 2:
        raise BadInputError(f"{features + 2} rows or more", str(rows), "draw more rows")
    return rows - features - 1
