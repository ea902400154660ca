"""Every file of the open data, in the order they are read: what was promised, what was asked, what came of it."""

from collections.abc import Iterator

from forums.open_data import asked, consulted, followed, forums_held, plans
from forums.open_data.columns import Field, Row, fields_of, is_object

ROWS: tuple[type[Row], ...] = (
    plans.Plans,
    plans.Axes,
    plans.Institutions,
    plans.Commitments,
    plans.Continuations,
    plans.CommitmentInstitutions,
    plans.Milestones,
    followed.Indicators,
    followed.Measurements,
    followed.MeasurementCorrections,
    followed.Reports,
    followed.Evaluations,
    consulted.Consultations,
    consulted.Comments,
    consulted.Amendments,
    forums_held.Seasons,
    forums_held.Forums,
    forums_held.ForumCommitments,
    forums_held.AgendaItems,
    forums_held.AgendaCommitments,
    forums_held.AgendaQuestions,
    forums_held.Speakers,
    forums_held.Documents,
    forums_held.AgendaDocuments,
    forums_held.MinutesPublished,
    forums_held.Passages,
    forums_held.PassageCommitments,
    forums_held.PassageQuestions,
    asked.Questions,
    asked.QuestionInstitutions,
    asked.Answers,
    asked.FollowUps,
    asked.FollowUpCommitments,
    asked.FollowUpForums,
    asked.FollowUpSteps,
)
BY_FILE = {row.file: row for row in ROWS}
OBJECTS = tuple(row for row in ROWS if is_object(row))


def referring_to(row: type[Row]) -> Iterator[tuple[type[Row], Field, str]]:
    """Every field that refers to these rows, with the name of the link seen from here."""
    for other in ROWS:
        fields = [field for field in fields_of(other) if field.column.refers == row.file]
        for field in fields:
            yield other, field, other.file if len(fields) == 1 else f"{other.file}.{field.name}"
