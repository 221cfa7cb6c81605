"""The JSON Schema of a tool's arguments: what the model is shown of it, and the way back to what the server expects."""

from tools.schemas.errors import ArgumentsError, SchemaError
from tools.schemas.flattening import Flattened, flatten
from tools.schemas.names import legal_tool_name
from tools.schemas.problems import parameters_problems, schema_problems
from tools.schemas.restoring import arguments_restore

__all__ = [
    "ArgumentsError",
    "Flattened",
    "SchemaError",
    "arguments_restore",
    "flatten",
    "legal_tool_name",
    "parameters_problems",
    "schema_problems",
]
