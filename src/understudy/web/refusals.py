"""What a server says no to, and the one shape in which it says so: OpenAI's error object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.errors import UnderstudyError

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class RefusedError(UnderstudyError):
    """A request that is answered with an error. `code` is for machines; `param` names the field that is meant."""

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        *,
        why: str,
        fix: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, why=why, fix=fix)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The error as JSON: `message` holds all three parts, because clients show that alone.

        >>> error = RefusedError(413, "too_large", "2 MiB", why="a request is held in memory", fix="send less")
        >>> error.body()["error"]["message"]
        '2 MiB (why: a request is held in memory; fix: send less)'
        """
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        message = f"{self.what} (why: {self.why}; fix: {self.fix})"
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code}}
