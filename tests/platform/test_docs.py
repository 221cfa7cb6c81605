"""What the pages name is there: links, their anchors, files, commands; and every page is found from the README."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "simulator" / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FOLDERS = "assistants|benchmarks|bin|calls|config|docs|simulator|templates|tests|tools|transcripts"


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where the page leads within the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in found if not link.startswith(("http://", "https://", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """What its headings are called in an address, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower() for title in titles]
    names = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain]
    again = [f"{name}-{names[:n].count(name)}" for n, name in enumerate(names) if name in names[:n]]
    return {*names, *again}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w/.-]*\.[a-z]+|(?:{FOLDERS})/[\w/.-]*/)`", prose(page))

    # EVA's own documents, in its own repository.
    assert [one for one in named if not (ROOT / one).exists()] in ([], ["docs/assistant_server_contract.md"])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_a_page_names_is_there(page: Path) -> None:
    named = set(re.findall(r"\bmanage\.py ([a-z_]+)", page.read_text()))

    assert named - set(get_commands()) == set()


def test_every_page_is_found_from_the_readme() -> None:
    found, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        found.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        waiting += [one for one in targets if one.suffix == ".md" and one.exists() and one not in found]

    # GitHub lists what is in a folder; the README leads to that of the decisions.
    assert {page for page in PAGES if page not in found and page.parent.name != "decisions"} == set()
