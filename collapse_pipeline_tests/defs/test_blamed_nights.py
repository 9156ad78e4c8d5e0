"""A rigid template and a judge of style come into service under the default gates: each is frozen,
nothing else is, and the nights after go on with the others. benchmarks/blame.py has ten seeds."""

import shutil
from pathlib import Path

import pytest
import yaml

from collapse_pipeline.defs.component_versions import components
from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.records import Component, Verdict
from collapse_pipeline.settings import load_settings, merge
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, run_night

pytestmark = pytest.mark.slow

STYLED = {
    "kind": "jury",
    "members": [{"kind": "rules"}, {"kind": "label_consistency"}, {"kind": "style"}],
    "weights": {"style": 2},
}
SETTINGS = {
    "seed": 31,
    "generate": {"rows": 900},
    "gates": {"rows": 480, "replicates": 8},
    "evaluate": {"written_rows": 20, "draws": 100},
    "release": {"enforce": False},  # small suites are decided by chance
}
ARRIVAL = {"rows": 2_000, "eval_share": 0.4, "initial_rows": 700, "nightly_rows": 10}
RIGID = "Hello support team, I write to you today about the following {{ intent }} matter:"


def write_template(home: Path, name: str, opening: str = "") -> None:
    folder = home / "templates" / CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    front = yaml.safe_dump({"name": name, "opening": opening})
    (folder / f"{name}.j2").write_text(f"---\n{front}---\nAsk about {{{{ intent }}}}.", "utf-8")


def shop_of(home: Path, **settings) -> Workshop:
    item = {"arrival": ARRIVAL, "first_generation": NIGHTS[0]}
    config = home / "drill.yaml"
    defaults = merge(SETTINGS, settings)
    config.write_text(yaml.safe_dump({"defaults": defaults, "corpora": {CORPUS: item}}), "utf-8")
    return open_workshop(load_settings(home, config), actor="cron")


def frozen(shop: Workshop) -> list[str]:
    rows = components(shop, CORPUS)
    return [f"{r['component']} {r['version']}" for r in rows if r["state"] == "frozen"]


def used(shop: Workshop, night: str, kind: Component) -> tuple[str, ...]:
    return versions_of(shop.line(CORPUS).generations[night].record)[kind]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A home after three healthy nights, its gates calibrated when the first of them opened."""
    home = tmp_path_factory.mktemp("healthy")
    for name in ("plain", "short", "upset"):
        write_template(home, name)
    with shop_of(home) as shop:
        nights = [run_night(shop, night) for night in NIGHTS[:3]]
    assert [night.verdict for night in nights] == [Verdict.PROMOTED] * 3
    return home


@pytest.fixture
def home(healthy, tmp_path):
    return shutil.copytree(healthy, tmp_path / "home")


def test_a_rigid_template_is_frozen_and_the_others_go_on(home):
    write_template(home, "rigid", RIGID)
    with shop_of(home) as shop:
        stopped = run_night(shop, NIGHTS[3])
        assert "style_uniform" in stopped.blocked_by
        (rigid,) = frozen(shop)
        assert rigid.startswith("template rigid@")
        assert rigid in used(shop, NIGHTS[3], Component.TEMPLATE)
        after = run_night(shop, NIGHTS[4])
        assert (after.verdict, after.blocked_by) == (Verdict.PROMOTED, ())
        names = {v.partition("@")[0] for v in used(shop, NIGHTS[4], Component.TEMPLATE)}
        assert names == {"template plain", "template short", "template upset"}


def test_a_judge_of_style_is_frozen_and_the_jury_before_it_goes_on(home):
    with shop_of(home, judge={"panel": STYLED}) as shop:
        (before,) = used(shop, NIGHTS[2], Component.JUDGE)
        stopped = run_night(shop, NIGHTS[3])
        assert stopped.blocked_by == ("judge_biased",)
        assert stopped.reasons["judge_biased"].startswith("judge style bias is")
        assert frozen(shop) == [*used(shop, NIGHTS[3], Component.JUDGE)] != [before]
        after = run_night(shop, NIGHTS[4])
        assert (after.verdict, after.blocked_by) == (Verdict.PROMOTED, ())
        assert used(shop, NIGHTS[4], Component.JUDGE) == (before,)
