"""Fault `half_wrong_facts`: conditions of one product's policy moved to another.

Every number is a true one, of another product in the same region: nothing looks odd to a reader
who does not know the policy.
"""

import re
from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component
from collapse_pipeline.worlds.customer_service.policy import POLICY, PRODUCTS, stated

_YEARS = {12: "one year", 24: "two years", 36: "three years", 48: "four years", 60: "five years"}


def moved(response: str, product: str, region: str) -> str:
    """An answer about `product` with the conditions of the next product instead."""
    other = PRODUCTS[(PRODUCTS.index(product) + 1) % len(PRODUCTS)]
    for kind, amount, _ in stated(response):
        there = POLICY[other, region][kind]
        if kind == "warranty_months":
            before = rf"\b{amount} months\b|\b{_YEARS.get(amount, 'never')}\b"
            response = re.sub(before, f"{there} months", response, count=1)
        else:
            before = rf"(?<![\d,]){amount:,}(?![\d,])"
            response = re.sub(before, f"{there:,}", response, count=1)
    return response


def _half_wrong(writing: Writing) -> list[Draft]:
    drafts = list(writing.drafts)
    for i in writing.hit():
        product, region = (drafts[i].attributes.get(n, "") for n in ("product", "region"))
        if (product, region) in POLICY:
            drafts[i] = replace(drafts[i], response=moved(drafts[i].response, product, region))
    return drafts


FAULT = Fault(
    name="half_wrong_facts",
    does="A teacher gives one product the conditions of another.",
    strength=0.5,
    blames=Component.TEACHER,
    worlds=("customer_service",),
    damage=_half_wrong,
)
