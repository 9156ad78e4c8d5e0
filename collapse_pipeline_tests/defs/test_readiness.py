"""What must be true of a night besides its figures, in nights that are written by hand."""

import shutil

import pyarrow as pa
import pytest

from collapse_pipeline.defs.corpora import SUITE_ADDED
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.pins import pinned_parts
from collapse_pipeline.defs.readiness import (
    changed_since,
    in_service,
    nights_alone,
    outside_suites,
    release_evidence,
)
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import (
    TRAINING_MIX,
    Component,
    SuiteRecord,
    Verdict,
    days_before,
    samples_table,
)
from collapse_pipeline.settings import today_utc
from collapse_pipeline_tests.defs.nights import (
    CORPUS,
    NIGHTS,
    end_night,
    night,
    shop_with,
    take_in,
    write_templates,
)
from collapse_pipeline_tests.samples import human_row, written_row


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return take_in(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def shop(home):
    with shop_with(home) as shop:
        yield shop


# Suites from outside.


def suites(shop, *records, of=NIGHTS[1]):
    night(shop, NIGHTS[0])
    record = open_generation(shop, CORPUS, of)
    return outside_suites(shop, record.model_copy(update={"suites": records}))


def test_a_shadow_counts_as_long_as_its_window_is_recent(shop):
    # 180 days before 2026-10-02 is 2026-04-05, and a window is taken to end on the 28th.
    windows = {"2026-09": 1, "2026-04": 1, "2026-03": 0}
    night(shop, NIGHTS[0])
    record = open_generation(shop, CORPUS, NIGHTS[1])
    for window, counts in windows.items():
        shadow = SuiteRecord(name="shadow", version=f"{window}.ab12", rows=60)
        asked = record.model_copy(update={"suites": (shadow,)})
        assert outside_suites(shop, asked) == counts


def test_old_standard_suites_do_not_count_nor_what_could_not_be_built(shop):
    standard = SuiteRecord(name="standard", version="ab12", rows=600)
    none = SuiteRecord(name="shadow", applicable=False, reason="no time")
    assert suites(shop, standard, none) == 0


def test_the_long_tail_is_as_old_as_the_corpus(shop):
    tail = SuiteRecord(name="long_tail", version="ab12", rows=600)
    assert suites(shop, tail) == 1
    record = open_generation(shop, CORPUS, NIGHTS[2]).model_copy(update={"suites": (tail,)})
    assert outside_suites(shop, record.model_copy(update={"generation": "2027-03-30"})) == 1
    assert outside_suites(shop, record.model_copy(update={"generation": "2027-03-31"})) == 0


def test_a_suite_that_was_added_counts_from_that_day_whatever_its_name(shop):
    added = [SuiteRecord(name=name, version=name) for name in ("field", "cross_domain")]
    night(shop, NIGHTS[0])
    record = open_generation(shop, CORPUS, NIGHTS[1]).model_copy(update={"suites": tuple(added)})
    assert outside_suites(shop, record) == 0  # nobody added them
    payload = {"suites": [suite.model_dump(mode="json") for suite in added]}
    shop.ledger.append(SUITE_ADDED, corpus=CORPUS, actor="Ada", payload=payload)
    assert outside_suites(shop, record) == 1  # another domain with mapped labels is not external
    for days, counts in ((180, 1), (181, 0)):  # however old the corpus is by then
        later = record.model_copy(update={"generation": days_before(today_utc(), -days)})
        assert outside_suites(shop, later) == counts


# Components that changed.


def test_a_change_is_said_until_a_newer_one(shop, home):
    night(shop, NIGHTS[0])
    assert changed_since(shop, night(shop, NIGHTS[1])) is None  # the first that writes
    assert changed_since(shop, night(shop, NIGHTS[2])) is None
    write_templates(home, {"plain": "Write about {{ intent }}.", "warm": "Kindly: {{ intent }}."})
    assert changed_since(shop, night(shop, NIGHTS[3])) == NIGHTS[3]
    assert changed_since(shop, night(shop, NIGHTS[4])) == NIGHTS[3]
    write_templates(home, {"plain": "Write about {{ intent }}."})  # what is gone wants no review
    assert changed_since(shop, night(shop, NIGHTS[5])) is None


def test_a_judge_is_a_change_and_the_release_that_writes_is_none(home):
    with shop_with(home, teacher={"kind": "student"}) as shop:
        for day in NIGHTS[:4]:
            record = night(shop, day)
            assert changed_since(shop, record) is None, day
    judge = {"panel": {"kind": "rules"}}
    with shop_with(home, teacher={"kind": "student"}, judge=judge) as shop:
        assert changed_since(shop, night(shop, NIGHTS[4])) == NIGHTS[4]


def test_a_component_that_comes_back_is_no_change(shop, home):
    for day in NIGHTS[:3]:
        night(shop, day)
    judge = {"panel": {"kind": "rules"}}
    with shop_with(home, judge=judge) as other:  # for one night, which a gate stopped
        stopped = night(other, NIGHTS[3], verdict=Verdict.QUARANTINED)
        assert changed_since(other, stopped) == NIGHTS[3]
    with shop_with(home) as shop:
        assert changed_since(shop, night(shop, NIGHTS[4])) is None


def test_reviewed_rows_count_from_the_change_on(shop, home):
    night(shop, NIGHTS[0])
    night(shop, NIGHTS[1])
    review(shop, NIGHTS[1], "old")
    write_templates(home, {"warm": "Kindly: {{ intent }}."})
    record = open_generation(shop, CORPUS, NIGHTS[2])
    manifest = end_night(shop, record)

    def evidence():
        return release_evidence(shop, record, manifest, pinned_parts(shop, manifest))

    assert (evidence().changed_components, evidence().reviewed_rows) == (1, 0)
    assert evidence().kept_rows == 4
    review(shop, NIGHTS[2], "a", "b")
    assert evidence().reviewed_rows == 2


def review(shop, generation, *samples):
    verdicts = [{"sample": sample, "generation": generation} for sample in samples]
    shop.ledger.append(
        Act.REVIEW_RECORDED, corpus=CORPUS, actor="Ada", payload={"verdicts": verdicts}
    )


# One source for long.


def mixed(shop, day, *teachers):
    rows = [
        row | {"weight": 1.0, "role": "positive", "written_in": day, "generation": day}
        for row in (
            human_row("a person wrote this", corpus=CORPUS),
            *(written_row(t, corpus=CORPUS, teacher=t, seed=n) for n, t in enumerate(teachers)),
        )
    ]
    shop.store.replace("training_mix", CORPUS, day, samples_table(rows, TRAINING_MIX))


@pytest.fixture
def alone(home):
    """Nights by one teacher, with nothing from outside; how many of them a night counts."""
    with shop_with(home) as shop:
        anchor = shop.store.read("human_anchor", CORPUS)
        there = anchor.schema.get_field_index("available_from")
        first = pa.repeat(NIGHTS[0], anchor.num_rows)
        anchor = anchor.set_column(there, anchor.schema.field(there), first)
        shop.store.replace("human_anchor", CORPUS, "", anchor)
        night(shop, NIGHTS[0])

        def count(day, *teachers, **ending):
            record = open_generation(shop, CORPUS, day)
            if teachers:
                mixed(shop, day, *teachers)
            counted = nights_alone(shop, record)
            end_night(shop, record, **ending)
            return counted

        count.shop = shop
        yield count


def test_nights_that_one_teacher_wrote_alone_add_up(alone):
    assert [alone(day, "student@1", "student@2") for day in NIGHTS[1:5]] == [1, 2, 3, 4]
    assert alone(NIGHTS[5], "student@1", "outside@1") == 0
    assert alone(NIGHTS[6], "student@1") == 1


def test_a_night_that_was_stopped_before_its_mix_corrects_nothing(alone):
    assert alone(NIGHTS[1], "student@1") == 1
    assert alone(NIGHTS[2], verdict=Verdict.QUARANTINED) == 1
    assert alone(NIGHTS[3], "student@1") == 2


def test_a_review_begins_the_count_anew(alone):
    assert [alone(day, "student@1") for day in NIGHTS[1:4]] == [1, 2, 3]
    review(alone.shop, NIGHTS[2], "a")
    assert alone(NIGHTS[4], "student@1") == 2  # the nights after the one that was reviewed


def test_human_rows_that_arrive_begin_the_count_anew(shop):
    night(shop, NIGHTS[0])
    for day in NIGHTS[1:4]:  # ten rows arrive every night
        record = open_generation(shop, CORPUS, day)
        mixed(shop, day, "student@1")
        assert nights_alone(shop, record) == 0
        end_night(shop, record)


# What a machine may take away.


def test_of_one_template_none_can_be_taken_and_of_two_both_are_named(shop, home):
    night(shop, NIGHTS[0])
    record = open_generation(shop, CORPUS, NIGHTS[1])
    both = tuple(f"template {template}" for template in record.templates)
    assert in_service(shop, record).components[Component.TEMPLATE] == both
    end_night(shop, record)
    write_templates(home, {"plain": "Write about {{ intent }}."})
    record = open_generation(shop, CORPUS, NIGHTS[2])
    assert in_service(shop, record).components[Component.TEMPLATE] == ()


def test_the_newest_templates_are_those_that_came_last(shop, home):
    texts = {"plain": "Write about {{ intent }}."}
    newest = []
    for day, name in zip(NIGHTS[:6], ["", "", "warm", "", "cold", ""], strict=True):
        if name:
            texts[name] = f"Be {name}: {{{{ intent }}}}."
        write_templates(home, texts)
        record = open_generation(shop, CORPUS, day)
        found = in_service(shop, record).newest_templates
        newest.append([str(version).split("@")[0] for version in found])
        end_night(shop, record)
    warm, cold = ["template warm"], ["template cold"]
    assert newest == [[], [], warm, warm, cold, cold]


def test_a_judge_can_be_taken_where_an_earlier_one_is_in_service(home):
    with shop_with(home) as shop:
        night(shop, NIGHTS[0])
        record = night(shop, NIGHTS[1])
        assert in_service(shop, record).components[Component.JUDGE] == ()
    with shop_with(home, judge={"panel": {"kind": "rules"}}) as shop:
        record = night(shop, NIGHTS[2])
        (judge,) = in_service(shop, record).components[Component.JUDGE]
        assert judge.startswith("judge rules@")


def test_a_student_that_writes_can_be_taken_and_the_baseline_cannot(home):
    with shop_with(home, teacher={"kind": "student"}) as shop:
        night(shop, NIGHTS[0])
        record = night(shop, NIGHTS[1])
        assert record.parent.model
        (teacher,) = in_service(shop, record).components[Component.TEACHER]
        assert teacher == f"teacher student@{record.parent.model}"
        lone = record.model_copy(update={"parent": record.parent.model_copy(update={"model": ""})})
        assert in_service(shop, lone).components[Component.TEACHER] == ()
    with shop_with(home) as shop:
        assert in_service(shop, night(shop, NIGHTS[2])).components[Component.TEACHER] == ()


def test_the_cap_in_force_and_the_rarest_labels(shop):
    night(shop, NIGHTS[0])
    shop.ledger.append(
        Act.CAP_LOWERED,
        corpus=CORPUS,
        generation=NIGHTS[0],
        actor="cron",
        payload={"cap": 0.2, "gate": "g"},
    )
    record = open_generation(shop, CORPUS, NIGHTS[1])
    there = in_service(shop, record)
    assert there.cap == pytest.approx(0.2)
    human = shop.human(record)["label"].to_pylist()
    counts = sorted((human.count(label), label) for label in {*human})
    assert 0 < len(there.rare_labels) <= len(counts) / 4 + 1
    assert max(human.count(label) for label in there.rare_labels) <= counts[len(counts) // 2][0]


def test_what_is_wrong_is_said_in_words(shop):
    night(shop, NIGHTS[0])
    record = open_generation(shop, CORPUS, NIGHTS[1])
    record = record.model_copy(update={"calibration_faults": ("the labels changed since",)})
    manifest = end_night(shop, record)
    evidence = release_evidence(shop, record, manifest, pinned_parts(shop, manifest))
    assert evidence.calibration_faults == 1
    assert evidence.notes["calibration_faults"] == (
        f"the labels changed since; run: collapse-pipeline calibrate {CORPUS}"
    )
    assert evidence.pin_faults > 0  # nobody trained this night's model
    assert f"student {manifest.model[:12]}: no such folder" in evidence.notes["pin_faults"]
