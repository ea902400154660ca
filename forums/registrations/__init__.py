"""Seats: asked for, confirmed, waited for, given back.

A seat is claimed at confirmation, by one conditional UPDATE that two people cannot both win; the
waiting list is strictly in order, and a seat that frees goes to the next in the same transaction.
The same address never gets two places, and nobody learns whether an address is known: whatever
happened is said in the mail.
"""

from forums.registrations.asking import MAIL_AGAIN_AFTER, Asked, RegistrationForm, register, register_all
from forums.registrations.queries import State, all_of, free_seats, holders, place_in_line, registration_of_link, state_of
from forums.registrations.seats import confirm, give_up, promote

__all__ = [
    "MAIL_AGAIN_AFTER",
    "Asked",
    "RegistrationForm",
    "State",
    "all_of",
    "confirm",
    "free_seats",
    "give_up",
    "holders",
    "place_in_line",
    "promote",
    "register",
    "register_all",
    "registration_of_link",
    "state_of",
]
