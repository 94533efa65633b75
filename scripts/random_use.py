#!/usr/bin/env python3
"""Uses the screens at random while three runs train: keys, clicks, resizes, attach and detach.

    scripts/random_use.py [BINARY] [--minutes N] [--seed N]

BINARY is target/release/fmtui by default. Two kinds of visit take turns:
- aimed: `fmtui attach RUN`, and only keys that stay on its Train tab. The other two runs must not be touched: no pause,
  stop, change or save in their logs meanwhile.
- free: `fmtui` or `fmtui attach RUN`, every key and click there is, on all tabs. Whatever that stops is resumed.
  Each visit ends by q, Ctrl-C, a closed terminal or SIGTERM. It is a fault when a program panics or ends by a
  signal, when a terminal is left in another mode, when a worker dies, when a log skips or repeats a step, or when a
  run of an aimed visit's neighbour is touched. The seed is printed; the workspace is kept where something was
  wrong. Python 3.8 or later on Linux, standard library only.
"""
import argparse
import collections
import errno
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

ESCAPES = [f"\x1b[{key}" for key in ("A", "B", "C", "D", "H", "F", "5~", "6~", "Z", "3~", "15~")]
AIMED = [" ", "+", "-", "c", "v", "n", "?", "\x1b", "T", "z", "\x0c", "h", "j", "k", "l"] + ESCAPES[:8]
FREE = [chr(c) for c in range(0x20, 0x7f)] + ESCAPES + list("\r\t\x1b\x0c\x7f\x10\x12")
FREE += ["ü", "日", "\x1b[200~pasted\x1b[201~"]
# Answers that a terminal may give at any time, asked or not.
ANSWERS = ["\x1b]11;rgb:ffff/ffff/ffff\x1b\\", "\x1b]11;rgb:0000/0000/0000\x07", "\x1b[?62;22c", "\x1b[I", "\x1b[O"]
TOUCHES = ("paused", "continued", "changed", "finished", "failed", "waiting")
SIZES = [(24, 80), (40, 120), (50, 200), (10, 30), (1, 1), (5, 200), (60, 20), (100, 300)]


