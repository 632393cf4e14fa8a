"""The match on a page: server-rendered HTML, a JSON API and server-sent events. Only reads.

Needs the extra `web`: import it inside the command that serves.
"""
