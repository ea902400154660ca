"""The roles, from the one who may do everything to the one who reads what concerns them.

Who may do what is one table, `ADDRESSES` in `forums.app`: its column `who` holds one of these sets.
"""

from typing import Final

from forums.language import N_
from forums.models.people import Role

ADMINS: Final = frozenset[Role]({"admin"})
ORGANISERS: Final = ADMINS | {"organiser"}
MODERATORS: Final = ORGANISERS | {"moderator"}
ANSWERERS: Final = ORGANISERS | {"agent"}
MEMBERS: Final = MODERATORS | {"agent"}

# In the order of what they may do: the word, and what it means for who chooses.
ROLES: Final[dict[Role, tuple[str, str]]] = {
    "admin": (N_("Administrateur"), N_("Tout ce que fait un organisateur, et aussi les membres et le journal.")),
    "organiser": (N_("Organisateur"), N_("Forums, ordres du jour, inscriptions, comptes rendus, messages, questions.")),
    "moderator": (N_("Modérateur"), N_("Publication ou refus des questions posées en ligne.")),
    "agent": (N_("Agent d'une administration"), N_("Questions sur les engagements de ses administrations.")),
}
