"""A private PostgreSQL and a private Redis-protocol server, for one machine, shared by all processes of this project.

`ensure` starts what is not running and counts this process among the users; the last user to leave stops both.
"""

from config.embedded.errors import EmbeddedError
from config.embedded.services import Services, ensure, leave, missing, wipe

__all__ = ["EmbeddedError", "Services", "ensure", "leave", "missing", "wipe"]
