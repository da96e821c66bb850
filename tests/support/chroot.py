"""Builds what a Dockerfile says in a Debian folder, and starts its entry point there: for machines without Docker.

``debootstrap`` stands for the base image, a mount namespace of its own for each step for the container; nothing stays
mounted. How this machine reaches its package index is handed in here and stands nowhere in the image.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ENTER = """
set -e
[ "$2" = "" ] || ip link set lo up
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1
shift 2
while [ "$1" != "--" ]; do
    if [ -d "$1" ]; then place=$root$1; mkdir -p "$place"; else place=$root/machine$1; fi
    if [ ! -d "$1" ]; then mkdir -p "$(dirname "$place")"; touch "$place"; fi
    mount --bind -o ro "$1" "$place"
    shift
done
shift
exec chroot "$root" "$@"
"""


def what_is_missing() -> str:
    """Why nothing can be built here; empty if it can."""
    tools = [tool for tool in ("debootstrap", "unshare", "chroot", "ip", "nsenter") if shutil.which(tool) is None]
    if tools:
        return f"{', '.join(tools)} not installed"
    if os.geteuid() != 0:
        return "needs root"
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this machine allows no namespaces"


def steps(text: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile and what follows them, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@dataclass
class Machine:
    """How this machine reaches its package index.

    Attributes
    ----------
    environment : dict of str to str
        For the steps of a build alone.
    files : list of str
        What must be seen inside: folders at their place, files below ``/machine``, where no package writes.
    """

    environment: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def index(self) -> str:
        return self.environment.get("PIP_INDEX_URL", "https://pypi.org/simple")


def this_machine() -> Machine:
    """Read pip's configuration, wherever it stands, and the proxies."""
    run = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    machine = Machine({name: os.environ[name] for name in _PROXIES if name in os.environ})
    for line in run.stdout.splitlines():
        key, _, value = line.partition("=")
        name, text = key.rsplit(".", 1)[-1], value.strip("'\"")
        paths = [one for one in re.findall(r"(?:file://)?(/[^\s'\"]+)", text) if Path(one).exists()]
        machine.files += paths
        for path in filter(os.path.isfile, paths):
            text = text.replace(path, f"/machine{path}")
        machine.environment[f"PIP_{name.upper().replace('-', '_')}"] = text.replace("\\n", " ")
    # An index's folder stands beside the files that it points to.
    machine.files = sorted({str(Path(one).parent) if one.endswith("/simple") else one for one in machine.files})
    return machine


@dataclass
class Container:
    """A folder in which a Dockerfile is carried out.

    Attributes
    ----------
    root : Path
    environment : dict of str to str
        What ``ENV`` set so far.
    arguments : dict of str to str
        Of ``ARG``: the defaults, or what was given.
    labels : dict of str to str
    entry : list of str
    base : str
        Of ``FROM``: which image the folder stands for.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH, "HOME": "/root"})
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    entry: list[str] = field(default_factory=list)
    base: str = ""

    @classmethod
    def of_debian(cls, root: Path, suite: str = "bookworm") -> "Container":
        """Make the folder, with the certificates that Debian's slim images lack and that pip brings itself."""
        command = ["debootstrap", "--variant=minbase", suite, str(root), MIRROR]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")  # as Docker does
        return cls(root)

    def build(self, dockerfile: Path, context: Path, machine: Machine, **given: str) -> None:
        """Carry out a Dockerfile, step by step; a step that fails raises ``CalledProcessError``."""
        for word, rest in steps(dockerfile.read_text()):
            if word == "FROM":
                self.base = self._expanded(rest.split()[-1])
            elif word == "ARG":
                name, _, default = rest.partition("=")
                self.arguments[name] = given.get(name, self._expanded(default))
            elif word == "ENV":
                self.environment |= self._pairs(rest)
            elif word == "LABEL":
                self.labels |= self._pairs(rest)
            elif word == "COPY":
                self._copy(context, shlex.split(self._expanded(rest)))
            elif word == "RUN":
                environment = machine.environment | self.arguments
                self.run(["/bin/sh", "-c", rest], environment, machine.files).check_returncode()
            elif word == "ENTRYPOINT":
                self.entry = [str(one) for one in _json_list(rest)]
            else:
                assert word == "EXPOSE", f"the runner does not know {word}"

    def _expanded(self, text: str) -> str:
        known = self.environment | self.arguments
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known.get(found[1], ""), text)

    def _pairs(self, text: str) -> dict[str, str]:
        return {name: self._expanded(value) for name, value in (one.split("=", 1) for one in shlex.split(text))}

    def _copy(self, context: Path, names: list[str]) -> None:
        target = self.root / names[-1].lstrip("/")
        for name in names[:-1]:
            place = target / Path(name).name if names[-1].endswith("/") else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(context / name, place)

    def run(
        self, command: list[str], environment: dict[str, str], files: list[str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside; what it says goes where this process's output goes."""
        return subprocess.run(
            self._entering(command, files, isolated=False), env=self.environment | environment, text=True, check=False
        )

    def start(self, log: Path, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start the entry point without a network but its own loopback; the process is the entry point's own."""
        with log.open("wb") as file:
            return subprocess.Popen(
                self._entering([*self.entry, *arguments], [], isolated=True),
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def _entering(self, command: list[str], files: list[str], isolated: bool) -> list[str]:
        network = ["--net"] if isolated else []
        enter = ["sh", "-c", _ENTER, "enter", str(self.root), "isolated" if isolated else "", *files, "--"]
        return [_tool("unshare"), "--mount", *network, *enter, *command]


def _tool(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, name
    return found


def _json_list(text: str) -> list[object]:
    value = json.loads(text)
    assert isinstance(value, list), f"not the form with brackets: {text}"
    return value
