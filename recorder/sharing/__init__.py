"""What several recorders on several machines agree on through one Postgres: who records which stream, and whose turn
it is to connect.

Neither is what makes a recording right: the same content at the same position is stored once, whoever brings it. They
save connections.
"""
