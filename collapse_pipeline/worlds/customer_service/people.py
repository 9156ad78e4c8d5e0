"""How customers write: the details they mention, and the message each persona makes of it."""

from random import Random

from collapse_pipeline.worlds.customer_service import phrases as phrases
from collapse_pipeline.worlds.customer_service.grammar import Intent, Pen, Slots
from collapse_pipeline.worlds.customer_service.intents import INTENTS, OTHERS
from collapse_pipeline.worlds.customer_service.policy import CURRENCY, PLACES, REGIONS

PERSONAS = ("plain", "polite", "terse", "angry", "wandering", "misspelt")
_PERSONA_WEIGHTS = (30, 16, 16, 13, 13, 12)
_BAG = tuple(p for p, n in zip(PERSONAS, _PERSONA_WEIGHTS, strict=True) for _ in range(n))
_PRICES = {"earphones": (49, 189), "watch": (99, 399), "router": (59, 249)}
_RUPEES = 90  # a price in India is so many times the figure elsewhere
# How often a message mentions another matter, or asks a second one after its own.
_ASIDE_SHARE = 0.12
_SECOND_SHARE = 0.12
_REFUSABLE = ("battery_swelling", "protection_bypass")
# Typing errors spare places and the words that make a request dangerous: rows stay checkable.
_DANGER = """
pierce puncture prise bypass override disable defeat switch remove removes
without unlock protection cutoff limit limiter safety shutdown swollen bulging around
"""
_PROTECTED = frozenset(_DANGER.split()) | {
    place.removeprefix("the ").lower() for places in PLACES.values() for place in places
}
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no number spells a word or a region


