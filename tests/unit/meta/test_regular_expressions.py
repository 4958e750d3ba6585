# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every regular expression of the plugins takes time that grows as its input does, whatever that is.

An input is made against each: of the characters that it names, one or two of them repeated, with a beginning that it
takes and an end that it refuses. An expression that tries the ends of one run for each of its beginnings takes seconds
for the longest of these inputs, an exponential one for thirty characters; a linear one a millisecond.
"""

from __future__ import annotations

import ast
import collections
import itertools
import pathlib
import re
import signal
import typing as t

import pytest

PLUGINS = pathlib.Path(__file__).parents[3] / "plugins"
SIZES = (200, 20_000)  # some look at the length first
LIMIT = 0.15  # seconds; linear ones take a hundredth of that, quadratic ones at least twice as much
ENDS = ("\n", "\0")
METHODS = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")


class Expression(t.NamedTuple):
    where: str
    pattern: t.Any
    flags: int
    methods: tuple[str, ...]


def flags_of(nodes: t.Iterable[ast.expr]) -> int:
    names = [node.attr for each in nodes for node in ast.walk(each) if isinstance(node, ast.Attribute)]
    return sum(getattr(re, name) for name in names if isinstance(getattr(re, name, None), re.RegexFlag))


def expressions() -> t.Iterator[Expression]:
    """All that are compiled under a name, and those in calls of re's functions."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PLUGINS.rglob("*.py"))}
    for path, text in texts.items():
        if "import re\n" not in text:
            continue
        tree = ast.parse(text)
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
                continue
            kind = node.func.attr
            more = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
            named = next((name for name, value in constants.items() if value is node), None)
            if kind == "compile":
                used = rf"\b{named}\.({'|'.join(METHODS)})\b" if named else rf"\)\.({'|'.join(METHODS)})\("
                methods = {name for other in texts.values() for name in re.findall(used, other)}
                assert methods, f"{path}:{node.lineno} is compiled and not used"
            else:
                methods = {kind}
            for pattern in patterns(node.args[0], constants, tree):
                where = f"{path.relative_to(PLUGINS)}:{node.lineno}"
                yield Expression(where, pattern, flags_of(more), tuple(sorted(methods & set(METHODS))))


def patterns(node: ast.expr, constants: t.Mapping[str, ast.expr], tree: ast.Module) -> list[t.Any]:
    """The text or bytes of an expression; of the parameter of a function, all that the module's calls give to it."""
    if isinstance(node, ast.JoinedStr):
        parts = [value.value if isinstance(value, ast.FormattedValue) else value for value in node.values]
        return ["".join(patterns(part, constants, tree)[0] for part in parts)]
    if isinstance(node, ast.Name):
        given = [constants[node.id]] if node.id in constants else list(arguments(node.id, tree))
        assert given, f"nothing is known of {node.id}"
        return [text for each in given for text in patterns(each, constants, tree)]
    return [ast.literal_eval(node)]


def arguments(parameter: str, tree: ast.Module) -> t.Iterator[ast.expr]:
    """What is given to functions that have a parameter of this name, defaults too."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [argument.arg for argument in function.args.args]
        if parameter not in names:
            continue
        position = names.index(parameter)
        defaults = dict(zip(reversed(names), reversed(function.args.defaults)))
        yield from [defaults[parameter]] if parameter in defaults else []
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == function.name:
                yield from [
                    *call.args[position : position + 1],
                    *(k.value for k in call.keywords if k.arg == parameter),
                ]


def bodies(text: str) -> list[str]:
    """What is repeated: each character that the expression names and one of each kind that it may mean, and pairs."""
    named = sorted(set(re.sub(r"\\[a-zA-Z]", "", text)) - set("^$|*+?()[]{}\r"))
    signs = [char for char in named if not char.isalnum()]
    common = ["a", "A", "1", " ", "\n", "\\", ".", ":"]
    return list(dict.fromkeys([*signs, *common, *map("".join, itertools.permutations([*signs[:4], "a", "1"], 2))]))


def beginnings(text: str) -> list[str]:
    """What the expression may take first: its runs of plain characters."""
    plain = re.sub(r"\(\?P?<?\w*>?:?|\[[^\]]*\]|\\[a-zA-Z]|[()|*+?{}^$\\]", "\0", text)
    return list(dict.fromkeys(["", "a", *plain.split("\0")]))[:5]


class TooSlow(Exception):
    pass


def stop(_number: int, _frame: t.Any) -> None:
    raise TooSlow


def is_slow(work: t.Callable[..., t.Any], arguments: t.Sequence[t.Any]) -> bool:
    """Judged by the time of the processor, whatever else runs. Expressions let signals through."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        found = work(*arguments)
        collections.deque(found if hasattr(found, "__next__") else (), maxlen=0)
    except TooSlow:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False


def slow_input(expression: Expression) -> str | None:
    compiled = re.compile(expression.pattern, expression.flags)
    binary = isinstance(expression.pattern, bytes)
    text = expression.pattern.decode() if binary else expression.pattern
    for size, body, start, end in itertools.product(SIZES, bodies(text), beginnings(text), ENDS):
        subject = start + body * (size // len(body)) + end
        given = subject.encode() if binary else subject
        for method in expression.methods:
            arguments = [given[:0], given] if method == "sub" else [given]
            # Once may be a collection of garbage.
            if all(is_slow(getattr(compiled, method), arguments) for _again in range(2)):
                return f"{method} of {start!r} + {body!r} * {size // len(body)} + {end!r}"
    return None


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda expression: expression.where)
def test_is_linear(expression: Expression) -> None:
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        assert slow_input(expression) is None, expression.pattern
    finally:
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"(?=.{1,253}\Z)(\*\.)?[\w-]{1,63}([.:]{1,2}[\w-]{0,63})*", "fullmatch"),
        (r"(?:[.:]{1,2}[a-z]*)*x", "fullmatch"),
        (r"[0-9.]+|.*:.*", "fullmatch"),
        (r"(\d+(?:\.\d+)?)([wdhms])", "findall"),
        (r"(?m)^\s*- Pool", "search"),
    ],
)
def test_one_that_is_not_linear_is_seen(pattern: str, method: str) -> None:
    """Those that were here, or are like them."""
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        assert slow_input(Expression("", pattern, 0, (method,)))
    finally:
        signal.signal(signal.SIGVTALRM, before)


def test_all_are_found() -> None:
    assert len(EXPRESSIONS) > 60
    assert {expression.where.split(":")[0] for expression in EXPRESSIONS} >= {
        "module_utils/_core/x509/pem.py",
        "module_utils/_ports/tls/starttls.py",
    }
