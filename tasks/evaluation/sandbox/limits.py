"""What a program may use before it is stopped."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen


class Limits(Frozen):
    """Limits of one program with all its children. A program that meets one fails."""

    isolation: Literal["bubblewrap", "none"] = Field(
        "bubblewrap",
        description="bubblewrap: no network, no home, a read-only root, processes of its own. none: programs run with "
        "your rights and can do to this machine what you can; only for programs that you have read",
    )
    wall_seconds: float = Field(3.0, ge=0.1, le=600.0, description="Seconds from the program's start to its verdict")
    memory_mib: int = Field(1024, ge=64, le=262_144, description="Memory of the program and its children together, MiB")
    processes: int = Field(
        16, ge=2, le=4096, description="Processes and threads; before Linux 5.14 all the user's own count"
    )
    file_mib: int = Field(16, ge=1, le=65_536, description="Size of its private folder, and of any file in it, MiB")
    files: int = Field(4096, ge=16, le=1_000_000, description="Files and folders in its private folder")
    open_files: int = Field(64, ge=16, le=65_536, description="Open files of one process")
    packages: Literal["installed", "none"] = Field(
        "installed", description="Whether it may import this environment's packages (numpy ...), read-only, or only "
        "the standard library",
    )  # fmt: skip
