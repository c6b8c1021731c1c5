"""Text to the phonemes that the networks were trained on, by espeak-ng's IPA.

Kokoro writes a diphthong or an affricate as one letter where espeak-ng ties two (`a^ɪ` is `I`), and
leaves out some marks of English; Piper takes espeak-ng's IPA as it comes. Both want the
punctuation, which espeak-ng swallows: a text is cut there, and joined again.
"""

import re
import subprocess
import unicodedata

PUNCTUATION = re.compile(r"\s*([;:,.!?…]+)\s*")
#: espeak-ng's mark of a word that it reads in another language.
SWITCH = re.compile(r"\([a-z-]+\)")

#: What Kokoro writes instead, in this order (longest first): of every language …
TIED = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "d^z": "ʣ",
    "t^s": "ʦ",
}
#: … of both Englishes; `ə^l` is the syllabic l, and an r coloured vowel is spelt out.
ENGLISH = {"ə^l": "ᵊl", "ʔn\u0329": "tᵊn", "ʔ": "t", "ɚ": "əɹ", "r": "ɹ", "ɐ": "ə", "x": "k"}
#: American r and flap; no length marks there. British: long vowels stay.
AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": "", "o": "ɔ", "ɾ": "T"}
BRITISH = {"e^ə": "ɛː", "iə": "ɪə"}


def ipa(text: str, accent: str) -> str:
    """Espeak-ng's IPA of a text in an accent (`en-us`, `pt-br`, …), ties as `^`, punctuation
    kept.
    """
    pieces = PUNCTUATION.split(text.strip())
    spoken = [_spoken(piece, accent) for piece in pieces[::2]]
    marks = [*(mark[0] + " " for mark in pieces[1::2]), ""]
    return "".join(a + b for a, b in zip(spoken, marks, strict=True)).strip()


def _spoken(text: str, accent: str) -> str:
    if not text:
        return ""
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", accent, "--stdin"]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, timeout=30
    )
    return " ".join(SWITCH.sub("", done.stdout).split())


def for_kokoro(text: str, accent: str) -> str:
    """One letter a token of Kokoro's."""
    said = ipa(text, accent)
    changes = dict(TIED)
    if accent.startswith("en"):
        changes = ENGLISH | (AMERICAN if accent == "en-us" else BRITISH) | TIED
        # Ties first: a plain `o` of American English is what no diphthong has used.
        changes = {key: changes[key] for key in sorted(changes, key=lambda key: "^" not in key)}
    for old, new in changes.items():
        said = said.replace(old, new)
    return said.replace("^", "").replace("-", "")


def for_piper(text: str, accent: str) -> str:
    """Espeak-ng's IPA without ties, accents apart from their letters as Piper's table has them."""
    return unicodedata.normalize("NFD", ipa(text, accent).replace("^", ""))
