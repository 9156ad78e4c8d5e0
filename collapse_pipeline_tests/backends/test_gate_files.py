import textwrap

import pytest

from collapse_pipeline.backends.gate_files import SHIPPED, load_gates, read_gates
from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.gate import Action, Bound, Condition, Gate
from collapse_pipeline.settings import load_settings

GOOD = """
    # who is heard
    - name: labels_lost
      asset: synthetic_batch
      metric: coverage
      bound: {calibrated: below}
      severity: block
      why: Some labels are not written any more.
    - name: sources
      asset: training_mix
      any: 2
      of:
        - {metric: teacher_hhi, bound: {at_most: 0.8}}
        - metric: template_hhi
          bound: {at_most: 0.7}
      for: 2
      actions: [require_review]
      why: One voice.
"""


def written(folder, text):
    path = folder / "gates.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def test_a_file_by_hand(tmp_path):
    assert read_gates(written(tmp_path, GOOD)) == (
        Gate(
            name="labels_lost",
            asset="synthetic_batch",
            of=(Condition(metric="coverage", bound=Bound(calibrated="below")),),
            severity="block",
            why="Some labels are not written any more.",
        ),
        Gate(
            name="sources",
            asset="training_mix",
            any=2,
            of=(
                Condition(metric="teacher_hhi", bound=Bound(at_most=0.8)),
                Condition(metric="template_hhi", bound=Bound(at_most=0.7)),
            ),
            persist=2,
            actions=(Action.REQUIRE_REVIEW,),
            why="One voice.",
        ),
    )


def test_a_home_s_own_file_takes_the_place_of_the_default_suite(tmp_path):
    default = load_gates(tmp_path)
    assert default == read_gates(SHIPPED)
    written(tmp_path, GOOD)
    assert [gate.name for gate in load_gates(tmp_path)] == ["labels_lost", "sources"]


def test_the_default_suite_has_a_gate_or_vote_for_every_early_sign():
    gates = {gate.name: gate for gate in read_gates(SHIPPED)}
    assert all(gate.why.endswith(".") for gate in gates.values())
    assert gates["style_uniform"].any == 2
    assert gates["style_uniform"].severity == "block"
    # Each row of the table of early signals and red lines names one of these.
    assert set(gates) >= {
        "style_uniform",
        "distribution_contract",
        "fragile_on_noise",
        "smooth_but_worse",
        "shadow_falls",
        "judge_biased",
        "real_text_forgotten",
        "batch_contaminated",
        "mix_contaminated",
        "legacy_suites_only",
        "duplicates_rise",
        "mix_account",
        "single_source",
        "single_source_for_long",
        "share_raised_unproven",
        "review_missing",
        "responses_wrong",
        "group_gap_widened",
        "rollback_impossible",
        "calibration_stale",
    }


# What is wrong, its line, and what the message says; lines count from GOOD's first, which is 2.
FAULTS = [
    ("metric: coverage", "metric: covrage", 5, "'covrage'; perhaps coverage"),
    ("metric: template_hhi", "metric: template_hi", 14, "perhaps template_hhi"),
    ("severity: block", "severty: block", 7, "a good gate labels_lost in {}, got severty: unknown"),
    ("severity: block", "severity: bloc", 7, "severity: Input should be 'warn' or 'block'"),
    ("{at_most: 0.8}", "{atmost: 0.8}", 13, "of.0.bound.atmost: unknown name"),
    ("{calibrated: below}", "{}", 6, "one of at_most, at_least, worse_than, calibrated, trend"),
    ("{calibrated: below}", "{calibrated: below, at_least: 1}", 6, "one of at_most, at_least"),
    ("      bound: {calibrated: below}\n", "", 3, "of.0.bound: Field required"),
    ("{calibrated: below}", "{at_most: .nan}", 6, "of.0.bound.at_most: Input should be a finite"),
    ("asset: synthetic_batch", "asset: training_mix", 5, "which is measured on synthetic_batch"),
    ("name: sources", "name: labels_lost", 9, "one gate a name, got labels_lost again in {}"),
    ("name: sources", "name: the sources", 9, "name: String should match pattern"),
    ("any: 2", "any: 3", 9, "any: 3 of 2 conditions can never happen"),
    ("any: 2", "any: 2\n      any: 1", 12, "any again in {}"),
    ("for: 2", "for: 13", 16, "for: Input should be less than or equal to 12"),
    ("[require_review]", "[require_coffee]", 17, "actions.0: Input should be 'freeze_template'"),
    ("why: One voice.", "why:", 18, "why: Input should be a valid string"),
    ("metric: coverage", "of: []\n      metric: coverage", 6, "metric: unknown name"),
    ("- name: labels_lost", "- [labels_lost]\n    - name: labels_lost", 3, "a good gate ? in {}"),
]


@pytest.mark.parametrize(("old", "new", "line", "says"), FAULTS)
def test_what_is_wrong_is_named_with_its_line(tmp_path, old, new, line, says):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(BadInputError) as told:
        read_gates(path)
    where = f"{path}, line {line}"
    assert where in str(told.value), str(told.value)
    assert says.format(where) in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "got NoneType"),
        ("name: a", "got dict; begin with `- name`"),
        ("- {", "while parsing"),
        ("- \x00", "unacceptable character"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, text, says):
    path = written(tmp_path, text)
    with pytest.raises(BadInputError, match=says) as told:
        read_gates(path)
    assert str(path) in str(told.value)


def test_a_missing_file_is_told():
    with pytest.raises(BadInputError, match="No such file"):
        read_gates(SHIPPED.with_name("no.yaml"))


def test_a_faulty_gate_file_stops_the_code_location_from_loading(tmp_path):
    path = written(tmp_path, GOOD.replace("metric: coverage", "metric: covrage"))
    with pytest.raises(BadInputError, match="covrage") as told:
        build_definitions(load_settings(tmp_path))
    assert f"{path}, line 5" in str(told.value)
    written(tmp_path, GOOD)
    build_definitions(load_settings(tmp_path)).get_repository_def()
