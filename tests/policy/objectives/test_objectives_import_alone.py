import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULES = sorted(
    f"tasks.policy.objectives.{path.stem}"
    for path in (ROOT / "tasks/policy/objectives").glob("*.py")
    if path.stem != "__init__"
)
PROGRAM = """
import importlib, sys
blocked = {"prefect", "mlflow", "transformers", "datasets", "accelerate", "peft", "deepspeed", "pandas"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    importlib.import_module(module)
print("imported", len(sys.argv) - 1)
"""


def test_objectives_import_without_orchestration_tracking_or_model_libraries():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *MODULES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"imported {len(MODULES)}"
