"""Programs that would have a verdict without being right."""

FORGERIES = {
    "write_all_descriptors": """
def attack():
    for descriptor in range(64):
        worked(lambda: os.write(descriptor, b"S\\nP\\n"))
""",
    "open_descriptors_of_others": """
def attack():
    for path in glob.glob("/proc/*/fd/*"):
        with contextlib.suppress(BaseException):
            os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), b"S\\nP\\n")
""",
    "exit_before_the_check": """
os._exit(0)
""",
    "exit_in_the_check": """
def attack():
    os._exit(0)
""",
    "sys_exit": """
def attack():
    sys.exit(0)
""",
    "system_exit_when_loaded": """
raise SystemExit(0)
""",
    "return_from_the_loader": """
def attack():
    frame = sys._getframe()
    while frame:
        frame.f_globals.update(answer=lambda *_: b"passed", main=lambda *_: None)
        frame = frame.f_back
""",
    "monkeypatch_builtins": """
for name in ("abs", "len", "all", "any", "sorted", "isinstance", "print", "sum", "min", "max", "set", "list"):
    setattr(builtins, name, lambda *_, **__: True)
builtins.AssertionError = KeyError
attack = lambda: False
""",
    "always_equal": """
class Equal:
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = lambda *_: True
    __hash__ = lambda _: 5
    __class__ = int
def add(a, b):
    return Equal()
""",
    "always_equal_int": """
class Equal(int):
    __eq__ = lambda *_: True
    __hash__ = int.__hash__
def add(a, b):
    return Equal(0)
""",
    "always_equal_by_the_metaclass": """
class Meta(type):
    __eq__ = lambda *_: True
    __instancecheck__ = __subclasscheck__ = lambda *_: True
    __hash__ = lambda _: 5
class Equal(metaclass=Meta):
    pass
def add(a, b):
    return Equal
""",
    "array_interface": """
class Equal:
    __array_interface__ = {"data": (0, True), "shape": (0,), "typestr": "<f8", "version": 3}
    __array__ = lambda *_: []
def add(a, b):
    return Equal()
""",
    "trace_the_assertions": """
def attack():
    def trace(frame, event, argument):
        frame.f_trace_opcodes = True
        return trace
    sys.settrace(trace)
    threading.settrace(trace)
    sys.excepthook = lambda *_: os._exit(0)
    sys.unraisablehook = sys.excepthook
""",
    "raise_what_is_expected": """
class Anything(BaseException):
    __eq__ = lambda *_: True
    __str__ = lambda _: "S\\nP\\n"
def add(a, b):
    raise Anything("S\\nP\\n")
""",
    "read_the_test_in_memory": """
def attack():
    texts = [text for text in gc.get_objects() if isinstance(text, (str, dict, tuple, list))]
    frame = sys._getframe()
    while frame:
        texts += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    return "assert " + "add(20, 30)" in repr(texts)[: 50 * 2**20].replace(FILE, "")
FILE = ""
""",
    "read_the_test_in_proc": """
def attack():
    marker = b"assert " + b"add(20, 30)"
    paths = glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/fd/*") + glob.glob("/own/**", recursive=True)
    for path in paths + glob.glob("/tmp/**", recursive=True):
        with contextlib.suppress(BaseException):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if marker in os.read(descriptor, 2**20):
                return True
""",
    "token_in_arguments": """
def attack():
    words = " ".join([*sys.orig_argv, *sys.argv, *os.environ.values()])
    for word in words.split():
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, word.encode() + b"\\nS\\nP\\n"))
""",
    "malformed_answers": """
def attack():
    unhashable = b"d" + b"\\1\\0\\0\\0" + b"l\\0\\0\\0\\0" * 2
    for content in (b"", unhashable, b"l\\1\\0\\0\\0" * 5000, b"S\\xff\\xff\\xff\\xff"):
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, struct.pack("<I", len(content)) + content))
""",
    "start_again": """
def attack():
    os.execv("/proc/self/exe", ["python", "-c", "import os; [os.write(fd, b'S\\\\nP\\\\n') for fd in (3, 4, 5)]"])
""",
    "close_everything": """
def attack():
    os.closerange(0, 64)
""",
}  # fmt: skip
