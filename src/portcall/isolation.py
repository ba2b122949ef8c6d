"""With rights, no code of the current folder, of PATH or of the environment runs.

Root's rights and capabilities are ours to use, not those of whoever owns the folder we are started in. So a program
with rights keeps only variables that name no code, and the system's own PATH. Where the environment or ``sys.path``
may have named code already, it begins again, once, in an interpreter that obeys neither. Its helpers begin likewise:

    python -I …/portcall/isolation.py MODULE WORD…     calls ``main`` of a module of this very package

What Python runs before the first line of a program (``sitecustomize`` on PYTHONPATH, LD_PRELOAD) cannot be taken back;
sudo takes such variables away. This module is imported first, and imports only what Python has imported by then.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
if sys.platform == "darwin":
    SYSTEM_PATH += ":/opt/homebrew/bin"

HELPER_ENVIRONMENT = {"PATH": SYSTEM_PATH, "OPENBLAS_NUM_THREADS": "1"}
"""All that a helper is told."""

_KEPT = frozenset(
    {"TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    | {"LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "OPENBLAS_NUM_THREADS"}
)
_STORES = {
    "AWS_": "ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN REGION DEFAULT_REGION ENDPOINT_URL ENDPOINT_URL_S3 ROLE_ARN "
    "ROLE_SESSION_NAME WEB_IDENTITY_TOKEN_FILE EC2_METADATA_DISABLED CONTAINER_CREDENTIALS_RELATIVE_URI "
    "CONTAINER_CREDENTIALS_FULL_URI CONTAINER_AUTHORIZATION_TOKEN CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_": "CLIENT_ID TENANT_ID CLIENT_SECRET FEDERATED_TOKEN_FILE AUTHORITY_HOST",
    "GOOGLE_": "APPLICATION_CREDENTIALS",
}
"""Where objects lie, and who asks for them: in a container all is root's, and who starts it says so. Not
AWS_CONFIG_FILE and the like: such a file may name a program that gives the credentials."""
_KEPT |= {f"{begin}{name}" for begin, names in _STORES.items() for name in names.split()}
_KEPT_BEGINNINGS = ("LC_", "SUDO_")
_NAMES_CODE = ("PYTHON", "LD_", "DYLD_", "GLIBC_TUNABLES")
_NAMES_NONE = frozenset(
    {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "PYTHONHASHSEED", "PYTHONIOENCODING"}
)
_before: dict[str, str] = {}
_is_begun_again = False
_is_own_process = False


def ensure() -> None:
    """Return in a process that runs nobody else's code, if it has rights: this one, or one that takes its place."""
    _occupy_standard_descriptors()
    if not has_rights():
        return
    if not _is_begun_again and _may_have_named_code():
        _begin_again()
    if not _before:
        _before.update(os.environ)
    cleaned = clean_environment(os.environ)
    os.environ.clear()
    os.environ.update(cleaned)


def own_process() -> None:
    """This process is the command's from its first line to its end, and nobody else's: it may be confined."""
    global _is_own_process  # noqa: PLW0603 - a fact of this process
    _is_own_process = True


def is_own_process() -> bool:
    """Whether that is so; not where a program calls the library, or the command's ``main``."""
    return _is_own_process


def has_rights() -> bool:
    """Whether this process may do what its user may not: it is root, or has capabilities."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return hasattr(os, "geteuid")
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - pathlib would be the first import
            return any(int(line.split()[1], 16) for line in status if line.startswith(b"CapEff:"))
    except OSError:
        return False


def clean_environment(environment: dict[str, str] | os._Environ[str]) -> dict[str, str]:
    """What of it names no code; PATH is the system's, HOME that of the user whose rights these are."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)}
    return {**kept, "PATH": SYSTEM_PATH, "HOME": _home()}


def original_environment() -> dict[str, str]:
    """The environment that the user gave, for what runs by the user's own wish and without our rights."""
    return dict(_before or os.environ)


def command(module: str, *words: str) -> list[str]:
    """The command line that runs ``main`` of that module of this package, and reads nothing else on the way."""
    options = ["-I"]
    options += ["-B"] if sys.dont_write_bytecode else []
    options += ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [sys.executable, *options, os.path.abspath(__file__), module, *words]  # noqa: PTH100 - as above


def take_over(descriptor: int) -> None:
    """Know the environment before, in a program that has begun again."""
    global _is_begun_again  # noqa: PLW0603 - a fact of this process
    _is_begun_again = True
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        pairs = [os.fsdecode(pair).partition("=") for pair in file.read().split(b"\0") if pair]
    _before.update({name: value for name, _, value in pairs})
    encoding, _, errors = _before.get("PYTHONIOENCODING", "").partition(":")
    for stream in (sys.stdout, sys.stderr):  # what an isolated interpreter did not obey, and names no code
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=encoding or None, errors=errors or None)
            stream.reconfigure(write_through="PYTHONUNBUFFERED" in _before)


def _occupy_standard_descriptors() -> None:
    """Let nothing that is opened here take the place of a standard stream that the caller has closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stderr
        if descriptor == 1:  # stdout: to write there fails, and is said
            os.close(descriptor)
            os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only parameter
    os.close(descriptor)


def _may_have_named_code() -> bool:
    if not sys.executable:
        return False
    here = os.getcwd() if os.path.exists(".") else ""  # noqa: PTH109, PTH110 - as above
    return (
        any(name.startswith(_NAMES_CODE) and name not in _NAMES_NONE for name in os.environ)
        or any(os.path.abspath(folder or here) == here for folder in sys.path)  # noqa: PTH100 - as above
        or (_has_user_site() and os.environ.get("HOME", _home()) != _home())
    )


def _has_user_site() -> bool:
    """Whether Python has taken up packages, and run what they bring, from a folder of HOME."""
    return bool(getattr(sys.modules.get("site"), "ENABLE_USER_SITE", False))


def _begin_again() -> None:
    descriptor = _unnamed_file()
    with os.fdopen(os.dup(descriptor), "wb") as stream:
        stream.write(b"\0".join(os.fsencode(f"{name}={value}") for name, value in os.environ.items()))
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only parameter
    words = command("portcall.__main__", str(descriptor), *sys.argv[1:])
    os.execve(sys.executable, words, clean_environment(os.environ))  # noqa: S606 - this interpreter, and this file


def _unnamed_file() -> int:
    """A file that only this process has: variables are no secret of a command line's kind."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("environment")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a user without a name
        return "/"


def _run(module: str, words: list[str]) -> None:
    """Call ``main`` of a module of the package that this file is in, whatever else is called portcall.

    Packages beside it may be what it needs; they come last.
    """
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as above
    sys.path.append(os.path.dirname(here))  # noqa: PTH120 - as above
    spec = importlib.util.spec_from_file_location("portcall", os.path.join(here, "__init__.py"))  # noqa: PTH118
    assert spec and spec.loader  # noqa: S101, PT018 - a file beside this one
    package = importlib.util.module_from_spec(spec)
    sys.modules["portcall"] = package
    spec.loader.exec_module(package)
    importlib.import_module(module).main(words)


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2:])
