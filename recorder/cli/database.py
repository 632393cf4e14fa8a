"""`recorder db`: the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from recorder.cli.options import DEFAULT_DATABASE, DatabaseUrl, LogFormat, LogLevel, Quiet, Verbose, command

app = typer.Typer(no_args_is_help=True, help="The schema: upgrade it, take it back, check it.")


@app.command()
@command
def upgrade(database_url: DatabaseUrl = DEFAULT_DATABASE, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Make an empty database an archive, or bring an older one up to this version (after a backup copy)."""
    from recorder.archive import maintain

    typer.echo(f"{maintain.upgrade(database_url)} is at the schema of this version")


@app.command()
@command
def downgrade(
    revision: Annotated[
        str | None, typer.Argument(help="The revision to go back to, else the one before; `base` removes all tables.")
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: what the older schema cannot hold is lost.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Take the schema back to an older revision (a SQLite file after a copy)."""
    from recorder.archive import maintain

    typer.echo(f"the schema is at {maintain.downgrade(database_url, revision, sure=yes)}")


@app.command()
@command
def distribute(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Spread an archive in Postgres over the servers of its Citus, by match; stop the recorders before."""
    from recorder.archive import distributing

    done = distributing.distribute(database_url)
    where = f"over {done.servers} server{'' if done.servers == 1 else 's'}"
    if done.tables:
        typer.echo(f"{done.place} is distributed by stream_id {where}: {', '.join(done.tables)}")
    else:
        typer.echo(f"{done.place} is distributed already, {where}")


@app.command()
@command
def check(database_url: DatabaseUrl = DEFAULT_DATABASE, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Say whether this version can read and write the archive (exit 78 when not)."""
    from recorder.query.reading import reading

    with reading(database_url):
        typer.echo("the archive is at the schema of this version")
