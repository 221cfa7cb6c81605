"""What can be wrong with a schema, and with the arguments given under it."""


class SchemaError(ValueError):
    """These parameters are no JSON Schema of an object at all. The text says why, in plain words."""


class ArgumentsError(ValueError):
    """The model's arguments cannot be used. The text says why, in words for the model, and quotes none of them."""
