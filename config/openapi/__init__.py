"""OpenAPI 3.1 of what we serve (`/openapi.json`), the page about it (`/docs`), and how it compares with Vapi.

To add a route: describe it in a module ``described.py`` beside its views, in the words of ``tools.access.described`` (one
``Part`` with its operations and schemas; see ``calls/api/described.py``), and name the part in ``parts.py``. Take names, limits
and choices from what the views check bodies with, so that there is one truth. Tests walk Django's URL resolver: a route, method or
WebSocket that is not described fails, as does a described one that is not there, asks for another scope, or answers with a
status or body that its description does not have. How its fields compare with Vapi's stands in ``compatibility``.
"""
