"""The shape of the code, held: imports run one way, templates compile, no name says nothing."""

import ast
import contextlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from jinja2 import DictLoader, Environment, nodes

from forums.rendering import Compiled, environment
from forums.settings import ROOT

# Each line may import the lines above it, and its own.
ORDER = [
    {"settings"},
    {"models"},
    {"sqlite_driver", "standing_tables", "discreet_log"},
    {"database", "language", "plan_files", "search_index", "standing_index", "calendar_index", "table_sizes", "event_markup", "ogp_files"},
    {"forms", "refusals", "rendering", "migrations", "limits", "pandoc", "charts", "backups", "slow_clients", "serving"},
    {"calendar_feed", "entry_codes", "mime"},
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


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), name_of(path))


def word_of(path: Path) -> str:
    return path.relative_to(ROOT / "forums").parts[0].removesuffix(".py")


def imported_words(path: Path) -> set[str]:
    """The words of `forums` a module imports, wherever in it."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "forums":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("forums."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("forums.")}
    return found - {"__version__"}


def level(word: str) -> int:
    return next(number for number, words in enumerate(ORDER) if word in words)


def test_imports_run_one_way():
    upwards = {
        name_of(path): [word for word in sorted(imported_words(path)) if level(word) > level(word_of(path))]
        for path in MODULES
        if word_of(path) != "__init__"
    }

    assert {name: words for name, words in upwards.items() if words} == {}


def test_the_words_of_the_trade_do_not_import_each_other_in_circles():
    words = {path.stem: imported_words(path) for path in MODULES if path.parent == ROOT / "forums"}

    def reaches(start: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(word == goal or (word not in seen and reaches(word, goal, seen | {word})) for word in words.get(start, ()))

    assert [word for word in words if reaches(word, word)] == []


def test_starlette_appears_only_where_the_web_is():
    elsewhere = [path for path in MODULES if word_of(path) not in ("app", "cli", "pages")]

    assert [name_of(path) for path in elsewhere if any(module.startswith("starlette") for module in imported_from(path))] == []


def imported_from(path: Path) -> set[str]:
    return {node.module or "" for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom)}


def test_a_module_opens_with_its_promise_and_no_name_says_nothing():
    defined = {
        path: [node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        for path in MODULES
    }

    assert [name_of(path) for path in MODULES if not ast.get_docstring(parsed(path))] == []
    assert [
        (name_of(path), name) for path, names in defined.items() for name in (path.stem, *names) if EMPTY_WORDS.search(name.lower())
    ] == []


def test_what_one_program_of_the_tests_takes_from_another_is_there():
    """The long programs run seldom: a name that was changed elsewhere would show after an hour of work."""
    trees = {path.stem: parsed(path) for path in (ROOT / "tests").glob("*.py")}
    named = {
        name: {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        | {part.name for part in ast.walk(tree) if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
        | {alias.asname or alias.name for part in ast.walk(tree) if isinstance(part, ast.Import | ast.ImportFrom) for alias in part.names}
        for name, tree in trees.items()
    }
    missing = []
    for name, tree in trees.items():
        froms = [part for part in ast.walk(tree) if isinstance(part, ast.ImportFrom) and (part.module or "").split(".")[0] == "tests"]
        modules = {each.asname or each.name: each.name for part in froms if part.module == "tests" for each in part.names}
        taken = [(part.module.split(".")[1], each.name) for part in froms if part.module != "tests" and part.module for each in part.names]
        for part in ast.walk(tree):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in modules:
                taken.append((modules[part.value.id], part.attr))
        missing += [f"{name}: {module}.{each}" for module, each in taken if module in named and each not in named[module]]

    assert not missing


def test_nothing_reads_the_environment_or_the_host_header():
    texts = {path: path.read_text() for path in MODULES}

    assert [name_of(path) for path, text in texts.items() if path.stem not in ("settings", "cli") and "os.environ" in text] == []
    assert [name_of(path) for path, text in texts.items() if re.search(r"\burl_for\b|\bbase_url\b|request\.url\b(?!\.path)", text)] == []


def test_a_start_imports_nothing_that_only_some_pages_need():
    heavy = (
        "alembic",
        "forums.open_data",
        "leather",
        "markdown_it",
        "prometheus_client",
        "segno",
        "sqlalchemy.dialects.postgresql",
        "yaml",
    )
    program = f"import sys, forums.cli, forums.app; print(*sorted(set(sys.modules) & {set(heavy)!r}))"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split() == []


def test_a_template_is_compiled_once_and_again_when_it_changes(tmp_path: Path):
    def shown(source: str, kept: Path = tmp_path / "kept") -> str:
        env = Environment(loader=DictLoader({"page.html": source}), bytecode_cache=Compiled(kept))
        return env.get_template("page.html").render()

    assert [shown("Un."), shown("Deux."), shown("Deux.")] == ["Un.", "Deux.", "Deux."]
    assert len([*tmp_path.glob("kept/*")]) == (0 if sys.dont_write_bytecode else 1)
    assert shown("Trois.", tmp_path / "nowhere" / "kept") == "Trois."


def test_what_a_template_compiles_to_does_not_depend_on_what_our_filters_do():
    found = []
    for name in TEMPLATES:
        source, _, _ = environment("fr").loader.get_source(environment("fr"), name)  # type: ignore[union-attr]
        for each in environment("fr").parse(source, name).find_all((nodes.Filter, nodes.Test)):
            with contextlib.suppress(nodes.Impossible):
                each.as_const(nodes.EvalContext(environment("fr"), name))
                found.append((name, each.lineno))  # worked out once and for all, in whichever language came first

    assert found == []


def test_a_template_compiles_and_holds_no_inline_style_or_script():
    in_page = re.compile(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)|\|\s*safe")
    found = []
    for name in TEMPLATES:
        source, filename, _ = environment("fr").loader.get_source(environment("fr"), name)  # type: ignore[union-attr]
        assert isinstance(environment("fr").parse(source, name, filename), nodes.Template)  # an error names the file and its line
        found += [(name, each[0]) for each in in_page.finditer(source) if not name.startswith("emails/")]

    assert found == []


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


def test_what_the_documents_name_is_there():
    """Files of the map, targets of `make`, commands: whoever follows a document finds what it says."""
    documents = {name: (ROOT / name).read_text() for name in ("README.md", "docs/operations.md", "docs/organiser.md", "docs/security.md")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(re.findall(r'add_parser\(\s*"([a-z-]+)"', (ROOT / "forums/cli.py").read_text()))
    gone = []
    for name, text in documents.items():
        gone += [(name, each) for each in re.findall(r"`make ([a-z-]+)", text) if each not in targets]
        gone += [(name, each) for each in re.findall(r"(?:`|^|bin/)forums ([a-z-]+)", text, re.MULTILINE) if each not in commands]
    map_of_files = documents["README.md"].partition("## Le plan de lecture")[2].partition("\n## ")[0]
    for named in re.findall(r"^\| ((?:`[^`]+` ?)+) ?\|", map_of_files, re.MULTILINE):
        for path in re.findall(r"`([\w./-]+)`", named):
            gone += [] if any((ROOT / folder / path).exists() for folder in ("", "forums")) else [("README.md", path)]

    assert gone == []
    assert len(commands) > 10
