"""The screens on the command line: python -m ui serve, ... users. Exit code 0, 2 (you can fix it), 1 (a bug)."""

from __future__ import annotations

import argparse
import errno
import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engine
from engine import cards
from engine.files import home
from engine.grammar import Grammar
from engine.permissions import ROLES, acting
from engine.version import version
from ui import accounts, logs
from ui.clock import now

ROOT = Path(__file__).resolve().parents[1]
PORT = 8501
PORTS_TRIED = 100
INTERRUPTED = 130
TRUSTED_PROXY = "HOLDFAST_TRUSTED_PROXY"
HEADS = {"name": "user", "role": "role", "disabled": "disabled", "since": "since", "last_sign_in": "last sign-in"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    asked = parser().parse_args(arguments)
    try:
        code: int = asked.verb(asked) or 0
    except engine.EngineError as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = Grammar(prog="python -m ui", description="Holdfast's screens, and who may see them.")
    root.add_argument("--version", action="version", version=f"Holdfast {version()}")
    verbs = root.add_subparsers(required=True, metavar="VERB")
    serve = _verb(verbs, "serve", _serve, "open the app in this machine's browser")
    serve.add_argument("--port", type=int, default=PORT, help="the next free one is taken when it is in use")
    serve.add_argument("--address", default="127.0.0.1", help="the machine's address to listen on")
    serve.add_argument("--demo", action="store_true", help="make the demo companies first where they are absent")
    users = verbs.add_parser("users", help="who may sign in", description="Who may sign in.")
    _user_verbs(users.add_subparsers(required=True, metavar="WHAT"))
    return root


def _user_verbs(verbs: Any) -> None:
    listing = _verb(verbs, "list", _list, "list everybody")
    listing.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    add = _verb(verbs, "add", _add, "let somebody in")
    add.add_argument("--role", required=True, choices=ROLES)
    reset = _verb(verbs, "reset", _reset, "give somebody another password")
    for verb in (add, reset):
        verb.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    disable = _verb(verbs, "disable", _disable, "let somebody in no more")
    enable = _verb(verbs, "enable", _enable, "let somebody in again")
    for verb in (add, reset, disable, enable):
        verb.add_argument("name")


def _verb(verbs: Any, name: str, does: Callable[[argparse.Namespace], int | None],
          says: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    verb.set_defaults(verb=does)
    return verb


def _list(asked: argparse.Namespace) -> None:
    rows = [engine.jsonable(user) for user in accounts.users(acting())]
    empty = "Nobody yet. Let somebody in: python -m ui users add NAME --role admin"
    print(json.dumps({"users": rows}) if asked.json else cards.listing([_readable(row) for row in rows], HEADS, empty))


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"disabled": "yes" if row["disabled"] else "no", "last_sign_in": row["last_sign_in"] or "never"}


def _add(asked: argparse.Namespace) -> None:
    accounts.add_user(asked.name, asked.role, _password(asked), actor=acting(), now=now())
    print(f"{asked.name} can sign in as {asked.role}.")


def _reset(asked: argparse.Namespace) -> None:
    accounts.set_password(asked.name, _password(asked), actor=acting(), now=now())
    print(f"{asked.name} has another password; their sessions have ended.")


def _disable(asked: argparse.Namespace) -> None:
    accounts.disable(asked.name, actor=acting(), now=now())
    print(f"{asked.name} cannot sign in any more; their sessions have ended.")


def _enable(asked: argparse.Namespace) -> None:
    accounts.enable(asked.name, actor=acting(), now=now())
    print(f"{asked.name} can sign in again.")


def _password(asked: argparse.Namespace) -> str:
    if asked.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise engine.EngineError("There is no terminal to ask for a password. Hand it over with --password-stdin.")
    password = getpass.getpass(f"Password of {asked.name}: ")
    if getpass.getpass("Again: ") != password:
        raise engine.EngineError("The two passwords are not the same. Run it again.")
    return password


def _serve(asked: argparse.Namespace) -> int:
    engine.finish_restore(acting(), now())
    if asked.demo and (code := _make_demos()):
        return code
    port = free_port(asked.address, asked.port)
    if port != asked.port:
        print(f"Port {asked.port} is in use; Holdfast takes {port}.")
    log = logs.begin(home() / "data" / ".logs")
    address = f"http://{'localhost' if asked.address in ('0.0.0.0', '::') else asked.address}:{port}"
    print(f"Holdfast {version()} is at {address} (log: {log}; Ctrl+C ends it)")
    if token := accounts.new_setup_link(now()):
        print("Nobody can sign in yet. Within 15 minutes, make the first admin here:\n"
              f"  {address}/auth/setup?token={token}")
    sys.stdout.flush()
    return _run(asked.address, port)


def _make_demos() -> int:
    """Make the demo companies that are absent; the exit code of that."""
    there = {found["name"] for found in engine.describe_datasets(acting()) if found["runs"]}
    absent = [demo for name, demo in engine.DEMOS.items() if name not in there]
    if absent:
        print("Learning from the demo companies, once: about four minutes on two free cores.")
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for demo in absent:
        print(f"{demo.name}, {demo.customers:,} customers. {demo.words}", flush=True)
        made = subprocess.run([sys.executable, "-m", "engine", "demo", "--company", demo.name], check=False,
                              stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths})
        if made.returncode:
            return made.returncode
    return 0


def free_port(address: str, wanted: int) -> int:
    """The wanted port, or the next one that nobody listens on.

    Raises:
        EngineError: when there is none within a hundred, or this machine has no such address.
    """
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)):
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                attempt.bind((address, port))
        except OSError as problem:
            if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise engine.EngineError(f"This machine cannot listen on {address} ({problem.strerror}).") from problem
        else:
            return port
    raise engine.EngineError(f"No port from {wanted} on is free. Name another one with --port.")


def _run(address: str, port: int) -> int:
    """Run Streamlit in this process until it is stopped; its settings are those of .streamlit/config.toml."""
    os.environ["FORWARDED_ALLOW_IPS"] = os.environ.get(TRUSTED_PROXY, "")  # whose X-Forwarded-* headers are believed
    import click
    from streamlit.web import cli

    options = {"server.address": address, "server.port": port, "logger.hideWelcomeMessage": "true",
               "logger.enableRich": "false"}  # it prints the values around an exception
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    try:
        cli.main(["run", str(ROOT / "streamlit_app.py"), *flags], prog_name="streamlit", standalone_mode=False)
    except click.Abort:  # Ctrl+C
        print("Holdfast has ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
