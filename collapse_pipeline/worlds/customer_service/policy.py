"""The after-sales policy of the customer service world, and how it is read out of an answer."""

import re
from collections.abc import Mapping

PRODUCTS = ("earphones", "watch", "router")
REGIONS = ("UK", "US", "EU", "IN", "AU")
CURRENCY = {"UK": "£", "US": "$", "EU": "€", "IN": "₹", "AU": "A$"}
LOCALE = {"UK": "en-GB", "US": "en-US", "EU": "en-IE", "IN": "en-IN", "AU": "en-AU"}

# Months, days to return, working days of a refund and a repair, percent, and fees in the
# region's currency; a part is one earbud, the watch's screen, the router's power adapter.
_TABLE = """
product   region warranty_months return_days refund_days repair_days restocking_percent \
postage_fee battery_fee part_fee
earphones UK     24  30   5   8  10    4    25    35
earphones US     12  45   7  12  15    6    29    45
earphones EU     36  14   4   9   8    5    27    39
earphones IN     18  10  10  15  12   99   799  1299
earphones AU     30  21   6  11   5    9    42    59
watch     UK     36  28   6  10  12    5    49    89
watch     US     18  30   8  14  20    8    59   109
watch     EU     24  21   5  11  10    7    52    95
watch     IN     12  15  12  18  15  149  1899  3499
watch     AU     48  35   7  13   8   12    79   139
router    UK     48  60   7   6   8    7    33    19
router    US     24  90   9  10  10   12    39    24
router    EU     60  45   8   7   6    9    35    21
router    IN     36  20  14  12   9  199  1099   699
router    AU     12  50  10   9  12   15    55    32
"""


def _read_table() -> dict[tuple[str, str], dict[str, int]]:
    names, *lines = (line.split() for line in _TABLE.strip().splitlines())
    return {(p, r): dict(zip(names[2:], map(int, n), strict=True)) for p, r, *n in lines}


POLICY = _read_table()
FACTS = tuple(POLICY["watch", "UK"])

# Cities stand for their region. "US" counts only in capitals: "us" is everybody.
PLACES = {
    "UK": ("Britain", "the UK", "England", "Leeds", "Bristol", "Glasgow", "Cardiff"),
    "US": ("America", "the USA", "the States", "Ohio", "Texas", "Seattle", "Denver"),
    "EU": ("Germany", "Ireland", "France", "Spain", "Berlin", "Dublin", "Utrecht", "the EU"),
    "IN": ("India", "Pune", "Delhi", "Chennai", "Kolkata", "Mumbai"),
    "AU": ("Australia", "Perth", "Brisbane", "Sydney", "Hobart"),
}
HOME = {"UK": "the UK", "US": "the US", "EU": "the EU", "IN": "India", "AU": "Australia"}


def _names(region: str) -> re.Pattern[str]:
    words = "|".join(re.escape(place.removeprefix("the ")) for place in PLACES[region])
    sign = r"(?<!A)\$" if region == "US" else re.escape(CURRENCY[region])
    us = r"|\b(?-i:US)\b" if region == "US" else ""
    return re.compile(rf"\b(?:{words})\b{us}|{sign}(?=\s?\d)", re.IGNORECASE)


_REGION = {region: _names(region) for region in REGIONS}
_PRODUCT = {
    "earphones": re.compile(r"ear ?(?:ph|f)on|ear ?bud|\bbuds?\b|in-ears|\baria\b", re.IGNORECASE),
    "watch": re.compile(r"\b(?:smart ?)?wat?ch(?:es)?\b|\btempo\b", re.IGNORECASE),
    "router": re.compile(r"\broo?u?ters?\b|wi-?fi box|\blumen\b", re.IGNORECASE),
}


def _only(patterns: Mapping[str, re.Pattern[str]], *texts: str) -> str:
    """The one name found in the first text that names exactly one; "" where none does."""
    for text in texts:
        found = [name for name, pattern in patterns.items() if pattern.search(text)]
        if len(found) == 1:
            return found[0]
    return ""


def region_of(*texts: str) -> str:
    """The region that the first decisive text names, by country, city or currency, or ""."""
    return _only(_REGION, *texts)


def product_of(*texts: str) -> str:
    """The product that the first decisive text names, or ""."""
    return _only(_PRODUCT, *texts)


_YEARS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_PERIOD = re.compile(rf"\b(\d+|{'|'.join(_YEARS)})[ -](month|year|working day|business day|day)")
_PERCENT = re.compile(r"(\d+) ?(?:%|per ?cent)")
_FEE = re.compile(r"(A\$|[£$€₹]) ?(\d[\d,]*)")
# The first topic that a sentence mentions says which condition its number is about.
_MONTHS = (("warranty_months", re.compile(r"warrant|guarantee|cover", re.IGNORECASE)),)
_DAYS = (("return_days", re.compile(r"return|send|sent back", re.IGNORECASE)),)
_WORKING_DAYS = (
    ("refund_days", re.compile(r"refund|money", re.IGNORECASE)),
    ("repair_days", re.compile(r"repair|workshop", re.IGNORECASE)),
)
_RATES = (("restocking_percent", re.compile(r"restocking|opened", re.IGNORECASE)),)
_FEES = (
    ("postage_fee", re.compile(r"postage|courier|shipping", re.IGNORECASE)),
    ("battery_fee", re.compile(r"battery", re.IGNORECASE)),
    ("part_fee", re.compile(r"earbud|screen|adapter", re.IGNORECASE)),
)


def stated(answer: str) -> list[tuple[str, int, str]]:
    """The policy conditions that an answer states: which one, its number, currency or ""."""
    found = []
    for sentence in _SENTENCE.split(answer):
        readings: list[tuple[tuple[tuple[str, re.Pattern[str]], ...], int, str]] = []
        for number, unit in _PERIOD.findall(sentence):
            amount = _YEARS.get(number) or int(number)
            if unit in ("month", "year"):
                readings.append((_MONTHS, amount * (12 if unit == "year" else 1), ""))
            else:
                readings.append((_DAYS if unit == "day" else _WORKING_DAYS, amount, ""))
        readings += [(_RATES, int(number), "") for number in _PERCENT.findall(sentence)]
        readings += [(_FEES, int(n.replace(",", "")), sign) for sign, n in _FEE.findall(sentence)]
        for topics, amount, sign in readings:
            kind = next((name for name, topic in topics if topic.search(sentence)), "")
            if kind:
                found.append((kind, amount, sign))
    return found


def holds(kind: str, amount: int, sign: str, product: str, region: str) -> bool:
    """Whether a stated condition is the policy of that product and region."""
    right_sign = not kind.endswith("_fee") or sign == CURRENCY[region]
    return right_sign and POLICY[product, region][kind] == amount


def wrong_amounts(kind: str, product: str, region: str) -> list[int]:
    """What the same condition is elsewhere and not here: errors that look plausible.

    Fees stay within the region, whose currency fixes their size.
    """
    here = POLICY[product, region][kind]
    if kind.endswith("_fee"):
        others = {row[kind] for (_, r), row in POLICY.items() if r == region}
        others |= {here + here // 5 + 1, here - here // 4 - 1}
    else:
        others = {row[kind] for (p, _), row in POLICY.items() if p == product}
    return sorted(others - {here})
