"""Why a sign-in through the identity provider is refused, each with what its page says.

`status` is the answer's; the reason given in the log is the class's name, and `detail` a word of ours:
nothing the provider or a visitor sent.
"""

from forums.language import N_
from forums.refusals import Refusal


class SignInRefused(Refusal):
    status = 400

    def __init__(self, detail: str = "") -> None:
        super().__init__()
        self.detail = detail


class UnknownAttempt(SignInRefused):
    sentence = N_("Cette connexion a été commencée dans un autre navigateur, il y a plus de dix minutes, ou a déjà servi. Recommencez-la.")


class ProviderRefused(SignInRefused):
    sentence = N_("La connexion n'a pas abouti chez ProConnect : vous l'avez abandonnée, ou votre administration ne la permet pas.")


class ProviderDown(SignInRefused):
    status = 503
    sentence = N_("ProConnect ne répond pas en ce moment. Réessayez dans quelques minutes, ou demandez un lien de connexion par message.")


class NotProved(SignInRefused):
    status = 502
    sentence = N_("La réponse de ProConnect n'a pas pu être vérifiée : par prudence, vous n'êtes pas connecté. Recommencez.")


class NotAMember(SignInRefused):
    status = 403
    sentence = N_("ProConnect vous a reconnu, mais l'adresse électronique qu'il nous donne n'est celle d'aucun membre de ce site.")


class AnotherIdentity(SignInRefused):
    status = 403
    sentence = N_("Votre adresse est celle d'un membre que ProConnect connaît sous une autre identité, dans un ancien poste peut-être.")
