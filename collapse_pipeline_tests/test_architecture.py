"""Rules of the house that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import collapse_pipeline

PACKAGE = Path(collapse_pipeline.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "sklearn",
    "great_expectations",
    "deltalake",
    "duckdb",
}


def imported(nodes: list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.If | ast.Try):
            yield from imported(node.body)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_the_rules(path):
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    top = set(imported(tree.body))
    assert not top & HEAVY, "imported at the top: import it in the function that needs it"
    assert "annotations" not in {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }, "Dagster reads annotations at run time"
    assert not set(imported([n for n in ast.walk(tree) if isinstance(n, ast.stmt)])) & {
        "pickle",
        "joblib",
        "shelve",
    }
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    if path.name != "__init__.py":
        assert ast.get_docstring(tree), "a module says what belongs in it"
    elif len(tree.body) > 1:
        pytest.fail("a package's __init__ holds a docstring and nothing else")


def test_the_environment_is_read_in_one_place():
    readers = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "get"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "environ"
    }
    assert readers <= {"settings.py"}


def test_every_kind_can_be_chosen():
    """A backend with a `kind` that the settings do not know could never be used."""
    chosen = (PACKAGE / "settings.py").read_text("utf-8")
    for path in (PACKAGE / "backends").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and field.target.id == "kind"
                and field.value is not None  # a default: the name it is chosen by
                for field in node.body
            ):
                assert node.name in chosen, f"{path.name}: {node.name} is in no union"
