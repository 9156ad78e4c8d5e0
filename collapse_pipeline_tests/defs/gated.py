"""Small nights under gates that surely pass or surely breach, through the stages and without
Dagster: for tests of what gates see, say and cause."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.gating import gate_asset
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.defs.workshop import Workshop, arrived, open_workshop
from collapse_pipeline.loop.calibrate import Calibration
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.records import days_before, labels_of
from collapse_pipeline.settings import load_settings, merge, today_utc

CORPUS = "customer_service"
BOTH = (CORPUS, "question_bank")
NIGHTS = [days_before(today_utc(), days) for days in range(8, 0, -1)]
ARRIVAL = {"rows": 1200, "eval_share": 0.4, "initial_rows": 400, "nightly_rows": 10}
SETTINGS: Mapping[str, Any] = {
    "teacher": {"kind": "simulated"},
    "generate": {"rows": 240},
    "judge": {"panel": {"kind": "rules"}},
    "filter": {"embedder": None},
    "mix": {"synthetic_weight": 1.0},
    "evaluate": {"written_rows": 20, "primary_rows": 100, "draws": 100},
    "gates": {"rows": 100, "replicates": 8},
    "release": {"enforce": False},
}
TEMPLATES = {"plain": "Write about {{ intent }}.", "terse": "In five words: {{ intent }}."}
# What the release checklist takes for evidence of the batch; it always passes.
EVIDENCE = [
    {"name": "lengths", "metric": "length_divergence", "bound": {"at_most": 9}},
    {"name": "copies", "metric": "exact_duplicates", "bound": {"at_most": 1}},
]


def gate(name: str, at_most: float, severity: str = "block", **more: Any) -> dict[str, Any]:
    """A gate that needs no calibration: a share of duplicates lies between 0 and 1."""
    own = {"metric": "exact_duplicates", "bound": {"at_most": at_most}}
    return {"name": name, "severity": severity, "why": f"Why {name}."} | own | more


FIRES = gate("fires", -1)
# Only questions with answers to choose from have this figure.
STOPS_QUESTIONS = {
    "name": "questions_fire",
    "metric": "question_form_diversity",
    "bound": {"at_most": -1},
    "severity": "block",
    "actions": ["freeze_template", "raise_review"],
    "why": "It fires wherever there are questions.",
}
ENTROPY = gate("entropy", 0) | {"metric": "unigram_entropy", "bound": {"calibrated": "below"}}
HEALTHY = [6.0, 7.0, 8.0, 7.0, 6.0, 8.0, 7.0, 7.0]  # wide: no batch lies below


def write_gates(home: Path, gates: Sequence[Mapping[str, Any]] = ()) -> None:
    """Makes these the home's gates, beside those that always pass."""
    usual = {"asset": "synthetic_batch", "why": "It stays quiet."}
    rows = [usual | dict(one) for one in (*EVIDENCE, *gates)]
    (home / "gates.yaml").write_text(yaml.safe_dump(rows), "utf-8")


def write_templates(home: Path, texts: Mapping[str, str], corpus: str = CORPUS) -> None:
    folder = home / "templates" / corpus
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.j2").write_text(f"---\nname: {name}\n---\n{text}", "utf-8")


def shop_in(home: Path, **settings: Any) -> Workshop:
    """A workshop in a home whose one small corpus has these settings on top of the usual ones."""
    set_corpora(home, [CORPUS], settings)
    return open_workshop(load_settings(home), actor="cron")


def set_corpora(home: Path, corpora: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Makes these the home's corpora, small and with these settings on top of the usual ones."""
    own = home / "corpora.yaml"  # there once a corpus was taken in
    items = yaml.safe_load(own.read_text("utf-8")) if own.exists() else {}
    for corpus in corpora:
        begins = {"world": corpus, "arrival": ARRIVAL, "first_generation": NIGHTS[0]}
        items.setdefault(corpus, begins)
        items[corpus]["settings"] = merge(SETTINGS, settings)
    own.write_text(yaml.safe_dump(items), "utf-8")


def first_night(home: Path, **settings: Any) -> Path:
    """Runs generation 0, which no gate reads; the home is then copied for every test."""
    write_templates(home, TEMPLATES)
    write_gates(home)
    with shop_in(home, **settings) as shop:
        run_night(shop, NIGHTS[0])
    return home


def stopped_night(home: Path) -> subprocess.CompletedProcess[str]:
    """Two corpora through the command `run`, of which a gate stops the second's second night.

    Returns:
        How the command ended, with its JSON document.
    """
    set_corpora(home, BOTH, {})
    write_gates(home, [STOPS_QUESTIONS, gate("warns", -1, "warn"), ENTROPY])
    # One template, so that it has rows enough for its teacher to be blamed.
    write_templates(home, {"plain": "Ask about {{ intent }}."}, BOTH[1])
    with open_workshop(load_settings(home), actor="cron") as shop:
        run_night(shop, NIGHTS[0], corpus=BOTH[1])
        for corpus in BOTH:
            calibrate_by_hand(shop, {"1": {"unigram_entropy": HEALTHY}}, corpus)
    program = "from collapse_pipeline.cli import main; main()"
    asked = ["run", "--from", NIGHTS[1], "--generations", "1", "--home", str(home), "--json"]
    return subprocess.run(
        [sys.executable, "-c", program, *asked],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def calibrate_by_hand(
    shop: Workshop,
    nulls: Mapping[str, Mapping[str, Sequence[float]]],
    corpus: str = CORPUS,
    **other: Any,
) -> Calibration:
    """Puts a calibration in force that holds for the first night's rows and these settings."""
    settings = shop.settings.corpus(corpus)
    human = arrived(shop.store.read("human_anchor", corpus), NIGHTS[1], settings)
    made = Calibration(
        **{
            "corpus": corpus,
            "source": "refits",
            "facts": calibrating.facts_of(settings, labels_of(human)),
            "human_rows": human.num_rows,
            "rows": 100,
            "seed": 17,
            "nulls": nulls,
        }
        | other
    )
    calibrating.keep(shop.settings.home, made)
    calibrating.put_in_force(shop, made, "by hand")
    return made


def work(shop: Workshop, record: GeneratorRecord, until: str = "") -> None:
    """The stages of an open night and their gates; a gate that blocks ends it, as in the job."""
    enforced = shop.settings.corpus(record.corpus).gates.enforce
    accepted = shop.governance(record.corpus).accepted
    for name, stage in STAGES.items():
        stage(shop, record)
        found = gate_asset(shop, record, name)
        stops = any(finding.blocks and finding.gate.name not in accepted for finding in found)
        if name == until or (enforced and stops):
            return


def run_night(shop: Workshop, day: str, again: bool = False, corpus: str = CORPUS) -> Manifest:
    """One night from its opening to its decision."""
    work(shop, open_generation(shop, corpus, day, again=again))
    return settle(shop, corpus, day)
