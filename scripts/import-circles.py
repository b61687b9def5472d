"""Find circular imports between the source files of a crate.

    scripts/import-circles [OPTION]... [CRATE]...    default: harness and every crate in servers/

    --strict    also count what a module uses of its child modules
    --graph     print every import, one a line, instead of the circles

A file imports another when it names one of its items by a path that begins with `crate`, `super`, `self` or a child
module, in a `use` or anywhere else in the code. A path through a re-export leads to the file that defines the item.
A module that uses its own children is not counted, unless --strict asks for it: a parent that puts its children
together is how Rust modules are built. Code under `#[cfg(test)]` is left out.

Prints each circle with the names that tie its files together. Exits with 1 if there is one.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Comments, strings and characters, which may hold anything. A lifetime ('a) is not a character.
NOISE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(?P<hashes>\#*)"(?!\#).*?"(?P=hashes)|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'""",
    re.DOTALL | re.VERBOSE,
)
USE = re.compile(r"\b(?:pub\s*(?:\([^)]*\)\s*)?)?use\s+([^;]+);")
MODULE = re.compile(r"((?:#\[[^\]]*\]\s*)*)(?:pub\s*(?:\([^)]*\)\s*)?)?\bmod\s+(?:r#)?(\w+)\s*([;{])")
ITEM = re.compile(r"\b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(?:r#)?(\w+)")
PATH = re.compile(r"(?<![\w:])(?:::)?(\w+(?:::\w+)+)")


class Module:
    """A Rust module: its file, its children, and what it defines and imports."""

    def __init__(self, path, file):
        self.path, self.file = path, file
        self.children, self.items, self.uses, self.paths = {}, set(), [], set()

    def imported(self, name):
        """The paths that `name` stands for in this module, as its `use` declarations say."""
        return [path for path, alias in self.uses if alias == name]


def without_noise(text):
    """The code alone, with every comment and string blanked. `#[path = "…"]` keeps its string."""
    def blank(match):
        word = match.group()
        if word.startswith(('"', "b", "r", "'")) and not word.startswith(("//", "/*")):
            return word if text[: match.start()].rstrip().endswith("path =") else '""'
        return " "
    return NOISE.sub(blank, text)


def closing_brace(text, opening):
    depth = 0
    for index in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text) - 1


def without_tests(text):
    """The code without the items that are compiled for tests alone."""
    kept, position = [], 0
    for match in re.finditer(r"#\[cfg\((?:all\()?test\b[^\]]*\]", text):
        if match.start() < position:
            continue
        kept.append(text[position : match.start()])
        end = re.compile(r"[;{]").search(text, match.end())
        position = len(text) if end is None else end.end() if end[0] == ";" else closing_brace(text, end.start()) + 1
    return "".join(kept) + text[position:]


def use_tree(text):
    """The pairs of a path, as a list of names, and the name that it has here. A glob has the name `*`."""
    text = text.strip()
    opening = text.find("{")
    if opening < 0:
        path, _, alias = text.partition(" as ")
        names = [name.strip().removeprefix("r#") for name in path.split("::") if name.strip()]
        if names[-1] == "self":
            names.pop()
        return [(names, alias.strip() or names[-1])]
    prefix = [name.strip().removeprefix("r#") for name in text[:opening].split("::") if name.strip()]
    found, depth, start = [], 0, opening + 1
    for index in range(opening + 1, len(text)):
        if text[index] in ",}" and depth == 0:
            if part := text[start:index].strip():
                for names, alias in use_tree(part) if part.split()[0] != "self" else [([], prefix[-1])]:
                    found.append((prefix + names, alias))
            start = index + 1
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth < 0:
            break
    return found


