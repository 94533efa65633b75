#!/usr/bin/env python3
"""Prints the epochs of a run from its event log, and follows it while the run trains.

    examples/read_events.py [--follow] checkpoints/RUN/events.jsonl

The log has one JSON object per line; `event` says what happened: started, step, epoch-end, checkpoint-saved, finished and
others. A program that reads it has to expect four things, which `events` and `figures` below take care of:

- The last line may be torn while the run is writing it: it is read once its end is there.
- Figures that are not finite are null.
- A resumed run logs `started` again; epochs after `resumed_at_step` are trained again and replace those before.
- Format 1 (fmtui 0.1) has other keys for an epoch's figures. Events and keys of later versions are skipped.

Python 3.8 or later, standard library only. Exit code 1 if the run failed.
"""
import argparse
import json
import math
import signal
import sys
import time

ROW = "{:>6} {:>11} {:>10} {:>16} {:>10} {:>14} {:>11}"


def lines(path, follow):
    """Complete lines of the file; with `follow`, None whenever there is no more yet."""
    with open(path, "rb") as log:
        rest = b""
        while True:
            rest += log.read()
            *whole, rest = rest.split(b"\n")
            yield from whole
            if not follow:
                return
            yield None
            time.sleep(0.2)


def events(path, follow):
    """Events until the end of the file; with `follow`, until the run ends."""
    count, last = 0, None
    for line in lines(path, follow):
        if line is None:
            # A stopped run may have been resumed, so an end counts only where nothing follows.
            if last in ("finished", "failed"):
                return
            continue
        count += 1
        try:
            event = json.loads(line)
        except ValueError:  # also bytes that are not UTF-8
            event = None
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            last = event["event"]
            yield event
        elif line.strip():
            print(f"line {count} is not an event; skipped", file=sys.stderr)


def number(value):
    return math.nan if value is None else float(value)


def figures(event):
    """Loss and accuracy on the training set, then on the held-out images, of an epoch's end in either format."""
    if "train" in event:
        splits = [event["train"], event.get("held_out") or {}]
        return [number(split.get(key)) for split in splits for key in ("loss", "accuracy")]
    return [number(event.get(f"{split}_{key}")) for split in ("train", "held_out") for key in ("loss", "accuracy")]


def show_start(event):
    resumed = event.get("resumed_at_step", 0)
    # Format 1 counts its images as `train_pictures` and so on.
    images = event.get("train_images", event.get("train_pictures", "?"))
    how = f"resumed at step {resumed}" if resumed else f"{event.get('epochs', '?')} epochs, {images} training images"
    print(f"{event.get('run', '?')}: {event.get('architecture', '?')} on {event.get('dataset', '?')}, {how}")
    held_out = "test" if event.get("curve_is_test") else "validation"
    print(ROW.format("epoch", "train loss", "accuracy", f"{held_out} loss", "accuracy", "learning rate", "images/s"))


def show_epoch(event):
    train_loss, train_accuracy, loss, accuracy = figures(event)
    print(ROW.format(
        event.get("epoch", "?"), f"{train_loss:.4f}", f"{100 * train_accuracy:.2f} %", f"{loss:.4f}",
        f"{100 * accuracy:.2f} %", f"{number(event.get('learning_rate')):.2e}",
        f"{number(event.get('images_per_second')):,.0f}",
    ))


def show_end(event):
    state = "finished" if event.get("complete") else "stopped"
    test = (event.get("result") or {}).get("test")
    scores = f"; test accuracy {100 * number(test.get('accuracy')):.2f} %" if test else ""
    print(f"{state}: {event.get('reason', '')}{scores}")


def show(log):
    """Prints the events as they come; returns 1 if the run failed."""
    last = None
    for event in log:
        last = event["event"]
        if last == "started":
            show_start(event)
        elif last == "epoch-end":
            show_epoch(event)
        elif last == "finished":
            show_end(event)
        elif last == "failed":
            print(f"failed: {event.get('message', '')}")
        elif last == "warning":
            print(f"warning: {event.get('message', '')}", file=sys.stderr)
        sys.stdout.flush()
    return int(last == "failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", metavar="EVENTS.JSONL")
    parser.add_argument("-f", "--follow", action="store_true", help="wait for more until the run ends")
    options = parser.parse_args()
    # Ctrl-C, and a reader such as `head` that has enough, end this quietly.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return show(events(options.log, options.follow))
    except OSError as problem:
        parser.error(str(problem))


if __name__ == "__main__":
    sys.exit(main())
