"""Nights that end without being run, for what is decided between nights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.loop.lineage import Happening
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.records import Verdict, content_hash, samples_table
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.samples import written_row

CORPUS = "customer_service"
NIGHTS = [f"2026-10-{day:02}" for day in range(1, 13)]
TEMPLATES = {"plain": "Write about {{ intent }}.", "terse": "In five words: {{ intent }}."}
BASELINE = content_hash("baseline")
ARRIVAL = {"rows": 1200, "eval_share": 0.4, "initial_rows": 400, "nightly_rows": 10}


def model_of(day: str, attempt: int = 1) -> str:
    """The hash of a night's model, which nobody trained."""
    return content_hash("model", day, str(attempt))


def write_templates(home: Path, texts: Mapping[str, str]) -> None:
    folder = home / "templates" / CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.j2"):
        old.unlink()
    for name, text in texts.items():
        (folder / f"{name}.j2").write_text(f"---\nname: {name}\n---\n{text}", "utf-8")


def shop_with(home: Path, **settings: Any) -> Workshop:
    """A workshop in a home with one small corpus under these settings; its gates hold nothing."""
    own = home / "corpora.yaml"  # there once the corpus was taken in
    items = yaml.safe_load(own.read_text("utf-8")) if own.exists() else {}
    item = items.get(CORPUS, {"world": CORPUS, "arrival": ARRIVAL})
    item["settings"] = {"gates": {"enforce": False}, "teacher": {"kind": "simulated"}} | settings
    own.write_text(yaml.safe_dump({CORPUS: item}), "utf-8")
    return open_workshop(load_settings(home), actor="cron")


def take_in(home: Path) -> Path:
    """Takes the corpus in, with two templates; the home is then copied for every test."""
    write_templates(home, TEMPLATES)
    with shop_with(home) as shop:
        ensure_corpus(shop, CORPUS, NIGHTS[0])
    return home


def end_night(
    shop: Workshop,
    record: GeneratorRecord,
    verdict: Verdict = Verdict.PROMOTED,
    depth: int = 1,
    share: float = 0.3,
) -> Manifest:
    """Ends an open night as if it had been run: each template wrote four rows that were kept."""
    rows = [
        written_row(
            f"{template} row {n} of {record.generation}",
            "return_window",
            record.generation,
            corpus=record.corpus,
            template=str(template),
            seed=n,
        )
        for template in record.templates
        for n in range(4)
        if record.ordinal
    ]
    pins = [
        shop.store.replace(table, record.corpus, record.generation, samples_table(rows))
        for table in ("synthetic_batch", "filtered_batch")
    ]
    manifest = Manifest(
        corpus=record.corpus,
        generation=record.generation,
        attempt=record.attempt,
        verdict=verdict,
        blocked_by=() if verdict is Verdict.PROMOTED else ("a gate",),
        model=model_of(record.generation, record.attempt),
        baseline_model=BASELINE,
        parent=record.parent,
        depth=depth if record.ordinal else 0,
        shares={"human": 1 - share, "synthetic": share},
        rows={"filtered_batch": len(rows)},
        metrics={},
        released={},
        points={"standard@v1": 0.9},
        gain="",
        components={},
        tables=(record.anchor, record.suites_pin, *pins),
        ledger_head={},
    )
    shop.ledger.append(
        Happening.SETTLED,
        corpus=record.corpus,
        generation=record.generation,
        actor=shop.actor,
        payload=manifest.model_dump(mode="json"),
        key=f"{record.key}/settled",
    )
    return manifest


def night(shop: Workshop, day: str, **ending: Any) -> GeneratorRecord:
    """Opens a night and ends it."""
    record = open_generation(shop, CORPUS, day)
    end_night(shop, record, **ending)
    return record
