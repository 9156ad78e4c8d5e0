"""What a night's gates look at, read from the store: one function an asset.

Figures move with the number of rows, so a batch, its judgements and the real rows beside it are
draws of one size; what is read of human rows is what the teacher knew.
"""

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.defs.workshop import Workshop, arrived, pinned_settings
from collapse_pipeline.loop.calibrate import reasons
from collapse_pipeline.loop.contamination import eval_overlaps
from collapse_pipeline.loop.measure import Evidence, drawn
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    MixEvidence,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.records import SYNTHETIC, Component, derived_seed

HISTORY = 12  # generations that trends and persistence look back on


def batch_evidence(shop: Workshop, record: GeneratorRecord) -> BatchEvidence:
    """Tonight's batch beside human rows that its teacher knew, and rows that the line kept."""
    settings, seed = pinned_settings(record), derived_seed(record.seed, record.corpus, "gates")
    batch = shop.store.read("synthetic_batch", record.corpus, [record.generation])
    anchor = shop.store.read("human_anchor", record.corpus, version=record.anchor.version)
    human = arrived(anchor, record.taught_by or record.generation, settings)
    chosen = settings.filter.embedder
    embedder = chosen.build(human["prompt"].to_pylist()) if chosen else None
    past = [
        shop.store.read("filtered_batch", record.corpus, [generation], version=pin.version)
        for generation, pin in zip(record.line, record.line_pins, strict=True)
        if pin.rows
    ][-HISTORY:]
    rows = record.gate_rows
    earlier = Texts(drawn(pa.concat_tables(past), rows, seed), embedder) if past else None
    return BatchEvidence(
        synthetic=Texts(drawn(batch, rows, seed), embedder),
        human=Texts(drawn(human, rows, seed), embedder),
        earlier=earlier,
        world=shop.world_of(record.corpus),
        seed=derived_seed(seed, "measure"),
    )


def judged_evidence(shop: Workshop, record: GeneratorRecord) -> JudgedEvidence:
    """What the judge said of tonight's rows, and of the gold rows tonight and in the newest
    release that it judged."""
    seed = derived_seed(record.seed, record.corpus, "gates")
    judged = shop.store.read("judged_batch", record.corpus, [record.generation])
    gold = shop.store.read("judged_gold", record.corpus, [record.generation])
    known = shop.line(record.corpus).generations
    judge = versions_of(record)[Component.JUDGE]
    same = [n for n in record.line if versions_of(known[n].record)[Component.JUDGE] == judge]
    before = shop.store.read("judged_gold", record.corpus, same[-1:])
    return JudgedEvidence(
        Texts(drawn(judged, record.gate_rows, seed)),
        Texts(gold) if gold.num_rows else None,
        Texts(before) if before.num_rows else None,
        _acceptance(shop.store.read("judged_batch", record.corpus, list(record.line[-1:]))),
    )


def _acceptance(judged: pa.Table) -> dict[str, float]:
    """Share of accepted rows by label, and of all under ""; empty without rows."""
    if not judged.num_rows:
        return {}
    whole = {"": float(pc.mean(judged["accepted"]).as_py())}
    by_label = judged.group_by("label").aggregate([("accepted", "mean")]).to_pylist()
    return {row["label"]: float(row["accepted_mean"]) for row in by_label} | whole


def filtered_evidence(shop: Workshop, record: GeneratorRecord) -> FilteredEvidence:
    """What the filter left out."""
    night = [record.generation]
    accepted = shop.store.read("judged_batch", record.corpus, night, columns=["accepted"])
    dropped = shop.store.read("dropped_batch", record.corpus, night)
    return FilteredEvidence(pc.sum(accepted["accepted"]).as_py() or 0, reasons(dropped))


def mix_evidence(shop: Workshop, record: GeneratorRecord) -> MixEvidence:
    """Tonight's mix, and what bounds it."""
    settings = pinned_settings(record)
    mixture = shop.store.read("training_mix", record.corpus, [record.generation])
    written = mixture.filter(pc.equal(mixture["origin"], SYNTHETIC))
    overlaps = eval_overlaps(
        written,
        shop.suites(record),
        words=settings.filter.contamination_words,
        common=settings.filter.boilerplate_rows,
        human=shop.human(record),
        responses=settings.filter.contamination_responses,
    )
    incumbent = shop.line(record.corpus).before(record.generation).incumbent
    manifest = incumbent.manifest if incumbent else None
    return MixEvidence(
        mixture,
        leaked=sum(map(bool, overlaps)),
        cap=max(settings.mix.synthetic_cap, 0.0),
        depth_limit=settings.mix.depth_limit,
        gradient_share=max(settings.gates.supported_share, record.supported_share),
        previous_share=manifest.shares.get("synthetic") if manifest else None,
    )


def report_evidence(shop: Workshop, record: GeneratorRecord) -> ReportEvidence:
    """Tonight's evaluation, and those before it."""
    line = shop.line(record.corpus).before(record.generation).active
    # A night that a gate stopped early may still have the report of an earlier attempt.
    nights = [g.generation for g in line if g.manifest and g.manifest.rows.get("eval_report")]
    reports = [
        shop.store.read("eval_report", record.corpus, [night]).to_pylist()
        for night in [record.generation, *reversed(nights[-HISTORY:])]
    ]
    return ReportEvidence(reports[0], reports[1:])


EVIDENCE: Mapping[str, Callable[[Workshop, GeneratorRecord], Evidence]] = {
    "synthetic_batch": batch_evidence,
    "judged_batch": judged_evidence,
    "filtered_batch": filtered_evidence,
    "training_mix": mix_evidence,
    "eval_report": report_evidence,
}


def gather(shop: Workshop, record: GeneratorRecord, asset: str) -> Evidence:
    """The evidence of one asset of a night that is open."""
    return EVIDENCE[asset](shop, record)
