"""Looks whether the names in Bicep files fit together: what the compiler would refuse first, for it is not at hand.

A file is parsed by pycep, which comes with checkov. Then every name that is used has to be declared in its file, every
parameter used, and a module has to be given the parameters that it has, and be asked for outputs that it has. Types and
the resources' own properties are not judged.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lark.exceptions import LarkError
from pycep import BicepParser

_DECLARED = re.compile(r"^(param|var|resource|module|output|func|type) (\w+)(.*)$", re.MULTILINE)
_FOR = re.compile(r"\bfor (\w+) in\b")
_MODULE = re.compile(r"^module (\w+) '([^']+)' = (?:if \(.*\) )?\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_TEXT = re.compile(r"'(?:[^'\\$]|\\.|\$(?!\{)|\$\{(?:[^{}']|'[^']*')*\})*'")
_KEYWORDS = {
    "param", "var", "resource", "module", "output", "func", "type", "if", "for", "in", "existing", "targetScope",
    "true", "false", "null", "string", "int", "bool", "object", "array", "secure", "description",
    "minLength", "maxLength", "minValue", "maxValue", "allowed", "batchSize",
}  # fmt: skip
_FUNCTIONS = {
    "concat", "empty", "guid", "json", "max", "min", "resourceGroup", "string", "subscription",
    "subscriptionResourceId", "toLower", "union", "uniqueString", "uriComponent",
}  # fmt: skip


def faults(main: Path) -> Iterator[str]:
    """Give a line for each fault of a file, and of every module below it."""
    seen: set[Path] = set()
    waiting = [main]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        try:
            BicepParser().parse(text=text)
        except LarkError as error:
            yield f"{path.name}: {str(error).splitlines()[0]}"
            continue
        yield from (f"{path.name}: {fault}" for fault in _faults_of_names(text))
        for name, target, body in _MODULE.findall(text):
            module = path.parent / target
            if not module.is_file():
                yield f"{path.name}: {name} is {target}, which does not exist"
                continue
            waiting.append(module)
            inner = module.read_text(encoding="utf-8")
            yield from (f"{path.name}: {fault}" for fault in _faults_of_module(name, text, body, inner))
    for path in sorted(main.parent.rglob("*.bicep")):
        if path not in seen:
            yield f"{path.name}: no file uses it"


def _declared(text: str, *kinds: str) -> dict[str, str]:
    return {name: rest for kind, name, rest in _DECLARED.findall(text) if kind in kinds}


def _faults_of_names(text: str) -> Iterator[str]:
    names = [name for kind, name, _ in _DECLARED.findall(text) if kind != "output"]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is declared twice"
    code = _code(text)
    # Neither a property (`a.b`, `a:`) nor a declaration's own name.
    used = re.findall(r"(?<![\w.@])([A-Za-z_]\w*)(?!\w)(?!\s*:(?!:))", code)
    known = set(names) | set(_FOR.findall(text)) | _KEYWORDS | _FUNCTIONS
    for name in sorted(set(used) - known):
        yield f"{name} is declared nowhere"
    for name in sorted(set(_declared(text, "param", "var", "func"))):
        if used.count(name) < 2:
            yield f"{name} is used nowhere"


def _code(text: str) -> str:
    """Leave out comments and texts, but for what texts insert; and the names that outputs are given."""
    text = re.sub(r"(?m)^\s*//.*$|(?<=[\s,\]}])//.*$", "", text)
    text = _TEXT.sub(lambda literal: " " + " , ".join(re.findall(r"\$\{([^}]*)\}", literal[0])) + " ", text)
    # What is inserted may hold texts itself.
    text = _TEXT.sub(" ", text)
    text = re.sub(r"(?m)^output \w+", "output", text)
    text = re.sub(r"\bfor (\w+) in (\w+):", r"for \1 in \2 ;", text)
    # A condition's second half is no property: `a ? b : c`.
    return re.sub(r"\?[^:\n]*:", lambda found: found[0].replace(":", " ; "), text)


def _faults_of_module(name: str, text: str, body: str, inner: str) -> Iterator[str]:
    wanted = _declared(inner, "param")
    (params,) = re.findall(r"params: \{(.*?)(?:^  \}| \}$)", body, re.MULTILINE | re.DOTALL)
    given = set(re.findall(r"(?:^|[{,]|\n)\s*(\w+):", _TEXT.sub("''", params)))
    for parameter in sorted(given - wanted.keys()):
        yield f"{name} is given {parameter}, which it does not have"
    for parameter in sorted(wanted.keys() - given):
        if "=" not in wanted[parameter]:
            yield f"{name} is not given {parameter}"
    outputs = _declared(inner, "output")
    for asked in sorted(set(re.findall(rf"\b{name}!?\.outputs\.(\w+)", text)) - outputs.keys()):
        yield f"{name} has no output {asked}"
