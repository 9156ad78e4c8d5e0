"""Opening a generation: settle what lies open before it, refuse work out of order, and pin
everything that the night will read."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs.checklists import manifest_in_force, run_checklist
from collapse_pipeline.defs.choosing import (
    Choice,
    Configured,
    check_templates,
    choose,
    choose_parent,
)
from collapse_pipeline.defs.corpora import ensure_corpus, suites_in_force
from collapse_pipeline.defs.gate_pins import gate_pins
from collapse_pipeline.defs.restoring import pinned_tables, restored_settings
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.workshop import Workshop, arrived
from collapse_pipeline.errors import BadInputError, OutOfOrderError, TooFewSamplesError
from collapse_pipeline.loop.evaluate import primary_metric
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Happening, Line, Status, as_parent
from collapse_pipeline.loop.pinned import GeneratorRecord, Parent
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.records import (
    SuiteRecord,
    TablePin,
    Template,
    canonical_json,
    content_hash,
)
from collapse_pipeline.settings import CorpusSettings, packages


def open_generation(
    shop: Workshop,
    corpus: str,
    generation: str,
    overrides: Mapping[str, Any] | None = None,
    again: bool = False,
) -> GeneratorRecord:
    """Opens a night, or finds it open: the same settings resume an attempt that was cut off.

    Raises:
        OutOfOrderError: The line is already past this night, or it lies before the first one.
        LeaseHeldError: Another process is running this corpus.
        TooFewSamplesError: No human row had arrived by then.
        BadInputError: Nothing of a kind is left in service.
    """
    shop.hold(corpus)
    ensure_corpus(shop, corpus, generation)
    settings = shop.settings.corpus(corpus, overrides)
    line = shop.line(corpus)
    known = line.generations.get(generation)
    asked = content_hash(canonical_json(settings.model_dump(mode="json")))
    if known is not None and known.status is Status.OPEN and known.record.configured == asked:
        return known.record
    templates = checked_parts(shop, corpus, settings)
    _refuse_early(shop, corpus, generation)
    line.admit(generation, again)
    for earlier in line.active:
        if earlier.status is Status.OPEN and earlier.generation < generation:
            settle(shop, corpus, earlier.generation)
    line = shop.line(corpus)
    before = line.before(generation)
    configured = Configured(
        restored_settings(before, settings),
        restored_settings(before, shop.settings.corpus(corpus)),
        templates,
    )
    record, choice = _record(shop, line, generation, configured, asked)
    _activate(shop, before, record, choice)
    for descendant in line.descendants(generation):
        shop.ledger.append(
            Happening.STALED,
            corpus=corpus,
            generation=descendant,
            actor=shop.actor,
            reason=f"{generation}, on which it stands, is done again",
            payload={"because": generation, "attempt": record.attempt},
            key=f"{record.key}/stales/{descendant}/{line.generations[descendant].record.attempt}",
        )
    shop.ledger.append(
        Happening.OPENED,
        corpus=corpus,
        generation=generation,
        actor=shop.actor,
        payload=record.model_dump(mode="json"),
        key=f"{record.key}/opened",
    )
    return record


def checked_parts(shop: Workshop, corpus: str, settings: CorpusSettings) -> tuple[Template, ...]:
    """The corpus's templates, after a look at what else a person gave: what is wrong with it is
    better said before a night is opened than in the middle of it.

    Raises:
        BadInputError: A template that does not render, a teacher that cannot write.
    """
    settings.teacher.check(shop.world_of(corpus))
    return load_templates(corpus, shop.settings.home)


def _refuse_early(shop: Workshop, corpus: str, generation: str) -> None:
    first = shop.settings.item(corpus).first_generation
    if first is not None and generation < first:
        raise OutOfOrderError(
            wanted=f"a night of {corpus} on or after {first}, its first generation",
            got=generation,
            do="give a later --from, or add the corpus with an earlier --first-generation",
        )


def _record(
    shop: Workshop, line: Line, generation: str, configured: Configured, asked: str
) -> tuple[GeneratorRecord, Choice]:
    corpus = line.corpus
    before = line.before(generation)
    scored = [g for g in before.active if g.status in (Status.PROMOTED, Status.QUARANTINED)]
    manifests = [g.manifest for g in scored if g.manifest is not None]
    baseline_model = manifests[-1].baseline_model if manifests else ""
    known = line.generations.get(generation)
    governance = shop.governance(corpus).as_of(generation)
    choice = choose(configured, before, governance, first=not scored)
    settings = choice.settings
    experiment = governance.experiment(generation, settings.governance.experiment_days)
    anchor, suites_pin = pinned_tables(shop, before)
    rows = shop.store.read("human_anchor", corpus, version=anchor.version)
    human = arrived(rows, generation, settings)
    if human.num_rows == 0:
        raise TooFewSamplesError(
            wanted=f"human training rows of {corpus} that had arrived by {generation}",
            got="none",
            do="start at a later night",
        )
    labels = sorted(set(human["label"].to_pylist()))
    check_templates(choice, configured, governance, labels)
    # Of all rows, for some labels may only arrive later.
    strange = sorted(set(settings.mix.infusion) - set(rows["label"].to_pylist()))
    if strange:
        raise BadInputError(
            wanted=f"labels of {corpus} in mix.infusion",
            got=", ".join(map(repr, strange)),
            do=f"choose from {', '.join(labels[:40])}{', ...' if len(labels) > 40 else ''}",
        )
    suites = suites_in_force(shop, corpus, generation)
    record = GeneratorRecord(
        corpus=corpus,
        generation=generation,
        ordinal=len(scored),
        attempt=known.record.attempt + 1 if known else 1,
        seed=settings.seed,
        parent=choose_parent(choice, before, governance, baseline_model, first=not scored),
        incumbent=as_parent(before.incumbent) if before.incumbent else None,
        best=_best(before, suites, any(human["label"].to_pylist()), settings),
        baseline_model=baseline_model,
        vocabulary_model=manifests[0].baseline_model if manifests else "",
        line=tuple(g.generation for g in before.releases),
        line_pins=tuple(
            _pin(pin.tables, "filtered_batch")
            for g in before.releases
            if (pin := g.manifest) is not None
        ),
        anchor=anchor,
        human_rows=human.num_rows,
        suites_pin=suites_pin,
        suites=suites,
        templates=choice.templates,
        settings=settings.model_dump(mode="json"),
        packages=packages(),
        configured=asked,
        in_force=choice.in_force,
        review_density=choice.review_density,
        supported_share=experiment.payload["share"] if experiment else 0.0,
        **gate_pins(shop, line, generation, settings, choice.templates, rows),
    )
    return record, choice


def _activate(shop: Workshop, before: Line, record: GeneratorRecord, choice: Choice) -> None:
    """Writes down which configured versions come into service, with the checklist as evidence;
    it stops nothing here, for the night's own release runs it again."""
    if not choice.activates:
        return
    checked = run_checklist(shop, before, manifest_in_force(before))
    rows = [row.model_dump(mode="json") for row in checked]
    last = _versions(before.active[-1].record) if before.active else ()
    for version in choice.activates:
        kind, _, name = version.partition(" ")
        shop.ledger.append(
            Act.ACTIVATED,
            corpus=record.corpus,
            generation=record.generation,
            actor=shop.actor,
            reason=_why_active(record, version in last),
            payload={"component": kind, "version": name, "checklist": rows},
            key=f"{record.key}/activated/{version}",
        )


def _why_active(record: GeneratorRecord, known: bool) -> str:
    if not record.ordinal:
        return "generation 0 activates all that is configured"
    return "the night before used it" if known else "it is configured: activation is automatic"


def _versions(record: GeneratorRecord) -> set[str]:
    return {version for versions in versions_of(record).values() for version in versions}


def _best(
    before: Line, suites: tuple[SuiteRecord, ...], labelled: bool, settings: CorpusSettings
) -> dict[str, Parent]:
    best = {}
    for suite in suites:
        if primary_metric(suite, labelled, settings.evaluate) is not None:
            release = before.best(suite)
            if release is not None:
                best[suite.name] = release
    return best


def _pin(pins: tuple[TablePin, ...], table: str) -> TablePin:
    return next(pin for pin in pins if pin.table == table)
