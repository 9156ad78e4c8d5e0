"""The words of the question bank: names, nouns, units and locales that fill its scenes."""

from collections.abc import Mapping


def _nouns(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


_SHE = _nouns(
    "Maya, Aisha, Chloe, Priya, Hannah, Zoe, Leila, Sofia, Grace, Ingrid, Nadia, Ruth, Mei, "
    "Fatima, Clara, Yuki, Amara, Bethan, Olga, Tara"
)
_HE = _nouns(
    "Omar, Ben, Liam, Arjun, Tomas, Kofi, Daniel, Hugo, Wei, Samir, Jonas, Mateo, Ivan, Felix, "
    "Rohan, Callum, Diego, Emeka, Noah, Stefan"
)
NAMES: tuple[tuple[str, str, str], ...] = tuple(
    [(name, "she", "her") for name in _SHE] + [(name, "he", "his") for name in _HE]
)
"""Name, subject pronoun, possessive."""


NOUNS: Mapping[str, tuple[str, ...]] = {
    "gadget": _nouns(
        "kettle, lamp, toaster, jacket, backpack, headset, keyboard, bicycle, tent, guitar, "
        "jumper, desk, camera, printer, rug, skateboard, blender, coat, chair, telescope, "
        "sleeping bag, coffee machine, tablet, pair of boots, armchair, helmet"
    ),
    "snack": _nouns(
        "pencil, apple, muffin, notebook, badge, candle, orange, sticker, postcard, bun, bagel, "
        "ruler, balloon, mug, magnet, tulip, cupcake, samosa, eraser, key ring, marker, lemon"
    ),
    "plant": _nouns("seed, bulb, seedling, cutting, sapling, bean, sunflower, cell, tadpole"),
    "bead": _nouns("ball, counter, marble, bead, button, sweet, token, card, disc, cube"),
    "bag": _nouns("bag, box, jar, drawer, tin, hat, pouch, basket"),
    "vehicle": _nouns("train, bus, coach, lorry, van, car, motorbike, racing car, express train"),
    "ride": _nouns("train, bus, coach, ferry, taxi, tram, boat, shuttle, minibus"),
    "rope": _nouns("rope, cable, pipe, fence, wire, path, trench, wall, track, border, line"),
    "parcel": _nouns("load, shipment, sample, delivery, crate, block, sack, heap, cargo"),
    "tank": _nouns("tank, container, vessel, vat, drum, reservoir, tub, barrel, flask"),
    "show": _nouns("experiment, journey, game, test, simulation, countdown, delay, repair, break"),
    "worker": _nouns("worker, robot, volunteer, helper, friend, machine, student, trainee"),
    "day": _nouns("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
}
"""Countable nouns; the plural is regular."""

PHRASES: Mapping[str, tuple[str, ...]] = {
    "place": _nouns(
        "the corner shop, the market stall, the school shop, the museum shop, the station kiosk, "
        "the village shop, the gift shop, the street fair"
    ),
    "store": _nouns(
        "the department store, the online shop, the big store, the second-hand shop, the depot, "
        "the mail-order shop, the flea market, the auction house"
    ),
    "club": _nouns(
        "the chess club, the swimming club, the drama group, the youth choir, the running club, "
        "the robotics team, the book club, the village school, the hiking society, the gym"
    ),
    "people": _nouns("students, members, volunteers, teenagers, beginners, children, guests"),
    "food": _nouns("flour, sugar, rice, oats, butter, honey, lentils, cocoa, pasta, cheese, yeast"),
    "liquid": _nouns("juice, milk, paint, water, lemonade, soup, saline, oil, vinegar"),
    "syrup": _nouns("cordial, vinegar, ink, squash, cleaner, dye, concentrate, syrup"),
    "dish": _nouns("pancakes, soup, a curry, flapjacks, scones, risotto, a fruit salad, dumplings"),
    "colour": _nouns("red, green, white, purple, silver"),
    "colour2": _nouns("blue, yellow, black, pink, brown"),
    "test": _nouns(
        "spelling tests, maths quizzes, science exams, rounds of darts, games of bowling, "
        "basketball games, cricket innings, dives"
    ),
    "task": _nouns(
        "paint a hall, tile a roof, dig a pond, clear a car park, fill a pool, pick an orchard, "
        "pack an order, lay a path, build a wall"
    ),
    "town": _nouns("Ashford, Kilmore, Brindle, Lowick, Marsden, Penrith, Oakham, Tarbert, Welby"),
    "account": _nouns(
        "a savings account, a bank account, a bond, a credit union, a building society, a fund"
    ),
}
"""Words that stand as they are."""

LOCALES: tuple[tuple[str, str, str, str], ...] = (
    ("en-GB", "£", "miles", "mph"),
    ("en-US", "$", "miles", "mph"),
    ("en-IE", "€", "km", "km/h"),
    ("en-IN", "₹", "km", "km/h"),
    ("en-AU", "$", "km", "km/h"),
)
"""Locale, currency, road distance, road speed."""

UNITS: Mapping[str, tuple[str, int]] = {
    "mm": ("length", 1),
    "cm": ("length", 10),
    "m": ("length", 1_000),
    "km": ("length", 1_000_000),
    "mg": ("mass", 1),
    "g": ("mass", 1_000),
    "kg": ("mass", 1_000_000),
    "tonnes": ("mass", 1_000_000_000),
    "ml": ("volume", 1),
    "cl": ("volume", 10),
    "litres": ("volume", 1_000),
    "seconds": ("time", 1),
    "minutes": ("time", 60),
    "hours": ("time", 3_600),
    "days": ("time", 86_400),
    "weeks": ("time", 604_800),
}
"""Unit: what it measures, and how many of the smallest unit it is."""

LONG: Mapping[str, str] = {
    "mm": "millimetres",
    "cm": "centimetres",
    "m": "metres",
    "km": "kilometres",
    "mg": "milligrams",
    "g": "grams",
    "kg": "kilograms",
    "ml": "millilitres",
    "cl": "centilitres",
}
"""Units that have a long name too; the American spelling ends in -ers."""


def american(word: str) -> str:
    """A unit's long name as written in the United States."""
    return word.replace("metres", "meters").replace("litres", "liters")


def plural(noun: str) -> str:
    """The regular plural; only the head of `a bag of sand` changes."""
    head, of, rest = noun.partition(" of ")
    ending = "es" if head.endswith(("s", "x", "ch", "sh")) else "s"
    if head.endswith("y") and head[-2] not in "aeiou":
        head, ending = head[:-1], "ies"
    return head + ending + of + rest


def with_article(noun: str) -> str:
    """`a kettle`, `an apple`."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def unit_words() -> dict[str, str]:
    """Every spelling of a unit, lower case, and the unit that it means."""
    words = {unit: unit for unit in UNITS} | {"miles": "miles", "mph": "mph", "km/h": "km/h"}
    words |= {"m/s": "m/s", "liters": "litres"}
    for unit, long in LONG.items():
        words[long] = words[american(long)] = unit
    for unit in ("tonnes", "litres", "liters", "seconds", "minutes", "hours", "days", "weeks"):
        words[unit[:-1]] = words[unit]
    return words


def slot_words() -> frozenset[str]:
    """Everything that a slot other than a number or a unit may hold, lower case."""
    words = {part.lower() for name in NAMES for part in name}
    for nouns in NOUNS.values():
        for noun in nouns:
            words |= {noun.lower(), plural(noun).lower()}
    for phrases in PHRASES.values():
        words |= {phrase.lower() for phrase in phrases}
    return frozenset(words)
