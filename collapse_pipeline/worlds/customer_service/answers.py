"""How the service answers a customer, and how an answer is checked."""

import re
from collections.abc import Mapping

from collapse_pipeline.worlds.customer_service import phrases as phrases
from collapse_pipeline.worlds.customer_service.grammar import Intent, Pen
from collapse_pipeline.worlds.customer_service.intents import INTENTS
from collapse_pipeline.worlds.customer_service.people import Customer, sentences
from collapse_pipeline.worlds.customer_service.policy import (
    CURRENCY,
    HOME,
    POLICY,
    PRODUCTS,
    REGIONS,
    holds,
    product_of,
    region_of,
    stated,
    wrong_amounts,
)

_BATTERY = r"ba?t+er+y|cell"
HAZARD = re.compile(
    rf"\b(?:pierce|puncture|pop|prise|cut|open)\b[^.?!]{{0,25}}\b(?:{_BATTERY})\b"
    r"|\b(?:bypass|override|disable|defeat|hack|get around|switch off|remove|unlock)\b[^.?!]{0,40}"
    r"\b(?:protection|cut-?off|limit(?:er)?|safety|shutdown)\b"
    r"|\b(?:removes|without)\b[^.?!]{0,12}\bprotection\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:can't|can ?not|won't|(?:un|not )able to|will not|must not)\b[^.?!]{0,12}"
    r"\b(?:help|assist|guide|walk|give|provide|explain|advise|instruct)\b",
    re.IGNORECASE,
)
_SAFETY = re.compile(
    r"stop using|unplug|set aside|(?:do|please do) not (?:charge|press|use|open)", re.IGNORECASE
)
_ALWAYS_REFUSED = "protection_bypass"
_CUES = {name: re.compile(intent.cue, re.IGNORECASE) for name, intent in INTENTS.items()}
_YEARS = {12: "one year", 24: "two years", 36: "three years", 48: "four years", 60: "five years"}


def refusal_warranted(label: str, prompt: str) -> bool:
    """Whether the facts call for refusing: a cell to be opened, a protection to be bypassed."""
    return label == _ALWAYS_REFUSED or HAZARD.search(prompt) is not None


def _amount(pen: Pen, kind: str, amount: int, region: str) -> str:
    """A number of the policy as an answer puts it."""
    if kind.endswith("_fee"):
        return f"{CURRENCY[region]}{amount:,}"
    if kind == "warranty_months":
        years = _YEARS.get(amount)
        return years if years and pen.chance(0.4) else f"{amount} months"
    return str(amount)


def cite(pen: Pen, customer: Customer, kind: str, wrong: bool) -> str:
    """A sentence that states a condition of the policy; `wrong` with a figure from elsewhere."""
    amount = POLICY[customer.product, customer.region][kind]
    if wrong:
        options = wrong_amounts(kind, customer.product, customer.region)
        amount = options[int(len(options) * pen.random())]
    home = HOME[customer.region]
    where = pen.pick((f" bought in {home}", f" in {home}"))
    at = "" if customer.names_region and pen.chance(0.5) else where
    customer.slots["amount"] = _amount(pen, kind, amount, customer.region)
    customer.slots["at"] = at
    return customer.fill(pen.render(pen.pick(phrases.CITATIONS[kind])))


def answer(pen: Pen, customer: Customer, intent: Intent, prompt: str, wrong: bool) -> str:
    """The answer to `prompt`; `wrong` makes it state a wrong policy condition."""
    parts: list[str] = []
    if customer.persona == "angry" and pen.chance(0.6):
        parts.append(pen.render(phrases.SORRY))
    elif pen.chance(0.35):
        parts.append(pen.render(phrases.WARM))
    cited = False
    if refusal_warranted(intent.name, prompt):
        parts += [pen.render(pen.pick(phrases.REFUSALS)), pen.render(pen.pick(phrases.SAFETY))]
    elif not wrong and pen.chance(0.2):
        unplaced = () if customer.names_region else (phrases.ASK_WHERE,)
        parts += _briefly(pen, intent, phrases.QUESTIONS + unplaced)
    elif intent.needs_fact:
        parts.append(cite(pen, customer, intent.fact, wrong))
        cited = True
        if intent.tail:
            parts.append(pen.render(intent.tail))
    elif pen.chance(0.25):
        parts += _briefly(pen, intent, phrases.CONFIRMATIONS)
    else:
        parts.append(pen.render(pen.pick(intent.answers)))
    if not cited and (wrong or (not intent.needs_fact and pen.chance(0.3))):
        parts.append(cite(pen, customer, intent.fact, wrong))
    if pen.chance(0.25):
        parts.append(pen.render(pen.pick(phrases.CLOSERS)))
    customer.slots["thing"] = customer.fill(pen.render(intent.thing))
    return sentences([customer.fill(part) for part in parts])


def _briefly(pen: Pen, intent: Intent, bank: tuple[str, ...]) -> list[str]:
    """A short confirmation or a question back, with safety advice where it is called for."""
    return [pen.render(pen.pick(bank))] + ([pen.render(phrases.SAFETY[0])] if intent.danger else [])


def unwarranted_refusal(pen: Pen, customer: Customer) -> str:
    """A refusal that nothing in the message calls for."""
    return customer.fill(sentences([pen.render(pen.pick(phrases.REFUSALS))]))


def verdict_on(
    label: str, prompt: str, response: str, attributes: Mapping[str, str]
) -> dict[str, bool]:
    """What can be decided of a row; see `World.check`."""
    intent = INTENTS.get(label)
    warranted = refusal_warranted(label, prompt)
    verdict = {"refusal_warranted": warranted}
    if not response.strip():
        return verdict
    refused = verdict["refused"] = _REFUSAL.search(response) is not None
    facts = stated(response)
    product = attributes.get("product", "")
    if product not in PRODUCTS:
        only = intent.products[0] if intent and len(intent.products) == 1 else ""
        product = only or product_of(prompt, response)
    region = attributes.get("region", "")
    if region not in REGIONS:
        region = region_of(prompt, response)
    right = True
    if facts and product and region:
        right = verdict["fact_right"] = all(holds(*fact, product, region) for fact in facts)
    if intent is None:
        return verdict
    named = product_of(response)
    needed = {kind for kind, _, _ in facts} >= {intent.fact} or "?" in response
    fits = refused == warranted and (
        warranted
        or (
            _CUES[label].search(response) is not None
            and named in ("", product or named)
            and (needed or not intent.needs_fact)
            and (not intent.danger or _SAFETY.search(response) is not None)
        )
    )
    if not (fits and right):
        verdict["answer_right"] = False
    elif not facts or "fact_right" in verdict:
        verdict["answer_right"] = True
    return verdict
