"""The library, set up as Vapi has LiquidJS: what templates may use, and what of it is ours."""

from collections.abc import Callable, Iterator
from typing import Final, TextIO

from liquid import Environment, RenderContext, Token
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError

from tools.liquid.context import NamedUndefined
from tools.liquid.filters import filters_of
from tools.liquid.lexer import tokens
from tools.liquid.values import written

_LOCALS_SIZE = 1_000_000


class WrittenNode(OutputNode):
    """An output that is written as JavaScript writes it."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(written(self.expression.evaluate(context)))


class Written(Output):
    """The tag ``{{ … }}``."""

    node_class = WrittenNode


class VapiEnvironment(Environment):
    """The library, set up as Vapi's: unknown filters pass, blank blocks stay, nothing is loaded from anywhere."""

    local_namespace_limit = _LOCALS_SIZE
    suppress_blank_control_flow_blocks = False
    shorthand_indexes = True
    logical_not_operator = True

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        return tokens

    def error(
        self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None
    ) -> None:
        # A complaint about an end has no place of its own; what stands before the end has.
        if (
            isinstance(exc, LiquidError)
            and exc.token is not None
            and exc.token.start_index < 0
            and token is not None
        ):
            exc.token = exc.token._replace(start_index=token.start_index, source=token.source)
        super().error(exc, msg, token)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render", "doc"):
            self.tags.pop(name, None)
        self.add_tag(Written)
        self.filters = filters_of(self.filters)


ENVIRONMENT: Final = VapiEnvironment(strict_filters=False, undefined=NamedUndefined)
