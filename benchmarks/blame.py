"""Whether the component at fault is blamed, and the loop goes on without it.

Run: python benchmarks/blame.py [--corpora ...] [--seeds 10] [--first-seed 1]

Per corpus and seed a home runs three healthy nights with three honest templates and the default
jury, its gates calibrated on the way. Then, each in a copy of that home:

- `template`: a rigid template comes into service, whose texts all begin with one sentence. Right is
  that it, and nothing else, is frozen; recovered, that the next two nights are promoted without it.
- `judge`: a jury comes into service of whose score half goes by length and politeness. Right is
  that it, and nothing else, is frozen; recovered, that the next two nights are promoted with the
  jury before it.
- `teacher`, a control: the teacher itself turns narrow. Right is that no template is frozen.
- `other judge`, a control: another honest judge comes into service. Right is that it is not frozen.

Nights are run by the command line. What is done is kept in `results/blame.partial` and not done
again.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from bench import FIRST, RESULTS, add_banking77, command, report

from collapse_pipeline.defs import component_versions
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.settings import load_settings, merge

CORPORA = ("customer_service", "question_bank", "banking77")
HEALTHY = 3  # nights before the drill, the first of them without synthetic rows
AFTER = 2  # nights after the one that is stopped
SETTINGS = {
    "generate": {"rows": 1_600},
    "gates": {"rows": 1_200, "replicates": 12},
    "evaluate": {"written_rows": 50, "draws": 500},
}
# So little real text leaves the small suites to chance: those of 1,500 rows or more decide.
REAL = {"mix": {"human_rows": 2_500}, "evaluate": {"primary_rows": 1_500}}
ARRIVAL = {"rows": 6_000, "initial_rows": 2_000, "nightly_rows": 20}
TEMPLATES = {
    "plain": "Write one message as a real user would, about: {{ intent }}.",
    "short_note": "Write one short message, as typed on a phone, about: {{ intent }}.",
    "upset": "Write one message from an upset person who leaves something out: {{ intent }}.",
}
RIGID = "Hello support team, I am writing to you today about the following {{ intent }} matter:"
JURY = ({"kind": "rules"}, {"kind": "likelihood"}, {"kind": "label_consistency"})
STYLED = {"kind": "jury", "members": [*JURY, {"kind": "style"}], "weights": {"style": 3}}
OTHER = {"kind": "jury", "members": [*JURY[:2]]}
NARROW = {
    "customer_service": {"kind": "simulated", "narrowness": 0.5},
    "question_bank": {"kind": "simulated", "narrowness": 0.5},
    "banking77": {"kind": "student", "temperature": 0.6},
}


def settings_of(corpus: str, seed: int) -> dict[str, Any]:
    """The configuration of one home."""
    if corpus == "banking77":
        return {"defaults": merge(SETTINGS, {"seed": seed, **REAL})}
    item = {"arrival": ARRIVAL, "first_generation": FIRST}
    return {"defaults": merge(SETTINGS, {"seed": seed}), "corpora": {corpus: item}}


def write_template(home: Path, corpus: str, name: str, text: str, opening: str = "") -> None:
    folder = home / "templates" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    front = yaml.safe_dump({"name": name, "opening": opening})
    (folder / f"{name}.j2").write_text(f"---\n{front}---\n{text}\n", "utf-8")


def run(
    home: Path, corpus: str, settings: Mapping[str, Any], nights: int, *options: str
) -> list[dict[str, Any]]:
    """The next nights of a home under these settings."""
    config = home / "drill.yaml"
    config.write_text(yaml.safe_dump(settings), "utf-8")
    asked = ("run", "--corpus", corpus, "--generations", str(nights), "--config", str(config))
    return list(command(*asked, *options, home=home)["corpora"][0]["generations"])


def components(home: Path, corpus: str) -> dict[str, dict[str, Any]]:
    """Every component version, `kind name@version`, with its state and whether it is in use."""
    with open_workshop(load_settings(home, home / "drill.yaml")) as shop:
        rows = component_versions.components(shop, corpus)
    return {f"{row['component']} {row['version']}": row for row in rows}


def drill(
    home: Path, corpus: str, settings: Mapping[str, Any], what: str, nights: int
) -> dict[str, Any]:
    """The nights after something came into service: what was stopped, frozen, used."""
    before = {name for name, row in components(home, corpus).items() if row["in_use"]}
    ended = run(home, corpus, settings, 1)
    stood = components(home, corpus)
    frozen = sorted(name for name, row in stood.items() if row["state"] == "frozen")
    new = sorted(
        name
        for name, row in stood.items()
        if row["in_use"] and name not in before and not name.startswith("teacher student@")
    )
    later = run(home, corpus, settings, nights - 1) if nights > 1 else []
    last = components(home, corpus)
    return {
        "drill": what,
        "verdict": ended[0]["verdict"],
        "blocked_by": ended[0]["blocked_by"],
        "reasons": ended[0]["reasons"],
        "new": new,
        "frozen": frozen,
        "after": [night["verdict"] for night in later],
        "after_blocked_by": [night["blocked_by"] for night in later],
        "still_used": [name for name in new if last[name]["in_use"]],
    }


def blamed_right(found: Mapping[str, Any]) -> bool:
    """Whether the fault was put where it lies."""
    if found["drill"] in ("template", "judge"):
        kind = found["drill"]
        own = [name for name in found["new"] if name.startswith(f"{kind} ")]
        return bool(found["verdict"] == "quarantined" and found["frozen"] == own and own)
    kind = {"teacher": "template", "other judge": "judge"}[found["drill"]]
    return not any(name.startswith(f"{kind} ") for name in found["frozen"])


def recovered(found: Mapping[str, Any]) -> bool | None:
    """Whether the nights after were promoted without it; None for a control."""
    if not found["after"]:
        return None
    return set(found["after"]) == {"promoted"} and not found["still_used"]


def seed_case(corpus: str, seed: int) -> list[dict[str, Any]]:
    """One home's healthy nights, and every drill in a copy of it."""
    settings = settings_of(corpus, seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        if corpus == "banking77":
            add_banking77(home)
        for name, text in TEMPLATES.items():
            write_template(home, corpus, name, text)
        began = run(home, corpus, settings, HEALTHY, "--from", "first")
        healthy = [night["verdict"] for night in began]
        changes: dict[str, Mapping[str, Any]] = {
            "template": {},
            "judge": {"judge": {"panel": STYLED}},
            "teacher": {"teacher": NARROW[corpus]},
            "other judge": {"judge": {"panel": OTHER}},
        }
        rows = []
        for what, change in changes.items():
            copy = Path(folder) / what.replace(" ", "_")
            shutil.copytree(home, copy)
            if what == "template":
                write_template(copy, corpus, "rigid", "Write one message.", RIGID)
            nights = 1 + AFTER if what in ("template", "judge") else 1
            changed = merge(settings, {"defaults": change})
            found = drill(copy, corpus, changed, what, nights)
            rows.append({"corpus": corpus, "seed": seed, "healthy": healthy, **found})
            shutil.rmtree(copy)
        return rows


def done_before(path: Path) -> list[dict[str, Any]]:
    """Rows that an earlier run wrote down."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def summed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per corpus and drill, in how many seeds the blame was right and the loop recovered."""
    found = []
    for corpus, what in dict.fromkeys((row["corpus"], row["drill"]) for row in rows):
        own = [row for row in rows if (row["corpus"], row["drill"]) == (corpus, what)]
        back = [recovered(row) for row in own]
        found.append(
            {
                "corpus": corpus,
                "drill": what,
                "seeds": len(own),
                "blamed_right": sum(map(blamed_right, own)),
                "recovered": None if None in back else sum(map(bool, back)),
                "runs": own,
            }
        )
    return found


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--corpora", nargs="*", default=list(CORPORA))
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--first-seed", type=int, default=1)
    options = asked.parse_args()
    path = RESULTS / "blame.partial"
    path.parent.mkdir(exist_ok=True)
    rows = done_before(path)
    known = {(row["corpus"], row["seed"]) for row in rows}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for seed in seeds:
        for corpus in options.corpora:
            if (corpus, seed) not in known:
                new = seed_case(corpus, seed)
                rows += new
                with path.open("a", encoding="utf-8") as to:
                    to.writelines(json.dumps(row) + "\n" for row in new)
                said = ", ".join(f"{row['drill']} {blamed_right(row)}" for row in new)
                print(f"{corpus} seed {seed}: {said}", flush=True)
    wanted = [row for row in rows if row["corpus"] in options.corpora and row["seed"] in seeds]
    columns = ["corpus", "drill", "seeds", "blamed_right", "recovered"]
    report("blame", columns, summed(wanted))


if __name__ == "__main__":
    main()
