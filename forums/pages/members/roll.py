"""The roll of members, for admins: listed, added, changed, removed after a confirmation."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from forums import members
from forums.members import AlreadyMember, ChangedMeanwhile, LastAdmin, MemberForm, NewMemberForm, NoInstitution, NotYourself, Profile
from forums.models import Institution
from forums.pages import page

LIST = "/organisation/membres"


async def index(request: Request) -> Response:
    async with page.reading(request) as session:
        profiles = await members.profiles(session)
    return page.show(request, "members/index.html", profiles=profiles, roles=members.ROLES)


async def form(request: Request) -> Response:
    async with page.reading(request) as session:
        return await _form(request, session, page.blank(NewMemberForm))


async def add(request: Request) -> Response:
    filled = await page.read(request, NewMemberForm)
    if filled.form is not None:
        asked = filled.form
        try:
            async with page.transaction(request) as session:
                chosen = await _chosen(session, asked.role, asked.institutions)
                await members.add(session, asked.email, asked.role, chosen, name=asked.name, by=request.state.member, now=page.now())
            return page.go(request, f"{LIST}?fait=membre-ajoute")
        except AlreadyMember as refusal:
            filled.refuse("email", refusal)
        except NoInstitution as refusal:
            filled.refuse("institutions", refusal)
    async with page.reading(request) as session:
        return await _form(request, session, filled, status=422)


async def edit_form(request: Request) -> Response:
    async with page.reading(request) as session:
        known = await _member(session, request)
        return await _form(request, session, _as_it_is(known), known=known)


async def edit(request: Request) -> Response:
    filled, old = await page.read(request, MemberForm), False
    member_id = page.path_uuid(request, "member")
    if filled.form is not None:
        asked = filled.form
        try:
            async with page.transaction(request) as session:
                changed = await members.change(
                    session,
                    member_id,
                    asked.role,
                    await _chosen(session, asked.role, asked.institutions),
                    name=asked.name,
                    edition=asked.edition,
                    by=request.state.member,
                    now=page.now(),
                )
            if changed is None:
                raise page.not_found()
            return page.go(request, f"{LIST}?fait=membre-modifie")
        except ChangedMeanwhile:
            old = True
        except (NotYourself, LastAdmin) as refusal:
            filled.refuse("role", refusal)
        except NoInstitution as refusal:
            filled.refuse("institutions", refusal)
    async with page.reading(request) as session:
        known = await _member(session, request)
        if not old:
            return await _form(request, session, filled, known=known, status=422)
        # What was typed stays in the form, which is now made from what the other admin saved.
        filled.values["edition"] = known.edition
        return await _form(request, session, filled, known=known, meanwhile=known, status=409)


async def remove_form(request: Request) -> Response:
    async with page.reading(request) as session:
        return page.show(request, "members/remove.html", known=await _member(session, request), roles=members.ROLES)


async def remove(request: Request) -> Response:
    async with page.transaction(request) as session:
        await members.remove(session, page.path_uuid(request, "member"), by=request.state.member, now=page.now())
    return page.go(request, f"{LIST}?fait=membre-retire")


async def unlink(request: Request) -> Response:
    """Forget who a member is for the identity provider, when they now come in under another identity there."""
    member_id = page.path_uuid(request, "member")
    async with page.transaction(request) as session:
        await members.unlink_identity(session, member_id, by=request.state.member, now=page.now())
    return page.go(request, f"{LIST}?fait=membre-delie")


async def _member(session: AsyncSession, request: Request) -> Profile:
    member = await members.member_by_id(session, page.path_uuid(request, "member"))
    if member is None:
        raise page.not_found()
    return await members.profile(session, member)


async def _chosen(session: AsyncSession, role: str, slugs: Sequence[str]) -> list[Institution]:
    """The institutions ticked; only an agent speaks for any."""
    return [each for each in await members.known_institutions(session) if each.slug in slugs] if role == "agent" else []


def _as_it_is(known: Profile) -> page.Filled[MemberForm]:
    slugs = tuple(each.slug for each in known.institutions)
    return page.blank(MemberForm, name=known.member.name, role=known.member.role, institutions=slugs, edition=known.edition)


async def _form(
    request: Request,
    session: AsyncSession,
    filled: page.Filled[NewMemberForm] | page.Filled[MemberForm],
    *,
    known: Profile | None = None,
    meanwhile: Profile | None = None,
    status: int = 200,
) -> Response:
    institutions = await members.known_institutions(session)
    return page.show(
        request,
        "members/edit.html",
        status=status,
        filled=filled,
        known=known,
        meanwhile=meanwhile,
        roles=members.ROLES,
        institutions=institutions,
    )
