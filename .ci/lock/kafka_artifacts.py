"""Write stream_rec/adapters/kafka_artifacts.txt: the broker's jars by coordinate and sha256, naming no host.

Usage: python .ci/lock/kafka_artifacts.py [KAFKA_VERSION]
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Artifact, Dependency, MavenContext

KAFKA_VERSION = "4.1.2"
OUTPUT = Path(__file__).parents[2] / "stream_rec" / "adapters" / "kafka_artifacts.txt"
NOT_NEEDED = {
    "commons-beanutils": "only commons-digester uses it",
    "commons-collections": "only commons-beanutils uses it",
    "commons-digester": "the broker validates addresses with commons-validator, never with XML rules",
    "commons-logging": "only commons-digester uses it",
    "jackson-dataformat-csv": "the command-line tools' output",
    "jackson-dataformat-yaml": "kafka.docker only",
    "jspecify": "annotations",
    "scala-reflect": "macros, expanded when Kafka was compiled",
    "snakeyaml": "only jackson-dataformat-yaml uses it",
}


def main() -> None:
    """Resolve the runtime closure, leave out what a broker never loads, hash the rest."""
    version = sys.argv[1] if len(sys.argv) > 1 else KAFKA_VERSION
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        kafka = Dependency(context.project("org.apache.kafka", "kafka_2.13").at_version(version).artifact())
        inputs, transitive = context.resolver.resolve([kafka])
        artifacts = [d.artifact for d in inputs + transitive if d.artifactId not in NOT_NEEDED]
        log4j = next(a.version for a in artifacts if a.artifactId == "log4j-core")
        binding = context.project("org.apache.logging.log4j", "log4j-slf4j-impl").at_version(log4j)
        artifacts.append(binding.artifact())  # without it a broker that fails says nothing
        with ThreadPoolExecutor(8) as pool:
            lines = sorted(pool.map(_line, artifacts))
    OUTPUT.write_text("# group:artifact:version sha256 (written by make lock)\n" + "\n".join(lines) + "\n")
    print(f"{len(lines)} artifacts of Kafka {version}")


def _line(artifact: Artifact) -> str:
    digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
    return f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}"


if __name__ == "__main__":
    main()
