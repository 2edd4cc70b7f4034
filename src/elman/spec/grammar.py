"""From text to a tree of words and numbers that know where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from elman.errors import SpecError

#: As many characters as a float may need; Python refuses to read very long numbers.
DIGITS = 25
#: Layers inside layers.
DEPTH = 8
CONSTANTS = {"true": True, "false": False, "none": None}
#: What `write` may leave unquoted.
WORD = r"[^\W\d]\w*"

_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<shape>(?:[0-9]+|[?*])(?:x(?:[0-9]+|[?*]))+)
    |(?P<number>[+-]?[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
    |(?P<word>{WORD})
    |(?P<text>"[^"\n]*")
    |(?P<sign>[>(),=?*])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A piece of the text; of a sign, the kind is the sign itself."""

    kind: str
    text: str
    start: int
    end: int


class Shape(NamedTuple):
    """The input: its extents, None where unknown."""

    extents: tuple[int | None, ...]
    start: int
    end: int


class Call(NamedTuple):
    """A word with what stands in its parentheses."""

    word: str
    arguments: tuple[Argument, ...]
    start: int
    end: int


class Argument(NamedTuple):
    """A value, or a word that stands for one; `option` where it is written `option=value`."""

    option: str | None
    kind: str  # number, word, text or call
    value: Any
    start: int
    end: int


def read(text: str, unknown: int | None = None) -> list[Shape | Call]:
    """The items of a line.

    Args:
        text: the line.
        unknown: what a `?` among the arguments stands for.

    Raises:
        SpecError: the text does not follow the grammar.
    """
    return _Reader(text, unknown).items()


class _Reader:
    """One function per rule of the grammar; each reads on from the current token."""

    def __init__(self, text: str, unknown: int | None) -> None:
        self.text = text
        self.unknown = unknown
        self.tokens = list(self._scan())
        self.at = 0
        self.depth = 0

    def _scan(self) -> Iterator[Token]:
        at = 0
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise SpecError(f"cannot read {self.text[at]!r}", self.text, at, at + 1)
            at, kind = found.end(), str(found.lastgroup)
            if kind != "space":
                piece = found.group()
                yield Token(piece if kind == "sign" else kind, piece, *found.span())
        yield Token("end", "the end", at, at + 1)

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def next(self, *kinds: str) -> Token | None:
        """The current token, passed by, if it is of one of these kinds."""
        token = self.token
        if token.kind not in kinds:
            return None
        self.at += 1
        return token

    def fail(self, wanted: str) -> NoReturn:
        token = self.token
        got = token.text if token.kind == "end" else repr(token.text)
        raise SpecError(f"expected {wanted}, got {got}", self.text, token.start, token.end)

    def items(self) -> list[Shape | Call]:
        first = self.next("shape", "number", "?", "*")
        items: list[Shape | Call] = [self.shape(first) if first else self.layer("an input or ")]
        while self.next(">"):
            items.append(self.layer())
        if self.token.kind != "end":
            self.fail("'>' or the end")
        if first and len(items) == 1:
            self.fail("'>' and a layer")
        return items

    def shape(self, token: Token) -> Shape:
        parts = token.text.split("x")
        if len(parts) > 2:
            raise SpecError(
                f"expected steps x features, such as 60x1, got {len(parts)} extents",
                self.text, token.start, token.end,
            )  # fmt: skip
        extents = [None if part in "?*" else self.number(token, part) for part in parts]
        if any(isinstance(e, float) or (e is not None and e < 1) for e in extents):
            raise SpecError(
                f"expected whole numbers from 1 up, got {token.text}",
                self.text, token.start, token.end,
            )  # fmt: skip
        return Shape(tuple(extents), token.start, token.end)

    def number(self, token: Token, digits: str) -> Any:
        plain = digits.replace("_", "")
        if len(plain) > DIGITS:
            raise SpecError(
                f"expected a number of at most {DIGITS} characters", self.text, *token[2:]
            )
        return float(plain) if re.search(r"[.eE]", plain) else int(plain)

    def layer(self, before: str = "") -> Call:
        word = self.next("word")
        if word is None:
            self.fail(f"{before}a layer")
        return self.call(word)

    def call(self, word: Token) -> Call:
        arguments: list[Argument] = []
        end = word.end
        if opening := self.next("("):
            self.depth += 1
            if self.depth > DEPTH:
                raise SpecError(
                    f"expected at most {DEPTH} layers inside each other", self.text, *opening[2:]
                )
            while self.token.kind != ")":
                arguments.append(self.argument())
                if not self.next(",") and self.token.kind != ")":
                    self.fail("',' or ')'")
            end = self.token.end
            self.at += 1
            self.depth -= 1
        return Call(word.text, tuple(arguments), word.start, end)

    def argument(self) -> Argument:
        first = self.token
        option = None
        if first.kind == "word" and self.tokens[self.at + 1].kind == "=":
            option = first.text
            self.at += 2
        token = self.next("number", "word", "text", "?")
        if token is None:
            self.fail("a value" if option else "a number, a word or option=value")
        kind, value, end = token.kind, self.value(token), token.end
        if kind == "word" and self.token.kind == "(":
            kind, value = "call", self.call(token)
            end = value.end
        return Argument(option, "number" if kind == "?" else kind, value, first.start, end)

    def value(self, token: Token) -> Any:
        if token.kind == "number":
            return self.number(token, token.text)
        if token.kind == "?":
            if self.unknown is None:
                raise SpecError(
                    "expected a number; '?' is for a number to be found within a budget",
                    self.text, token.start, token.end,
                )  # fmt: skip
            return self.unknown
        if token.kind == "text":
            return token.text[1:-1]
        return CONSTANTS.get(token.text, token.text)