class Crate:
    """The modules of a crate, from its root file on."""

    def __init__(self, root):
        self.modules = {}
        self.read_file((), root)

    def read_file(self, path, file):
        code = without_tests(without_noise(file.read_text(encoding="utf-8")))
        folder = file.parent if not path or file.name == "mod.rs" else file.parent / file.stem
        self.read(path, file, folder, code)

    def read(self, path, file, folder, code):
        module = self.modules[path] = Module(path, file)
        rest, position = [], 0
        for match in MODULE.finditer(code):
            if match.start() < position:
                continue
            attributes, name, end = match.groups()
            child = (*path, name)
            module.children[name] = child
            rest.append(code[position : match.start()])
            if end == "{":
                closing = closing_brace(code, match.end() - 1)
                self.read(child, file, folder / name, code[match.end() : closing])
                position = closing + 1
                continue
            position = match.end()
            explicit = re.search(r'path\s*=\s*"([^"]+)"', attributes)
            places = [file.parent / explicit[1]] if explicit else [folder / f"{name}.rs", folder / name / "mod.rs"]
            for place in places:
                if place.is_file() and child not in self.modules:
                    self.read_file(child, place)
        code = "".join(rest) + code[position:]
        for match in USE.finditer(code):
            module.uses += use_tree(match[1])
        module.items = set(ITEM.findall(code))
        module.paths = {match[1] for match in PATH.finditer(USE.sub("", code))}

    def absolute(self, module, names):
        """The absolute form of a path that is written in `module`; None for one into another crate."""
        at, names = module.path, list(names)
        if names[0] == "crate":
            return (), names[1:]
        if names[0] in ("self", "super"):
            while names and names[0] in ("self", "super"):
                at = at[:-1] if names.pop(0) == "super" else at
            return at, names
        return (at, names) if names[0] in module.children else None

    def resolve(self, module, names, seen=frozenset()):
        """The module that defines what a path in `module` names, following re-exports; None outside the crate."""
        key = (module.path, tuple(names))
        start = None if key in seen else self.absolute(module, names)
        if start is None:
            return None
        at, rest = start
        while rest:
            here, name = self.modules.get(at), rest[0]
            if here is None:
                return None
            if name in here.children:
                at, rest = here.children[name], rest[1:]
                continue
            if name == "*" or name in here.items:
                return here
            seen |= {key}
            for path in here.imported(name):
                return self.resolve(here, path + rest[1:], seen)
            for path in here.imported("*"):
                origin = self.resolve(here, path, seen)
                if origin and (name in origin.items or name in origin.children or origin.imported(name)):
                    return self.resolve(origin, ["self", *rest], seen)
            return here
        return self.modules.get(at)

    def imports(self, strict):
        """The names by which each file uses each other file."""
        edges = defaultdict(lambda: defaultdict(set))
        for module in self.modules.values():
            for path in [path for path, _ in module.uses] + [path.split("::") for path in sorted(module.paths)]:
                target = self.resolve(module, path)
                if target is None or target.file == module.file:
                    continue
                is_descendant = target.path[: len(module.path)] == module.path
                if strict or not is_descendant:
                    edges[module.file][target.file].add("::".join(path))
        return edges


def circles(edges):
    """The groups of files that reach each other (Tarjan's strongly connected components)."""
    order, low, stack, found = {}, {}, [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        for other in edges.get(file, ()):
            if other not in order:
                visit(other)
            if other in stack:
                low[file] = min(low[file], low[other])
        if low[file] == order[file]:
            group = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(group) > 1:
                found.append(sorted(group))

    for file in sorted(edges):
        if file not in order:
            visit(file)
    return sorted(found)


def main():
    options = {word for word in sys.argv[1:] if word.startswith("-")}
    if options - {"--strict", "--graph"}:
        wants_help = options & {"-h", "--help"}
        print(__doc__.strip() if wants_help else f"unknown option; usage: scripts/import-circles [--strict] [--graph] [CRATE]...")
        sys.exit(0 if wants_help else 2)
    folders = [Path(word).resolve() for word in sys.argv[1:] if not word.startswith("-")]
    folders = folders or [ROOT / "harness", *sorted(path.parent for path in (ROOT / "servers").glob("*/Cargo.toml"))]
    sys.setrecursionlimit(10_000)
    count = files = 0

    def shown(file):
        return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file

    for folder in folders:
        roots = [file for name in ("lib.rs", "main.rs") if (file := folder / "src" / name).is_file()]
        if not roots:
            sys.exit(f"{folder} is not a crate: it has neither src/lib.rs nor src/main.rs")
        for root in [*roots, *sorted(folder.glob("examples/*/main.rs"))]:
            crate = Crate(root)
            edges = crate.imports("--strict" in options)
            files += len({module.file for module in crate.modules.values()})
            if "--graph" in options:
                for file, targets in sorted(edges.items()):
                    for target, names in sorted(targets.items()):
                        print(f"{shown(file)} -> {shown(target)}: {', '.join(sorted(names))}")
                continue
            for circle in circles(edges):
                count += 1
                print("circle: " + ", ".join(str(shown(file)) for file in circle))
                for file in circle:
                    for target in circle:
                        if names := edges[file].get(target):
                            print(f"    {shown(file)} -> {shown(target)}: {', '.join(sorted(names))}")
    if "--graph" not in options:
        print(f"{count} circle{'s' * (count != 1)} between {files} files", file=sys.stderr)
    sys.exit(1 if count and "--graph" not in options else 0)


if __name__ == "__main__":
    main()
