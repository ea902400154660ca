"""The words of a question, as far as likeness goes: stems without accents, plurals and little words.

A few terms of the field have several names; each becomes one. Most of what tells two questions on one
subject apart is what they ask of it, so that "when", "how many" and "where" count as words too.
"""

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from typing import Any

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a afin ai ainsi alors apres as au aucun aucune aujourd aupres aussi autre autres aux avant avec avez avoir avons bien
        c ca car ce ceci cela celle celles celui certain certaines certains ces cet cette ceux chacun chaque chez ci combien
        comme comment concernant d dans de deja depuis des desormais devoir dire dit doit doivent donc dont du durant elle
        elles en encore enfin entre es est et etaient etait etant ete etes etre eu eux faire fait faites faut fois font hors
        hui il ils j je jusqu jusque l la laquelle le lequel les lesquelles lesquels leur leurs lors lorsque lui m ma mais me
        meme memes mes moi moins mon n ne ni non nos notre nous on ont ou par parce parmi pas pendant peut peuvent plus
        plusieurs pour pourquoi pourra pourrait pouvez pouvoir pourrez pres puis puisque qu quand que quel quelle quelles
        quelque quelques quels qui quoi rien s sa sans se selon sera serait seront ses seulement si sinon soit son sont sous
        souvent sur t ta tant te tel telle telles tels tes toi ton toujours tous tout toute toutes tres trop tu un une vers
        veut voici voila voir vos votre vouloir vous y prevu prevue prevus prevues prevoit compte comptent comptez savoir
        sait merci bonjour
        """,
    )
)

# Several names of one thing, in the words of the plans, without accents; each paragraph is one thing.
_SAME_THING = """
    quand | date | dates | echeance | echeances | calendrier | depuis quand | a quelle date | a quand
    combien | nombre | part | proportion | pourcentage | taux
    combien de temps | delai | delais | duree | temps moyen | delai moyen
    ou | ou trouver | ou lire | ou sont | liste | listes | inventaire | recensement | consulter | consultable | consultables
      | lire | retrouver
    frequence | regulierement | mis a jour | mise a jour | mises a jour | a jour | actualisez | actualise | actualises |
      actualisation | trimestre | mensuel
    qui | lequel | par qui
    pourquoi | raison | raisons
    ouvrir | ouvre | ouvrent | ouvert | ouverte | ouverts | ouvertes | ouverture | ouvriront | open | reutilisable | reutilisables
    donnees | donnee | data
    marches publics | marche public | marches de l etat | marche de l etat | commande publique | achats publics |
      achats de l etat | acheteur | acheteurs
    publier | publie | publies | publiee | publiees | publierez vous | publiera | publieront | publication | mis en ligne |
      mise en ligne | mises en ligne | rendu public | rendus publics | rendues publiques | diffuse | diffuses
    complet | complete | completes | complets | integralite | entierement | exhaustif | ensemble
    gratuit | gratuite | gratuits | gratuites | gratuitement | sans payer | payer | payant | payante | acces libre |
      libre acces | acces ouvert | libre
    lobby | lobbys | lobbies | lobbyiste | lobbyistes | lobbying | representants d interets | representant d interets
    hatvp | haute autorite pour la transparence de la vie publique | haute autorite
    code source | codes sources | code | codes
    logiciel libre | logiciels libres
    algorithme | algorithmes | algorithmique | algorithmiques | traitement algorithmique | traitements algorithmiques
    ia | intelligence artificielle
    association | associations | societe civile
    citoyen | citoyens | citoyenne | citoyennes | habitants | public
    en ligne | internet | numerique | numeriques | dematerialise | dematerialisee | dematerialises | dematerialisees
    administration | administrations | services | service | ministere | ministeres
    service public | services publics
    demarche | demarches | formalite | formalites | demarches administratives | demarche administrative
    handicap | handicape | handicapes | handicapee | handicapees | accessibilite | accessible | accessibles
    budget | budgets | budgetaire | budgetaires | depense | depenses
    cout | couts | coute | coutent | prix | montant | montants | tarif
    telecharger | telecharge | telechargees | telechargement | telechargeable | telechargeables | fichier | fichiers
    collectivite | collectivites | collectivites locales | commune | communes | mairie | mairies | elus locaux
    consultation | consultations | concertation | concertations | consultation en ligne
    ministre | ministres | gouvernement | membres du gouvernement
    agenda | agendas | rendez vous | rencontre | rencontres | rencontrent
    elu | elus | parlementaire | parlementaires | depute | deputes | senateur | senateurs
    agent | agents | fonctionnaire | fonctionnaires | agent public | agents publics
    formation | formations | formes | former | formees | forme
    aide | aides | accompagne | accompagner | accompagnement | appui | soutien | aide t elle
    suivi | suivis | suivies | suivre | deviennent | devient | devenus | devenues | suites | retenu | effet | effets
    contester | recours | appel | reclamation
    evaluation | evalue | evaluer | bilan | bilans | rapport d evaluation
    expert independant | chercheur independant | evaluateur independant | mecanisme independant
    precedent | precedente | passe | passes | ancien | anciens | anciennes | dernier plan
    prochain | prochains | prochaine | futur | future | suivant | a venir
    redaction | redige | rediger | ecriture | ecrire | elaboration
    participer | participera | participation | assister | invite | invites | associees | associes
    theme | themes | sujet | sujets
    choisi | choisit | choisie | choisis | choix | decide | decident | selectionne | criteres
    a distance | distance | video | retransmis | retransmise | en direct | direct | visioconference
    hors de paris | en region | regions | en province
    jugement | jugements | decision de justice | decisions de justice
    anonyme | anonymat | anonymise | anonymisee | anonymisees | anonymises | anonymisation
    article scientifique | articles scientifiques | publication scientifique | publications scientifiques
    chercheur | chercheurs | recherche | scientifique | scientifiques
    industries extractives | itie | industries minieres
    beneficiaire effectif | beneficiaires effectifs
    entreprise | entreprises | societes | operateurs prives | entreprises privees | titulaires
    echanger | echangent | partager | partagent | partage | echange
    une fois | dites le nous une fois | qu une fois
    sans internet | ne peuvent pas faire | guichet | guichets | illectronisme
    pollution de l air | qualite de l air | air
    temps reel | heure par heure | en continu
    satisfaction | tableau de bord | avis des usagers
    usager | usagers | utilisateur | utilisateurs
    retard | retards | en retard | tardif
    erreur | erreurs | signale une erreur | signalement | signalements | corriger | corrige | correction
    logement | logements | immobilier | immobiliere | immobilieres | foncieres | foncier | valeurs foncieres
    carte | cartes | cartographique | cartographiques | cartographie
    ecole | ecoles | college | lycee | enseignement
    remplacement | remplacements | remplacees | remplace | remplaces | absence | absences
    climat | climatique | climatiques
    obligatoire | obligation | obligatoires | devra t on | faut il | imposer
    protege | protegee | proteges | protection
    pays | international | internationale | etranger
    cabinet de conseil | cabinets de conseil
    archive | archives | archives nationales
    controle | controles | controlent | controlee | verifie | verification | audit
    vendues | vendre | acheter | vente | ventes
