"""Every file of the open data, in the order they are read: what was promised, what was asked, what came of it."""

from collections.abc import Iterator
from functools import cache

from forums.language import N_
from forums.open_data import asked, consulted, followed, forums_held, minutes_written, plans
from forums.open_data.columns import Field, Row, fields_of, is_object

# Their titles are shown to people; what follows each is a file, a collection of the API, a resource of the package.
GROUPS: tuple[tuple[str, tuple[type[Row], ...]], ...] = (
    (
        N_("Ce qui est promis"),
        (
            plans.Plans,
            plans.Axes,
            plans.Institutions,
            plans.Commitments,
            plans.Continuations,
            plans.CommitmentInstitutions,
            plans.Milestones,
        ),
    ),
    (
        N_("Comment c'est suivi"),
        (
            followed.Indicators,
            followed.Measurements,
            followed.MeasurementCorrections,
            followed.Reports,
            followed.Evaluations,
            consulted.Consultations,
            consulted.Comments,
            consulted.Amendments,
        ),
    ),
    (
        N_("Les forums et leurs comptes rendus"),
        (
            forums_held.Seasons,
            forums_held.Forums,
            forums_held.ForumCommitments,
            forums_held.AgendaItems,
            forums_held.AgendaCommitments,
            forums_held.AgendaQuestions,
            forums_held.Speakers,
            forums_held.Documents,
            forums_held.AgendaDocuments,
            minutes_written.MinutesPublished,
            minutes_written.Passages,
            minutes_written.PassageCommitments,
            minutes_written.PassageQuestions,
        ),
    ),
    (
        N_("Les questions, les réponses et les suites"),
        (
            asked.Questions,
            asked.QuestionInstitutions,
            asked.Answers,
            asked.FollowUps,
            asked.FollowUpCommitments,
            asked.FollowUpForums,
            asked.FollowUpSteps,
        ),
    ),
)
ROWS: tuple[type[Row], ...] = tuple(row for _, rows in GROUPS for row in rows)
BY_FILE = {row.file: row for row in ROWS}
OBJECTS = tuple(row for row in ROWS if is_object(row))


@cache
def referring_to(row: type[Row]) -> tuple[tuple[type[Row], Field, str], ...]:
    """Every field that refers to these rows, with the name of the link seen from here."""
    return tuple(_referring_to(row))


def _referring_to(row: type[Row]) -> Iterator[tuple[type[Row], Field, str]]:
    for other in ROWS:
        fields = [field for field in fields_of(other) if field.column.refers == row.file]
        for field in fields:
            yield other, field, other.file if len(fields) == 1 else f"{other.file}.{field.name}"
