"""Builds over BuildKit's protocol, from the client's side: the session's services and the solve."""
