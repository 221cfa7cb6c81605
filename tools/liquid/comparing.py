"""Comparisons of a template with JavaScript's meaning, in place of the library's. Pure."""

import math
import operator
from collections.abc import Callable
from typing import Any

from liquid import Expression, Node, RenderContext, Undefined
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty

from tools.liquid.values import number_of


def comparisons_exchange(node: Node, context: RenderContext) -> None:
    """Give the template's comparisons JavaScript's meaning. The library makes them itself and takes no others."""
    waiting: list[Expression] = list(node.expressions())
    while waiting:
        expression = waiting.pop()
        waiting += expression.children()
        if type(expression) in _COMPARISONS:
            expression.__class__ = _COMPARISONS[type(expression)]
    for child in node.children(context):
        comparisons_exchange(child, context)


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _equal(self.left.evaluate(context), self.right.evaluate(context))


class _Unequal(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return not _equal(self.left.evaluate(context), self.right.evaluate(context))


class _Less(LtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.lt, self.left.evaluate(context), self.right.evaluate(context))


class _More(GtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.gt, self.left.evaluate(context), self.right.evaluate(context))


class _AtMost(LeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.le, self.left.evaluate(context), self.right.evaluate(context))


class _AtLeast(GeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.ge, self.left.evaluate(context), self.right.evaluate(context))


_COMPARISONS: dict[type[Expression], type[Expression]] = {
    EqExpression: _Equal,
    NeExpression: _Unequal,
    LtExpression: _Less,
    GtExpression: _More,
    LeExpression: _AtMost,
    GeExpression: _AtLeast,
}


def _equal(left: object, right: object) -> bool:
    left, right = (None if isinstance(side, Undefined) else side for side in (left, right))
    if isinstance(left, Blank | Empty):
        left, right = right, left
    if isinstance(right, Blank):
        return (
            left is None or left is False or (isinstance(left, str) and not left.strip()) or _is_empty(left)
        )
    if isinstance(right, Empty):
        return _is_empty(left)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right  # in Python True is 1
    return left == right


def _is_empty(value: object) -> bool:
    return (
        isinstance(value, str | list | tuple | dict | Empty | Blank) and not getattr(value, "__len__", int)()
    )


def _ordered(compare: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    """Two texts by their letters, all else as numbers; with nothing, or what is no number, never."""
    if isinstance(left, str) and isinstance(right, str):
        return compare(left, right)
    numbers = [number_of(side, math.nan) for side in (left, right)]
    return compare(*numbers)
