"""One working folder, and one ``rlhf up``, for the tests that run papers through the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import ARGUMENTS, CHROMIUM
from commands import Servers, serving


@pytest.fixture(scope="session")
def working_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One working folder for the tests that run papers, so that stages and databases are made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def servers(working_home: Path) -> Iterator[Servers]:
    """``rlhf up``, running for all tests that ask for it: starting it is slow."""
    with serving(working_home) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()
