import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULES = sorted(f"tasks.policy.steps.{path.stem}" for path in (ROOT / "tasks/policy/steps").glob("[!_]*.py"))
PROGRAM = """
import importlib, sys
blocked = {"torch", "prefect", "mlflow", "transformers", "accelerate", "peft", "deepspeed", "nltk"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def test_steps_can_be_imported_by_a_form_without_torch_or_model_libraries():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *MODULES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