class Screen:
    """fmtui on a pseudo-terminal."""

    def __init__(self, command, environment, size):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.status = None
        self.said = bytearray()
        self.got = []
        self.resize(size)

    def resize(self, size):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))

    def read(self, seconds):
        until = time.monotonic() + seconds
        while self.master is not None and select.select([self.master], [], [], max(0, until - time.monotonic()))[0]:
            try:
                some = os.read(self.master, 1 << 16)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                some = b""
            if not some:
                break
            self.said += some
            # The end is what counts: modes that are left, a panic's words.
            del self.said[:-(1 << 20)]

    def write(self, text):
        self.got.append(text)
        try:
            os.write(self.master, text.encode())
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def is_alive(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is None

    def close(self):
        os.close(self.master)
        self.master = None

    def ends(self, seconds):
        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            if self.master is None:
                time.sleep(0.05)
            else:
                self.read(0.05)
        if not self.is_alive() and self.master is not None:
            self.read(0.1)
        return not self.is_alive()


class Use:
    def __init__(self, binary, place, seed):
        self.binary, self.place = binary, place
        self.random = random.Random(seed)
        self.faults = []
        self.counts = collections.Counter()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FMTUI_")}
        self.environment.update(
            FMTUI_HOME=str(place), HOME=str(place), XDG_CONFIG_HOME=str(place / "config"), FMTUI_OFFLINE="1",
            EDITOR="true", VISUAL="true", TERM="xterm-256color",
        )
        self.runs = []

    def fmtui(self, *arguments):
        command = [self.binary, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)

    def fault(self, what):
        self.faults.append(what)
        print("FAULT", what, flush=True)

    def start(self):
        for preset in ("mlp-20", "mlp-50-20", "lenet5"):
            settings = [
                "data.name=fashion-mnist-mini", "train.epochs=100000", "train.early_stop.patience=0",
                "train.threads=1", "train.checkpoint_every=2",
            ]
            flags = [word for setting in settings for word in ("--set", setting)]
            done = self.fmtui("train", preset, *flags, "--detach")
            if done.returncode != 0:
                sys.exit(f"cannot start {preset}: {done.stderr}")
            self.runs.append(done.stdout.strip())

    def events(self, run):
        path = self.place / "checkpoints" / run / "events.jsonl"
        lines = path.read_text(errors="replace").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def states(self):
        rows = [json.loads(line) for line in self.fmtui("runs", "--json").stdout.splitlines()]
        return {row["run"]: row["status"] for row in rows}

    def settle(self):
        """Waits until all three runs train, nothing else does, and all commands are obeyed; a lost run is a fault."""
        until = time.monotonic() + 90
        before = None
        while time.monotonic() < until:
            states = self.states()
            for run, state in states.items():
                self.put_right(run, state)
            now = [len(self.touched(run, 0)) for run in self.runs]
            if now == before and all(states[run] == "running" for run in self.runs):
                return
            before = now
            time.sleep(1)
        self.fault(f"the runs do not settle: {self.states()}")

    def put_right(self, run, state):
        if state in ("lost", "failed"):
            self.fault(f"{run} is {state}")
        if run not in self.runs:
            if state in ("running", "paused", "waiting", "created"):
                self.fmtui("stop", run)
                self.counts["stopped others"] += 1
        elif state == "paused":
            self.fmtui("continue", run)
        elif state != "running":
            done = self.fmtui("resume", run, "--detach")
            self.counts["resumed"] += 1
            if done.returncode != 0 and self.states()[run] != "running":
                self.fault(f"{run} does not resume from {state}: {done.stderr.strip()}")

    def touched(self, run, since):
        return [e for e in self.events(run)[since:] if e.get("event") in TOUCHES]

    def visit(self):
        aimed = self.random.random() < 0.5
        run = self.random.choice(self.runs)
        attach = aimed or self.random.random() < 0.5
        command = [self.binary] + (["attach", run] if attach else [])
        self.environment["COLORTERM"] = self.random.choice(["", "truecolor"])
        began = time.time()
        before = {other: len(self.events(other)) for other in self.runs}
        screen = Screen(command, self.environment, self.random.choice(SIZES[:3]))
        screen.read(0.5)
        self.counts["aimed visits" if aimed else "free visits"] += 1
        for _ in range(self.random.randrange(20, 200)):
            if not screen.is_alive():
                break
            self.act(screen, aimed)
            screen.read(self.random.choice([0, 0, 0.005, 0.02, 0.1]))
        self.leave(screen)
        if aimed:
            for other in self.runs:
                touches = [] if other == run else self.touched(other, before[other])
                if touches:
                    visit = f"a visit to {run}, begun at {began:.1f} and given {screen.got},"
                    self.fault(f"{visit} touched {other}: {touches[:3]}")
            self.counts["touches of an aimed visit"] += len(self.touched(run, before[run]))

    def act(self, screen, aimed):
        kind = self.random.random()
        if kind < 0.06:
            screen.resize(self.random.choice(SIZES))
            self.counts["resizes"] += 1
        elif kind < 0.18 and not aimed:
            column, row = self.random.randrange(1, 200), self.random.randrange(1, 50)
            button = self.random.choice([0, 0, 0, 2, 64, 65, 32, 35])
            screen.write(f"\x1b[<{button};{column};{row}M\x1b[<{button};{column};{row}m")
            self.counts["clicks"] += 1
        elif kind < 0.20:
            screen.write(self.random.choice(ANSWERS))
            self.counts["answers"] += 1
        else:
            screen.write(self.random.choice(AIMED if aimed else FREE))
            self.counts["keys"] += 1

    def leave(self, screen):
        way = self.random.choice(["q", "ctrl-c", "close", "term"])
        self.counts[f"left by {way}"] += 1
        left = not screen.is_alive()
        if not left and way == "close":
            screen.close()
        elif not left and way == "term":
            os.kill(screen.pid, signal.SIGTERM)
        for _ in range(10):
            if left or screen.ends(2 if way in ("close", "term") else 0.7):
                break
            # A question or a text field may be in the way.
            if screen.master is not None:
                screen.write("\x03" if way == "ctrl-c" else "\x1b")
                screen.read(0.2)
                screen.write("\x03" if way == "ctrl-c" else "q")
        if screen.is_alive():
            self.fault(f"does not leave by {way}")
            os.kill(screen.pid, signal.SIGKILL)
            screen.ends(5)
        elif os.WIFSIGNALED(screen.status):
            self.fault(f"ended by signal {os.WTERMSIG(screen.status)} when left by {way}")
        elif os.WEXITSTATUS(screen.status) not in ((0, 1, 3, 4) if way == "close" else (0, 3, 4)):
            self.fault(f"exit {os.WEXITSTATUS(screen.status)} when left by {way}: {bytes(screen.said[-600:])!r}")
        if b"panicked" in screen.said:
            at = screen.said.index(b"panicked")
            self.fault(f"panic: {bytes(screen.said[max(0, at - 200):at + 600])!r}")
        switches = re.finditer(rb"\x1b\[\?(1049|1000|1003|2004)([hl])", bytes(screen.said))
        modes = {m.group(1): m.group(2) for m in switches}
        if screen.master is not None:
            left_on = [mode.decode() for mode, state in modes.items() if state == b"h"]
            if left_on:
                self.fault(f"left by {way} with modes {left_on} on")
            screen.close()

    def check_logs(self):
        for run in self.runs:
            last = 0
            events = self.events(run)
            for event in events:
                if event.get("event") == "started":
                    last = event.get("resumed_at_step", 0)
                elif event.get("event") == "step":
                    if event["step"] <= last:
                        self.fault(f"{run}: step {event['step']} after {last}")
                    last = event["step"]
            log = self.place / "checkpoints" / run / "worker.log"
            if log.exists() and "panicked" in log.read_text(errors="replace"):
                self.fault(f"{run}: its worker panicked, see {log}")
            self.counts["events"] += len(events)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="?", default="target/release/fmtui")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="fmtui-random-use-"))
    use = Use(str(pathlib.Path(options.binary).resolve()), place, options.seed)
    print(f"seed {options.seed}, {options.minutes} minutes", flush=True)
    os.chdir(place)
    use.start()
    until = time.monotonic() + options.minutes * 60
    try:
        while time.monotonic() < until:
            use.settle()
            use.visit()
        use.settle()
    finally:
        for run, state in use.states().items():
            if state not in ("finished", "stopped", "failed", "lost"):
                use.fmtui("stop", run)
    time.sleep(5)
    for run, state in use.states().items():
        if state not in ("finished", "stopped"):
            use.fault(f"{run} is {state} at the end")
    use.check_logs()
    for what, count in sorted(use.counts.items()):
        print(f"{count:8} {what}")
    print(f"{len(use.faults)} faults")
    if use.faults:
        sys.exit(f"the workspace is kept: {place}")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
