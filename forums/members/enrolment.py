"""Who is a member: added, changed and removed by admins, who can never lock everybody out.

Every change ends the sessions of whoever it is about and is in the journal, which stays when a member
goes. The admins' rows are locked before one of them is demoted or removed: two who demote each other
at the same instant leave one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import emails, outbox
from forums.database import insert_new
from forums.forms import Email, Form, choice, line
from forums.language import N_
from forums.members.journal import record
from forums.members.roles import ROLES
from forums.members.sessions import sign_out_everywhere
from forums.models import AuditEvent, Institution, Member, MemberInstitution
from forums.models.people import Role
from forums.refusals import Refusal


class NoInstitution(Refusal):
    sentence = N_("Un agent appartient à une administration : choisissez-en une au moins.")


class AlreadyMember(Refusal):
    sentence = N_("Cette adresse est déjà celle d'un membre : modifiez-le depuis la liste des membres.")


class NotYourself(Refusal):
    sentence = N_("Vous ne pouvez pas vous retirer vous-même, ni le rôle d'administrateur : demandez-le à un autre administrateur.")


class LastAdmin(Refusal):
    sentence = N_("C'est le dernier administrateur : donnez d'abord ce rôle à quelqu'un d'autre.")


class NotAdminAnyMore(Refusal):
    sentence = N_("Vous n'êtes plus administrateur : un autre administrateur vient de changer votre rôle.")


class ChangedMeanwhile(Refusal):
    """Another admin changed this member since the form was opened; `now_is` is what they are now."""

    sentence = N_("Quelqu'un d'autre vient de changer ce membre : vérifiez ci-dessous, puis enregistrez de nouveau.")

    def __init__(self, now_is: "Profile") -> None:
        super().__init__()
        self.now_is = now_is


class MemberForm(Form):
    """A role and, for an agent, the institutions they speak for. `edition` is what the form was made from."""

    name: Annotated[str, line(120)]
    role: Annotated[Role, choice(*ROLES, message=N_("Choisissez un rôle dans la liste."))]
    institutions: tuple[str, ...]
    edition: Annotated[str, line(64)]


class NewMemberForm(Form):
    email: Email
    name: Annotated[str, line(120)]
    role: Annotated[Role, choice(*ROLES, message=N_("Choisissez un rôle dans la liste."))]
    institutions: tuple[str, ...]


class Profile(NamedTuple):
    """A member and the institutions they speak for, by name."""

    member: Member
    institutions: list[Institution]

    @property
    def edition(self) -> str:
        """Changes when what admins change does."""
        told = "\n".join([self.member.name, self.member.role, *sorted(each.slug for each in self.institutions)])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


async def member_by_email(session: AsyncSession, email: str) -> Member | None:
    return (await session.exec(select(Member).where(Member.email == email.lower()))).first()


async def member_by_id(session: AsyncSession, member_id: UUID) -> Member | None:
    return await session.get(Member, member_id)


async def everyone(session: AsyncSession) -> Sequence[Member]:
    return (await session.exec(select(Member).order_by(col(Member.email)))).all()


async def institutions_of(session: AsyncSession, member: Member) -> Sequence[Institution]:
    """Those an agent speaks for, by name."""
    query = select(Institution).join(MemberInstitution, col(MemberInstitution.institution_id) == col(Institution.id))
    return (await session.exec(query.where(MemberInstitution.member_id == member.id).order_by(col(Institution.name)))).all()


async def known_institutions(session: AsyncSession) -> Sequence[Institution]:
    """All those an agent may speak for, by name."""
    return (await session.exec(select(Institution).order_by(col(Institution.name)))).all()


async def profile(session: AsyncSession, member: Member) -> Profile:
    return Profile(member, list(await institutions_of(session, member)))


async def profiles(session: AsyncSession) -> list[Profile]:
    """Every member with their institutions, by address."""
    query = select(MemberInstitution.member_id, Institution).join(Institution, col(MemberInstitution.institution_id) == col(Institution.id))
    theirs: dict[UUID, list[Institution]] = {}
    for member_id, institution in (await session.exec(query.order_by(col(Institution.name)))).all():
        theirs.setdefault(member_id, []).append(institution)
    return [Profile(member, theirs.get(member.id, [])) for member in await everyone(session)]


async def enrol(session: AsyncSession, email: str, role: Role, institutions: Sequence[Institution] = (), *, now: datetime) -> Member:
    """Add a member, or change their role and whom they speak for, as the command line does. A change ends their sessions.

    Raises `NoInstitution` for an agent of no institution.
    """
    if role == "agent" and not institutions:
        raise NoInstitution
    member = await member_by_email(session, email)
    if member is None:
        member = Member(email=email.lower(), role=role, created_at=now)
        session.add(member)
        await session.flush()
        await _speaks_for(session, member, institutions)
    else:
        await _become(session, member, role, institutions)
    return member


async def add(
    session: AsyncSession, email: str, role: Role, institutions: Sequence[Institution], *, name: str = "", by: Member, now: datetime
) -> Member:
    """Add a member, and write to them what they may do. The same person added again as they are is a second click, and changes nothing.

    Raises `AlreadyMember` when they are something else already, `NoInstitution` for an agent of no institution.
    """
    if role == "agent" and not institutions:
        raise NoInstitution
    await _still_admin(session, by)
    row = {"id": uuid4(), "email": email.lower(), "name": name, "role": role, "created_at": now}
    # One statement: two admins may add the same person at the same instant.
    new = await insert_new(session, Member, [row], same=["email"])
    member = (await session.exec(select(Member).where(Member.email == email.lower()))).one()
    if not new:
        known = await profile(session, member)
        if (member.role, {each.id for each in known.institutions}) != (role, {each.id for each in institutions}):
            raise AlreadyMember
        return member
    await _speaks_for(session, member, institutions)
    record(session, by, "add_member", f"member {member.id}", _told(role, institutions), now=now)
    await outbox.enqueue_once(session, [emails.welcome(member, institutions)], now=now)
    return member


async def change(
    session: AsyncSession,
    member_id: UUID,
    role: Role,
    institutions: Sequence[Institution],
    *,
    name: str = "",
    edition: str,
    by: Member,
    now: datetime,
) -> Member | None:
    """Change a member's name, role and institutions; None when they are gone.

    Raises `ChangedMeanwhile` when someone else did since the form was opened, `NotYourself`, `LastAdmin`.
    """
    if role == "agent" and not institutions:
        raise NoInstitution
    await _still_admin(session, by)
    member = await _locked(session, member_id)
    if member is None:
        return None
    before = await profile(session, member)
    wanted = (name, role, {each.id for each in institutions})
    if (member.name, member.role, {each.id for each in before.institutions}) == wanted:
        return member  # a second click, or nothing changed
    if before.edition != edition:
        raise ChangedMeanwhile(before)
    if role != "admin":
        await _may_lose_admin(session, member, by)
    member.name = name
    await _become(session, member, role, institutions)
    record(session, by, "change_member", f"member {member.id}", _told(role, institutions), now=now)
    return member


async def remove(session: AsyncSession, member_id: UUID, *, by: Member, now: datetime) -> None:
    """Remove a member: their sessions, links and drafts go, what they did stays in the journal. Done twice, nothing more.

    Raises `NotYourself`, `LastAdmin`.
    """
    await _still_admin(session, by)
    member = await _locked(session, member_id)
    if member is None:
        return
    if member.id == by.id:
        raise NotYourself
    await _may_lose_admin(session, member, by)
    record(session, by, "remove_member", f"member {member.id}", member.role, now=now)
    await _sign_their_deeds(session, member)
    await session.delete(member)
    await session.flush()


async def _sign_their_deeds(session: AsyncSession, member: Member) -> None:
    """What they did keeps their name beside their role, as it was; an address is not a name."""
    name = member.name[:60]
    if name and "@" not in name:
        theirs = update(AuditEvent).where(col(AuditEvent.member_id) == member.id)
        await session.exec(theirs.values(actor=AuditEvent.actor + f": {name}"))


async def unlink_identity(session: AsyncSession, member_id: UUID, *, by: Member, now: datetime) -> None:
    """Forget who a member is for the identity provider: their next sign-in there is recognised by their address again."""
    await _still_admin(session, by)
    unlinked = update(Member).where(col(Member.id) == member_id, col(Member.oidc_subject).is_not(None)).values(oidc_subject=None)
    if (await session.exec(unlinked)).rowcount:
        member = await _locked(session, member_id)
        assert member is not None
        await sign_out_everywhere(session, member)
        record(session, by, "unlink_identity", f"member {member_id}", now=now)


async def _locked(session: AsyncSession, member_id: UUID) -> Member | None:
    query = select(Member).where(Member.id == member_id).with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def _admins(session: AsyncSession) -> Sequence[UUID]:
    """The admins, whose rows stay as they are until the end of the transaction."""
    return (
        await session.exec(select(Member.id).where(Member.role == "admin").order_by(col(Member.id)).with_for_update(key_share=True))
    ).all()


async def _still_admin(session: AsyncSession, by: Member) -> None:
    if by.id not in await _admins(session):
        raise NotAdminAnyMore


async def _may_lose_admin(session: AsyncSession, member: Member, by: Member) -> None:
    if member.role != "admin":
        return
    if member.id == by.id:
        raise NotYourself
    if not set(await _admins(session)) - {member.id}:
        raise LastAdmin


async def _become(session: AsyncSession, member: Member, role: Role, institutions: Sequence[Institution]) -> None:
    before = await institutions_of(session, member)
    if member.role != role or {each.id for each in before} != {each.id for each in institutions}:
        await sign_out_everywhere(session, member)
    member.role = role
    session.add(member)
    await session.flush()
    await _speaks_for(session, member, institutions)


async def _speaks_for(session: AsyncSession, member: Member, institutions: Iterable[Institution]) -> None:
    await session.exec(delete(MemberInstitution).where(col(MemberInstitution.member_id) == member.id))
    session.add_all(MemberInstitution(member_id=member.id, institution_id=each.id) for each in institutions)
    await session.flush()


def _told(role: Role, institutions: Iterable[Institution]) -> str:
    """What the journal keeps of a change: `agent: ministere-de-la-culture, hatvp`."""
    slugs = ", ".join(sorted(each.slug for each in institutions))
    return f"{role}: {slugs}" if slugs else role
