#!/usr/bin/env python3
"""Measures what the screens cost: time to the first frame, processor while idle, bytes to the terminal while a run
trains, and the training's speed with and without a screen attached.

    scripts/screen_cost.py [BINARY] [--preset NAME] [--rounds N] [--seconds N] [--set KEY=VALUE …] [--skip-throughput]

BINARY is target/release/fmtui by default. Nothing else should run meanwhile. A workspace is made in a temporary
directory, images are those of fashion-mnist where it is installed. Frame times are measured by `cargo test
--release screen_speed -- --ignored --nocapture`. Python 3.8 or later on Linux, standard library only.
"""
import argparse
import bisect
import contextlib
import fcntl
import json
import math
import os
import pathlib
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

TICKS = os.sysconf("SC_CLK_TCK")
# Figure → the goal of the project; a measured figure above it is marked.
GOALS = {"first frame": 100.0, "idle processor": 1.0, "to the terminal": 10.0, "throughput lost": 1.0}
TABS = ["Data", "Model", "Train", "Metrics", "Confusion", "Runs"]


def cpu_seconds(pid):
    """Processor time of a process and all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Screen:
    """fmtui on a pseudo-terminal of which every byte is taken and counted."""

    def __init__(self, binary, environment, arguments=(), columns=120, rows=40):
        self.seen, self.bytes = b"", 0
        self.started = time.perf_counter()
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            try:
                # The size must be there before the program asks for it.
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.execve(binary, [binary, *arguments], environment)
            finally:
                os._exit(127)

    def read(self, seconds):
        """Takes what comes for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self.take(left)

    def take(self, patience):
        """Takes what comes next; empty where nothing came."""
        if not select.select([self.end], [], [], patience)[0]:
            return b""
        try:
            data = os.read(self.end, 65536)
        except OSError:
            raise SystemExit("the screen ended: " + self.seen[-2000:].decode(errors="replace")) from None
        self.bytes += len(data)
        self.seen = (self.seen + data)[-1_000_000:]
        return data

    def wait_for(self, text, patience=30.0):
        """Seconds from the start until `text` was sent (within one run of letters of one style)."""
        until = time.perf_counter() + patience
        while text.encode() not in self.seen:
            if time.perf_counter() > until:
                raise SystemExit(f"waited for {text!r}; last bytes: {self.seen[-2000:]!r}")
            self.take(0.5)
        return time.perf_counter() - self.started

    def press(self, keys):
        os.write(self.end, keys.encode())

    def over(self, seconds):
        """(share of a core, bytes a second) of the next seconds."""
        cpu, sent, begun = cpu_seconds(self.pid), self.bytes, time.perf_counter()
        self.read(seconds)
        passed = time.perf_counter() - begun
        return (cpu_seconds(self.pid) - cpu) / passed, (self.bytes - sent) / passed

    def leave(self):
        self.press("q")
        until = time.perf_counter() + 5
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.perf_counter() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            if select.select([self.end], [], [], 0.02)[0]:
                try:
                    os.read(self.end, 65536)
                except OSError:
                    pass
        os.close(self.end)


class Bench:
    def __init__(self, options, home):
        self.options, self.home = options, home
        keep = {k: os.environ[k] for k in ("PATH", "FMTUI_DATA_DIR") if k in os.environ}
        self.environment = {
            **keep, "HOME": home, "FMTUI_HOME": f"{home}/workspace", "XDG_RUNTIME_DIR": home, "FMTUI_OFFLINE": "1",
            "LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor",
        }

    def fmtui(self, *arguments, check=True):
        command = [self.options.binary, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check).stdout

    def screen(self, *arguments):
        return Screen(self.options.binary, self.environment, arguments)

    @contextlib.contextmanager
    def training(self):
        """A run that goes on for as long as it is needed; its id."""
        settings = ["train.epochs=10000", "data.validation=0", *self.options.set]
        flags = [word for setting in settings for word in ("--set", setting)]
        line = self.fmtui("train", self.options.preset, *flags, "--detach", "--json")
        run = json.loads(line)["run"]
        try:
            until = time.time() + 60
            while len(self.steps(run)) < 3:
                if time.time() > until:
                    raise SystemExit(f"{run} takes no steps")
                time.sleep(0.2)
            yield run
        finally:
            self.stop(run)

    def stop(self, run):
        self.fmtui("stop", run, check=False)
        until = time.time() + 60
        while time.time() < until:
            last = self.events(run)[-1:]
            if last and last[0]["event"] in ("finished", "failed"):
                return
            time.sleep(0.1)

    def events(self, run):
        path = pathlib.Path(self.home, "workspace/checkpoints", run, "events.jsonl")
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def steps(self, run):
        """The steps that were told, oldest first."""
        events = self.events(run)
        for event in events:
            if event["event"] == "failed":
                raise SystemExit(f"the run failed: {event['message']}")
        return [event for event in events if event["event"] == "step"]


def first_frame(bench, times=10):
    """Milliseconds from start to the first frame: the last tab's name is sent."""
    frames = []
    for _ in range(times):
        screen = bench.screen()
        frames.append(1e3 * screen.wait_for(TABS[-1]))
        screen.leave()
    return frames


