"""How numbers are spoken in English, Spanish, German and French, digit by digit and in pairs; and the words around them. Pure.

One table for all languages: callers mix them, and the words hardly collide. Where they do (*once*, *elf*, *sept*), a single
small number more does no harm: only long ones are ever replaced.
"""

import unicodedata
from typing import Final


def plain(word: str) -> str:
    """The word in small letters without accents: `Zéro` and `zero` are the same."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _counted(words: str, first: int) -> dict[str, int]:
    return {
        name: number for number, names in enumerate(words.split(), first) for name in names.split("/") if name
    }


_DIGITS: Final = {
    **_counted("zero/oh/o/nought/nil/naught one two three four five six seven eight nine", 0),
    "niner": 9,
    **_counted("cero un/uno/una dos tres cuatro cinco seis siete ocho nueve", 0),
    **_counted("null eins/ein/eine zwei/zwo drei vier funf/fuenf sechs sieben acht neun", 0),
    **_counted("zero un/une deux trois quatre cinq six sept huit neuf", 0),
    **_counted("zero uno/um/uma due/dois/duas tre quattro/quatro cinque sei sette/sete otto/oito nove", 0),
    "tres": 3,
    "meia": 6,
    **_counted("nul een/een twee drie vier vijf zes zeven acht negen", 0),
}
_TEENS: Final = {
    **_counted(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10
    ),
    **_counted("diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve", 10),
    **_counted("zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn", 10),
    **_counted("dix onze douze treize quatorze quinze seize", 10),
    **{f"veinti{name}": 20 + number for name, number in _counted("un/uno/una dos tres cuatro cinco seis siete ocho nueve", 1).items()},
}  # fmt: skip
_TENS: Final = {
    **{name: 10 * number for name, number in _counted("twenty thirty forty/fourty fifty sixty seventy eighty ninety", 2).items()},
    **{name: 10 * number for name, number in _counted("veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa", 2).items()},
    **{name: 10 * number for name, number in _counted("zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig", 2).items()},
    **{name: 10 * number for name, number in _counted("vingt trente quarante cinquante soixante", 2).items()},
    "septante": 70,
    "huitante": 80,
    "nonante": 90,
}  # fmt: skip
_GERMAN_ONES: Final = _counted("ein zwei drei vier funf sechs sieben acht neun", 1)
_GERMAN_TENS: Final = (
    "zwanzig",
    "dreissig",
    "vierzig",
    "funfzig",
    "sechzig",
    "siebzig",
    "achtzig",
    "neunzig",
)
_GERMAN: Final = {
    f"{one}und{tens}": 10 * by_ten + digit
    for one, digit in _GERMAN_ONES.items()
    for by_ten, tens in enumerate(_GERMAN_TENS, 2)
}

# What a word stands for as digits. A ten may take the digit that follows: twenty one is 21.
NUMBERS: Final[dict[str, str]] = {
    name: str(number)
    for name, number in {**_DIGITS, **_TEENS, **_TENS, **_GERMAN}.items()
}  # fmt: skip
TENS: Final = frozenset(_TENS)
DIGITS: Final = frozenset(_DIGITS)
# vingt and dix make new numbers with what stands before them: quatre vingt dix is 90.
FRENCH_SIXTY: Final = "soixante"
FRENCH_TWENTIES: Final = frozenset({"vingt", "vingts"})
FRENCH_TEENS: Final[dict[str, int]] = _counted("dix onze douze treize quatorze quinze seize", 10)
HUNDREDS: Final = frozenset({"hundred", "hundert", "cent", "cents", "cien", "cientos"})
# double five, triple oh, doble tres, doppel vier
REPEATS: Final[dict[str, int]] = {
    **dict.fromkeys(("double", "doble", "doppel", "doppelt", "dubbel", "doppia", "duplo"), 2),
    **dict.fromkeys(("triple", "treble", "dreifach", "tripla"), 3),
    **dict.fromkeys(("quadruple", "vierfach"), 4),
}
AND: Final = frozenset({"and", "y", "und", "et", "e"})
PLUS: Final = frozenset({"plus", "mas"})
# Between two groups of one number, and not a part of anything else.
FILLERS: Final = AND | _listed(
    "um uh erm er eh ehm ahm hm mhm then next dash hyphen minus space slash dot point comma period okay ok yes yeah so well "
    "the that's thats followed by guion espacio punto coma entonces luego despues bueno si strich bindestrich leer punkt dann "
    "danach also ja tiret espace virgule puis ensuite alors oui euh"
)
# A number that is named one of these is none of ours, however it is made.
OTHERWISE: Final = _listed(
    "order reference ref tracking invoice confirmation case ticket booking reservation policy serial sku item product part "
    "article model version code pin zip postcode postal routing shipment parcel claim transaction quote account member badge "
    "employee flight license plate customer client konto kontonummer cuenta compte cliente "
    "pedido referencia factura reserva seguimiento codigo albaran bestellung bestellnummer auftrag auftragsnummer "
    "rechnung rechnungsnummer sendungsnummer referenz referenznummer buchung buchungsnummer kundennummer postleitzahl commande "
    "dossier facture reservation suivi colis id order_id invoice_id ean isbn iban vin imei"
)
SOCIAL: Final = _listed("social ssn socials itin tin taxpayer")
TELEPHONE: Final = _listed(
    "phone telephone call callback mobile cell cellphone reach text dial fax whatsapp landline tel telefono movil celular llamar llameme llamenme "
    "llame llamame telefon telefonnummer handy handynummer mobil mobilnummer rufnummer anrufen ruckruf rufen ruf erreichen erreichbar "
    "telephoner appeler appelez rappeler rappelez portable joindre phonenumber caller"
)
# As weak as it is short: a telephone number, unless a word near it says of what else it is the number.
NUMBER: Final = _listed("number numero nummer nr")
# area code
CODE: Final = "code"
CODE_OF_TELEPHONE: Final = _listed("area country dialling dialing")

AT: Final = frozenset({"at", "arroba", "arobase", "arobas", "klammeraffe", "chiocciola"})
DOT: Final = frozenset({"dot", "punto", "punkt", "point", "ponto", "period"})
JOINS: Final = DOT | _listed("underscore dash hyphen minus plus guion tiret unterstrich bindestrich strich")
# Before an address that is spoken: what stands between one of these and the at is the address.
LEADS: Final = _listed(
    "is it's its email mail address e-mail correo es direccion ist adresse lautet c'est est courriel to under at a an the my "
    "mi meine mon send write schreiben"
)
# What makes an at the one of an address: talk of mail, or a place where many have theirs.
MAIL: Final = _listed(
    "email emails mail mails correo courriel mailadresse emailadresse address adresse direccion"
)
PROVIDERS: Final = _listed(
    "gmail googlemail yahoo ymail hotmail outlook live msn icloud aol gmx web proton protonmail mail posteo zoho fastmail yandex "
    "comcast verizon att sbcglobal bellsouth cox orange wanadoo free laposte sfr freenet telefonica terra hey tutanota"
)
DOMAINS: Final = _listed(
    "com net org edu gov mil info biz io co uk us ca de at ch es fr it nl be eu pt br mx ar au nz ie in jp se no dk fi pl cz "
    "app dev me tv ai cloud online shop"
)

# After a number: it is an amount.
AMOUNTS: Final = _listed(
    "dollar dollars buck bucks euro euros pound pounds peso pesos franc francs franken percent prozent"
)
THOUSANDS: Final = _listed("thousand thousands million millions mil millon millones tausend millionen mille")
