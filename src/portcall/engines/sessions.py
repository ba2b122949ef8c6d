"""Sessions of Spark and of Sail, as ``portcall read --engine`` begins them; who has one of their own needs none."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.system.remedies import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

ENGINES = ("spark", "sail")
_REMOTE = "sc://"


@contextmanager
def session(engine: str, master: str | None = None) -> Iterator[SparkSession]:
    """A session of an engine, which ends with it. PortcallError where it is not installed, or does not begin.

    ``master`` is where it runs: ``sc://HOST:PORT`` is a server that speaks Spark Connect, whichever it is; else a URL
    of Spark. None: all processors of this machine.
    """
    warnings.filterwarnings("ignore", module="pyspark", category=FutureWarning)  # of pandas, which nobody here uses
    try:
        if master and master.startswith(_REMOTE):
            begun = _connected(master)
        elif engine == "sail":
            yield from _sail()
            return
        else:
            begun = _spark(master or "local[*]")
    except ModuleNotFoundError as error:
        raise PortcallError(
            f"--engine {engine} needs {error.name}. Install it: {pip_install(f'portcall[{engine}]')}"
        ) from error
    try:
        yield begun
    finally:
        begun.stop()


def _sail() -> Iterator[SparkSession]:
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    begun = _connected(f"{_REMOTE}{host}:{port}")
    try:
        yield begun
    finally:
        begun.stop()
        server.stop()


def _connected(address: str) -> SparkSession:
    from pyspark.sql import SparkSession

    logging.getLogger("pyspark").setLevel(logging.CRITICAL)  # what it logs is raised too
    found: SparkSession = SparkSession.builder.remote(address).getOrCreate()
    return found


def _spark(master: str) -> SparkSession:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers here have portcall as well
    builder = SparkSession.builder.master(master).appName("portcall")
    settings = {
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    }
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    found: SparkSession = builder.getOrCreate()
    return found
