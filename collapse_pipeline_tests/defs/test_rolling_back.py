"""Back to a release and forward again, and the drill, on nights that were really run."""

import json
import random
import shutil

import pytest
import typer
import yaml
from typer.testing import CliRunner

from collapse_pipeline import cli_audit
from collapse_pipeline.backends.readers.files import Columns
from collapse_pipeline.defs.corpora import add_corpus, suites_in_force
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.pins import check_pins, pinned_parts, vacuum
from collapse_pipeline.defs.reading import status_of
from collapse_pipeline.defs.rolling_back import DRILLED, drill, roll_back
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import BadInputError, LeaseHeldError
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.lineage import Happening, Status
from collapse_pipeline.records import Verdict
from collapse_pipeline.settings import load_settings

NIGHTS = [f"2026-10-{day:02}" for day in range(1, 8)]
CORPUS, OTHER = "tickets", "letters"
LABELS = ("refund", "order", "card")
WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("ada", "olo", "umi", "eri")]
SETTINGS = {
    "generate": {"rows": 45},
    "evaluate": {"written_rows": 0, "draws": 100},
    "gates": {"enforce": False},
    "release": {"enforce": False},
    "filter": {"embedder": None},
}


def run(shop, day, corpus=CORPUS):
    record = open_generation(shop, corpus, day)
    for stage in STAGES.values():
        stage(shop, record)
    return settle(shop, corpus, day)


def digests(manifest):
    return {pin.table: pin.digest for pin in manifest.tables}, manifest.model


def shop_in(home, **settings):
    """A workshop in a home, under other settings than the first nights had."""
    config = home.parent / "config.yaml"
    config.write_text(yaml.safe_dump({"defaults": SETTINGS | settings}), "utf-8")
    return open_workshop(load_settings(home, config), actor="cron")


def write_template(home, text):
    folder = home / "templates" / CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plain.j2").write_text(f"---\nname: plain\n---\n{text} {{{{ intent }}}}.", "utf-8")


