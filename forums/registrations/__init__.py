"""Seats: asked for, confirmed, waited for, given back.

A seat is claimed at confirmation, by one conditional UPDATE that two people cannot both win; the
waiting list is strictly in order, and a seat that frees goes to the next in the same transaction.
The same address never gets two places, and nobody learns whether an address is known: whatever
happened is said in the mail.
"""

from forums.limits import MAIL_AGAIN_AFTER, MAILS_A_DAY
from forums.registrations.asking import (
    Asked,
    LinkForm,
    RegistrationForm,
    ask_for_link,
    register,
    register_all,
)
from forums.registrations.queries import (
    OPEN,
    Seats,
    State,
    all_of,
    holders,
    how_many_hold,
    named,
    of_person,
    place_in_line,
    promotes,
    registration_of_link,
    seats_of,
    state_of,
)
from forums.registrations.reminders import forget_reminders, remind
from forums.registrations.seats import ChangeForm, change, confirm, erase, give_up, promote
from forums.registrations.welcome import (
    Figures,
    WalkInForm,
    add_walk_in,
    arrivals,
    check_in,
    figures,
    person_of_code,
    person_of_list,
    undo_check_in,
)

__all__ = [
    "MAILS_A_DAY",
    "MAIL_AGAIN_AFTER",
    "OPEN",
    "Asked",
    "ChangeForm",
    "Figures",
    "LinkForm",
    "RegistrationForm",
    "Seats",
    "State",
    "WalkInForm",
    "add_walk_in",
    "all_of",
    "arrivals",
    "ask_for_link",
    "change",
    "check_in",
    "confirm",
    "erase",
    "figures",
    "forget_reminders",
    "give_up",
    "holders",
    "how_many_hold",
    "named",
    "of_person",
    "person_of_code",
    "person_of_list",
    "place_in_line",
    "promote",
    "promotes",
    "register",
    "register_all",
    "registration_of_link",
    "remind",
    "seats_of",
    "state_of",
    "undo_check_in",
]
