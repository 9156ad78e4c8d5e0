import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.backends.yaml_files import read_label_map, read_yaml
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.settings import PACKAGE

names = st.text("abc", min_size=1, max_size=3)
trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def test_every_name_has_its_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("mix:\n  cap: 1\n\nrows: [2]\n")
    data, lines = read_yaml(path)
    assert data == {"mix": {"cap": 1}, "rows": [2]}
    assert lines == {
        ("mix",): f"{path}, line 1",
        ("mix", "cap"): f"{path}, line 2",
        ("rows",): f"{path}, line 4",
    }


def paths(tree, above=()):
    for name, value in tree.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


@given(tree=trees)
def test_what_was_written_is_read_with_all_its_names(tree, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "tree.yaml"
    path.write_text(yaml.safe_dump(tree))
    data, lines = read_yaml(path)
    assert data == tree
    assert set(lines) == set(paths(tree))


def test_the_shipped_configuration_is_read():
    data, lines = read_yaml(PACKAGE / "config" / "default.yaml")
    assert set(data) == {place[0] for place in lines}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", "a again in .*line 3"),
        ("a:\n  b: 1\n  b: 1\n", "a.b again in .*line 3"),
        ("- a\n", "a mapping"),
        ("a: [\n", "YAML"),
    ],
)
def test_a_file_that_is_no_mapping_of_names(tmp_path, text, complaint):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(BadInputError, match=complaint):
        read_yaml(tmp_path / "a.yaml")


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInputError, match="no file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("yes: 007\n", {"yes": "007"}),  # as they are spelt
        ('{"a": "b"}', {"a": "b"}),
        ("", {}),
    ],
)
def test_a_label_map(tmp_path, text, wanted):
    (tmp_path / "map.yaml").write_text(text)
    assert read_label_map(tmp_path / "map.yaml") == wanted


@pytest.mark.parametrize("text", ["a: [b]", "a: {b: c}", "- a", "a: b\na: c", "[a]: b", "a: ["])
def test_a_bad_label_map(tmp_path, text):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(BadInputError):
        read_label_map(tmp_path / "map.yaml")
