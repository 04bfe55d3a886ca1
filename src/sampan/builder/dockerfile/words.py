"""Splitting an instruction's arguments into words, quotes and escapes left as written."""


def split_words(text: str, escape: str) -> list[str]:
    """Blank-separated words; blanks inside quotes or after the escape character don't separate."""
    words: list[str] = []
    word = ""
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == escape and quote != "'" and position < len(text):
            word += char + text[position]
            position += 1
        elif quote:
            word += char
            if char == quote:
                quote = ""
        elif char.isspace():
            if word:
                words.append(word)
                word = ""
        else:
            word += char
            if char in "\"'":
                quote = char
    if word:
        words.append(word)
    return words


def take_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Split `--a=b --c rest` into its flag words (quotes removed) and the rest."""
    flags: list[str] = []
    rest = text.lstrip()
    while rest.startswith("--"):
        word, rest = _first_word(rest, escape)
        rest = rest.lstrip()
        if word == "--":
            break
        flags.append(word)
    return tuple(flags), rest


def _first_word(text: str, escape: str) -> tuple[str, str]:
    word = ""
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == escape and position + 1 < len(text):
            position += 1
            word += text[position]
        elif quote:
            if char == quote:
                quote = ""
            else:
                word += char
        elif char in "\"'":
            quote = char
        elif char.isspace():
            break
        else:
            word += char
        position += 1
    return word, text[position:]
