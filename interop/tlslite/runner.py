"""Runs the cases: in several processes, each with its own `serve`; prints them in their order."""

import multiprocessing
import os
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
        failures = show_in_order(chosen, results, workers)
        for process in processes:
            process.join()
    seconds = time.monotonic() - began
    print(f"{len(chosen) - failures[0]} of {len(chosen)} cases as expected, {failures[0]} not, {failures[1]} servers that grew or died; "
          f"{seconds:.0f} s")
    return 1 if any(failures) else 0


def show_in_order(chosen, results, workers):
    """How many cases and how many servers were not as they should be."""
    waiting, shown, ended, wrong, sick = {}, 0, 0, 0, 0
    while shown < len(chosen) or ended < workers:
        index, different = results.get()
        if index is None:
            ended += 1
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


def work(chosen, number, workers, program, directory, results):
    """One worker: every so-manieth case, against a server of its own, whose size is looked at in the middle and at the end."""
    machine = Machine(program, directory)
    mine = range(number, len(chosen), workers)
    middle = None
    for count, index in enumerate(mine):
        if count == len(mine) // 2:
            middle = machine.serve.settled()
        try:
            different = machine.play(chosen[index])
        except Exception as error:
            different = f"the script failed: {type(error).__name__}: {error}"
        results.put((index, different))
    sick = machine.serve.grown(middle, machine.serve.settled())
    code = machine.serve.stop()
    results.put((None, "; ".join(filter(None, [sick, f"ended with code {code}" if code else None])) or None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
