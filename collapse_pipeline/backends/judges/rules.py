"""The judge `rules`: what can be decided without a model. Each broken rule is a veto."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import Bench, Judge, Judgement
from collapse_pipeline.records import Frozen, canonical_json, content_hash, derived_seed

WORD = re.compile(r"[^\W\d_]+")
BROKEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")  # tab and line ends are text
FEWEST_HUMAN = 20  # fewer rows say nothing of what is usual
GRANTED = 2  # known words or letters every text is granted, so that one name in three words passes

Bounds = tuple[int, int]


class RulesConfig(Frozen):
    """Chosen by `kind: rules`.

    Lengths are characters, (least, most). Where none are given they come from the human rows: all
    but the outermost 1%, stretched by `length_slack` both ways. `min_known_words` and
    `min_known_letters` are the least shares of words and letters that human rows use too; they
    give way where human rows among themselves have less in common. `forbidden` are regular
    expressions that neither prompt nor response may contain.
    """

    kind: Literal["rules"] = "rules"
    prompt_characters: Bounds | None = None
    response_characters: Bounds | None = None
    length_slack: float = Field(1.5, ge=1)
    min_known_words: float = Field(0.4, ge=0, le=1)
    min_known_letters: float = Field(0.8, ge=0, le=1)
    forbidden: tuple[str, ...] = (r"(?i)\bas an ai (language )?model\b",)

    def build(self, bench: Bench) -> Judge:
        """The rules with the bounds that tonight's human rows give.

        Raises:
            BadInputError: When a pattern is no regular expression.
        """
        prompts = bench.human["prompt"].to_pylist()
        responses = bench.human["response"].to_pylist()
        texts = [
            f"{prompt} {response}" for prompt, response in zip(prompts, responses, strict=True)
        ]
        answered = [response for response in responses if response]
        words, letters = [_words(text) for text in texts], [_letters(text) for text in texts]
        judge = RulesJudge(
            version="",
            prompt_characters=self.prompt_characters or _usual(prompts, self.length_slack),
            response_characters=self.response_characters or _usual(answered, self.length_slack),
            wants_response=2 * len(answered) > len(texts),
            words=frozenset(chain.from_iterable(words)),
            letters=frozenset(chain.from_iterable(letters)),
            min_known_words=min(self.min_known_words, _least_shared(words)),
            min_known_letters=min(self.min_known_letters, _least_shared(letters)),
            forbidden=tuple(map(_compiled, self.forbidden)),
        )
        bounds = [judge.prompt_characters, judge.response_characters, judge.wants_response]
        shares = [round(judge.min_known_words, 9), round(judge.min_known_letters, 9)]
        config = self.model_dump(mode="json")
        known = [*sorted(judge.words), "", *sorted(judge.letters)]
        version = content_hash(canonical_json([config, bounds, shares]), *known)[:12]
        return RulesJudge(**(vars(judge) | {"version": f"{self.kind}@{version}"}))


@dataclass(frozen=True)
class RulesJudge:
    """The rules as they stand for one night; bounds of None bind nothing."""

    version: str
    prompt_characters: Bounds | None
    response_characters: Bounds | None
    wants_response: bool  # most human rows have one
    words: frozenset[str]  # that human rows use, casefolded
    letters: frozenset[str]
    min_known_words: float
    min_known_letters: float
    forbidden: tuple[re.Pattern[str], ...]

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """1 for a row that keeps all rules, else 0 and a veto with every broken rule."""
        pairs = zip(rows["prompt"].to_pylist(), rows["response"].to_pylist(), strict=True)
        broken = [self._broken(prompt, response) for prompt, response in pairs]
        return [
            Judgement(0.0, reasons, veto=True) if reasons else Judgement(1.0) for reasons in broken
        ]

    def _broken(self, prompt: str, response: str) -> tuple[str, ...]:
        if not prompt.strip():
            return ("the prompt is empty",)
        both = f"{prompt}\n{response}"
        reasons = list(_length("prompt", prompt, self.prompt_characters))
        if response.strip():
            reasons += _length("response", response, self.response_characters)
        elif self.wants_response:
            reasons.append("the response is missing")
        if found := BROKEN.search(both):
            reasons.append(f"character U+{ord(found[0]):04X}, a control or broken character")
        reasons += [f"forbidden: {p.pattern}" for p in self.forbidden if p.search(both)]
        if self.words:
            share = _share_known(_words(both), self.words)
            if share < self.min_known_words:
                reasons.append(f"language: {share:.0%} of its words are known")
            share = _share_known(_letters(both), self.letters)
            if share < self.min_known_letters:
                reasons.append(f"language: {share:.0%} of its letters are known")
        return tuple(reasons)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as fault:
        raise BadInputError(
            "regular expressions in forbidden", f"{pattern!r} ({fault})", "mend the pattern"
        ) from fault


def _length(what: str, text: str, bounds: Bounds | None) -> Iterable[str]:
    if bounds and not bounds[0] <= len(text) <= bounds[1]:
        yield f"the {what} has {len(text)} characters, usual are {bounds[0]} to {bounds[1]}"


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def _letters(text: str) -> list[str]:
    return [character for character in text.casefold() if character.isalpha()]


def _share_known(parts: Sequence[str], known: frozenset[str]) -> float:
    return (sum(part in known for part in parts) + GRANTED) / (len(parts) + GRANTED)


def _usual(texts: Sequence[str], slack: float) -> Bounds | None:
    """The lengths of all texts but the outermost 1%, stretched; None with too few texts."""
    if len(texts) < FEWEST_HUMAN:
        return None
    least, most = np.quantile([len(text) for text in texts], [0.005, 0.995])
    return max(1, int(least / slack)), ceil(most * slack)


def _least_shared(texts: Sequence[Sequence[str]]) -> float:
    """What nearly all (99.5%) texts of one half share with the other half; 0 with too few."""
    if len(texts) < FEWEST_HUMAN:
        return 0.0
    order = np.random.default_rng(derived_seed("halves", len(texts))).permutation(len(texts))
    known_half, other_half = np.array_split(order, 2)
    known = frozenset(chain.from_iterable(texts[i] for i in known_half))
    return float(np.quantile([_share_known(texts[i], known) for i in other_half], 0.005))
