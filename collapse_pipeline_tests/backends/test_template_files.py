import pytest

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.errors import BadInputError


@pytest.mark.parametrize("corpus", ["customer_service", "question_bank", "tickets"])
def test_shipped_templates_load(tmp_path, corpus):
    templates = load_templates(corpus, tmp_path)
    assert templates
    assert all(len(template.version) == 12 for template in templates)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no front matter", "front matter"),
        ("---\nname: [\n---\nbody", "front matter"),
        ("---\nname: a\nsurprise: 1\n---\nbody", "front matter"),
        ("---\nname: a\nversion: 1\n---\nbody", "version, which follow"),
        ("---\nname: a@b\n---\nbody", "a name of letters"),
        ("---\nname: a\nweight: 0\n---\nbody", "a weight above 0"),
        ("---\nname: a\n---\n{% for %}", "line 1"),
        ("---\nname: a\n---\n{{ cycler.__init__.__globals__ }}", "unsafe"),
    ],
)
def test_a_bad_template_of_the_home(tmp_path, text, complaint):
    folder = tmp_path / "templates" / "tickets"
    folder.mkdir(parents=True)
    (folder / "one.j2").write_text(text)
    with pytest.raises(BadInputError, match=complaint):
        load_templates("tickets", tmp_path)


def test_two_templates_of_one_name(tmp_path):
    folder = tmp_path / "templates" / "tickets"
    folder.mkdir(parents=True)
    for name in ("one.j2", "two.j2"):
        (folder / name).write_text("---\nname: same\n---\nbody")
    with pytest.raises(BadInputError, match="twice"):
        load_templates("tickets", tmp_path)