def statuses(shop, corpus=CORPUS):
    found = shop.line(corpus).generations
    return [str(found[day].status) for day in sorted(found)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with four nights of one corpus and two of another."""
    home = tmp_path_factory.mktemp("made") / "home"
    home.mkdir()
    write_template(home, "Write about")
    rng = random.Random(1)
    for name in (CORPUS, OTHER):
        rows = [f"{LABELS[n % 3]} {' '.join(rng.choices(WORDS, k=9))}" for n in range(240)]
        lines = [f"{row},{LABELS[n % 3]}\n" for n, row in enumerate(rows)]
        (home.parent / f"{name}.csv").write_text("text,intent\n" + "".join(lines))
    with shop_in(home) as shop:
        for name in (CORPUS, OTHER):
            columns = Columns(prompt="text", label="intent")
            arrival = Arrival(first_generation=NIGHTS[0], initial_rows=100, nightly_rows=5)
            add_corpus(shop, name, home.parent / f"{name}.csv", columns, arrival)
        for day in NIGHTS[:4]:
            assert run(shop, day).verdict is Verdict.PROMOTED
        for day in NIGHTS[:2]:
            run(shop, day, OTHER)
    return home


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def shop(home):
    with shop_in(home) as shop:
        yield shop


def back(shop, to=NIGHTS[1], **also):
    return roll_back(shop, CORPUS, to, "answers turned stiff", **({"by": "Ada"} | also))


@pytest.mark.slow
def test_a_rollback_is_one_event_and_what_lies_behind_it_is_superseded(shop):
    before, others = shop.ledger.head()[0], shop.line(OTHER)
    said = back(shop)
    assert (said["done"], said["superseded"], said["restored"]) == (True, NIGHTS[2:4], [])
    assert said["rollback"]["by"] == "Ada"
    (event,) = shop.ledger.events(after=before)
    assert (event.kind, event.corpus, event.generation) == (Happening.ROLLED_BACK, CORPUS, "")
    assert (event.actor, event.role, event.reason) == ("Ada", "freezer", "answers turned stiff")
    assert statuses(shop) == ["promoted", "promoted", "superseded", "superseded"]
    assert shop.line(CORPUS).incumbent.generation == NIGHTS[1]
    assert shop.line(OTHER) == others


@pytest.mark.slow
def test_nights_run_again_behind_a_rollback_give_the_same_tables(shop):
    first = {day: digests(g.manifest) for day, g in shop.line(CORPUS).generations.items()}
    back(shop)
    for day in NIGHTS[2:4]:
        manifest = run(shop, day)
        assert manifest.attempt == 2
        assert digests(manifest) == first[day]
    assert statuses(shop) == ["promoted"] * 4


@pytest.mark.slow
def test_a_superseded_night_is_neither_parent_nor_mixed_in(shop):
    back(shop)
    record = open_generation(shop, CORPUS, NIGHTS[5])
    assert record.parent.generation <= NIGHTS[1]
    assert record.line == tuple(NIGHTS[:2])
    assert record.incumbent.generation == NIGHTS[1]
    for stage in STAGES.values():
        stage(shop, record)
    written = shop.store.read("training_mix", CORPUS, [NIGHTS[5]])["written_in"].to_pylist()
    assert set(written) <= {"", NIGHTS[1], NIGHTS[5]}


@pytest.mark.slow
def test_forward_again_restores_what_was_there_until_a_night_was_run_again(shop):
    before = shop.line(CORPUS)
    back(shop)
    said = back(shop, NIGHTS[3])
    assert (said["superseded"], said["restored"]) == ([], NIGHTS[2:4])
    assert shop.line(CORPUS).generations == before.generations
    back(shop)
    run(shop, NIGHTS[2])
    head = shop.ledger.head()
    with pytest.raises(BadInputError, match=f"{NIGHTS[2]} on its line was run again since"):
        back(shop, NIGHTS[3])
    assert shop.ledger.head() == head


@pytest.mark.slow
def test_said_twice_it_is_written_once(shop):
    back(shop)
    head = shop.ledger.head()
    assert back(shop)["done"]
    assert shop.ledger.head() == head
    run(shop, NIGHTS[2])
    assert back(shop)["superseded"] == [NIGHTS[2]]


@pytest.mark.slow
def test_what_the_release_had_holds_until_a_person_changes_it(made, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(made, home)
    changed = {
        "judge": {"keep_share": 0.2},
        "mix": {"synthetic_cap": 0.1},
        "generate": {"rows": 30},
        "student": {"kind": "ngram", "order": 3},
    }
    with shop_in(home) as shop:
        released = shop.line(CORPUS).generations[NIGHTS[3]].record
    write_template(home, "Say something about")
    with shop_in(home, **changed) as shop:
        other = open_generation(shop, CORPUS, NIGHTS[4])
        assert other.settings["generate"]["rows"] == 30
        assert other.templates != released.templates
        for stage in STAGES.values():
            stage(shop, other)
        settle(shop, CORPUS, NIGHTS[4])
        back(shop, NIGHTS[3])
        for day in NIGHTS[4:6]:
            record = open_generation(shop, CORPUS, day)
            assert record.settings == released.settings
            assert record.templates == released.templates
            assert (record.anchor, record.suites_pin) == (released.anchor, released.suites_pin)
            assert record.calibration == released.calibration
    # What a person configures from now on is in force.
    with shop_in(home, **changed | {"generate": {"rows": 33}}) as shop:
        record = open_generation(shop, CORPUS, NIGHTS[6])
        assert record.settings["generate"]["rows"] == 33
        assert record.settings["student"] == released.settings["student"]
        again = open_generation(shop, CORPUS, NIGHTS[6])
        assert again.attempt == record.attempt  # taken up again, not opened anew


@pytest.mark.slow
def test_a_suite_added_behind_the_release_does_not_count(shop):
    known = suites_in_force(shop, CORPUS)
    suite = {"name": "external", "version": "v1", "rows": 9, "applicable": True, "reason": ""}
    shop.ledger.append(
        "suite_added", corpus=CORPUS, actor="Ada", payload={"corpus": CORPUS, "suites": [suite]}
    )
    assert [s.name for s in suites_in_force(shop, CORPUS)] == [*(s.name for s in known), "external"]
    back(shop)
    assert suites_in_force(shop, CORPUS) == known
    shop.ledger.append(
        "suite_added", corpus=CORPUS, actor="Ada", payload={"corpus": CORPUS, "suites": [suite]}
    )
    assert suites_in_force(shop, CORPUS)[-1].name == "external"


@pytest.mark.slow
def test_a_gate_rolls_back_once_and_the_night_is_superseded(shop):
    record = open_generation(shop, CORPUS, NIGHTS[4])
    for _ in range(2):
        said = back(shop, NIGHTS[1], by="", gate="shadow_falls", record=record)
    (event,) = shop.ledger.events(corpus=CORPUS, kinds=[Happening.ROLLED_BACK])
    assert (event.generation, event.role, event.payload["gate"]) == (
        NIGHTS[4],
        "machine",
        "shadow_falls",
    )
    assert said["done"]
    assert shop.line(CORPUS).generations[NIGHTS[4]].status is Status.SUPERSEDED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"to": NIGHTS[5]}, "never run"),
        ({"by": ""}, "--by NAME"),
        ({"by": "Bob"}, "Ada, who may do this as freezer"),
    ],
)
def test_a_rollback_that_may_not_be_is_refused(home, asked, complaint):
    with shop_in(home, governance={"roles": {"freezer": ["Ada"]}}) as shop:
        head = shop.ledger.head()
        with pytest.raises(BadInputError, match=complaint):
            back(shop, **asked)
        assert shop.ledger.head() == head


@pytest.mark.slow
def test_a_corpus_that_is_being_run_is_not_rolled_back(shop, home):
    with open_workshop(load_settings(home), actor="another run") as other:
        other.hold(CORPUS)
        with pytest.raises(LeaseHeldError):
            back(shop)


@pytest.mark.slow
def test_a_run_that_was_cut_off_is_given_up(shop):
    from collapse_pipeline.defs.running import RUN_CLOSED, RUN_OPENED

    opened = shop.ledger.append(
        RUN_OPENED, corpus=CORPUS, actor="cron", payload={"request": {}, "nights": NIGHTS}
    )
    back(shop)
    (closed,) = shop.ledger.events(corpus=CORPUS, kinds=[RUN_CLOSED])
    assert closed.payload == {"opened": opened.seq}


def damaged(home, place):
    """Changes one byte of the first file that the pattern finds; says which one it was."""
    path = sorted(home.glob(place))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    return path


@pytest.mark.slow
def test_a_part_that_is_missing_or_changed_is_named_and_nothing_moves(shop, home):
    manifest = shop.line(CORPUS).generations[NIGHTS[1]].manifest
    assert check_pins(shop, manifest) == []
    head = shop.ledger.head()
    damaged(home, f"models/{manifest.model}/language/*")
    (fault,) = back(shop)["faults"]
    assert fault.startswith(f"student {manifest.model[:12]}: a changed file language/")
    shutil.rmtree(home / "models" / manifest.model)
    assert back(shop)["faults"] == [f"student {manifest.model[:12]}: no such folder"]
    for path in home.glob(f"tables/training_mix/corpus={CORPUS}/generation={NIGHTS[1]}/*.parquet"):
        path.unlink()
    said = back(shop)
    assert not said["done"]
    names = [fault.partition(":")[0] for fault in said["faults"]]
    assert names[0].startswith("training_mix of 2026-10-02 at version ")
    assert shop.ledger.head() == head


@pytest.mark.slow
def test_rows_that_are_others_than_were_pinned_are_named(shop):
    """By hand: the version is there, and reads, but a pin says what stood there before."""
    manifest = shop.line(CORPUS).generations[NIGHTS[1]].manifest
    pins = list(manifest.tables)
    at = next(i for i, pin in enumerate(pins) if pin.table == "filtered_batch")
    pins[at] = pins[at].model_copy(update={"digest": "0" * 32})
    (part,) = check_pins(shop, manifest.model_copy(update={"tables": tuple(pins)}))
    assert part.name.startswith("filtered_batch of 2026-10-02")
    assert f"pinned {'0' * 32}" in part.fault
    pins[at] = pins[at].model_copy(update={"rows": pins[at].rows + 1})
    (part,) = check_pins(shop, manifest.model_copy(update={"tables": tuple(pins)}))
    assert part.fault == f"{pins[at].rows - 1} rows, pinned {pins[at].rows}"


@pytest.mark.slow
def test_every_part_of_a_release_is_looked_at(shop):
    manifest = shop.line(CORPUS).generations[NIGHTS[3]].manifest
    names = [part.name.partition(" ")[0] for part in pinned_parts(shop, manifest)]
    assert {pin.table for pin in manifest.tables} <= set(names)
    assert {"student", "baseline", "vocabulary", "parent"} <= set(names)
    # Kept rows of the three releases before it, and its own.
    assert names.count("filtered_batch") == 4


@pytest.mark.slow
@pytest.mark.parametrize("to", [None, NIGHTS[0], NIGHTS[2]])
def test_a_drill_trains_the_same_students_and_leaves_the_home_as_it_was(shop, home, to):
    def files():
        there = [*home.glob("tables/**/*"), *home.glob("models/**/*")]
        return {path: path.read_bytes() for path in there if path.is_file()}

    before, line = files(), shop.line(CORPUS)
    proof = drill(shop, CORPUS, to)
    manifest = line.generations[to or NIGHTS[3]].manifest
    assert (proof.proven, proof.faults, proof.packages) == (True, [], {})
    assert proof.trained == {"student": manifest.model, "baseline": manifest.baseline_model}
    (event,) = shop.ledger.events(corpus=CORPUS, kinds=[DRILLED])
    assert event.payload == proof.model_dump(mode="json")
    assert files() == before
    assert shop.line(CORPUS) == line


@pytest.mark.slow
def test_a_drill_that_proves_nothing_says_what_is_at_fault(shop, home):
    model = shop.line(CORPUS).incumbent.manifest.model
    path = damaged(home, f"models/{model}/language/*")
    proof = drill(shop, CORPUS)
    assert (proof.proven, proof.trained) == (False, {})
    assert any(path.name in fault for fault in proof.faults)
    (event,) = shop.ledger.events(corpus=CORPUS, kinds=[DRILLED])
    assert path.name in event.reason


@pytest.mark.slow
def test_a_student_that_trains_to_another_one_is_no_proof(shop, monkeypatch):
    from collapse_pipeline.defs import rolling_back

    train = rolling_back.student_model

    def otherwise(there, record):
        return train(there, record.model_copy(update={"seed": record.seed + 1}))

    monkeypatch.setattr(rolling_back, "student_model", otherwise)
    proof = drill(shop, CORPUS)
    assert not proof.proven
    assert [fault.partition(":")[0] for fault in proof.faults] == ["student", "baseline"]


@pytest.mark.slow
def test_a_drill_of_what_was_never_released_is_refused(shop):
    with pytest.raises(BadInputError, match="never run"):
        drill(shop, CORPUS, NIGHTS[6])
    with pytest.raises(BadInputError, match="one of the corpora"):
        drill(shop, "nonsense")


@pytest.mark.slow
def test_the_command_says_one_document_and_status_shows_it(home):
    app = typer.Typer()
    cli_audit.add_to(app)
    where = ["--home", str(home), "--config", str(home.parent / "config.yaml"), "--json"]
    shop_in(home).close()

    def said(*arguments):
        ended = CliRunner().invoke(app, ["rollback", CORPUS, *arguments, *where])
        return ended.exit_code, json.loads(ended.stdout)

    code, document = said("--to", NIGHTS[1], "--reason", "stiff", "--by", "Ada")
    assert (code, document["done"], document["superseded"]) == (0, True, NIGHTS[2:4])
    with shop_in(home) as shop:
        status = status_of(shop, CORPUS, 7)
    assert [g["verdict"] for g in status["generations"]][1:] == [
        "promoted",
        "superseded",
        "superseded",
    ]
    assert (status["rollback"]["to"], status["rollback"]["by"]) == (NIGHTS[1], "Ada")
    assert (status["incumbent"], status["next_night"]) == (NIGHTS[1], NIGHTS[2])
    code, document = said("--drill")
    assert (code, document["proven"], document["release"]) == (0, True, NIGHTS[1])
    damaged(home, f"models/{document['pinned']['student']}/language/*")
    for arguments in (("--drill",), ("--to", NIGHTS[1], "--reason", "stiff")):
        code, document = said(*arguments)
        assert code == 3
        assert "a changed file language/" in document["faults"][0]


@pytest.mark.slow
def test_vacuum_keeps_every_pinned_version(shop, home):
    def files():
        return len([*home.glob("tables/**/*.parquet")])

    def rewrite():
        shop.store.replace("eval_suites", CORPUS, "", shop.store.read("eval_suites", CORPUS))

    rewrite()  # a version that only a superseded night will pin
    run(shop, NIGHTS[4])
    rewrite()
    superseded = back(shop, NIGHTS[1])["superseded"]
    assert superseded == NIGHTS[2:5]
    waiting = open_generation(shop, CORPUS, NIGHTS[5])
    before = files()
    dry = vacuum(shop, hours=0, delete=False)  # the drops of a night are written twice
    assert dry["files"] > 0
    assert files() == before
    done = vacuum(shop, hours=0, delete=True)
    assert (done["files"], done["deleted"], files()) == (dry["files"], True, before - dry["files"])
    for corpus in (CORPUS, OTHER):
        for known in shop.line(corpus).generations.values():
            if known.manifest is not None:
                assert check_pins(shop, known.manifest, whole=True) == []
    for stage in STAGES.values():
        stage(shop, waiting)
    assert settle(shop, CORPUS, NIGHTS[5]).verdict is Verdict.PROMOTED
    assert back(shop, NIGHTS[4])["restored"] == superseded
