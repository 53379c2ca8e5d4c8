"""The suites that are known: how each is built, what its tests are called, how one runs, and what its end means."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Test:
    name: str
    folder: Path
    command: list
    environment: dict = field(default_factory=dict)
    weight: int = 1
    # Says which files of the folder are left out in a copy for this test, if it writes into its folder.
    writes: object = None


def said(command, folder, environment=None):
    """What a command that must work prints."""
    result = subprocess.run(
        [str(word) for word in command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | (environment or {}),
    )
    if result.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} failed in {folder}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


class Pytest:
    """Packages of nats.py."""

    def __init__(self, folder, tests, packages):
        self.folder, self.path, self.packages = folder, tests, packages

    def prepare(self, sources):
        return os.environ.get("SUITES_PYTHON", "python3")

    def tests(self, sources, python):
        folder = sources / self.folder
        environment = {
            "PYTHONPATH": os.pathsep.join(str(sources / package / "src") for package in self.packages),
            # Without it some tests are skipped: the newest that they ask for.
            "NATS_SERVER_VERSION": "main",
        }
        base = [python, "-m", "pytest", "--rootdir", folder, "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
        listing = said(base + ["--collect-only", "-q", self.path], folder, environment)
        names = [line for line in listing.splitlines() if "::" in line]
        return [Test(name, folder, base + ["-v", name], environment) for name in names]

    def batches(self, tests):
        """Those that run together, as far as they pass. Each alone would load its module again."""
        return [tests[start:start + 12] for start in range(0, len(tests), 12)]

    def batch(self, tests):
        first = tests[0]
        command = first.command[:-1] + [test.name for test in tests]
        return Test(f"{first.name} and {len(tests) - 1} more", first.folder, command, first.environment, weight=3)

    def verdicts(self, tests, output):
        lines = re.findall(r"^(\S+::.+?) (PASSED|SKIPPED|FAILED|ERROR|XFAIL)", output, re.M)
        words = {"PASSED": "passed", "SKIPPED": "skipped", "XFAIL": "passed"}
        # An error at the end of a test comes after it has passed.
        verdicts = {}
        for name, word in lines:
            if verdicts.get(name) != "failed":
                verdicts[name] = words.get(word, "failed")
        return verdicts

    def verdict(self, code, output):
        if code != 0:
            return "failed"
        return "passed" if re.search(r"\b\d+ (passed|xfailed)", output) else "skipped"


class Cargo:
    """The crate async-nats."""

    def batches(self, tests):
        return [[test] for test in tests]

    def prepare(self, sources):
        messages = said(
            ["cargo", "test", "--no-run", "--features", "slow_tests,websockets", "--message-format", "json"], sources,
            {"CARGO_TARGET_DIR": os.environ.get("SUITES_TARGET", str(sources / "target"))},
        )
        artifacts = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
        return [
            (artifact["target"]["name"], artifact["executable"]) for artifact in artifacts
            if artifact.get("executable") and artifact["profile"]["test"] and "example" not in artifact["target"]["kind"]
            and "bench" not in artifact["target"]["kind"]
        ]

    def tests(self, sources, programs):
        for target, program in programs:
            for line in said([program, "--list", "--format", "terse"], sources).splitlines():
                name, colon, kind = line.rpartition(": ")
                if colon and kind == "test":
                    command = [program, "--exact", name, "--nocapture"]
                    yield Test(f"{target}::{name}", sources, command, {"CARGO_MANIFEST_DIR": str(sources)})

    def verdict(self, code, output):
        if code != 0:
            return "failed"
        return "skipped" if re.search(r"^test result: .* 0 passed", output, re.M) else "passed"


class Ctest:
    """nats.c, whose program of tests takes the name of one."""

    def batches(self, tests):
        return [[test] for test in tests]

    def prepare(self, sources):
        build = Path(os.environ.get("SUITES_TARGET", str(sources / "build")))
        said(["cmake", "-S", sources, "-B", build, "-DNATS_BUILD_STREAMING=OFF", "-DNATS_BUILD_EXAMPLES=OFF",
              "-DBUILD_TESTING=ON", "-DCMAKE_BUILD_TYPE=Release"], sources)
        said(["cmake", "--build", build, "--parallel", "2"], sources)
        return next(path for path in [build / "bin" / "testsuite", build / "test" / "testsuite"] if path.exists())

    def tests(self, sources, program):
        folder = sources / "test"
        lists = [folder / "list_test.txt"] if (folder / "list_test.txt").exists() else [folder / "list.txt"]
        text = "".join(path.read_text() for path in lists)
        names = re.findall(r"_test\((\w+)\)", text) or text.split()
        return [Test(name, folder, [program, name], writes=shutil.ignore_patterns("*.c", "*.h", "check_cpp")) for name in names]

    def verdict(self, code, output):
        if code != 0 or "ALL PASSED" not in output:
            return "failed"
        return "skipped" if re.search(r"^\s*(\S+: )?Skipping|SKIPPED", output, re.M) else "passed"


class Deno:
    """Packages of nats.js. SUITES_IMPORTS is an import map for what they would load from elsewhere."""

    def __init__(self, *folders):
        self.folders = folders

    def prepare(self, sources):
        deno = os.environ.get("SUITES_DENO", "deno")
        imports = os.environ.get("SUITES_IMPORTS")
        return [deno, "test", "-A", "--no-check", "--reporter=tap"] + (["--no-config", f"--import-map={imports}"] if imports else [])

    def tests(self, sources, command):
        environment = {"NO_COLOR": "1", "DENO_DIR": os.environ.get("DENO_DIR", str(Path.home() / ".cache" / "deno"))}
        for folder in self.folders:
            for path in sorted((sources / folder).glob("*_test.ts")):
                place = path.relative_to(sources)
                flags = ["--unsafely-ignore-certificate-errors"] if "unsafe" in folder else []
                for name in re.findall(r"^\s*Deno\.test\(\s*(?:\{\s*name:\s*)?\"((?:[^\"\\]|\\.)*)\"", path.read_text(), re.M):
                    only = "/^" + re.escape(name).replace("/", "\\/") + "$/"
                    yield Test(f"{place}::{name}", sources, command + flags + [place, "--filter", only], environment)

    def batches(self, tests):
        files = {}
        for test in tests:
            files.setdefault(test.name.split("::")[0], []).append(test)
        return [part[start:start + 15] for part in files.values() for start in range(0, len(part), 15)]

    def batch(self, tests):
        first = tests[0]
        only = "/^(" + "|".join(test.command[-1][2:-2] for test in tests) + ")$/"
        name = f"{first.name} and {len(tests) - 1} more"
        return Test(name, first.folder, first.command[:-1] + [only], first.environment, weight=3)

    def verdicts(self, tests, output):
        place = tests[0].name.split("::")[0]
        lines = re.findall(r"^\s*(not ok|ok) \d+ - (.*?)( # SKIP.*)?$", output, re.M)
        return {f"{place}::{name}": self.word(ok, skip) for ok, name, skip in lines}

    def verdict(self, code, output):
        words = [self.word(ok, skip) for ok, _, skip in re.findall(r"^(not ok|ok) \d+ - (.*?)( # SKIP.*)?$", output, re.M)]
        if code != 0 or not words:
            return "failed"
        return "passed" if "passed" in words else "skipped"

    def word(self, ok, skip):
        return "skipped" if skip else "passed" if ok == "ok" else "failed"


SUITES = {
    "nats.py": Pytest(".", "nats/tests", ["nats"]),
    "nats.py-server": Pytest("nats-server", "tests", ["nats-server"]),
    "nats.py-core": Pytest("nats-core", "tests", ["nats-core", "nats-server"]),
    "nats.py-jetstream": Pytest("nats-jetstream", "tests", ["nats-jetstream", "nats-core", "nats-server"]),
    "nats.py-key-value": Pytest("nats-key-value", "tests", ["nats-key-value", "nats-jetstream", "nats-core", "nats-server"]),
    "async-nats": Cargo(),
    "nats.c": Ctest(),
    "nats.js-core": Deno("core/tests", "core/unsafe_tests"),
    "nats.js-jetstream": Deno("jetstream/tests"),
    "nats.js-kv": Deno("kv/tests"),
    "nats.js-obj": Deno("obj/tests"),
    "nats.js-services": Deno("services/tests"),
}
