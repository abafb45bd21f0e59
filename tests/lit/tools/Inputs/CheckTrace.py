# SPDX-License-Identifier: Apache-2.0
"""CheckTrace.py FILE: fails unless FILE is a trace in Chrome's event format as Perfetto reads it; prints what is in it."""

import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        trace = json.load(file)
    assert isinstance(trace, dict) and isinstance(trace["traceEvents"], list)
    assert trace["displayTimeUnit"] in ("ms", "ns")
    named, spans = {}, {}
    last = None
    for event in trace["traceEvents"]:
        assert isinstance(event["pid"], int) and isinstance(event["name"], str) and event["name"], event
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name"), event
            if event["name"] == "thread_name":
                assert event["tid"] not in named, "a thread has two names"
                named[event["tid"]] = event["args"]["name"]
            continue
        assert event["ph"] == "X", event
        assert isinstance(event["tid"], int) and isinstance(event["cat"], str), event
        for field in ("ts", "dur"):
            assert isinstance(event[field], (int, float)) and event[field] >= 0, event
        assert isinstance(event.get("args", {}), dict), event
        assert last is None or event["ts"] >= last, "events are not in the order of their begins"
        last = event["ts"]
        spans.setdefault(event["tid"], []).append(event)
    assert len({event["pid"] for event in trace["traceEvents"]}) == 1
    assert set(spans) <= set(named), "a thread has no name"
    slack = 0.0015  # Times are rounded to nanoseconds.
    for events in spans.values():
        around = []
        for event in events:
            end = event["ts"] + event["dur"]
            while around and around[-1] <= event["ts"] + slack:
                around.pop()
            assert not around or end <= around[-1] + slack, f"not inside of the event around it: {event}"
            around.append(end)
    for tid, events in sorted(spans.items()):
        print(f"thread {named[tid]}")
        for event in events:
            fields = ", ".join(sorted(event.get("args", {})))
            print(f"  {event['cat']}: {event['name']}" + (f" ({fields})" if fields else ""))


main()
