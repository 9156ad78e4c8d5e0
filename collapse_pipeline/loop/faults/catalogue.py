"""The catalogue of faults: every file of this folder that has one, in the order of a report."""

from collections.abc import Mapping

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults import (
    consistent_judge,
    duplicate_flood,
    empty_flood,
    encoding_damage,
    eval_leak,
    group_bias,
    half_wrong_facts,
    label_swap,
    length_truncation,
    online_only,
    over_refusal,
    paraphrase_twins,
    polite_emptiness,
    question_bank_isomorphism,
    ratio_creep,
    replace_regime,
    rigid_template,
    sharpened_sampling,
    single_teacher,
    tidy_judge,
)
from collapse_pipeline.loop.faults.fault import Fault

FAULTS: Mapping[str, Fault] = {
    one.FAULT.name: one.FAULT
    for one in (
        rigid_template,
        single_teacher,
        tidy_judge,
        consistent_judge,
        sharpened_sampling,
        replace_regime,
        ratio_creep,
        paraphrase_twins,
        half_wrong_facts,
        over_refusal,
        polite_emptiness,
        question_bank_isomorphism,
        eval_leak,
        label_swap,
        group_bias,
        length_truncation,
        encoding_damage,
        duplicate_flood,
        empty_flood,
        online_only,
    )
}


def fault_named(name: str) -> Fault:
    """The fault of that name.

    Raises:
        BadInputError: There is none.
    """
    if name not in FAULTS:
        raise BadInputError(
            "a fault of the catalogue", repr(name), f"choose from {', '.join(FAULTS)}"
        )
    return FAULTS[name]