def idle(bench, seconds):
    """Percent of a core while nothing happens, tab by tab."""
    screen = bench.screen()
    screen.wait_for(TABS[-1])
    shares = {}
    for place, tab in enumerate(TABS, 1):
        screen.press(str(place))
        screen.read(2.0)
        shares[tab] = 100 * screen.over(seconds)[0]
    screen.leave()
    return shares


def watching(bench, seconds):
    """Per tab, percent of a core and KB a second of a screen at 120 × 40 on a training run."""
    figures = {}
    with bench.training() as run:
        screen = bench.screen("attach", run)
        screen.wait_for(TABS[-1])
        for place, tab in [(3, "Train"), (4, "Metrics"), (5, "Confusion")]:
            screen.press(str(place))
            screen.read(2.0)
            share, sent = screen.over(seconds)
            figures[tab] = (100 * share, sent / 1e3)
        screen.leave()
    return figures


def throughput(bench, rounds, seconds):
    """Images a second of one run, with a screen on its Train tab that is held still (SIGSTOP) and let go in turn.

    A pair per round, in alternating order. Speeds are by the training's own clock, between the steps logged in a
    window; the log is read when all windows are over, since reading it costs time as well.
    """
    windows = []
    with bench.training() as run:
        screen = bench.screen("attach", run)
        screen.wait_for(TABS[-1])
        screen.read(5.0)
        for turn in range(rounds):
            for attached in (False, True) if turn % 2 == 0 else (True, False):
                os.kill(screen.pid, signal.SIGCONT if attached else signal.SIGSTOP)
                # What came meanwhile is drawn first.
                screen.read(0.3)
                begun = time.time()
                screen.read(seconds)
                windows.append((begun, time.time()))
        os.kill(screen.pid, signal.SIGCONT)
        screen.leave()
        steps = bench.steps(run)
        batch = next(e for e in bench.events(run) if e["event"] == "started")["batch_size"]
    times = [step["at"] for step in steps]

    def speed(window):
        before, after = (steps[bisect.bisect(times, moment) - 1] for moment in window)
        return (after["step"] - before["step"]) * batch / (after["elapsed_seconds"] - before["elapsed_seconds"])

    speeds = [speed(window) for window in windows]
    pairs = zip(speeds[::2], speeds[1::2])
    return [(a, b) if turn % 2 == 0 else (b, a) for turn, (a, b) in enumerate(pairs)]


def interval(values):
    """The 95 % confidence interval of the median, by the sign test; None for fewer than six values."""
    ordered, count = sorted(values), len(values)
    outside = lambda rank: 2 * sum(math.comb(count, k) for k in range(rank + 1)) / 2**count
    ranks = [rank for rank in range(count // 2) if outside(rank) <= 0.05]
    return (ordered[ranks[-1]], ordered[count - 1 - ranks[-1]]) if ranks else None


def say(name, value, unit, detail="", certain=None):
    """Prints a figure and whether its goal is met; where it scatters, the whole interval `certain` must meet it."""
    goal = GOALS.get(name)
    low, high = certain or (value, value)
    verdict = ""
    if goal is not None:
        word = "met" if high < goal else "MISSED" if low >= goal else "undecided"
        verdict = f"  (goal < {goal:g}: {word})"
    print(f"{name:<18} {value:8.2f} {unit}{verdict}{'  ' + detail if detail else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("binary", nargs="?", default=str(root / "target/release/fmtui"))
    parser.add_argument("--preset", default="lenet5")
    parser.add_argument("--rounds", type=int, default=150, help="pairs of throughput measurements; at least six")
    parser.add_argument("--seconds", type=float, default=10.0, help="per measurement; one of throughput takes a sixth")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of fmtui train")
    parser.add_argument("--skip-throughput", action="store_true")
    options = parser.parse_args()
    options.binary = str(pathlib.Path(options.binary).resolve())
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(options, home)
        if not any(s.startswith("data.name=") for s in options.set):
            here = bench.fmtui("data")
            full = any(l.startswith("fashion-mnist ") and "not downloaded" not in l for l in here.splitlines())
            options.set.append("data.name=" + ("fashion-mnist" if full else "fashion-mnist-mini"))
        frames = first_frame(bench)
        say("first frame", statistics.median(frames), "ms", f"longest of {len(frames)}: {max(frames):.1f}")
        shares = idle(bench, min(options.seconds, 5.0))
        say("idle processor", max(shares.values()), "%", ", ".join(f"{t} {s:.2f}" for t, s in shares.items()))
        figures = watching(bench, options.seconds)
        say("to the terminal", max(sent for _, sent in figures.values()), "KB/s",
            ", ".join(f"{t} {sent:.2f}" for t, (_, sent) in figures.items()))
        say("watching processor", max(share for share, _ in figures.values()), "%",
            ", ".join(f"{t} {share:.2f}" for t, (share, _) in figures.items()))
        if options.skip_throughput:
            return
        pairs = throughput(bench, options.rounds, options.seconds / 6)
        ratios = sorted(100 * (1 - watched / alone) for alone, watched in pairs)
        alone = statistics.median(a for a, _ in pairs)
        certain = interval(ratios) or (-math.inf, math.inf)
        say("throughput lost", statistics.median(ratios), "%",
            f"{len(ratios)} pairs from {ratios[0]:.2f} to {ratios[-1]:.2f}, median in {certain[0]:.2f} to "
            f"{certain[1]:.2f} (95 %), at {alone:,.0f} images/s", certain)


if __name__ == "__main__":
    main()
