"""An assistant behind an OpenAI-compatible endpoint on the loopback: the system under test of the peers."""

from __future__ import annotations

import json
from typing import Any

from tests.integrations.talking import answer_to


async def agent(scope: Any, receive: Any, send: Any) -> None:
    """Answers chat completions by how often the user spoke; nothing else matters to it."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    asked = json.loads(body or b"{}")
    users = sum(message.get("role") == "user" for message in asked.get("messages", []))
    answer = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": asked.get("model", "agent"),
        "choices": [{
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer_to(max(users, 1))},
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
