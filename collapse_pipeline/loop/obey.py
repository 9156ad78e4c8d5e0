"""Obey: what a night uses and holds to, given what is configured and what governs the corpus."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act, Governance
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.loop.pinned import Brake, InForce
from collapse_pipeline.loop.versions import kind_of, named
from collapse_pipeline.records import Component, Template


@dataclass(frozen=True)
class Offer:
    """A component version that is configured."""

    component: str  # `kind name@version`
    explicit: bool = False  # an option of this very run asked for it, which decides the matter


@dataclass(frozen=True)
class Rule:
    """How new versions come into service."""

    governance: Governance
    required: bool  # only a person activates; otherwise being configured is enough
    first: bool = False  # generation 0 activates all that is configured

    def waits(self, offer: Offer, last: Collection[str]) -> bool:
        """Whether a version may not be used before a person activates it.

        Args:
            offer: The version.
            last: Versions in the last record of the line.
        """
        settled = self.first or offer.explicit or offer.component in last
        if settled or offer.component in self.governance.activated:
            return False
        return self.required or offer.component in self.governance.withdrawn


def chosen(offer: Offer, earlier: Iterable[str], rule: Rule) -> tuple[str, list[InForce]]:
    """The version of a judge, teacher or mix policy that a night uses, and why another one.

    Args:
        offer: The configured one.
        earlier: The versions in earlier records of the line, newest first.
        rule: What governs.

    Raises:
        BadInputError: Neither the configured version nor an earlier one is in service.
    """
    known = list(dict.fromkeys(earlier))
    waits = rule.waits(offer, known[:1])
    if not waits and rule.governance.in_service(offer.component):
        return offer.component, []
    left = [v for v in known if v != offer.component and rule.governance.in_service(v)]
    # One that was an option of a single run is the last to fall back on.
    left.sort(key=lambda version: version not in rule.governance.activated)
    if not left:
        kind = kind_of(offer.component)
        held_up = [offer.component] if waits else []
        raise nothing_left(f"a {kind.replace('_', ' ')}", kind, rule.governance, held_up)
    notes = [_waiting(offer.component, left[0], rule.governance.corpus)] if waits else []
    return left[0], notes


def chosen_templates(
    configured: Sequence[Template], last: Sequence[Template], rule: Rule
) -> tuple[list[Template], list[InForce]]:
    """The templates that a night uses, and which ones wait.

    A frozen one is left out; in place of one that waits goes the last record's of that name.
    After a rollback the last record's templates go on also where they are configured no more.
    """
    before = {template.name: template for template in last}
    versions = [component_of(template) for template in last]
    used: list[Template] = []
    notes = []
    for template in configured:
        offer = Offer(component_of(template))
        waits = rule.waits(offer, versions)
        use = before.get(template.name) if waits else template
        if waits:
            instead = component_of(use) if use else ""
            notes.append(_waiting(offer.component, instead, rule.governance.corpus))
        if use is not None and rule.governance.in_service(component_of(use)):
            used.append(use)
    names = {template.name for template in configured}
    for template in last:
        component = component_of(template)
        gone = template.name not in names and component in rule.governance.withdrawn
        if gone and rule.governance.in_service(component):
            used.append(template)
            order = {t.name: at for at, t in enumerate(last)}
            used.sort(key=lambda t: order.get(t.name, len(order)))  # as the last night asked
            notes.append(_going_on(component, rule.governance.corpus))
    return used, notes


def component_of(template: Template) -> str:
    """A template as a component version."""
    return named(Component.TEMPLATE, str(template))


def brakes(
    governance: Governance, releases: Sequence[str], teachers: Mapping[str, str], review_rows: int
) -> list[InForce]:
    """Everything that gates and persons have put in force for a night.

    Args:
        governance: As of that night.
        releases: The promoted generations before it.
        teachers: Of those, who wrote each (`kind name@version`); "" where nobody did.
        review_rows: What a required review takes.
    """
    frozen = governance.out_of_service()
    found = [
        InForce(
            what=Brake.FROZEN,
            value=standing.component,
            why=str(standing),
            since=standing.causes[0].since,
            gate=standing.causes[0].gate,
        )
        for standing in frozen
    ]
    by_teacher = {standing.component: standing for standing in frozen}
    for generation, teacher in teachers.items():
        if teacher in by_teacher:
            cause = by_teacher[teacher].causes[0]
            why = f"rows of {generation} are not mixed in: {by_teacher[teacher]} wrote them"
            found.append(
                InForce(
                    what=Brake.REFUSED,
                    value=generation,
                    why=why,
                    since=cause.since,
                    gate=cause.gate,
                )
            )
    causes = [(Brake.CAP, [governance.cap] if governance.cap else [], "cap")]
    causes.append((Brake.INFUSION, governance.lasting(Act.HUMAN_INFUSED, releases), "labels"))
    causes.append(
        (Brake.REVIEW_DENSITY, governance.lasting(Act.REVIEW_RAISED, releases), "density")
    )
    causes.append((Brake.REVIEW, governance.reviews_due(review_rows), "gate"))
    for brake, those, name in causes:
        for cause in those:
            value = cause.payload.get(name, "")
            why = f"{_WORDS[brake].format(value=value)} {cause.why}"
            found.append(
                InForce(what=brake, value=value, why=why, since=cause.since, gate=cause.gate)
            )
    return found


_WORDS: Mapping[Brake, str] = {
    Brake.CAP: "synthetic share at most {value}",
    Brake.INFUSION: "human rows weigh {value}",
    Brake.REVIEW_DENSITY: "{value} of the kept rows are to be reviewed",
    Brake.REVIEW: "a review is wanted before the next release",
}


def held_to(policy: MixPolicy, in_force: Iterable[InForce]) -> MixPolicy:
    """The mix policy with a lowered cap and infused human rows on top."""
    cap, infusion = policy.synthetic_cap, dict(policy.infusion)
    for brake in in_force:
        if brake.what is Brake.CAP and isinstance(brake.value, float):
            cap = min(cap, brake.value)
        if brake.what is Brake.INFUSION and isinstance(brake.value, Mapping):
            for label, weight in brake.value.items():
                infusion[label] = max(weight, infusion.get(label, 0.0))
    return policy.model_copy(update={"synthetic_cap": cap, "infusion": infusion})


def from_frozen(rows: pa.Table, in_force: Iterable[InForce]) -> pa.ChunkedArray:
    """Which sample rows come from a template or teacher that is frozen now: true for those.

    A row says who of a mixture wrote it; what a teacher alone wrote goes by its generation.
    """
    brakes = list(in_force)
    frozen = [str(brake.value) for brake in brakes if brake.what is Brake.FROZEN]
    nights = [str(brake.value) for brake in brakes if brake.what is Brake.REFUSED]
    out = pc.is_in(rows["generation"], pa.array(nights, pa.string()))
    for kind in (Component.TEMPLATE, Component.TEACHER):
        own = named(kind, "")
        versions = [name.removeprefix(own) for name in frozen if name.startswith(own)]
        out = pc.or_(out, pc.is_in(rows[kind.value], pa.array(versions, pa.string())))
    return out


def nothing_left(
    what: str, kind: Component, governance: Governance, held_up: Sequence[str] = ()
) -> BadInputError:
    """Nothing of a kind is left to use: what is frozen, by which gate, and how to lift it; and
    what is held up for want of an activation."""
    frozen = governance.out_of_service(kind)
    corpus = governance.corpus
    ways = []
    if frozen:
        version = frozen[0].component.partition(" ")[2]
        ways.append(f"lift one: collapse-pipeline lift {version} --corpus {corpus} --reason TEXT")
    if held_up:
        ways.append(_activate(held_up[0], corpus))
    return BadInputError(
        wanted=f"{what} of {corpus} in service",
        got="; ".join([*map(str, frozen), *(f"{v} waits to be activated" for v in held_up)])
        or "none",
        do="; or ".join([*ways, "or configure another version"] if ways else ["configure one"]),
    )


def _waiting(component: str, instead: str, corpus: str) -> InForce:
    """A version waits for a person; `instead` goes on, where it is not empty."""
    goes_on = f"; {instead.partition(' ')[2]} goes on" if instead else ""
    why = f"{component} waits for: {_activate(component, corpus)}{goes_on}"
    return InForce(what=Brake.WAITS, value=component, why=why)


def _going_on(component: str, corpus: str) -> InForce:
    retire = f"component retire {component.partition(' ')[2]} --corpus {corpus}"
    why = f"{component} goes on after the rollback, until: collapse-pipeline {retire} --reason TEXT"
    return InForce(what=Brake.WAITS, value=component, why=why)


def _activate(component: str, corpus: str) -> str:
    version = component.partition(" ")[2]
    return f"collapse-pipeline component activate {version} --corpus {corpus} --reason TEXT"
