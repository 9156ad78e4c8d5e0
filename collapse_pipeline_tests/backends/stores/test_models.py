import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from collapse_pipeline.backends.stores.delta import DeltaStore
from collapse_pipeline.backends.stores.models import ModelFolders
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.ports import Student

KINDS = {"language": "ngram", "task": "linear"}


@dataclass
class Part:
    """A model that is nothing but its files."""

    files: dict[str, bytes] = field(default_factory=dict)

    def save(self, folder):
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def student(words=b"words"):
    return Student(
        language=Part({"counts.json": words, "vocabulary/tokens.txt": b"a b"}),
        task=Part({"weights.bin": b"\x00\x01"}),
    )


@pytest.fixture
def folders(tmp_path):
    return ModelFolders(tmp_path / "models")


def test_the_folder_holds_the_parts_and_a_manifest_of_their_hashes(folders):
    model = folders.save_model(student(), KINDS)
    folder = folders.model_folder(model)
    assert folder == folders.folder / model
    assert (folder / "language/vocabulary/tokens.txt").read_bytes() == b"a b"
    assert json.loads((folder / "manifest.json").read_text()) == {
        "files": {
            "language/counts.json": sha256(b"words").hexdigest(),
            "language/vocabulary/tokens.txt": sha256(b"a b").hexdigest(),
            "task/weights.bin": sha256(b"\x00\x01").hexdigest(),
        },
        "kinds": KINDS,
    }


def test_a_student_without_a_task_model_has_one_part(tmp_path):
    store = DeltaStore(str(tmp_path))
    model = store.save_model(Student(language=Part({"a": b"1"}), task=None), {"language": "gpt"})
    assert sorted(p.name for p in store.model_folder(model).iterdir()) == [
        "language",
        "manifest.json",
    ]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=20), st.binary(max_size=20))
def test_two_models_share_a_hash_if_and_only_if_they_are_equal(folders, one, other):
    first, second = (folders.save_model(student(content), KINDS) for content in (one, other))
    assert (first == second) == (one == other)


def test_saving_twice_writes_once_and_heals_damage(folders):
    model = folders.save_model(student(), KINDS)
    file = folders.folder / model / "task/weights.bin"
    before = file.stat().st_mtime_ns
    assert folders.save_model(student(), KINDS) == model
    assert file.stat().st_mtime_ns == before
    file.write_bytes(b"\x00\x02")
    assert folders.save_model(student(), KINDS) == model
    assert folders.model_folder(model).is_dir()
    assert sorted(p.name for p in folders.folder.iterdir()) == [".lock", model]


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("task/weights.bin", b"\x00\x02", "a changed file task/weights.bin"),
        ("language/counts.json", None, "no file language/counts.json"),
        ("language/more.json", b"{}", "an unknown file language/more.json"),
        ("manifest.json", None, "no readable manifest.json"),
        ("manifest.json", b"{}", "no readable manifest.json"),
        ("manifest.json", b'{"files": {}, "kinds": {}}', "a changed manifest.json"),
    ],
)
def test_what_was_tampered_with_is_named(folders, file, content, named):
    model = folders.save_model(student(), KINDS)
    path = folders.folder / model / file
    path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=named):
        folders.model_folder(model)


def test_a_model_that_is_not_there_and_a_name_that_is_no_hash(folders):
    with pytest.raises(StoreError, match="no such folder"):
        folders.model_folder("0" * 32)
    with pytest.raises(BadInputError, match="hash"):
        folders.model_folder("../ledger")


def test_a_missing_or_blocked_home_is_said_so(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        ModelFolders(tmp_path / "nowhere/models").save_model(student(), KINDS)
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(StoreError, match="models"):
        ModelFolders(tmp_path / "models").save_model(student(), KINDS)
    with pytest.raises(StoreError, match="local folder"):
        DeltaStore("s3://bucket/home").save_model(student(), KINDS)


@pytest.mark.parametrize("kind", [partial(OSError, 28), SafetensorError])
def test_a_part_that_fails_leaves_nothing(folders, kind):
    class Broken(Part):
        def save(self, folder):
            (folder / "half").write_bytes(b"x")
            raise kind("No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        folders.save_model(Student(language=Broken(), task=None), KINDS)
    assert [p.name for p in folders.folder.iterdir()] == [".lock"]


KILLED = """
import os, signal, sys
from pathlib import Path
from collapse_pipeline.backends.stores.models import ModelFolders
from collapse_pipeline_tests.backends.stores.test_models import KINDS, student
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
ModelFolders(Path(sys.argv[1])).save_model(student(), KINDS)
"""


def test_a_writer_killed_before_the_rename_leaves_no_model(folders):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folders.folder)],
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert sorted(p.name for p in folders.folder.iterdir()) == [".draft", ".lock"]
    other = folders.save_model(student(b"other words"), KINDS)
    assert sorted(p.name for p in folders.folder.iterdir()) == [".lock", other]
    assert folders.model_folder(folders.save_model(student(), KINDS)).is_dir()
