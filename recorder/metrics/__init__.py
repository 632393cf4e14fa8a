"""How a run does, for programs that watch it: `/metrics` for Prometheus, `/healthz`, `/readyz`.

`endpoint`: what is answered; `serving`: the server. `exposition`: the numbers under their names. `health`: the two
verdicts, pure. `pulse`: how late the loop is. No label grows with what is recorded; none names a team, a player or a
token. Only `endpoint` and `exposition` need prometheus_client, which is slow to import.
"""
