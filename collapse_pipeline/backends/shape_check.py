"""Does a row have the shape of a sample? Great Expectations, over one frame at a time.

The expectations run in an ephemeral context: nothing is written, sent or shown.
"""

import os
import warnings
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa

from collapse_pipeline.errors import BackendError
from collapse_pipeline.loop.intake_frames import is_text
from collapse_pipeline.records import Frozen

# Characters that show nothing: a prompt of these alone is empty. Spelt out, because engines of
# regular expressions differ in what they call white space.
_BLANK = " \t\r\n\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
SOMETHING = f"[^{_BLANK}]"
# All of Unicode's control characters but tab and line ends (which intake unifies).
CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
CONTROL_OR_LINE_END = "[\x00-\x1f\x7f-\x9f]"


_FILLED = {
    "prompt": "empty_prompt",
    "response": "missing_response",
    "label": "missing_label",
    "split": "missing_split",
    "time": "missing_time",
}


class ShapeLimits(Frozen):
    """The longest texts that a corpus takes, in characters, and whether a response may be empty."""

    prompt_characters: int = 8_000
    response_characters: int = 16_000
    name_characters: int = 200  # of labels, split values, times and attributes
    response_required: bool = True


DEFAULT_LIMITS = ShapeLimits()


class _Rule(NamedTuple):
    """What is expected of one column, and the reason of a row that does not meet it."""

    reason: str
    column: str
    expectation: str
    options: dict[str, Any]
    detail: str


def check_shape(frame: pa.Table, limits: ShapeLimits = DEFAULT_LIMITS) -> pa.Table:
    """The frame with a reason and a detail for every row that is not shaped like a sample.

    A column that is there must be filled, but for attributes (and for responses, where the limits
    say so). A row has one reason, the first of: what the reader found, `empty_prompt`,
    `missing_response`, `missing_label`, `missing_split`, `missing_time`, `too_long`,
    `control_characters`.

    Raises:
        BackendError: When an expectation could not be computed: that says nothing about the rows.
    """
    reasons, details = frame["reason"].to_pylist(), frame["detail"].to_pylist()
    text = [name for name in frame.column_names if is_text(name)]
    rules = _rules(text, limits)
    for number, rows in _failing(frame.select(text), rules):
        for row in rows:
            if not reasons[row]:
                reasons[row], details[row] = rules[number].reason, rules[number].detail
    for name, values in (("reason", reasons), ("detail", details)):
        place = frame.column_names.index(name)
        frame = frame.set_column(place, name, pa.array(values, pa.large_string()))
    return frame


def _rules(columns: list[str], limits: ShapeLimits) -> list[_Rule]:
    """The rules in the order in which a row's reason is looked for."""
    rules = []
    for name, reason in _FILLED.items():
        if name in columns and (name != "response" or limits.response_required):
            detail = f"{name} is empty"
            rules.append(_Rule(reason, name, "ExpectColumnValuesToNotBeNull", {}, detail))
            rules.append(
                _Rule(reason, name, "ExpectColumnValuesToMatchRegex", {"regex": SOMETHING}, detail)
            )
    longest = {
        "prompt": limits.prompt_characters,
        "response": limits.response_characters,
    }
    for name in columns:
        most = longest.get(name, limits.name_characters)
        options = {"max_value": most}
        detail = f"{name} has over {most} characters"
        rules.append(
            _Rule("too_long", name, "ExpectColumnValueLengthsToBeBetween", options, detail)
        )
    for name in columns:
        forbidden = CONTROL if name in longest else CONTROL_OR_LINE_END
        detail = f"{name} has control characters"
        rules.append(
            _Rule(
                "control_characters",
                name,
                "ExpectColumnValuesToNotMatchRegex",
                {"regex": forbidden},
                detail,
            )
        )
    return rules


def _failing(texts: pa.Table, rules: list[_Rule]) -> list[tuple[int, list[int]]]:
    """Per rule that some row does not meet, in the order of the rules: its number, those rows."""
    if not texts.num_rows:
        return []
    batches = _batches()
    import great_expectations as gx

    expectations = [
        getattr(gx.expectations, rule.expectation)(
            column=rule.column, meta={"rule": number}, **rule.options
        )
        for number, rule in enumerate(rules)
    ]
    outcome = batches.get_batch({"dataframe": texts.to_pandas()}).validate(
        gx.ExpectationSuite(name="shape", expectations=expectations),
        result_format={"result_format": "COMPLETE", "include_unexpected_rows": False},
    )
    failing = []
    for result in outcome.results:
        _check_computed(result.exception_info, result.expectation_config.type)
        if not result.success:
            number = result.expectation_config.meta["rule"]
            failing.append((number, list(result.result["unexpected_index_list"])))
    return sorted(failing)


def _check_computed(info: dict[str, Any], expectation: str) -> None:
    # One exception is told as a flat dictionary, several as one dictionary a metric.
    told = [info] if "raised_exception" in info else list(info.values())
    for one in told:
        if one["raised_exception"]:
            raise BackendError(
                f"{expectation} to be computed",
                str(one["exception_message"]),
                "report it with the file: this is a fault of the check, not of the rows",
            )


@cache
def _batches() -> Any:
    """Where Great Expectations takes data frames from; one a process, for it costs 3 seconds."""
    # Read when the package is imported: without it every run calls home.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    with warnings.catch_warnings():
        # Its own imports are deprecated ones (sre_constants); nobody here can act on that.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

    # By default it makes a folder for web pages that nobody asked for, and says so.
    nowhere = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    project = DataContextConfig(store_backend_defaults=nowhere)
    context = gx.get_context(mode="ephemeral", project_config=project)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return source.add_batch_definition_whole_dataframe("whole")