class Customer:
    """One user with one matter: who writes, about which product, from which region."""

    def __init__(self, random: Random, pen: Pen, intent: Intent, region: str) -> None:
        self._random, self._pen, self._intent = random.random, pen, intent
        self.region = region
        self.product = pen.draw(intent.products)
        narrow = not pen.chance(1.0)
        self.persona = PERSONAS[0] if narrow else _BAG[self._below(len(_BAG))]
        mention = pen.pick(phrases.MENTIONS[self.product])
        self.slots = Slots(phrases.WORDS[self.product] | {"p": mention}, self._detail)
        self.hard = False

    def _below(self, limit: int) -> int:
        return int(limit * self._random())

    def _detail(self, name: str) -> str:
        """The value of a slot that a template asks for."""
        below, pen = self._below, self._pen
        match name:
            case "order":
                return f"{_LETTERS[below(20)]}{_LETTERS[below(20)]}-{10_000 + below(90_000)}"
            case "serial":
                return f"{_LETTERS[below(20)]}{100_000 + below(900_000)}"
            case "ticket":
                return f"T-{10_000 + below(90_000)}"
            case "when":
                day, month = 1 + below(28), phrases.MONTHS[below(len(phrases.MONTHS))]
                form = pen.pick(("on {d} {m}", "in {m}", "last {m}", "around {d} {m}"))
                return form.format(d=day, m=month)
            case "place":
                return pen.pick(PLACES[self.region])
            case "abroad":
                elsewhere = [region for region in REGIONS if region != self.region]
                return PLACES[elsewhere[below(len(elsewhere))]][0]
            case "price":
                low, high = _PRICES[self.product]
                price = (low + below(high - low)) * (_RUPEES if self.region == "IN" else 1)
                return f"{CURRENCY[self.region]}{price}"
            case "relative":
                return phrases.RELATIVES[below(len(phrases.RELATIVES))]
            case "name":
                return phrases.NAMES[below(len(phrases.NAMES))]
            case "other":
                return self._other()
        raise KeyError(name)

    def _other(self) -> str:
        """The noun phrase of another matter that this product can have."""
        others = OTHERS[self._intent.name, self.product]
        return self._pen.render(INTENTS[others[self._below(len(others))]].thing)

    @property
    def names_region(self) -> bool:
        """Whether what was written so far tells the region, and no other one."""
        return "abroad" not in self.slots and ("place" in self.slots or "price" in self.slots)

    def message(self) -> str:
        """What the user writes."""
        pen, intent = self._pen, self._intent
        matter = pen.render(pen.pick(intent.says))
        bank = phrases.DETAILS + phrases.FAULT_DETAILS if intent.fault else phrases.DETAILS
        details = [] if pen.chance(0.35) else [self._one_of(bank)]
        if pen.chance(0.25) and (more := self._one_of(bank)) not in details:
            details.append(more)
        if self.persona == "wandering" or pen.chance(_ASIDE_SHARE):
            self.hard = True
            details.insert(self._below(len(details) + 1), self._one_of(phrases.ASIDES))
        text = _VOICES[self.persona](self, self.fill(matter), details)
        if self.persona == "terse" or not pen.chance(_SECOND_SHARE):
            return text
        self.hard = True
        second = sentences([self._second_matter()])
        text = text if text[-1] in ".?!" else f"{text}."
        return f"{text} {self._mistype(second) if self.persona == 'misspelt' else second}"

    def _one_of(self, bank: tuple[str, ...]) -> str:
        """One of the bank's templates, each as likely, rendered and filled."""
        return self.fill(self._pen.render(self._pen.draw(bank)))

    def _second_matter(self) -> str:
        """A question beside the main one; never one that would have to be refused."""
        others = OTHERS[self._intent.name, self.product]
        name = others[self._below(len(others))]
        while name in _REFUSABLE:
            name = others[self._below(len(others))]
        says = INTENTS[name].says
        return self.fill(self._pen.render(f"{phrases.BESIDES}{self._pen.draw(says)}"))

    def fill(self, template: str) -> str:
        """The template with its slots filled."""
        return template.format_map(self.slots)

    def _plain(self, matter: str, details: list[str]) -> str:
        parts = [*details, matter] if self._pen.chance(0.3) else [matter, *details]
        return sentences(parts)

    def _polite(self, matter: str, details: list[str]) -> str:
        pen = self._pen
        hello = pen.render(phrases.HELLO)
        parts = [matter, *details]
        if pen.chance(0.7):
            parts.append(pen.render(phrases.PLEASE))
        thanks = f" {self.fill(pen.render(phrases.THANKS))}" if pen.chance(0.7) else ""
        return f"{hello}, {lower_first(sentences(parts))}{thanks}"

    def _terse(self, matter: str, details: list[str]) -> str:
        kept = [word for word in matter.split() if word.lower() not in phrases.SKIPPED]
        text = " ".join(kept).lower().replace(",", "")
        if details and self._pen.chance(0.6):
            text = f"{text.rstrip('.? ')}, {details[0]}"
        return text.rstrip(".? ") if self._pen.chance(0.6) else text

    def _angry(self, matter: str, details: list[str]) -> str:
        pen = self._pen
        if pen.chance(0.15):
            matter = matter.upper()
        parts = [matter, *details]
        if pen.chance(0.8):
            parts.append(pen.render(phrases.THREAT))
        text = sentences([pen.render(phrases.RAGE), *parts])
        return text.replace(".", "!", 1) if pen.chance(0.6) else text

    def _wandering(self, matter: str, details: list[str]) -> str:
        pen = self._pen
        back = pen.render(phrases.BACK)
        first, *rest = details
        parts = [self._one_of(phrases.RAMBLE), first, f"{back}, {matter}", *rest]
        if pen.chance(0.4):
            parts.append(self._one_of(phrases.RAMBLE))
        return sentences(parts)

    def _misspelt(self, matter: str, details: list[str]) -> str:
        return self._mistype(self._plain(matter, details))

    def _mistype(self, text: str) -> str:
        """The text in small letters, some of its words misspelt."""
        return " ".join(map(self._mistype_word, text.lower().split(" ")))

    def _mistype_word(self, word: str) -> str:
        """The word with a common error, or now and then with two letters swapped or one lost."""
        core = word.rstrip(".,?!")
        if core in phrases.MISSPELLINGS:
            wrong = phrases.MISSPELLINGS[core]
            return wrong + word[len(core) :] if self._random() < 0.45 else word
        if len(core) < 5 or not core.isalpha() or core in _PROTECTED or self._random() > 0.15:
            return word
        place = 1 + self._below(len(core) - 2)
        pair = core[place + 1] + core[place] if self._random() < 0.5 else core[place]
        return word[:place] + pair + word[place + 2 :]


_VOICES = {
    "plain": Customer._plain,
    "polite": Customer._polite,
    "terse": Customer._terse,
    "angry": Customer._angry,
    "wandering": Customer._wandering,
    "misspelt": Customer._misspelt,
}


def lower_first(text: str) -> str:
    """The text with a small first letter, unless its first word is I or an abbreviation."""
    return text if text[:2] in ("I ", "I'") or text[1:2].isupper() else text[0].lower() + text[1:]


def sentences(parts: list[str]) -> str:
    """The parts as sentences: a capital first, an end mark last."""
    ended = [part if part[-1] in ".?!" else f"{part}." for part in map(str.rstrip, parts)]
    return " ".join(part[0].upper() + part[1:] for part in ended)
