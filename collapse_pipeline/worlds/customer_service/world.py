"""The `customer_service` world: simulated after-sales messages for earphones, watches and routers.

Rows are drawn from a known distribution over intents (40 labels with a long tail, neighbours
sharing their words), products, regions and personas, and answered from a known policy, so every
row can be checked.
"""

from collections.abc import Mapping
from random import Random

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.records import derived_seed
from collapse_pipeline.worlds.customer_service.answers import (
    answer,
    refusal_warranted,
    unwarranted_refusal,
    verdict_on,
)
from collapse_pipeline.worlds.customer_service.grammar import Pen
from collapse_pipeline.worlds.customer_service.intents import INTENTS, OTHERS, SHARES
from collapse_pipeline.worlds.customer_service.people import Customer
from collapse_pipeline.worlds.customer_service.policy import LOCALE, REGIONS

# Of a teacher's errors this share is a message of another intent, the rest a wrong condition.
_MISLABELLED = 0.25
_DIFFICULTY = {"plain": "easy", "polite": "easy"}


class CustomerService:
    """After-sales service; the labels run from the commonest to the rarest."""

    name = "customer_service"
    labels = tuple(INTENTS)

    def rows(self, count: int, seed: int) -> list[dict[str, object]]:
        """`count` rows of the true distribution, no prompt twice in any case; every one checks out.

        Raises:
            BadInputError: With a negative count.
        """
        if count < 0:
            raise BadInputError("a count of 0 or more", str(count), "ask for at least no rows")
        random = Random(derived_seed(self.name, "rows", seed))
        pen = Pen(random)
        seen: set[str] = set()
        rows: list[dict[str, object]] = []
        for label in random.choices(self.labels, SHARES, k=count):
            row = _row(random, pen, label, label)
            while (words := str(row["prompt"]).lower()) in seen:
                row = _row(random, pen, label, label)
            seen.add(words)
            rows.append(row)
        return rows

    def write(
        self, label: str, seed: int, accuracy: float, narrowness: float, refusal: float
    ) -> dict[str, object]:
        """One row as a teacher with those dials would write it; the same arguments, the same row.

        Args:
            label: What is asked for.
            seed: Seed of this row.
            accuracy: Probability in [0, 1] that the row is right. Else it states a wrong
                condition or, in a quarter of the cases, its message has another intent.
            narrowness: In [0, 1]; 0 is the variety of `rows`, 1 one skeleton a label.
            refusal: Probability in [0, 1] of a refusal that nothing calls for.

        Raises:
            BadInputError: With an unknown label or a dial outside [0, 1].
        """
        if label not in INTENTS:
            raise BadInputError("a label of the world", label, f"use one of {', '.join(INTENTS)}")
        for dial, value in (
            ("accuracy", accuracy),
            ("narrowness", narrowness),
            ("refusal", refusal),
        ):
            if not 0.0 <= value <= 1.0:
                raise BadInputError(f"{dial} in [0, 1]", str(value), f"set {dial} within it")
        random = Random(derived_seed(self.name, label, seed))
        wrong = random.random() >= accuracy
        mislabelled = wrong and random.random() < _MISLABELLED
        refuses = random.random() < refusal
        written = label
        if mislabelled:
            others = OTHERS[label, INTENTS[label].products[0]]
            written = others[int(len(others) * random.random())]
        wrong_fact = wrong and not mislabelled
        return _row(random, Pen(random, narrowness), label, written, wrong_fact, refuses)

    def check(
        self, label: str, prompt: str, response: str, attributes: Mapping[str, str]
    ) -> dict[str, bool]:
        """What can be decided of a row; product and region come from the text if need be.

        Returns:
            `refusal_warranted` always; `refused` where there is a response; `fact_right` where
            it states a condition and product and region are known; `answer_right` where the
            label is one of the world's and what it states can be decided.
        """
        return verdict_on(label, prompt, response, attributes)


def _row(
    random: Random, pen: Pen, label: str, written: str, wrong: bool = False, refuses: bool = False
) -> dict[str, object]:
    """A row labelled `label` whose message and answer are those of the intent `written`."""
    intent = INTENTS[written]
    customer = Customer(random, pen, intent, REGIONS[int(len(REGIONS) * random.random())])
    prompt = customer.message()
    if refuses and not refusal_warranted(written, prompt):
        response = unwarranted_refusal(pen, customer)
    else:
        response = answer(pen, customer, intent, prompt, wrong)
    attributes = {
        "product": customer.product,
        "region": customer.region,
        "persona": customer.persona,
        "locale": LOCALE[customer.region],
        "difficulty": "hard" if customer.hard else _DIFFICULTY.get(customer.persona, "medium"),
    }
    return {"label": label, "prompt": prompt, "response": response, "attributes": attributes}
