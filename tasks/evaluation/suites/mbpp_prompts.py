"""How MBPP's problems are asked: after the three examples of Austin et al. (2021), or as a request to a chat model.

The frame and the examples (task 2, 3 and 4 of the data set) are lm-evaluation-harness's ``mbpp`` 1.0.
"""

from collections.abc import Sequence

STOPS = ("[DONE]",)
CHAT = "Put the whole program into one markdown code block."
EXAMPLES = (
    (
        "Write a function to find the similar elements from the given two tuple lists.",
        (
            "assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)",
            "assert similar_elements((1, 2, 3, 4),(5, 4, 3, 7)) == (3, 4)",
            "assert similar_elements((11, 12, 14, 13),(17, 15, 14, 13)) == (13, 14)",
        ),
        "def similar_elements(test_tup1, test_tup2):\r\n  res = tuple(set(test_tup1) & set(test_tup2))\r\n"
        "  return (res) ",
    ),
    (
        "Write a python function to identify non-prime numbers.",
        ("assert is_not_prime(2) == False", "assert is_not_prime(10) == True", "assert is_not_prime(35) == True"),
        "import math\r\ndef is_not_prime(n):\r\n    result = False\r\n    for i in range(2,int(math.sqrt(n)) + 1):\r\n"
        "        if n % i == 0:\r\n            result = True\r\n    return result",
    ),
    (
        "Write a function to find the largest integers from a given list of numbers using heap queue algorithm.",
        (
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],3)==[85, 75, 65] ",
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],2)==[85, 75] ",
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],5)==[85, 75, 65, 58, 35]",
        ),
        "import heapq as hq\r\ndef heap_queue_largest(nums,n):\r\n  largest_nums = hq.nlargest(n, nums)\r\n"
        "  return largest_nums",
    ),
)


def request(text: str, tests: Sequence[str]) -> str:
    """A task and its tests, as the paper words it."""
    lines = "\n".join(tests)
    task = f"You are an expert Python programmer, and here is your task: {text}"
    return f"{task} Your code should pass these tests:\n\n{lines}"


def few_shot_prompt(text: str, tests: Sequence[str]) -> str:
    """The three examples, and the task up to its ``[BEGIN]``."""
    shots = [f"{request(task, given)}\n[BEGIN]\n{code}\n[DONE]\n\n" for task, given, code in EXAMPLES]
    return "".join(shots) + f"{request(text, tests)}\n[BEGIN]\n"


def chat_prompt(text: str, tests: Sequence[str]) -> str:
    """The task alone, and where to put the program."""
    return f"{request(text, tests)}\n\n{CHAT}"
