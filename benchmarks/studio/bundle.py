"""The page's modules as one script, for a file that is opened from a disk.

A module becomes a function that gives what it exports, called in the order in which modules need
each other. It knows the few forms of import and export that the page's modules use and refuses
others; a bundler from another ecosystem would be a heavier thing to install than these lines.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "([^"]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)
_EXPORTS: Final = re.compile(r"export\{([^}]*)\};?\s*(?://# sourceMappingURL=\S*\s*)?\Z")
_LEFT: Final = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundled(entry: str, modules: Mapping[str, str]) -> str:
    """One module script of several.

    Args:
        entry: name of the one that starts.
        modules: their texts by name, which is a path: ``offline/local.js``.

    Raises:
        ValueError: a module is missing, they need each other in a circle, or a form of import or
            export is unknown; says where.
    """
    order: list[str] = []
    _visit(entry, modules, order, ())
    text = "\n".join(_wrapped(name, modules[name], order) for name in order)
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{entry}: a module holds what would end a script within a page")
    return text


def _visit(name: str, modules: Mapping[str, str], order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules need each other in a circle: {' -> '.join([*above, name])}")
    if name in order:
        return
    if name not in modules:
        raise ValueError(f"{above[-1] if above else name}: there is no module {name}")
    for found in _IMPORT.finditer(modules[name]):
        _visit(_path(name, found[3]), modules, order, (*above, name))
    order.append(name)


def _path(name: str, wanted: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), wanted))


def _wrapped(name: str, text: str, order: list[str]) -> str:
    exports = {found[1]: found[1] for found in _EXPORT.finditer(text)}
    last = _EXPORTS.search(text)
    if last is not None:
        for pair in last[1].split(","):
            inner, _, outer = pair.strip().partition(" as ")
            exports[outer or inner] = inner
        text = text[: last.start()]

    def taken(found: re.Match[str]) -> str:
        source = f"module{order.index(_path(name, found[3]))}"
        names = found[2] or "{" + found[1].replace(" as ", ": ") + "}"
        return f"const {names} = {source};\n"

    text = _EXPORT.sub("", _IMPORT.sub(taken, text))
    if left := _LEFT.search(text):
        raise ValueError(f"{name}: cannot be put into one script: {left[0][:80]}")
    given = ", ".join(f'"{outer}": {inner}' for outer, inner in exports.items())
    return f"const module{order.index(name)} = (() => {{\n{text}\nreturn {{ {given} }};\n}})();"
