"""The OpenAPI description of the HTTP API, made of the route table. Pure.

Served at /api/openapi.json. Says what each path takes and answers; the fields of the objects are
those of Docker's hub (shapes.py).
"""

import re
from collections.abc import Iterable
from typing import Any

from sampan.hub.api.routes import Endpoint

_HOLE = re.compile(r"\{(\w+)\}")
_PAGED = ("List ", "Search repositories", "Team members", "The account's")
_BODIES: dict[str, dict[str, Any]] = {
    "/v2/users/login": {"username": "string", "password": "string"},
    "/v2/auth/token": {"identifier": "string", "secret": "string"},
    "/v2/access-tokens": {"token_label": "string", "scopes": "array", "expires_at": "string"},
    "/v2/access-tokens/{uuid}": {"token_label": "string", "is_active": "boolean"},
    "/v2/api_tokens": {"description": "string"},
    "/v2/repositories": {
        "namespace": "string",
        "name": "string",
        "description": "string",
        "full_description": "string",
        "is_private": "boolean",
    },
    "/v2/repositories/{namespace}/{repository}": {
        "description": "string",
        "full_description": "string",
        "is_private": "boolean",
    },
    "/v2/repositories/{namespace}/{repository}/privacy": {"is_private": "boolean"},
    "/v2/repositories/{namespace}/{repository}/webhook_pipeline": {
        "name": "string",
        "expect_final_callback": "boolean",
        "webhooks": "objects",
    },
    "/v2/repositories/{namespace}/{repository}/autobuild": {
        "source_url": "string",
        "build_settings": "objects",
        "envvars": "object",
        "poll_interval": "integer",
    },
    "/v2/repositories/{namespace}/{repository}/builds": {
        "source_type": "string",
        "source_name": "string",
    },
    "/v2/orgs/{org_name}/members/{username}": {"role": "string"},
    "/v2/orgs/{org_name}/groups": {"name": "string", "description": "string"},
    "/v2/orgs/{org_name}/groups/{group_name}": {"name": "string", "description": "string"},
    "/v2/orgs/{org_name}/groups/{group_name}/members": {"member": "string"},
}
_SAME_BODY = {
    "/v2/namespaces/{namespace}/repositories": "/v2/repositories",
    "/v2/namespaces/{namespace}/repositories/{repository}": (
        "/v2/repositories/{namespace}/{repository}"
    ),
}
_LISTS: dict[str, dict[str, Any]] = {
    "array": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object"}},
}
_ERROR = {
    "description": "What went wrong",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def describe(endpoints: Iterable[Endpoint], *, version: str, server: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.0.3",
        "info": {"title": "Sampan hub", "version": version, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": server}],
        "security": [{"bearer": []}, {"basic": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "schemas": {
                "Error": _object({"detail": "string", "message": "string"}),
                "Page": _page(),
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    words = re.sub(r"[^a-z0-9]+", "-", f"{endpoint.method}-{endpoint.path}".lower()).strip("-")
    operation: dict[str, Any] = {
        "operationId": words,
        "summary": endpoint.summary,
        "parameters": [_parameter(name, "path") for name in _HOLE.findall(endpoint.path)],
        "responses": {str(endpoint.success): _success(endpoint), "default": _ERROR},
    }
    if endpoint.open:
        operation["security"] = []
    if _is_paged(endpoint):
        operation["parameters"] += [
            _parameter("page", "query", "integer"),
            _parameter("page_size", "query", "integer"),
        ]
    body = _BODIES.get(_SAME_BODY.get(endpoint.path, endpoint.path))
    if body and endpoint.method in {"POST", "PUT", "PATCH"}:
        content = {"application/json": {"schema": _object(body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _is_paged(endpoint: Endpoint) -> bool:
    return endpoint.method == "GET" and endpoint.summary.startswith(_PAGED)


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.success == 204 or endpoint.method == "HEAD":
        return {"description": endpoint.summary}
    schema = {"$ref": "#/components/schemas/Page"} if _is_paged(endpoint) else {"type": "object"}
    return {
        "description": endpoint.summary,
        "content": {"application/json": {"schema": schema}},
    }


def _parameter(name: str, place: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}}


def _object(members: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in members.items():
        found[name] = _LISTS.get(kind, {"type": kind})
    return {"type": "object", "properties": found}


def _page() -> dict[str, Any]:
    link = {"type": "string", "nullable": True}
    return {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "next": link,
            "previous": link,
            "results": {"type": "array", "items": {"type": "object"}},
        },
    }
