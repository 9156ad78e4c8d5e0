"""The sandbox of templates: what a template may use, and how much it may make.

A template is rendered unattended, so a slip such as `{{ "x" * 10**10 }}` must cost neither the
night's memory nor its hours. Jinja2's own sandbox keeps a template from reaching out, not from
growing. Here every rendering has a budget, and whatever is read, made or written pays for its size:
a value whenever an expression gives it, and before it is made where it could be far larger than
what it is made of. So memory and steps both stay within a constant times the budget.
That holds because of what cannot be used at all: filters, tests and methods that pad, format or
compute by themselves, and whatever collects text unseen (macros, blocks, recursive loops).

What is not limited: time by a clock. Compiling the longest source takes about a second, and a few
steps (finding a text in a text, multiplying long whole numbers) cost more than in proportion to
what they read, which the budget holds to hundredths of a second. How deep Python nests is for
Python to say, which refuses.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.visitor import NodeTransformer

BUDGET = 200_000  # characters, items and steps of one rendering
LONGEST = 20_000  # characters of source, which cost the most: to compile them takes a second

STATEMENTS = (nodes.Output, nodes.For, nodes.If, nodes.Assign, nodes.With)
# None of these gives more than it was given, times a constant.
FILTERS = (
    *("capitalize", "count", "d", "default", "first", "float", "int", "last", "length", "list"),
    *("lower", "string", "title", "trim", "upper"),
)
METHODS = (
    *("capitalize", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip"),
    *("split", "startswith", "strip", "title", "upper"),
)
# Not `even` nor `divisibleby`: of a text they would be its formatting.
TESTS = (
    *("boolean", "defined", "eq", "in", "lower", "ne", "none", "number", "string", "undefined"),
    "upper",
)
PAID = "paid"


class Sandbox(ImmutableSandboxedEnvironment):
    """Renders one text, once: its budget is gone afterwards."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, optimized=False)
        self._left = BUDGET
        self.globals = {"range": safe_range}
        self.tests = {name: self.tests[name] for name in TESTS}
        self.filters = {name: self.filters[name] for name in FILTERS} | {
            "join": self._joined,
            "replace": self._replaced,
            PAID: self._paid,
        }

    def text(self, source: str, variables: Mapping[str, Any]) -> str:
        """What a template's source gives.

        Raises:
            TemplateError: A fault of the template; `SecurityError` where it would cost too much.
        """
        if len(source) > LONGEST:
            raise SecurityError(f"{len(source):,} characters, more than {LONGEST:,}")
        tree = self.parse(source)
        _Metered().visit(tree)
        written = []
        for part in self.from_string(tree).generate(**variables):
            self._spend(len(part))
            written.append(part)
        return "".join(written)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Pays for a power or a repetition before it is made; a text is not formatted by `%`."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("% formats no text here; join texts with ~")
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            self._spend(left.bit_length() * max(right, 0) // 8)
        if operator == "*":
            for value, times in ((left, right), (right, left)):
                if isinstance(times, int) and isinstance(value, str | list | tuple):
                    self._spend(_size(value) * max(times, 0))
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        """Only `range` and some methods of texts are called; a name that is unknown says so."""
        of_a_text = isinstance(getattr(obj, "__self__", None), str)
        known = of_a_text and obj.__name__ in METHODS
        return known or obj is safe_range or isinstance(obj, Undefined)

    def call(self, context: Context, called: Any, /, *given: Any, **named: Any) -> Any:
        """As the sandbox calls, but `replace` pays first."""
        text = getattr(called, "__self__", None)
        if isinstance(text, str) and getattr(called, "__name__", "") == "replace":
            return self._replaced(text, *given, **named)
        if not self.is_safe_callable(called):
            raise SecurityError(f"{getattr(called, '__name__', 'this')}() is not for templates")
        return super().call(context, called, *given, **named)

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise SecurityError(f"more than {BUDGET:,} characters, items and steps")

    def _replaced(self, text: str, old: str, new: str) -> str:
        text, old, new = str(text), str(old), str(new)
        self._spend(text.count(old) * len(new))
        return text.replace(old, new)

    def _joined(self, values: Iterable[Any], between: str = "") -> str:
        parts, between = [str(value) for value in values], str(between)
        self._spend(len(between) * len(parts))
        return between.join(parts)

    # With the context it is no constant to the compiler, which would fold it, unpaid.
    @pass_context
    def _paid(self, _: Context, value: Any) -> Any:
        self._spend(_size(value))
        return value


class _Metered(NodeTransformer):
    """Has every expression pay for its value; a loop has then paid for its turns, too."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if isinstance(node, nodes.Stmt) and not isinstance(node, STATEMENTS):
            raise TemplateSyntaxError(
                f"{type(node).__name__} is not for templates, but if, for, set and with are",
                node.lineno,
            )
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateSyntaxError("a loop is not recursive in a template", node.lineno)
        node = self.generic_visit(node, *args, **kwargs)
        value = isinstance(node, nodes.Expr) and getattr(node, "ctx", "load") == "load"
        if value and not isinstance(node, nodes.TemplateData | nodes.Slice | nodes.NSRef):
            return nodes.Filter(node, PAID, [], [], None, None, lineno=node.lineno)
        return node


def _size(value: object) -> int:
    """Characters and items, however deep; what holds others has paid for them, so it is finite."""
    if isinstance(value, str):
        return 1 + len(value)
    if isinstance(value, int):
        return 1 + value.bit_length() // 8
    if isinstance(value, range):
        return 1 + len(value)
    if isinstance(value, list | tuple):
        return 1 + sum(map(_size, value))
    if isinstance(value, dict):
        return 1 + sum(_size(key) + _size(item) for key, item in value.items())
    return 1
