"""The OpenAPI document of the server, made from the structs that requests are read by and answers written from."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from understudy import __version__
from understudy.web.wire import ChatCompletion, ChatRequest, Chunk, ErrorBody, Health, ModelCard, ModelList

_NAMES = (ChatRequest, ChatCompletion, Chunk, ModelList, ModelCard, Health, ErrorBody)


@cache
def document() -> dict[str, Any]:
    """The document.

    >>> sorted(document()["paths"])
    ['/healthz', '/openapi.json', '/v1/chat/completions', '/v1/models', '/v1/models/{model}']
    """
    _, schemas = msgspec.json.schema_components(_NAMES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "understudy serve",
            "version": __version__,
            "description": "Simulated users as chat completions: `user` messages are what the partner says, and the "
            "simulated user answers as `assistant`.",
        },
        "security": [{"token": []}],
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "paths": {
            "/healthz": {"get": _get("health", "Whether the server takes requests", _json("Health"), open_to_all=True)},
            "/openapi.json": {"get": _get("openapi", "This document", {"application/json": {"schema": {}}})},
            "/v1/models": {"get": _get("models", "The population and its first users", _json("ModelList"))},
            "/v1/models/{model}": {
                "get": {
                    **_get("model", "One of them", _json("ModelCard"), 404),
                    "parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}],
                }
            },
            "/v1/chat/completions": {"post": _chat()},
        },
    }


def _chat() -> dict[str, Any]:
    return {
        "operationId": "chat",
        "summary": "What a simulated user says next",
        "requestBody": {"required": True, "content": _json("ChatRequest")},
        "parameters": [
            _header("X-Session-Id", "Names the conversation, as metadata.session_id does"),
            _header("X-Stop-Token", "Said after a user's last words, as metadata.stop_token is"),
        ],
        "responses": {
            "200": {
                "description": "What it says, at once or as a stream of chunks that ends in [DONE]",
                "content": {**_json("ChatCompletion"), "text/event-stream": {"schema": {"type": "string"}}},
            },
            **_errors(400, 401, 403, 404, 408, 413, 415, 422, 429, 502, 503),
        },
    }


def _get(name: str, summary: str, content: dict[str, Any], *errors: int, open_to_all: bool = False) -> dict[str, Any]:
    answered = {"200": {"description": summary, "content": content}}
    if open_to_all:
        return {"operationId": name, "summary": summary, "security": [], "responses": answered}
    return {"operationId": name, "summary": summary, "responses": {**answered, **_errors(401, 403, *errors)}}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): {"description": _MEANING[status], "content": _json("ErrorBody")} for status in statuses}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


_MEANING = {
    400: "No JSON",
    401: "No token, or another",
    403: "From a page of another site, or for another host",
    404: "No such user",
    408: "The body came too slowly",
    413: "The body is too large",
    415: "The content type is not application/json",
    422: "A field is missing, of another type or beyond its limit",
    429: "More requests at a time than are taken; Retry-After says when to come again",
    502: "The user's language model failed, or what it said is no turn of a person",
    503: "The user's language model takes no more requests for now",
}
