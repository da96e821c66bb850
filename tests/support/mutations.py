"""Small faults in source text: cosmic-ray's operators, and those that a physicist makes."""

import ast
import dataclasses
from collections.abc import Iterable, Iterator

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Name, PythonNode

from tests.support.faults import unified

STANDARD = (
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Mul_Add")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Pow_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "BitAnd_BitOr")),
    *("ReplaceBinaryOperator_BitOr_BitAnd", "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not"),
    *("ReplaceUnaryOperator_Delete_Invert", "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue", "NumberReplacer", "ZeroIterationForLoop"),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Lt_Gt", "LtE_GtE", "Gt_Lt", "GtE_LtE")),
)
"""Of cosmic-ray's operators those whose result is still a number or a truth: ``1.5 >> 2`` tells nothing of a test."""

CONFUSED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "cos": "sin",
    "sin": "cos",
    "floor": "ceil",
    "ceil": "floor",
    "fft": "ifft",
    "ifft": "fft",
    "real": "imag",
    "imag": "real",
    "mean": "sum",
    "rad2deg": "deg2rad",
    "deg2rad": "rad2deg",
}
"""Names that are taken for each other."""

MOVED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


class ConfusedName(Operator):
    """One name for another: the least for the largest, the mean for the sum."""

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[tuple]:
        """Where such a name is called or read, but not as the name of an argument."""
        if isinstance(node, Name) and node.value in CONFUSED and not node.is_definition():
            following = node.get_next_leaf()
            is_keyword = node.parent.type == "argument" and following is not None and following.value == "="
            if not is_keyword:
                yield node.start_pos, node.end_pos

    def mutate(self, node: Name, index: int) -> Name:
        """Change the name."""
        node.value = CONFUSED[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


class LostTrailer(Operator):
    """``.conj()``, ``.T``, ``.H`` or ``[::-1]`` that is missing."""

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[tuple]:
        """Trailers that leave the kind of the value as it is."""
        if isinstance(node, PythonNode) and node.type in ("atom_expr", "power"):
            for child in self._lost(node):
                yield child.start_pos, child.end_pos

    def mutate(self, node: PythonNode, index: int) -> PythonNode:
        """Leave the trailer out, and the brackets of its call."""
        child = self._lost(node)[index]
        place = node.children.index(child)
        called = child.get_code() == ".conj"
        node.children = node.children[:place] + node.children[place + 1 + called :]
        return node

    @staticmethod
    def _lost(node: PythonNode) -> list:
        return [child for child in node.children if child.get_code() in (".conj", ".T", ".H", "[::-1]")]

    @classmethod
    def examples(cls) -> tuple:
        return ()


_GUARD = 1e-3
"""Numbers below keep a denominator from zero, or add a trace of a ridge: one less would do as well."""

_PLAIN = (ast.Constant, ast.Tuple, ast.Dict, ast.UnaryOp, ast.USub, ast.Load)


class MovedBound(Operator):
    """``<`` for ``<=`` and so on where whole numbers are compared: real ones hardly ever are equal."""

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[tuple]:
        """Where one side is a whole number or a length."""
        if node.type == "comparison" and len(node.children) == 3 and node.children[1].get_code().strip() in MOVED:
            left, _, right = (child.get_code().strip() for child in node.children)
            if any(side.isdecimal() or side.startswith("len(") for side in (left, right)):
                yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: PythonNode, index: int) -> PythonNode:
        """Change the operator."""
        node.children[1].value = MOVED[node.children[1].value]
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


OPERATORS: dict[str, Operator] = {"ConfusedName": ConfusedName(), "LostTrailer": LostTrailer()}
OPERATORS |= {"MovedBound": MovedBound()} | {name: get_operator(f"core/{name}")() for name in STANDARD}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One fault in one file.

    Attributes
    ----------
    path : str
        Of the file, from the root of the repository.
    line : int
    operator : str
    occurrence : int
        Number of the place in the file among those of the operator.
    """

    path: str
    line: int
    operator: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.operator}:{self.occurrence}"

    def applied(self, source: str) -> str | None:
        """Source with the fault; None if it is no Python, or the same program."""
        changed = mutate_code(source, OPERATORS[self.operator], self.occurrence)
        try:
            return None if changed is None or _program(changed) == _program(source) else changed
        except SyntaxError:
            return None

    def diff(self, source: str) -> str:
        """The fault as a unified diff."""
        return unified(str(self), self.path, source, self.applied(source) or source)


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All faults of a file that can show in a result."""
    silent = list(_silent(source))
    found = []
    for name, operator in OPERATORS.items():
        places = [place for node in ast_nodes(get_ast(source)) for place in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(places):
            is_lowered = name == "NumberReplacer" and occurrence % 2
            if is_lowered and abs(complex(_text(source, start, end))) < _GUARD:
                continue
            if not any(first <= start < last for first, last in silent):
                found.append(Mutant(path, start[0], name, occurrence))
    return found


def _text(source: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    """Of one line, what stands between two places."""
    return source.splitlines()[start[0] - 1][start[1] : end[1]]


def _program(source: str) -> str:
    return ast.dump(ast.parse(source))


def _silent(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a fault tells nothing: annotations, texts, decorators, imports for types, lists of names, and settings."""
    lines = source.encode().splitlines(keepends=True)

    def place(line: int, offset: int) -> tuple[int, int]:
        return line, len(lines[line - 1][:offset].decode())  # ast counts bytes, parso letters

    for node in ast.walk(ast.parse(source)):
        for part in _parts_without_effect(node):
            yield place(part.lineno, part.col_offset), place(part.end_lineno or part.lineno, part.end_col_offset or 0)


def _parts_without_effect(node: ast.AST) -> Iterable[ast.expr | ast.stmt]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            hints = [argument.annotation for argument in every if argument is not None]
            return [part for part in [*hints, node.returns, *node.decorator_list] if part is not None]
        case ast.Module():
            return _settings(node)
        case ast.ClassDef():
            return [*node.decorator_list, *_settings(node)]
        case ast.AnnAssign():
            return [node.annotation]
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Assign(targets=[ast.Name(id="__all__")]):
            return [node]
        case ast.If() if "get_device" in ast.unparse(node.test):  # what is done on a GPU
            return [node.test, *node.body]
        case ast.Raise() | ast.JoinedStr() | ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            return [node]
        case ast.Call(func=ast.Attribute(attr="reshape")):
            return [part for part in node.args if isinstance(part, ast.UnaryOp)]  # NumPy takes -2 for -1
        case ast.keyword(arg="strict" | "show_pbar" | "optimize" | "overwrite_x", value=value):
            return [value]
    return []


def _settings(node: ast.Module | ast.ClassDef) -> list[ast.expr]:
    """Numbers that somebody chose: tests hold what follows from them, and a little more or less is no fault."""
    values = [part.value for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign) and part.value]
    fields = [value for value in values if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field"]
    chosen = [value for value in values if not isinstance(value, ast.Call)]
    grids = [value.args for value in values if isinstance(value, ast.Call)]
    plain = chosen + [argument for arguments in grids for argument in arguments]
    return fields + [value for value in plain if all(isinstance(part, _PLAIN) for part in ast.walk(value))]
