"""What the trade refuses, as facts. A refusal is part of the rules; pages say it to people."""

from forums.language import N_


class Refusal(Exception):
    """Something asked for cannot be done now; `sentence` says why and what to do instead."""

    sentence = N_("Cette action n'est plus possible : rechargez la page pour voir où en sont les choses.")

    def __init__(self, sentence: str | None = None, **figures: object) -> None:
        super().__init__(sentence or self.sentence)
        self.sentence = sentence or self.sentence
        self.figures = figures


class RegistrationClosed(Refusal):
    sentence = N_("Les inscriptions à ce forum sont closes.")


class QuestionsClosed(Refusal):
    sentence = N_("Le recueil des questions pour ce forum est clos.")


class AlreadyPublished(Refusal):
    sentence = N_("C'est déjà publié.")


class NothingToPublish(Refusal):
    sentence = N_("Il n'y a encore rien à publier.")


class EditedMeanwhile(Refusal):
    sentence = N_("Quelqu'un d'autre a enregistré ce texte pendant que vous l'écriviez.")


class NotAnnounced(Refusal):
    sentence = N_("Ce forum n'est pas annoncé : annoncez-le d'abord.")


class AlreadyDecided(Refusal):
    sentence = N_("Quelqu'un d'autre a déjà traité cette question : rechargez la page pour voir sa décision.")


class AnswerChanged(Refusal):
    sentence = N_(
        "Quelqu'un a enregistré cette réponse pendant que vous l'écriviez. Rien n'est perdu : les deux textes sont sur cette page."
    )


class RoutingChanged(Refusal):
    sentence = N_("Quelqu'un a changé ces administrations entre-temps. Vérifiez la liste, puis enregistrez à nouveau.")


class BeforeTheEvening(Refusal):
    sentence = N_("Une réponse se publie à partir du forum où la question est posée, le {day} : elle reste préparée jusque-là.")


class OrganisersPublish(Refusal):
    sentence = N_("Pour cette question, ce sont les organisateurs qui publient : votre réponse est enregistrée, ils la voient.")


class LinkExpired(Refusal):
    sentence = N_("Ce lien a déjà servi ou n'est plus valable.")


class SeatsTaken(Refusal):
    sentence = N_("Vous ne pouvez pas descendre sous le nombre de places déjà prises ({taken}).")


class RegistrationGone(Refusal):
    sentence = N_("Cette inscription vient d'être effacée, à la demande de la personne ou à son terme.")


class AttendanceFull(Refusal):
    sentence = N_("Toutes les places de cette façon de participer sont prises : vous gardez celle que vous avez.")


class TooManyRequests(Refusal):
    sentence = N_("Trop de demandes viennent de votre connexion en ce moment. Rien n'est perdu : réessayez dans dix minutes.")


class WrongMoment(Refusal):
    """A moment that cannot be, in the form's field `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
