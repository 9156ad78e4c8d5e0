"""The reference world `question_bank`: short quantitative questions with four options.

Simulated text, no person wrote it. Forty question types with a long tail, each a way to draw
numbers, a worked solution and its usual mistakes; the scenes that ask for them are data
(`scenes.txt`). Since every question is made of known sentences, a row can be
checked from its words alone.
"""

from collections.abc import Mapping
from random import Random

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.records import derived_seed
from collapse_pipeline.worlds.question_bank.answers import (
    GAVE_UP,
    LACKING,
    LAYOUTS,
    LETTERS,
    REFUSALS,
    STYLES,
    Hand,
    concluded,
    explained,
    written,
    wrong_options,
    wrong_step,
)
from collapse_pipeline.worlds.question_bank.chances import CHANCES, MISSING, UNKNOWN
from collapse_pipeline.worlds.question_bank.check import check_row
from collapse_pipeline.worlds.question_bank.fractions import FRACTIONS
from collapse_pipeline.worlds.question_bank.kinds import Kind, Worked
from collapse_pipeline.worlds.question_bank.measures import MEASURES
from collapse_pipeline.worlds.question_bank.percentages import PERCENTAGES
from collapse_pipeline.worlds.question_bank.quantities import QUANTITIES
from collapse_pipeline.worlds.question_bank.text import Slots, fill, scenes

KINDS: Mapping[str, Kind] = QUANTITIES | PERCENTAGES | FRACTIONS | MEASURES | CHANCES | UNKNOWN
GIVE_UP_RATE = 0.08  # of answerable questions that offer "not enough information" as a trap
ATTEMPTS = 400  # draws in search of a question that no earlier row asks


class QuestionBank:
    """The world; it has no state, everything follows from the arguments."""

    def __init__(self) -> None:
        self.name = "question_bank"
        self.labels: tuple[str, ...] = tuple(scenes())  # the commonest first

    def shares(self) -> dict[str, float]:
        """The true share of every label: a Zipf-like tail, the last ten hold about a tenth."""
        weights = [1 / (rank + 7) ** 1.3 for rank in range(1, len(self.labels) + 1)]
        return {label: w / sum(weights) for label, w in zip(self.labels, weights, strict=True)}

    def rows(self, count: int, seed: int) -> list[dict[str, object]]:
        """`count` true rows with the true shares of labels, no two with the same question.

        Raises:
            BadInputError: When a label has too few different questions for so many rows.
        """
        rng = Random(derived_seed(self.name, "rows", seed))
        hand = Hand(rng, 0.0)
        labels = self._apportioned(count)
        rng.shuffle(labels)
        seen: set[str] = set()
        rows: list[dict[str, object]] = []
        for label in labels:
            for _ in range(ATTEMPTS):
                question, row = _row(label, label, hand, "")
                if question not in seen:
                    break
            else:
                raise BadInputError(
                    f"{count} different questions",
                    f"no new one of type {label} after {len(rows)} rows",
                    "ask for fewer rows",
                )
            seen.add(question)
            rows.append(row)
        return rows

    def write(
        self, label: str, seed: int, accuracy: float, narrowness: float, refusal: float
    ) -> dict[str, object]:
        """One row as a teacher with those dials would write it; all three lie in [0, 1].

        Args:
            label: The question type asked for.
            seed: The same arguments give the same row.
            accuracy: 1 - accuracy of the rows have a wrong answer (45%), a wrong step (40%), or
                are a question of a neighbouring type (15%).
            narrowness: 0 is the variety of the world; 1 is one skeleton a label, with distractors
                by one recipe.
            refusal: Share of answerable questions that are refused.

        Raises:
            BadInputError: For an unknown label.
        """
        if label not in KINDS:
            raise BadInputError(
                f"a label of {self.name}", repr(label), f"use one of {', '.join(self.labels)}"
            )
        rng = Random(derived_seed(self.name, label, seed))
        refuses, errs, how = rng.random() < refusal, rng.random() < 1 - accuracy, rng.random()
        fault = ""
        if refuses and label != MISSING:
            fault = "refusal"
        elif errs:
            fault = (
                "answer" if how < 0.45 or label == MISSING else "step" if how < 0.85 else "label"
            )
        asked = _neighbour(label, rng.random()) if fault == "label" else label
        return _row(asked, label, Hand(rng, narrowness), fault)[1]

    def check(
        self, label: str, prompt: str, response: str, attributes: Mapping[str, str]
    ) -> dict[str, bool]:
        """What can be decided of a row.

        `fact_right`: every equation and conversion in the response is true; absent without any.
        `refused`: the response declines to answer. `refusal_warranted`: the question lacks what
        it takes. `answer_right`: the final answer, with its option letter, is the one that
        follows from the numbers in the question; false for a question of another type than
        `label`, and absent for an unwarranted refusal. The last two need a question made of
        sentences of this world, or `attributes["answer"]`; they are absent otherwise.
        """
        return check_row(KINDS, label, prompt, response, attributes)

    def _apportioned(self, count: int) -> list[str]:
        """`count` labels in their true shares, by largest remainder."""
        quotas = {label: share * count for label, share in self.shares().items()}
        counts = {label: int(quota) for label, quota in quotas.items()}
        short = sorted(self.labels, key=lambda label: counts[label] - quotas[label])
        for label in short[: count - sum(counts.values())]:
            counts[label] += 1
        return [label for label in self.labels for _ in range(counts[label])]


