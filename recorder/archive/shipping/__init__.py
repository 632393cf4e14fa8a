"""What the spool holds, brought on to Postgres: in order, from the rows, all the time, by a thread of its own.

The capture never waits for it. Postgres away means that the spool grows; what is missing there is found from the rows
of both (`merging.copying.survey`) as soon as it is back, whatever it has kept or lost meanwhile. Nothing leaves the
spool that was not proven in Postgres, and a finished stream stays in it for some days after: a fail-over may undo what
Postgres had acknowledged.

`noting`: what came into the spool. `landing`: how it gets to Postgres. `leaving`: what is proven there and leaves the
spool. `shipper`: the thread that does one after the other, and what it does when Postgres is away.
"""

from recorder.archive.shipping.shipper import Pace, Shipper

__all__ = ["Pace", "Shipper"]