"""


def stems_of(text: str) -> Counter[str]:
    """The stems of a text, without accents, plurals and little words, whatever their order."""
    words = _SAME.sub(lambda match: _NAMES[match[1]], f" {' '.join(_words(text))} ").split()
    return Counter(
        word if word[0] == "=" else stem(word) for word in words if word not in _STOP_WORDS and (len(word) > 1 or word.isdigit())
    )


def is_little(word: str) -> bool:
    """Whether a word, without accents, tells nothing of what a text is about."""
    return word in _STOP_WORDS


def letters_of(text: str) -> frozenset[str]:
    """The triplets of letters of a text's words."""
    words = [f" {word} " for word in _words(text) if word not in _STOP_WORDS]
    return frozenset(word[at : at + 3] for word in words for at in range(len(word) - 2))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    return re.findall(r"[a-z0-9]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


@cache
def _stemmer() -> Any:
    import snowballstemmer  # type: ignore[import-untyped]  # thirty languages: imported when words are first compared

    return snowballstemmer.stemmer("french")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its ending. Accents are gone before, since many people type none: their endings are mended here."""
    found: str = _stemmer().stemWord(word)
    found = found.removesuffix("e")
    return found[:-2] + "c" if found.endswith("qu") else found


_NAMES = {
    " ".join(name.split()): "=" + line.partition("|")[0].replace(" ", "")
    for line in re.split(r"\n {4}(?! )", _SAME_THING)
    for name in line.split("|")
    if name.strip()
}
_SAME = re.compile(r"(?<= )(" + "|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True)) + r")(?= )")
