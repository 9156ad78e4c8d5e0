import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.generate import render
from collapse_pipeline.loop.sandbox import BUDGET, LONGEST, Sandbox
from collapse_pipeline.records import Template

VARIABLES = {"label": "card_lost", "intent": "card lost", "corpus": "toy"}
TWICE_FORTY_TIMES = "{% set a = 'x' %}" + "{% set a = MORE %}" * 40 + "{{ a }}"
LONG = "{% set a = 'ab' * 20000 %}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ label.replace('_', ' ').title() }}", "Card Lost"),
        ("{{ label|replace('_', '-')|upper }}", "CARD-LOST"),
        ("{{ intent ~ 3 ~ none }}", "card lost3None"),
        ("{{ ['a', 3]|join(', ') }} {{ '-' * 3 }} {{ 2 ** 10 % 1000 }}", "a, 3 --- 24"),
        ("{{ nobody|default('D') }}{% if nobody is defined %}!{% endif %}", "D"),
        ("{{ label[5:] }} {{ label.split('_')[0] }} {{ {'a': 1}.a }}", "lost card 1"),
        ("{% for a, b in [(1, 2)] %}{{ loop.index }}{{ a }}{{ b }}{% endfor %}", "112"),
        (
            "{% for x in 'abc' if x != 'b' %}{{ x }}{{ '' if loop.last else ',' }}{% endfor %}",
            "a,c",
        ),
        ("{% with q = [1] + [2] %}{{ q }}{% endwith %}{{ range(3)|list }}", "[1, 2][0, 1, 2]"),
    ],
)
def test_what_a_template_may_use(source, text):
    assert Sandbox().text(source, VARIABLES) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**10 }}",
        "{{ 10000000000 * 'x' }}",
        "{{ [1] * 10**10 }}",
        "{{ 10 ** 10000000000 }}",
        "{{ range(10000)|join('y' * 10000) }}",
        "{{ ('x' * 10000)|replace('x', 'y' * 10000) }}",
        "{{ ('x' * 10000).replace('x', 'y' * 10000) }}",
        # Texts, lists and numbers that double: the lists stay small until they are written.
        TWICE_FORTY_TIMES.replace("MORE", "a ~ a"),
        TWICE_FORTY_TIMES.replace("MORE", "a + a"),
        TWICE_FORTY_TIMES.replace("MORE", "[a, a]"),
        TWICE_FORTY_TIMES.replace("MORE", "(a, a)").replace("{{ a }}", "{{ {a: 1} }}"),
        TWICE_FORTY_TIMES.replace("MORE", "{1: a, 2: a}"),
        "{% set a = 2 ** 60000 %}" + "{% set a = a * a %}" * 20,
        # Loops: with nothing to write, with much, and over a long text each time.
        "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        "{% for i in 'ab' * 9000 %}{% for j in 'ab' * 9000 %}{% endfor %}{% endfor %}",
        "{% for i in range(90000) %}a text of some words{% endfor %}",
        "{% for i in range(90000) %}{{ 'a text of some words' }}{% endfor %}",
        LONG + "{% for i in range(90000) %}{% if a == a ~ '' %}{% endif %}{% endfor %}",
        LONG + "{% for i in range(90000) if 'x' in a %}{% endfor %}",
        LONG + "{% for i in range(90000) %}{% if a[1:] %}{% endif %}{% endfor %}",
        LONG + "{% for i in range(90000) %}{% if a is lower %}{% endif %}{% endfor %}",
    ],
)
def test_what_costs_too_much(source):
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError, match="more than 200,000"):
            Sandbox().text(source, VARIABLES)
        assert tracemalloc.get_traced_memory()[1] < 20e6  # bytes; refused before it was made
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{ range(10**9)|list }}", "Range too big"),
        # What pads, formats, repeats or computes by itself.
        ("{{ 'x'|center(10**10) }}", "'center'"),
        ("{{ 'x'|indent(10**10, true) }}", "'indent'"),
        ("{{ ('x ' * 10000)|wordwrap(1, wrapstring='y' * 10000) }}", "'wordwrap'"),
        ("{{ '%10000000000d'|format(1) }}", "'format'"),
        ("{{ [1]|batch(10**10, 0)|list }}", "'batch'"),
        ("{{ [1]|slice(10**10)|list }}", "'slice'"),
        ("{{ 1.5|round(10**10, 'ceil') }}", "'round'"),
        ("{{ {}|tojson(10**10) }}", "'tojson'"),
        ("{{ '%10000000000d' is even }}", "'even'"),
        ("{{ '%10000000000d' is divisibleby(5) }}", "'divisibleby'"),
        ("{{ '%10000000000d' % 1 }}", "% formats no text"),
        ("{{ '{:10000000000}'.format(1) }}", r"format\(\)"),
        ("{{ '{a:10000000000}'.format_map({'a': 1}) }}", r"format_map\(\)"),
        ("{{ 'x'.center(10000000000) }}", r"center\(\)"),
        ("{{ 'x'.ljust(10000000000) }}", r"ljust\(\)"),
        ("{{ 'x'.rjust(10000000000) }}", r"rjust\(\)"),
        ("{{ 'x'.zfill(10000000000) }}", r"zfill\(\)"),
        ("{{ '\t'.expandtabs(2000000000) }}", r"expandtabs\(\)"),
        ("{{ (1).to_bytes(10000000000, 'big') }}", r"to_bytes\(\)"),
        ("{{ lipsum(10**9) }}", "'lipsum'"),
        ("{% set n = namespace(a='x') %}" + "{% set n.a = n.a ~ n.a %}" * 60, "'namespace'"),
        # What collects text unseen.
        (
            "{% macro m(n) %}{% if n %}{{ m(n-1) ~ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
            "Macro",
        ),
        ("{% set a %}{% for i in range(90000) %}a text{% endfor %}{% endset %}", "AssignBlock"),
        (
            "{% filter upper %}{% for i in range(90000) %}a{% endfor %}{% endfilter %}",
            "FilterBlock",
        ),
        ("{% call range(1) %}{% endcall %}", "CallBlock"),
        ("{% block a %}{{ self.a() }}{% endblock %}", "Block"),
        ("{% for i in [1] recursive %}{{ loop([i]) }}{{ loop([i]) }}{% endfor %}", "recursive"),
        ("a" * (LONGEST + 1), "more than 20,000"),
    ],
)
def test_what_a_template_may_not_use(source, complaint):
    with pytest.raises((TemplateError, OverflowError), match=complaint):
        Sandbox().text(source, VARIABLES)


