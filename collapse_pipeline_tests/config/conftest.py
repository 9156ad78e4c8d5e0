"""Scenes that the tests of the default gates share: each is calibrated once."""

from pathlib import Path

import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline_tests.config.scene import Scene, scene_of


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """The scene of a corpus by its name, made when it is first asked for."""
    made: dict[str, Scene] = {}

    def scene(corpus: str) -> Scene:
        if corpus not in made:
            made[corpus] = scene_of(corpus, tmp_path_factory.mktemp(corpus), GATES[corpus])
        return made[corpus]

    return scene


DEFAULT = load_gates(Path("no home of its own"))
# A bank of questions is there for what only questions have.
GATES = {
    "customer_service": DEFAULT,
    "question_bank": [gate for gate in DEFAULT if gate.name == "questions_alike"],
}
