"""A small document of headings, text, grids and lists, written as Markdown or as LaTeX.

All text comes in as `Span`s and is escaped by the writer: labels, reasons and file names may hold
anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from tabulate import tabulate

Style = Literal["plain", "bold", "code", "mark", "link"]


@dataclass(frozen=True)
class Span:
    """A piece of text; ``mark`` refers to a footnote, ``link`` to ``target``, in Markdown alone."""

    text: str
    style: Style = "plain"
    target: str = ""


Text = tuple[Span, ...]


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the document's, in LaTeX the caption of its first grid instead.

    Args:
        text: the words.
        level: 1 to 6.
        below: a line under it.
    """

    text: Text
    level: int = 2
    below: Text = ()


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: Text


@dataclass(frozen=True)
class Grid:
    """A table; the first column is left-aligned, the others right-aligned.

    Args:
        header: a text a column.
        rows: a text a column each.
        rules: LaTeX draws a line before the rows of these numbers.
        caption: makes it a float in LaTeX; Markdown has the heading.
        label: what LaTeX refers to the float by.
    """

    header: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    rules: frozenset[int] = frozenset()
    caption: Text = ()
    label: str = ""


@dataclass(frozen=True)
class Listing:
    """A list; ``numbers`` are the footnotes' numbers, none for bullets."""

    items: Sequence[Text]
    numbers: Sequence[str] = field(default=())


Block = Heading | Paragraph | Grid | Listing


def text(*parts: str | Span) -> Text:
    """A text of plain strings and spans."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def bold(words: str) -> Span:
    """Bold text."""
    return Span(words, "bold")


def code(words: str) -> Span:
    """An identifier."""
    return Span(words, "code")


def link(words: str, target: str) -> Span:
    """A link to a file or a heading; ``target`` has no spaces and no parentheses."""
    return Span(words, "link", target)


def mark(number: str) -> Span:
    """A reference to a footnote."""
    return Span(number, "mark")


def to_markdown(blocks: Sequence[Block]) -> str:
    """Markdown that reads well raw and on GitHub."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {_markdown(block.text)}")
            if block.below:
                parts.append(_markdown(block.below))
        elif isinstance(block, Paragraph):
            parts.append(_markdown(block.text))
        elif isinstance(block, Grid):
            parts.append(_grid(block, "pipe", _markdown))
        elif block.numbers:
            pairs = zip(block.numbers, block.items, strict=True)
            parts.append("\n".join(f"{number}. {_markdown(item)}" for number, item in pairs))
        else:
            parts.append("\n".join(f"- {_markdown(item)}" for item in block.items))
    return "\n\n".join(parts) + "\n"


def to_latex(blocks: Sequence[Block]) -> str:
    r"""LaTeX to ``\input`` into a paper; needs the package booktabs, and UTF-8 as LaTeX now has."""
    parts = [r"% \usepackage{booktabs}"]
    for block in blocks:
        if isinstance(block, Heading):
            if block.level > 1:
                parts.append(rf"\paragraph{{{_latex(block.text)}}}")
        elif isinstance(block, Paragraph):
            parts.append(rf"{{\small {_latex(block.text)}\par}}")
        elif isinstance(block, Grid):
            parts.append(_booktabs(block))
        elif block.numbers:
            notes = [
                rf"\textsuperscript{{{number}}}\,{_latex(item)}\par"
                for number, item in zip(block.numbers, block.items, strict=True)
            ]
            parts.append("{\\footnotesize\n" + "\n".join(notes) + "\n}")
        else:
            items = "\n".join(rf"\item {_latex(item)}" for item in block.items)
            parts.append(f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
    return "\n\n".join(parts) + "\n"


def escape_markdown(words: str) -> str:
    """Text that Markdown shows as it is, in a table too; HTML and mentions take no effect."""
    words = re.sub(r"([\\`*\[\]|$~])", r"\\\1", _one_line(words))
    # Inside a word an underscore is just that; at its edges it would be emphasis.
    words = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", words)
    words = re.sub(r"&(?=#|\w+;)", "&amp;", words).replace("<", "&lt;").replace(">", "&gt;")
    # Between a mention's sign and its name, a character of no width: nobody is called.
    return re.sub(r"@(?=\w)", "@&#8203;", words)


def escape_latex(words: str) -> str:
    """Text that LaTeX shows as it is; signs it has no plain font for become ``?``."""
    words = re.sub(r'(?<![^\s(])"', "\u201c", _one_line(words))
    return "".join(_LATEX.get(sign, sign if ord(sign) < 0x180 else "?") for sign in words)


def _markdown(parts: Text) -> str:
    done = []
    for part in parts:
        if part.style == "bold":
            done.append(f"**{escape_markdown(part.text)}**")
        elif part.style == "code":
            done.append(f"`{_one_line(part.text).replace('`', ' ').replace('|', ' ')}`")
        elif part.style == "mark":
            done.append(f" [{part.text}]")
        elif part.style == "link":
            done.append(f"[{escape_markdown(part.text)}]({part.target})")
        else:
            done.append(escape_markdown(part.text))
    return "".join(done)


def _latex(parts: Text) -> str:
    commands = {"bold": "textbf", "code": "texttt", "mark": "textsuperscript"}
    return "".join(
        rf"\{commands[part.style]}{{{escape_latex(part.text)}}}"
        if part.style in commands
        else escape_latex(part.text)
        for part in parts
    )


def _grid(block: Grid, kind: str, write: Callable[[Text], str]) -> str:
    return tabulate(
        [[write(item) for item in row] for row in block.rows],
        headers=[write(item) for item in block.header],
        tablefmt=kind,
        colalign=("left", *["right"] * (len(block.header) - 1)),
        disable_numparse=True,
    )


def _booktabs(block: Grid) -> str:
    lines = _grid(block, "latex_raw", _latex).splitlines()
    rules = iter((r"\toprule", r"\midrule", r"\bottomrule"))
    lines = [next(rules) if line == r"\hline" else line for line in lines]
    for place in sorted(block.rules, reverse=True):
        # \begin{tabular}, \toprule, header, \midrule come first.
        lines.insert(4 + place, r"\midrule")
    if not block.caption:
        return "\n".join([r"\begin{center}", r"\small", *lines, r"\end{center}"])
    head = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(block.caption)}}}"]
    if block.label:
        head.append(rf"\label{{{block.label}}}")
    return "\n".join([*head, r"\small", *lines, r"\end{table}"])


def _one_line(words: str) -> str:
    """Without line breaks and control characters, which could move a terminal's cursor."""
    kept = "".join(sign if sign.isprintable() else " " for sign in words)
    return re.sub(r"\s+", " ", kept)


_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u201c": "``",
    '"': "''",
    "[": "{[}",  # at the start of a row or an item it would be an optional argument
    "]": "{]}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "—": "---",
}
