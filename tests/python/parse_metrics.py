"""Reads Prometheus's text format from a file with Prometheus's own parser and prints the samples as JSON:
[name, labels, value, type, help].
"""

import json
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

samples = [
    [sample.name, sample.labels, sample.value, family.type, family.documentation]
    for family in text_string_to_metric_families(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for sample in family.samples
]
print(json.dumps(samples))
