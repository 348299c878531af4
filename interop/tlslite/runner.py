"""Runs the cases: in several processes, each with its own `serve`; prints them in their order."""

import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time

import cases_alerts
import cases_closing
import cases_handshake
import cases_post_handshake
import cases_records
from subjects import Machine

# Between two looks whether all workers live, while none of them says anything.
LOOK_AFTER_SECONDS = 1

SUBJECTS = [cases_alerts, cases_closing, cases_records, cases_handshake, cases_post_handshake]


def main(arguments):
    show = "--list" in arguments
    filters = [argument for argument in arguments if argument != "--list"]
    every = [case for subject in SUBJECTS for case in subject.cases()]
    titles = [case.title for case in every]
    assert len(set(titles)) == len(titles), "two cases of one name: " + ", ".join({t for t in titles if titles.count(t) > 1})
    chosen = [case for case in every if all(part in case.title for part in filters)]
    if show:
        for case in chosen:
            print(f"{case.title}: {case.expect}\n    {case.why}" + (f"\n    accepted: {case.accepted}" if case.accepted else ""))
        return 0
    if not chosen:
        print("no case of that name", file=sys.stderr)
        return 1
    return run(chosen, os.environ["OPENSCHANNEL"])


def run(chosen, program):
    began = time.monotonic()
    workers = min(len(chosen), max(2, os.cpu_count() or 1) + 1)
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        results = multiprocessing.Queue()
        processes = [multiprocessing.Process(target=work, args=(chosen, number, workers, program, directory, results))
                     for number in range(workers)]
        for process in processes:
            process.start()
        try:
            failures = show_in_order(chosen, results, processes)
        except WorkerDied as died:
            print(f"FAIL {died}", flush=True)
            for process in processes:
                process.terminate()
            return 1
        finally:
            for process in processes:
                process.join()
    seconds = time.monotonic() - began
    print(f"{len(chosen) - failures[0]} of {len(chosen)} cases as expected, {failures[0]} not, {failures[1]} servers that grew or died; "
          f"{seconds:.0f} s")
    return 1 if any(failures) else 0


class WorkerDied(Exception):
    """A worker has ended before it was done: what it had still to say will not come."""


def show_in_order(chosen, results, processes):
    """How many cases and how many servers were not as they should be."""
    waiting, shown, ended, wrong, sick = {}, 0, set(), 0, 0
    while shown < len(chosen) or len(ended) < len(processes):
        number, index, different = next_result(results, processes, ended)
        if index is None:
            ended.add(number)
            if different:
                sick += 1
                print(f"serve: {different}", flush=True)
            continue
        waiting[index] = different
        while shown in waiting:
            different, case = waiting.pop(shown), chosen[shown]
            shown += 1
            mark = "ok  " if different is None else "FAIL"
            print(f"[{shown}/{len(chosen)}] {mark} {case.title}: {case.expect}", flush=True)
            if different is not None:
                wrong += 1
                print(f"    {different}\n    {case.why}", flush=True)
    return wrong, sick


def next_result(results, processes, ended):
    while True:
        # Asked first: what a worker said before it ended is there by now.
        dead = [number for number, process in enumerate(processes) if number not in ended and not process.is_alive()]
        try:
            return results.get(timeout=LOOK_AFTER_SECONDS)
        except queue.Empty:
            if dead:
                codes = ", ".join(f"{number} (code {processes[number].exitcode})" for number in dead)
                raise WorkerDied(f"workers that ended before they were done: {codes}") from None


def work(chosen, number, workers, program, directory, results):
    """One worker: every so-manieth case, against a server of its own, whose size is looked at in the middle and at the end."""
    def end(*_):
        # Nobody hears any more what is still to be said, and one that died may have taken the way to say it with it.
        results.cancel_join_thread()
        # As an exception, so that the server goes too.
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    machine = Machine(program, directory)
    try:
        play_all(chosen, number, workers, machine, results)
    finally:
        machine.serve.process.kill()


def play_all(chosen, number, workers, machine, results):
    mine = range(number, len(chosen), workers)
    middle = None
    for count, index in enumerate(mine):
        if count == len(mine) // 2:
            middle = machine.serve.settled()
        try:
            different = machine.play(chosen[index])
        except Exception as error:
            different = f"the script failed: {type(error).__name__}: {error}"
        results.put((number, index, different))
    sick = machine.serve.grown(middle, machine.serve.settled())
    code = machine.serve.stop()
    results.put((number, None, "; ".join(filter(None, [sick, f"ended with code {code}" if code else None])) or None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
