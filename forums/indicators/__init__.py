"""Indicators of commitments and their measurements, from what an institution measured to what everybody reads.

An agent of an institution that carries a commitment proposes a value; an organiser publishes it. The public reads
what is published, and what a corrected value was before. Whether an indicator is up to date is derived, never entered.
"""

from forums.indicators.defining import PERIODICITIES, DefinitionChanged, IndicatorForm, define, redefine
from forums.indicators.drawing import chart_of
from forums.indicators.figures import number
from forums.indicators.freshness import Freshness, due_on, freshness
from forums.indicators.measuring import (
    ChangedMeanwhile,
    CorrectForm,
    MeasureForm,
    WithdrawForm,
    Wrong,
    correct,
    propose,
    publish,
    reword,
    withdraw,
)
from forums.indicators.queries import (
    Beside,
    Correction,
    Followed,
    ToMeasure,
    Value,
    beside,
    by_code,
    carried_by,
    every_value,
    leads_among,
    of_commitment,
    of_commitments,
    public_one,
    taken_back,
    to_measure,
    value_by_id,
)
from forums.indicators.reminding import remind

__all__ = [
    "PERIODICITIES",
    "Beside",
    "ChangedMeanwhile",
    "CorrectForm",
    "Correction",
    "DefinitionChanged",
    "Followed",
    "Freshness",
    "IndicatorForm",
    "MeasureForm",
    "ToMeasure",
    "Value",
    "WithdrawForm",
    "Wrong",
    "beside",
    "by_code",
    "carried_by",
    "chart_of",
    "correct",
    "define",
    "due_on",
    "every_value",
    "freshness",
    "leads_among",
    "number",
    "of_commitment",
    "of_commitments",
    "propose",
    "public_one",
    "publish",
    "redefine",
    "remind",
    "reword",
    "taken_back",
    "to_measure",
    "value_by_id",
    "withdraw",
]
