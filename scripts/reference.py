"""The figures of the reference record, as the program reports them, and in the digits that documents show."""


def three_digits(value):
    """A number with three significant digits; from 100 on a whole number with a comma between thousands."""
    decimals = 3 if value < 0.9995 else 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{decimals}f}"


def two_digits(value):
    """A number with two significant digits, and whole from 10 on."""
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def protocol(stack):
    """The protocol of a stack, as its name begins with it."""
    return stack.split("-")[0]


class Measurement:
    """The figures of a measurement."""

    def __init__(self, tables):
        stacks = tables["stacks"]
        self.comparisons = tables["comparisons"]
        keys = [column["key"] for column in stacks["columns"]]
        self.rows = {}
        for row in stacks["rows"]:
            cells = dict(zip(keys, row["cells"]))
            if "p50" in cells and "quantity" in cells["p50"]:
                self.rows[cells["stack"]["text"]] = cells

    def quantity(self, stack, key):
        """The number in a cell, with its range; None where the cell has none."""
        cell = self.rows[stack][key]
        return cell["quantity"] if isinstance(cell, dict) else None

    def value(self, stack, key):
        """The number in a cell that has one."""
        return self.quantity(stack, key)["value"]

    def shown(self, stack, key, with_range=False):
        """A cell with three significant digits, and its range where it is wanted; empty where the cell has none."""
        quantity = self.quantity(stack, key)
        if quantity is None:
            return ""
        text = three_digits(quantity["value"])
        if with_range and quantity["range"]:
            low, high = map(three_digits, quantity["range"])
            text += f" ({low}–{high})"
        return text

    def statement(self, stack, other):
        """What the report states about two stacks."""
        (pair,) = (pair for pair in self.comparisons["pairs"] if set(pair["stacks"]) == {stack, other})
        statement = pair["statement"]
        if statement == "no-difference":
            return f"no difference above {100 * self.comparisons['delta']:.1f} %"
        if statement == "undecided":
            return "undecided"
        return statement if pair["stacks"][0] == stack else {"faster": "slower", "slower": "faster"}[statement]

    def fastest(self):
        """The fastest stack of the protocol that is faster than all others; None where the statements name no such protocol."""
        stacks = {stack for pair in self.comparisons["pairs"] for stack in pair["stacks"]}
        def beats_others(stack):
            others = (other for other in stacks if protocol(other) != protocol(stack))
            return all(self.statement(stack, other) == "faster" for other in others)
        best = [stack for stack in sorted(stacks) if beats_others(stack)]
        return min(best, key=lambda stack: self.value(stack, "p50"), default=None)

    def capacity(self, stack):
        """The calls per second of CPU time of the server, a lower bound where it was not saturated, and those observed. With
        many callers `tcp` has a thread for each, and the floor is `tcp-async`."""
        if stack == "tcp":
            stack = "tcp-async"
        capacity = self.quantity(stack, "capacity")
        bound = "≥ " if capacity["is_lower_bound"] else ""
        return f"{bound}{capacity['value']:,.0f} ({self.value(stack, 'calls'):,.0f})"

    def bytes(self, stack):
        """The bytes of a call, out and back."""
        return [round(number) for number in self.rows[stack]["bytes"]["pair"]]

    def longer(self, stack, other):
        """By how much the median of `stack` is longer than that of `other`, in whole percent."""
        return round(100 * (self.value(stack, "p50") / self.value(other, "p50") - 1))

    def compared(self, stack, other):
        """By how much a call of `stack` is longer or shorter than that of `other`: "12 % longer"."""
        longer = self.longer(stack, other)
        return f"{abs(longer)} % {'longer' if longer >= 0 else 'shorter'}"

    def times(self, stack, other):
        """How many times as long as `other` a call of `stack` takes, or in a throughput table the CPU time of its server's
        core: the median over the blocks."""
        for pair in self.comparisons["pairs"]:
            if pair["stacks"] in ([stack, other], [other, stack]):
                median = pair["ratio"]["median"]
                return median if pair["stacks"] == [other, stack] else 1 / median
        raise KeyError(f"{stack} and {other} were not compared")

    def itself(self, stack):
        """The ratio of a stack's speed to itself, with its interval."""
        (pair,) = (pair for pair in self.comparisons["same"] if pair["stacks"][0] == stack)
        ratio = pair["ratio"]
        return f"{ratio['median']:.3f} ({ratio['low']:.3f}–{ratio['high']:.3f})" if ratio else "too few blocks"


def measurements(report):
    """The measurements of a report, by name."""
    return {tables["name"]: Measurement(tables) for tables in report["measurements"]}


class Reference:
    """The reference record and its report."""

    def __init__(self, record, report):
        self.record, self.report = record, report
        tables = measurements(report)
        self.latency, self.two_cores = tables["latency"], tables["latency on two cores"]
        self.throughput, self.payload = tables["throughput"], tables["payload"]
        self.blocks = record["scenario"]["blocks"]

    def framing(self, stack):
        """The bytes of HTTP headers in a call and its answer."""
        ledger = self.report["ledgers"][0]
        keys = [column["key"] for column in ledger["columns"]]
        (cells,) = (cells for row in ledger["rows"]
                    if (cells := dict(zip(keys, row["cells"])))["stack"] == {"text": stack})
        return round(sum(cells[key]["quantity"]["value"] for key in ("framing-up", "framing-down")))
