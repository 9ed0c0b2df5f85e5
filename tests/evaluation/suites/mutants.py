"""Programs broken in one place: a comparison, an operator, a constant, or what is returned."""

import ast

OPPOSITE: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
    ast.BitXor: ast.BitOr, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


class Breaker(ast.NodeTransformer):
    """Breaks place number ``place``; ``kinds`` has the kind of every place that it came by."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.kinds: list[str] = []

    def here(self, kind: str) -> bool:
        self.kinds.append(kind)
        return len(self.kinds) - 1 == self.place

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if type(node.ops[0]) in OPPOSITE and self.here("comparison"):
            node.ops[0] = OPPOSITE[type(node.ops[0])]()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in OPPOSITE and self.here("operator"):
            node.op = OPPOSITE[type(node.op)]()
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool) and self.here("constant"):
            return ast.Constant(not node.value)
        if type(node.value) in {int, float} and self.here("constant"):
            return ast.Constant(node.value + 1)
        if isinstance(node.value, str) and self.here("constant"):
            return ast.Constant(node.value + "x")
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None and self.here("return"):
            return ast.Return(ast.Constant(None))
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Leave texts that document alone."""
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def mutants(source: str, function: str) -> list[tuple[str, str]]:
    """Kind and source of every mutant of ``function`` in ``source``."""
    survey = Breaker(-1)
    survey.visit(body_of(ast.parse(source), function))
    found = []
    for place, kind in enumerate(survey.kinds):
        tree = ast.parse(source)
        Breaker(place).visit(body_of(tree, function))
        found.append((kind, ast.unparse(ast.fix_missing_locations(tree))))
    return found


def body_of(tree: ast.Module, function: str) -> ast.FunctionDef:
    """The last definition of ``function``."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function][-1]
