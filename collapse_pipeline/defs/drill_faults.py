"""A fault put into a copy of a healthy home: what it turns, damages or moves there, and what is to
be blamed for it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.corpora import SUITE_ADDED, suites_in_force
from collapse_pipeline.defs.drill_homes import ACTOR, AT_FAULT, TEMPLATES, nights_of, write_template
from collapse_pipeline.defs.workshop import Workshop, arrived, open_workshop
from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.loop.suites import freeze
from collapse_pipeline.loop.versions import members_of, named, version_of
from collapse_pipeline.records import SAMPLE, Component, human_sample_id, labels_of
from collapse_pipeline.settings import CorpusSettings, JudgeSettings, load_settings, merge

LEAKED = "leaked.jsonl"


def prepare(home: Path, corpus: str, fault: Fault, strength: float) -> None:
    """What a fault changes of a home but its settings: a template's version, the shadow suite, and
    the rows that leak."""
    if fault.blames is Component.TEMPLATE:
        write_template(home, corpus, AT_FAULT, f"{TEMPLATES[AT_FAULT]} Keep to the house style.")
    if fault.copies_suites or fault.move is not None:
        with open_workshop(load_settings(home), actor=ACTOR) as shop:
            if fault.copies_suites:
                _write_leak(shop, corpus, home / LEAKED)
            if fault.move is not None:
                _move_shadow(shop, corpus, fault, strength)


def _suite(shop: Workshop, corpus: str, name: str) -> pa.Table:
    rows = shop.store.read("eval_suites", corpus)
    (record,) = (s for s in suites_in_force(shop, corpus, nights_of(0, 1)[0]) if s.name == name)
    same = pc.and_(pc.equal(rows["suite"], name), pc.equal(rows["suite_version"], record.version))
    return rows.filter(same)


def _write_leak(shop: Workshop, corpus: str, file: Path) -> None:
    rows = _suite(shop, corpus, "standard").select(["label", "prompt", "response"]).to_pylist()
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _move_shadow(shop: Workshop, corpus: str, fault: Fault, strength: float) -> None:
    """Freezes a new version of the shadow suite, asked as the fault says."""
    if fault.move is None:
        return
    shop.hold(corpus)
    seed = shop.settings.corpus(corpus).seed
    moved = []
    for row in _suite(shop, corpus, "shadow").select(SAMPLE.names).to_pylist():
        prompt = fault.move(row["prompt"], strength, seed)
        own = human_sample_id(corpus, row["label"], prompt, row["response"])
        moved.append({**row, "prompt": prompt, "sample_id": own})
    frozen, record = freeze("shadow", pa.Table.from_pylist(moved, schema=SAMPLE))
    there = shop.store.read("eval_suites", corpus)
    shop.store.replace("eval_suites", corpus, "", pa.concat_tables([there, frozen]))
    shop.ledger.append(
        SUITE_ADDED,
        corpus=corpus,
        actor=ACTOR,
        payload={"corpus": corpus, "suites": [record.model_dump(mode="json")], "source": "drill"},
    )


def turned(
    base: Mapping[str, Any], fault: Fault, strength: float, number: int, home: Path
) -> dict[str, Any]:
    """The corpus's settings on a night of the drill, 1 at the onset.

    Damage to what a template asks for, or behind all teachers, is done to every teacher's rows;
    damage by a teacher to those of the first alone.
    """
    # With all that the configuration leaves to its defaults, which a fault may turn.
    base = CorpusSettings.model_validate(base).model_dump(mode="json")
    settings = dict(base)
    if fault.turn is not None:
        for part, value in fault.turn(strength, number, base).items():
            # A mixture is turned as a whole: merging would bring left-out teachers back.
            settings[part] = value if part == "teacher" else merge(settings[part], value)
    if fault.damage is not None:
        teachers = base["teacher"]["teachers"]
        first, *_ = teachers
        spoilt = [first] if fault.blames is Component.TEACHER else list(teachers)
        faulty = {
            name: {
                "kind": "faulty",
                "teacher": teachers[name],
                "fault": fault.name,
                "strength": strength,
                "templates": [AT_FAULT] if fault.blames is Component.TEMPLATE else [],
                "rows": str(home / LEAKED) if fault.copies_suites else None,
            }
            for name in spoilt
        }
        settings["teacher"] = {**base["teacher"], "teachers": {**teachers, **faulty}}
    return settings


def to_blame(shop: Workshop, corpus: str, fault: Fault) -> list[str]:
    """The component versions that the fault lies in, `kind name@version`."""
    if fault.blames is None:
        return []
    settings = shop.settings.corpus(corpus).model_dump(mode="json")
    match fault.blames:
        case Component.TEMPLATE:
            templates = load_templates(corpus, shop.settings.home)
            return [named(Component.TEMPLATE, str(t)) for t in templates if t.name == AT_FAULT]
        case Component.TEACHER:
            return [named(Component.TEACHER, next(iter(members_of(settings["teacher"]).values())))]
        case _:
            return [version_of(fault.blames, settings["judge"])]


def _judged_by(shop: Workshop, corpus: str) -> CorpusSettings:
    """The settings of the next night: the judge of an earlier one goes on where a gate froze the
    configured one, and a person approves the calibration for that."""
    settings = shop.settings.corpus(corpus)
    records = [generation.record for generation in reversed(shop.line(corpus).active)]
    judges = [settings.judge.model_dump(mode="json"), *(r.settings["judge"] for r in records)]
    governance = shop.governance(corpus)
    used = next(j for j in judges if governance.in_service(version_of(Component.JUDGE, j)))
    return settings.model_copy(update={"judge": JudgeSettings.model_validate(used)})


def approve(shop: Workshop, corpus: str, night: str) -> Sequence[str]:
    """Lets the calibration in force hold for settings that changed, as if a person had said so.

    A teacher that turns, or a judge that a vendor replaced, does not announce itself: a drill asks
    whether gates see what it does, and not that a hash changed.

    Returns:
        What the gate `calibration_stale` would have named.
    """
    known = calibrating.in_force(shop, corpus)
    if known is None:
        return []
    settings = _judged_by(shop, corpus)
    human = arrived(shop.store.read("human_anchor", corpus), night, settings)
    facts = calibrating.facts_of(settings, labels_of(human))
    changed = [name for name, value in facts.items() if known.facts.get(name) != value]
    if changed:
        made = known.model_copy(update={"facts": facts})
        calibrating.keep(shop.settings.home, made)
        calibrating.put_in_force(shop, made, f"the drill approves: {', '.join(changed)}")
    return changed