values = st.recursive(
    st.sampled_from(["a", "'xyz'", "7", "label"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" ~ ", " * ", " + ", " ** "]), inner).map(
            lambda three: f"({''.join(three)})"
        ),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]}, {two[1]}]"),
        inner.map(lambda value: f"{value}|string|replace('x', 'xxxx')"),
    ),
    max_leaves=6,
)
statements = st.recursive(
    st.one_of(values.map("{{% set a = {} %}}".format), values.map("{{{{ {} }}}}".format)),
    lambda inner: st.one_of(
        inner.map("{{% for i in range(40) %}}{}{{% endfor %}}".format),
        st.tuples(inner, inner).map("".join),
        inner.map(lambda text: text * 3),
    ),
    max_leaves=6,
)


@given(statements)
def test_no_text_is_longer_than_the_budget(source):
    try:
        text = Sandbox().text("{% set a = 'x' %}" + source[:2000], VARIABLES)
    except (TemplateError, ArithmeticError, SyntaxError, TypeError, ValueError):
        return
    assert len(text) <= BUDGET


def test_a_long_text_is_rendered():
    # 80,000 before it is made (a text counts its characters and one), 40,000 made, 40,000 written.
    assert len(Sandbox().text("{{ 'x' * 40000 }}", {})) == 40_000


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{% if 1 %}" * 1000 + "{% endif %}" * 1000,
        "{% for i in [] %}" * 30 + "{% endfor %}" * 30,
        "{{ 'a'[5] }}{{ {}[1][2] }}",
    ],
)
def test_what_python_itself_refuses_is_a_fault_of_the_template(source):
    plain = Template(name="plain", version="1", body="", opening="")
    with pytest.raises(BadInputError, match="template plain"):
        render(source, plain, VARIABLES)