def _neighbour(label: str, at: float) -> str:
    """Another type of the same family, the one that a careless writer would slip into."""
    family = KINDS[label].family
    others = [kind.label for kind in KINDS.values() if kind.family == family != kind.label]
    others.remove(label)
    return others[int(at * len(others))]


def _row(asked: str, label: str, hand: Hand, fault: str) -> tuple[str, dict[str, object]]:
    """A question of type `asked`, and the row that files it under `label`.

    `fault` is "", "refusal", "answer", "step" or "label".
    """
    kind, of = KINDS[asked], scenes()[asked]
    scene = of[hand.choose(len(of))]
    slots = Slots(kind.draw(hand.pick), hand.choose)
    question = fill("".join([part[hand.choose(len(part))] for part in scene.parts]), slots)
    worked = Worked(kind.fractions)
    answer, mistakes = kind.solve(worked, **slots.roles)

    counted = scene.answer == "#" and scene.setting != "none"
    wrong = wrong_options(answer, mistakes, counted, kind.fractions, hand)
    errors = [error for error, _ in wrong]
    right, *others = (
        written(value, scene.answer, slots, kind.fractions)
        for value in (answer, *(value for _, value in wrong))
    )
    if scene.missing:  # what a hasty reader would answer becomes one of the distractors
        right, others, errors = GAVE_UP, [right, *others[:2]], ["halved", *errors[:2]]
    elif hand.random() < GIVE_UP_RATE * (1 - hand.narrowness):
        others[2], errors[2] = GAVE_UP, "gave_up"
    place = int(hand.random() * 4)
    options = [*others[:place], right, *others[place:]]
    prompt = question + LAYOUTS[hand.choose(len(LAYOUTS))].format(*options)

    said, steps = right, worked.steps
    if fault == "answer":
        said = others[int(hand.random() * (3 - (others[2] == GAVE_UP)))]
    elif fault == "step":
        steps = wrong_step(steps, int(hand.random() * len(steps)), kind.fractions)
    letter = LETTERS[options.index(said)]
    if fault == "refusal":
        said, response = "", REFUSALS[hand.choose(len(REFUSALS))]
    elif said == GAVE_UP:
        response = concluded(
            LACKING[hand.choose(len(LACKING))].format(scene.missing), said, letter, hand
        )
    else:
        told = explained(steps, worked.facts, kind.fractions, hand.choose(STYLES))
        response = concluded(told, said, letter, hand)
    attributes = {
        "difficulty": ("easy", "medium", "hard")[min(len(worked.steps), 3) - 1],
        "form": scene.form,
        "setting": scene.setting,
        "answer": said,
        "distractors": "|".join(others),
        "errors": "|".join(errors),
        "locale": slots.locale,
    }
    return question, {
        "label": label,
        "prompt": prompt,
        "response": response,
        "attributes": attributes,
    }
