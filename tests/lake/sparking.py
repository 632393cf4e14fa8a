"""A Spark of our own: on loopback, without pages, every file of it in one directory, gone when it is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.sql import SparkSession

LOCAL = "local[2]"
TWO_PROCESSES = "local-cluster[2,1,1024]"
"""A master, and two workers that start a process each with one core and 1,024 MiB."""


@contextmanager
def running(master: str, directory: Path) -> Iterator[SparkSession]:
    """Give a session of a Java process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SPARK_HOME": _home(directory),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(directory / "shuffled"),
        }.items():
            patch.setenv(name, value)
        session = _session(master, directory)
        try:
            yield session
        finally:
            _leave(session)


def _home(directory: Path) -> str:
    """Return a home whose programs are the package's: a cluster's workers write where their home is."""
    home = directory / "home"
    home.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name != "work":
            (home / part.name).symlink_to(part)
    return str(home)


def _session(master: str, directory: Path) -> SparkSession:
    """Start one that is quick with little: half of what Spark does to be fast with much is left out."""
    builder = SparkSession.builder.master(master).appName("tests")
    # With one tier Java keeps 48 MiB for compiled code, which these tests fill; then it fails in odd ways.
    brief = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
    for name, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={directory} {brief}",
        "spark.executor.extraJavaOptions": brief,
        "spark.executor.memory": "512m",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",  # no task before all processes are there
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _leave(session: SparkSession) -> None:
    """Stop it, and the Java process, which would live as long as this one."""
    context = session.sparkContext
    gateway: Any = context._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=60)
    type(context)._gateway = type(context)._jvm = None


def tasks(session: SparkSession) -> dict[str, int]:
    """Return how many tasks each process has run: ``driver``, ``0``, ``1``."""
    listed = session.sparkContext._jsc.sc().statusStore().executorList(False)
    found = [listed.apply(at) for at in range(listed.size())]
    return {one.id(): one.totalTasks() for one in found}
