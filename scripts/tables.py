"""Tables in Markdown, for the documents and for the terminal."""


def rows(heading, body, alignment=None):
    """The lines of a table. `alignment` has a letter for each column: l or r."""
    rules = {"l": ":--", "r": "--:"}
    rule = [rules[letter] for letter in alignment or "l" * len(heading)]
    return [f"| {' | '.join(heading)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(row)} |" for row in body)]


def percent(share):
    """A share as a percentage with one decimal place."""
    return f"{100 * share:.1f} %"


def power_rows(power):
    """The rates of false statements and of stated differences, by measurement and number of blocks."""
    heading = ["noise of", "blocks", "false tables, equal noise", "false tables, each stack's noise"]
    heading += [f"states {100 * effect:.0f} %" for effect in power["effects"]]
    body = [[measurement["name"], str(of["blocks"]), percent(of["false_equal_noise"]), percent(of["false_own_noise"]),
             *map(percent, of["stated"])]
            for measurement in power["measurements"] for of in measurement["rates"]]
    return rows(heading, body, "l" + "r" * (len(heading) - 1))


def stacks_of(power):
    """The number of stacks of the tables whose rates were simulated."""
    return power["measurements"][0]["rates"][0]["stacks"]


def detectable_rows(power, blocks=(15, 20, 30, 50, 100)):
    """The smallest differences that are stated in four of five runs, by measurement and number of blocks."""
    stacks = stacks_of(power)
    def cell(measurement, number):
        found = [of["difference"] for of in measurement["detectable"] if (of["stacks"], of["blocks"]) == (stacks, number)]
        return percent(found[0]) if found else "none"
    body = [[measurement["name"], *(cell(measurement, number) for number in blocks)] for measurement in power["measurements"]]
    return rows(["noise of", *(f"{number} blocks" for number in blocks)], body, "l" + "r" * len(blocks))
