"""The shape of the code, held: imports run one way, templates compile, no name says nothing."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from jinja2 import nodes

from forums.rendering import environment
from forums.settings import ROOT

# Each line may import the lines above it, and its own.
ORDER = [
    {"settings"},
    {"models"},
    {"database", "language", "plan_files", "search_index", "standing_index", "table_sizes", "event_markup", "ogp_files"},
    {"forms", "refusals", "rendering", "migrations", "limits", "pandoc", "charts", "backups", "slow_clients", "serving"},
    {"calendar_feed", "entry_codes"},
    {"emails"},
    {"outbox"},
    {
        "secret_links",
        "news",
        "due_dates",
        "news_feed",
        "subscriptions",
        "lineage",
        "evaluations",
        "amendments",
        "action_plan",
        "consultations",
        "registrations",
        "schedule",
        "agenda",
        "answers",
        "questions",
        "minutes",
        "drafts",
        "follow_ups",
        "indicators",
        "institutions",
        "progress",
        "timeline",
        "members",
        "accountability",
        "metrics",
        "search",
        "openid",
        "steps",
        "privacy",
        "clock",
        "attendance_list",
        "open_data",
    },
    {"pages"},
    {"checking"},
    {"app", "cli"},
]
EMPTY_WORDS = re.compile(r"(^|_)(manager|service|helper|helpers|utils|handle|handler|process|data|info)(_|$)")
MODULES = sorted(ROOT.glob("forums/**/*.py"))
TEMPLATES = sorted(path.relative_to(ROOT / "templates").as_posix() for path in ROOT.glob("templates/**/*.[hm][td]*"))


def word_of(path: Path) -> str:
    return path.relative_to(ROOT / "forums").parts[0].removesuffix(".py")


def imported_words(path: Path) -> set[str]:
    """The words of `forums` a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "forums":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("forums."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("forums.")}
    return found - {"__version__"}


def level(word: str) -> int:
    return next(number for number, words in enumerate(ORDER) if word in words)


@pytest.mark.parametrize("path", [path for path in MODULES if word_of(path) != "__init__"], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path):
    mine = level(word_of(path))

    assert [word for word in sorted(imported_words(path)) if level(word) > mine] == []


def test_the_words_of_the_trade_do_not_import_each_other_in_circles():
    words = {path.stem: imported_words(path) for path in MODULES if path.parent == ROOT / "forums"}

    def reaches(start: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(word == goal or (word not in seen and reaches(word, goal, seen | {word})) for word in words.get(start, ()))

    assert [word for word in words if reaches(word, word)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_starlette_appears_only_where_the_web_is(path: Path):
    imports = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    web = word_of(path) in ("app", "cli", "pages")

    assert web or not any(module.startswith("starlette") for module in imports)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_opens_with_its_promise_and_no_name_says_nothing(path: Path):
    tree = ast.parse(path.read_text())
    defined = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]

    assert ast.get_docstring(tree)
    assert [name for name in [path.stem, *defined] if EMPTY_WORDS.search(name.lower())] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reads_the_environment_or_the_host_header(path: Path):
    text = path.read_text()
    allowed = path.stem in ("settings", "cli")

    assert allowed or "os.environ" not in text
    assert not re.search(r"\burl_for\b|\bbase_url\b|request\.url\b(?!\.path)", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles_and_holds_no_inline_style_or_script(name: str):
    source, _, _ = environment("fr").loader.get_source(environment("fr"), name)  # type: ignore[union-attr]
    tree = environment("fr").parse(source)

    assert isinstance(tree, nodes.Template)
    if not name.startswith("emails/"):
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)|\|\s*safe", source)


def test_every_word_has_its_four_places():
    for word in (
        "accountability",
        "action_plan",
        "agenda",
        "answers",
        "calendar_feed",
        "consultations",
        "drafts",
        "evaluations",
        "follow_ups",
        "indicators",
        "members",
        "minutes",
        "open_data",
        "openid",
        "outbox",
        "progress",
        "questions",
        "registrations",
        "schedule",
        "steps",
        "subscriptions",
    ):
        places = [
            f"forums/{word}" if (ROOT / "forums" / word).is_dir() else f"forums/{word}.py",
            f"forums/pages/{word}" if (ROOT / "forums" / "pages" / word).is_dir() else f"forums/pages/{word}.py",
            f"templates/{word}",
            f"tests/test_{word}.py",
        ]
        assert [place for place in places if not (ROOT / place).exists() and place != "templates/agenda"] == [], word


def test_no_file_names_a_registry_or_a_machine():
    names = ("pypi" + ".org", "python" + "hosted", "npm" + "js", "deb.debian" + ".org", "/wo" + "rk/", "/ro" + "ot/")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        text = (ROOT / name).read_text(errors="ignore") if (ROOT / name).is_file() else ""
        assert [each for each in names if each in text] == [], name
