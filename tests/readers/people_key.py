"""The normal form of a name, in another language than the product's."""

import re
import unicodedata

WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def normal(name):
    name = unicodedata.normalize("NFC", name)
    name = re.sub(f"[{WHITE}]+", " ", name).strip(" ")
    return unicodedata.normalize("NFC", name.casefold())
