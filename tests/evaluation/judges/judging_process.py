"""Judges over an endpoint in a process of its own: arguments are the settings as JSON and how many to compare."""

import json
import sys
from dataclasses import asdict

from judging_templates import Checksum, comparisons

from tasks.evaluation.judges.opening import open_judge
from tasks.evaluation.judges.settings import JudgeSettings

if __name__ == "__main__":
    judge = open_judge(JudgeSettings.model_validate_json(sys.argv[1]))
    verdicts = judge.compare(comparisons(int(sys.argv[2])), Checksum())
    print(json.dumps([asdict(verdict) for verdict in verdicts]))
